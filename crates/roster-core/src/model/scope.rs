//! Defines the scope of a pass: how much of an account it covers. Used by the controller, stores and the plan.

use std::sync::Arc;

use super::Email;

/// Scope of a pass: the members that changed, or the whole account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole account.
    Account,
    /// These members only, sorted and without duplicates.
    Members(Arc<[Email]>),
}

impl Scope {
    /// Returns whether the scope includes this member.
    #[must_use]
    pub fn contains(&self, email: &Email) -> bool {
        match self {
            Self::Account => true,
            Self::Members(emails) => emails.binary_search(email).is_ok(),
        }
    }
}
