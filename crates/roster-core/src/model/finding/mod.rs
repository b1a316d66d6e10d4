//! Defines findings: all statements about an object, as types. One kind has one sentence ([`FindingKind`]'s
//! `Display`), and one reason ([`FindingKind::reason`]). The sentence says what is wrong and what would be right. No other
//! module builds such a sentence, and no module parses one. Created by the checks in `resolve`, `evaluate` and `model::compile`, and
//! by stores as advice; read by reports and the CLI.

mod admission;
mod builder;
mod catalog;
mod display;
mod field;
mod findings;
mod kinds;
mod parts;
mod shorten;
mod subject;
mod without_effect;

#[cfg(test)]
mod finding_tests;

pub use admission::{LabelMismatch, NamespaceRefusal, ParentFault};
pub use builder::FindingsBuilder;
pub use catalog::{CatalogFault, CatalogFaultKind};
pub use field::FieldPath;
pub use kinds::{Finding, FindingKind, Findings};
pub use parts::{
    Advisory, DuplicateMembership, ParentRefusal, Prerequisite, RolePrerequisite, SettingValue, Unauthorized,
    Unavailable, Unknown, UnknownLevel,
};
pub(super) use shorten::Quoted;
pub use without_effect::WithoutEffect;
