//! How much of an account is looked at.

use std::sync::Arc;

use super::Email;

/// Scope of a pass: the members that changed, or the whole account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole account.
    Account,
    /// These members only, in order and without repeats.
    Members(Arc<[Email]>),
}

impl Scope {
    /// Whether it looks at this member.
    #[must_use]
    pub fn contains(&self, email: &Email) -> bool {
        match self {
            Self::Account => true,
            Self::Members(emails) => emails.binary_search(email).is_ok(),
        }
    }
}
