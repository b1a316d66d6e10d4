//! Defines one change to one object in a store: content, cause, phase, and whether the removal guard counts it. Created
//! by the plan module; read by stores (`contract`), the controller and reports.

use std::fmt;

use serde::Serialize;

use super::Fingerprint;
use crate::{
    model::{Email, Name, RoleName},
    resolve::{AccountContent, GroupContent, MemberContent, Origin, RoleContent},
};

/// Identity of an object in a store, within one account.
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
    /// Returns the member's address; `None` for the account, roles and groups.
    #[must_use]
    pub const fn person(&self) -> Option<&Email> {
        match self {
            Self::Member(email) => Some(email),
            Self::Account | Self::Role(_) | Self::Group(_) => None,
        }
    }

    /// Returns the word for the object's kind, as metrics, messages and the audit write it.
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

/// Desired content of an object in a store.
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

/// Cause of a change, as metrics and the audit name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The spec has changed since it was last applied, or the object is not in the store yet.
    Spec,
    /// The store was changed by someone other than Roster.
    Drift,
    /// An unmarked object was in the store and is adopted.
    Adoption,
    /// The object carries our mark and is no longer desired.
    Unwanted,
    /// The member was not declared, and is blocked or the account removes undeclared members.
    Unmanaged,
    /// The Account is being deleted.
    AccountDeleted,
}

impl Cause {
    /// Returns the word for the cause, as metrics and the audit write it.
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

/// Phase of a pass in which a change is made. Phases run in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// A member loses permissions or access.
    Revoke,
    /// The account, a role or a group is created or updated.
    Define,
    /// A member gains permissions or access.
    Grant,
    /// A role or group that is no longer desired is deleted, or the account itself.
    Delete,
}

/// Change to one object in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The object that changes.
    pub object: ObjectKey,
    /// New content, and its fingerprint, which the store keeps with it; `None` to remove the object and its mark.
    pub put: Option<(Content, Fingerprint)>,
    /// Cause, for metrics and the audit.
    pub cause: Cause,
    /// Object whose generation caused the change; `None` where no object did.
    pub origin: Option<Origin>,
    /// Phase of the pass in which the change is made.
    pub phase: Phase,
    /// Whether the removal guard counts the change (docs/concepts.md "Marks, drift, removal").
    pub counted: bool,
    /// Whether the change takes a member's access away and passed the guard by an approval. The change uses the
    /// approval up: a store that makes one or more such changes of a batch adds one to its number of approvals
    /// ([`Observed::approvals`]), in the same transaction or before.
    ///
    /// [`Observed::approvals`]: super::Observed::approvals
    pub approved: bool,
    /// Fingerprint that the store had when the change was planned; `None` where there was none. If the store has
    /// another one by now, another pass has written since: the store answers `Conflict` to a grant, which is then
    /// planned again.
    pub expected: Option<Fingerprint>,
}

impl Change {
    /// Returns whether the change follows from the start or expiry of a Membership, in a store that does not evaluate
    /// windows itself.
    #[must_use]
    pub fn is_by_time(&self) -> bool {
        let member = matches!(&self.put, Some((Content::Member(content), _)) if content.ended.is_none());
        member && self.origin.as_ref().is_some_and(|origin| origin.kind == "Membership" && origin.why.is_some())
    }

    /// Returns a removal that the guard does not count.
    #[must_use]
    pub const fn removal(object: ObjectKey, cause: Cause, phase: Phase) -> Self {
        Self { object, put: None, cause, origin: None, phase, counted: false, approved: false, expected: None }
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
