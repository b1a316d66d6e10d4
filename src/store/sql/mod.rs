//! What all SQL stores share: how content becomes rows and back, what a batch does to what is there, and the audit's
//! chain. No SQL and no I/O: the statements are each store's own.

mod audit;
mod content;
mod decide;

pub use audit::{AuditFault, AuditReport};
pub(super) use audit::{Audited, Chain, Record, described, described_there, hex};
pub(super) use content::{
    AccountRow, DefinitionRow, LadderRow, MarkRow, MemberRow, layout_of, mark_of, names_of_groups, ranks_text,
    second_of,
};
pub(super) use decide::{Decision, Step, decide, translations};
