//! One change to one thing in a store.

use std::fmt;

use serde::Serialize;

use super::Fingerprint;
use crate::{
    model::{Email, Name, RoleName},
    resolve::{AccountContent, GroupContent, MemberContent, Origin, RoleContent},
};

/// A thing in a store, within one account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKey {
    /// The account itself.
    Account,
    /// A role.
    Role(RoleName),
    /// A group.
    Group(Name),
    /// A member.
    Member(Email),
}

impl ObjectKey {
    /// Returns the address of the member; nothing for what is no member.
    #[must_use]
    pub const fn person(&self) -> Option<&Email> {
        match self {
            Self::Member(email) => Some(email),
            Self::Account | Self::Role(_) | Self::Group(_) => None,
        }
    }

    /// The word for its kind: in metrics, messages and the audit.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Role(_) => "role",
            Self::Group(_) => "group",
            Self::Member(_) => "member",
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account => f.write_str("account"),
            Self::Role(name) => write!(f, "role {name}"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::Member(email) => write!(f, "member {email}"),
        }
    }
}

/// Desired content of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The account.
    Account(AccountContent),
    /// A role.
    Role(RoleContent),
    /// A group.
    Group(GroupContent),
    /// A member.
    Member(Box<MemberContent>),
}

/// Why something changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The spec says so.
    Spec,
    /// Somebody changed the store.
    Drift,
    /// It was there, unmarked, and is ours from now on.
    Adoption,
    /// It is marked and no longer wanted.
    Unwanted,
    /// Nobody declared it, and the account wants such members removed.
    Unmanaged,
    /// The Account is being deleted.
    AccountDeleted,
}

impl Cause {
    /// The word in metrics and the audit.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Drift => "drift",
            Self::Adoption => "adoption",
            Self::Unwanted => "unwanted",
            Self::Unmanaged => "unmanaged",
            Self::AccountDeleted => "account-deleted",
        }
    }
}

/// When, within a pass, a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Somebody loses something.
    Narrow,
    /// The account, its roles and groups.
    Define,
    /// Somebody gains something.
    Grant,
    /// Roles and groups nobody uses any more, and the account itself.
    Demolish,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The object that changes.
    pub object: ObjectKey,
    /// Its new content, and the fingerprint to keep of it; absent to remove the object and its mark.
    pub put: Option<(Content, Fingerprint)>,
    /// Why.
    pub cause: Cause,
    /// Which object's generation caused it; absent where none did.
    pub origin: Option<Origin>,
    /// When within the pass.
    pub phase: Phase,
    /// Whether the removal guard counts it (docs/concepts.md "Marks, drift, removal").
    pub counted: bool,
    /// Whether it leaves somebody without access since an approval lets it pass the guard. That is used up with it: a store
    /// that makes one or more such changes of a batch counts one approval more ([`Observed::approvals`]), in the same
    /// transaction or before.
    ///
    /// [`Observed::approvals`]: super::Observed::approvals
    pub approved: bool,
    /// The fingerprint of what was seen there when this was planned; absent where none was. Where another one is there by
    /// now, a pass of ours has written it since, and what this would grant is planned again: the store answers `Conflict`.
    pub seen: Option<Fingerprint>,
}

impl Change {
    /// Whether it is made since somebody's time has come, in a store that does not see to that by itself.
    #[must_use]
    pub fn is_by_time(&self) -> bool {
        let member = matches!(&self.put, Some((Content::Member(content), _)) if content.ended.is_none());
        member && self.origin.as_ref().is_some_and(|origin| origin.kind == "Membership" && origin.why.is_some())
    }

    /// A removal that the guard does not count.
    #[must_use]
    pub const fn removal(object: ObjectKey, cause: Cause, phase: Phase) -> Self {
        Self { object, put: None, cause, origin: None, phase, counted: false, approved: false, seen: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Hold;

    #[test]
    fn reports_have_the_words_of_metrics_and_audit() {
        let causes =
            [Cause::Spec, Cause::Drift, Cause::Adoption, Cause::Unwanted, Cause::Unmanaged, Cause::AccountDeleted];
        for cause in causes {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
        }
        for hold in [Hold::NotOwned, Hold::Paused, Hold::StoreReplaced, Hold::Guarded, Hold::DriftReported] {
            assert_eq!(serde_json::to_value(hold).unwrap(), hold.as_str());
        }
    }
}
