//! What all SQL stores share: how content becomes rows and back, what a batch does to what is there, and the audit. No
//! SQL and no I/O: the statements are each store's own.

mod audit;
mod content;
mod decide;
mod rows;
mod trail;

pub use audit::{AuditFault, AuditReport};
pub(super) use audit::{Audited, Chain, Record, hex};
pub(super) use content::{AccountRow, DefinitionRow, LadderRow, MarkRow, MemberRow, account_key, layout_of, mark_of};
pub(super) use decide::{Decision, Step, decide, translations};
pub(super) use rows::{RankRows, Rows, account_mark};
pub(super) use trail::Trail;
