//! Findings and outcomes → conditions, status, events: as data. No I/O.
//!
//! [`report`] says of each object in a pass what its status should say ([`Report`]) and what is to be told as events
//! ([`Notice`]). [`render()`] writes a report down as the status of its kind.

mod access;
mod bodies;
mod catalog;
mod drift;
mod ends;
mod made;
mod notice;
mod notices;
mod outcome;
mod render;
mod status;
mod store;

pub use bodies::{account_detail, orphan, readvise, recount, unreadable};
pub use catalog::{catalog, rollout_message};
pub use drift::drift_sentence;
pub use ends::OnlyEnds;
pub use made::AccessChange;
pub(crate) use made::access_changes;
pub use notice::{Notice, NoticeReason};
pub use outcome::{AppliedPlan, PassEnd, PassReport, failure, guard, held, held_deletion, report};
pub use render::{Rendered, render};
pub use status::{AccessReport, Detail, DriftReport, Report, Synced, Waits};
pub use store::{StoreFound, blocks_in_force, store, store_replaced, store_used};
