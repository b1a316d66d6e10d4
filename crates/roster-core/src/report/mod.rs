//! Turns findings and outcomes into conditions, status and events, as data; performs no I/O. Called by the controller's
//! passes, which queue the results for writing; the CLI reuses the sentences.
//!
//! [`report`] returns, for each object in a pass, the content of its status ([`Report`]), and the events to publish
//! ([`Notice`]). [`render()`] writes a report as the status of its kind.

mod access;
mod bodies;
mod catalog;
mod drift;
mod made;
mod messages;
mod notice;
mod notices;
mod outcome;
mod outcome_revocations;
mod pass;
mod pass_report;
mod render;
mod revocations_only;
mod status;
mod store;
mod without_store;

pub use bodies::{account_detail, orphan, readvise, recount, unreadable};
pub use catalog::{catalog, rollout_message};
pub use drift::{drift_sentence, undeclared_member};
pub use made::AccessChange;
pub(crate) use made::access_changes;
pub use messages::{failure, guard, held, held_deletion};
pub use notice::{Notice, NoticeReason};
pub use pass::report;
pub use pass_report::{AppliedPlan, PassCompletion, PassReport};
pub use render::{Rendered, render};
pub use revocations_only::RevocationsOnly;
pub use status::{AccessReport, Detail, DriftReport, Report, Synced, Waits};
pub use store::{StoreFound, blocks_in_force, store, store_is_back, store_replaced, store_used};
