//! Defines findings: all statements about an object, as types. One kind has one sentence ([`FindingKind`]'s
//! `Display`), and one reason ([`FindingKind::reason`]). The sentence says what is wrong and what would be right. No other
//! module builds such a sentence, and no module parses one. Created by the checks in `resolve`, `evaluate` and `model::compile`, and
//! by stores as advice; read by reports and the CLI.

mod builder;
mod catalog;
mod display;
mod field;
mod findings;
mod kinds;
mod parts;
mod shorten;
mod subject;

#[cfg(test)]
mod finding_tests;

use std::fmt;

use super::ObjectRef;

pub use builder::FindingsBuilder;
pub use catalog::{CatalogFault, CatalogFaultKind};
pub use field::FieldPath;
pub use findings::Findings;
pub use kinds::FindingKind;
pub use parts::{
    Advisory, DuplicateMembership, ParentRefusal, Prerequisite, RolePrerequisite, SettingValue, Unavailable, Unknown,
    UnknownLevel,
};
pub(super) use shorten::Quoted;

/// Fault of an object, or advice on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Object that has the finding.
    pub object: ObjectRef,
    /// Field of the object; [`FieldPath::WHOLE`] if the finding is about no single field.
    pub field: FieldPath,
    /// Fault or advice.
    pub kind: FindingKind,
}

/// Writes `field: sentence` as in a status; only the sentence if the finding is about the whole object.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_whole() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "{}", self.kind)
    }
}
