//! Extent of a read: the parts of an account that are read. Used by `snapshot` and `find`, and by their callers.

use std::collections::BTreeSet;

use crate::{
    model::{Email, Scope},
    plan::ObjectKey,
};

/// Extent of a read, apart from the account itself.
#[derive(Clone, Debug)]
pub(super) enum ReadScope {
    /// Everything of the account, and everybody who has access, direct or inherited.
    Whole,
    /// Only these members.
    Members(BTreeSet<Email>),
    /// Objects named by a batch: these members, all roles and groups, and the parts of the account.
    Batch {
        members: BTreeSet<Email>,
        /// Whether the batch names the account itself.
        account: bool,
    },
}

impl ReadScope {
    pub(super) fn scope(scope: &Scope) -> Self {
        match scope {
            Scope::Account => Self::Whole,
            Scope::Members(emails) => Self::Members(emails.iter().cloned().collect()),
        }
    }

    pub(super) fn batch<'a>(objects: impl Iterator<Item = &'a ObjectKey>) -> Self {
        let (mut members, mut others, mut account) = (BTreeSet::new(), false, false);
        for object in objects {
            match object {
                ObjectKey::Member(email) => drop(members.insert(email.clone())),
                ObjectKey::Account => account = true,
                ObjectKey::Role(_) | ObjectKey::Group(_) => others = true,
            }
        }
        if others || account { Self::Batch { members, account } } else { Self::Members(members) }
    }

    /// Returns whether all parts of the account itself are read.
    pub(super) const fn account(&self) -> bool {
        matches!(self, Self::Whole | Self::Batch { account: true, .. })
    }

    pub(super) const fn definitions(&self) -> bool {
        matches!(self, Self::Whole | Self::Batch { .. })
    }

    /// Returns the members that are read; `None` if all of them are.
    pub(super) const fn members(&self) -> Option<&BTreeSet<Email>> {
        match self {
            Self::Whole => None,
            Self::Members(members) | Self::Batch { members, .. } => Some(members),
        }
    }
}
