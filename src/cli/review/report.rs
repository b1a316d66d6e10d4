//! Types of a review, as printed with `-o json`. Filled by the other modules of `review`; all formats are written from
//! them.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::{
    api::{ChangeFromDefault, DriftEntry, InvalidReason, MemberAccess},
    cli::people::Withheld,
    resolve::RevocationReason,
};

/// `kind` of the JSON.
pub const API_KIND: &str = "AccessReview";

/// A review of some accounts.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    /// Always the same.
    pub api_version: &'static str,
    /// Always `AccessReview`.
    pub kind: &'static str,
    /// Time of the review.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Scope.
    pub scope: String,
    /// Time or revision since which changes are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
    /// Memberships that end within this time are listed.
    pub within_days: i64,
    /// Accounts whose store could not be read: their part of the review is incomplete.
    pub unread: Vec<Unread>,
    /// The accounts.
    pub accounts: Vec<AccountReview>,
}

/// Since when.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Since {
    /// A point in time, by the store's audit.
    Date(#[schemars(with = "String")] Timestamp),
    /// Another revision of the files.
    Files(String),
}

/// An account whose store could not be read.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unread {
    /// `namespace/name`.
    pub account: String,
    /// Reason.
    pub message: String,
}

/// Review of one account.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountReview {
    /// `namespace/name`.
    pub account: String,
    /// Name for people.
    pub display_name: String,
    /// Catalog; empty if only the store has the account.
    pub catalog: String,
    /// Store, and whether it could be read.
    pub store: StoreState,
    /// Numbers.
    pub counts: Counts,
    /// People with the strongest access.
    pub strongest: Vec<Strong>,
    /// Predefined roles that differ from the catalog.
    pub overrides: Vec<Override>,
    /// Restrictions lifted for somebody.
    pub lifted: Vec<Lifted>,
    /// Memberships that have expired or expire soon.
    pub expiring: Vec<Expiring>,
    /// People whose access is revoked or has expired.
    pub ended: Vec<Ended>,
    /// Advice that is not followed.
    pub advice: Vec<ReviewFinding>,
    /// Objects that are not valid.
    pub invalid: Vec<ReviewFinding>,
    /// Undeclared members of the store.
    pub undeclared: Vec<Undeclared>,
    /// Differences between the store and what was applied to it, as `roster drift` shows them; undeclared members are
    /// among them.
    pub drift: Vec<DriftEntry>,
    /// Changes that the store does not hold yet, without removals that the guard holds back.
    pub pending: usize,
    /// Members whose removal the guard holds back: they keep what the store gives them.
    pub held_removals: Vec<String>,
    /// Access gained or lost; `None` if not requested or unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<ChangeLine>>,
    /// People in the store or named by objects.
    pub people: Vec<PersonLine>,
}

/// The store of an account.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreState {
    /// Location; empty if unknown.
    pub place: String,
    /// Reason why it could not be read; `None` if it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// Whether reading failed, as opposed to a missing store.
    #[serde(skip)]
    pub failed: bool,
}

/// Numbers of an account.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// People, the owner included: in the store, or where it was not read, in the objects.
    pub people: usize,
    /// People with access now, by the same.
    pub with_access: usize,
    /// Role objects.
    pub roles: usize,
    /// Groups.
    pub groups: usize,
    /// Invitations.
    pub invitations: usize,
}

/// Person with strong access.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Strong {
    /// Address.
    pub email: String,
    /// Role, as stores write it.
    pub role: String,
    /// Reasons why the access is strong.
    pub why: Vec<String>,
    /// Sections at their highest level now.
    pub sections_at_top: usize,
    /// Sections.
    pub sections: usize,
    /// Reason why access is withheld now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// Whether no object names the person.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub undeclared: bool,
}

/// A predefined role that means something else here.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Override {
    /// The Role object.
    pub role: String,
    /// The predefined role.
    pub overrides: String,
    /// Members that hold it.
    pub members: u64,
    /// Differences from the catalog.
    pub changes: Vec<ChangeFromDefault>,
}

/// Restrictions lifted for somebody.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lifted {
    /// Address.
    pub email: String,
    /// The Membership.
    pub membership: String,
    /// The restrictions.
    pub restrictions: Vec<String>,
    /// Whether the lift makes the member equal to the owner.
    pub equal_to_owner: bool,
}

/// Membership that has expired or expires soon.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expiring {
    /// Address.
    pub email: String,
    /// The Membership.
    pub membership: String,
    /// Time of the end.
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
    /// Whether it has expired.
    pub expired: bool,
}

/// Person whose access is revoked or has expired.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// Address.
    pub email: String,
    /// `Suspended`, `AccountSuspended`, `NotApproved`, `Blocked` or `Expired`.
    #[schemars(with = "String")]
    pub reason: EndReason,
    /// Whether the end is only in the store; the next apply removes it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub in_store_only: bool,
    /// Whether the store still grants access.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_in_store_yet: bool,
    /// Whether the store was read and does not have the person.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
    /// Since when: the time of expiry, or by the store's audit; absent where that does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
}

/// Reason why somebody has no access any more; one word in every output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The access is revoked.
    Revoked(RevocationReason),
    /// The end of the Membership has passed.
    Expired,
}

impl EndReason {
    /// Returns the reason and, for an expiry, its time; `None` if the access has not ended.
    pub fn of(withheld: Withheld) -> Option<(Self, Option<Timestamp>)> {
        match withheld {
            Withheld::Ended(reason) => Some((Self::Revoked(reason), None)),
            Withheld::ExpiredAt(at) => Some((Self::Expired, Some(at))),
            Withheld::StartsAt(_) => None,
        }
    }

    /// Returns the word for people: for a missing approval that of `status.access`
    /// (docs/decisions/0044-words-for-a-missing-approval.md).
    pub const fn word(self) -> &'static str {
        match self {
            Self::Revoked(RevocationReason::NotApproved) => MemberAccess::Unapproved.as_str(),
            other => other.as_str(),
        }
    }

    /// Returns the word for the reason, as stores and JSON have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked(reason) => reason.as_str(),
            Self::Expired => "Expired",
        }
    }
}

impl Serialize for EndReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Finding about an object.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewFinding {
    /// Kind and name.
    pub object: String,
    /// Reason of `Valid=False`; absent for advice.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub reason: Option<InvalidReason>,
    /// Fault and correction.
    pub message: String,
}

/// Undeclared member of the store.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Undeclared {
    /// Address.
    pub email: String,
    /// Role in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Mark of the entry.
    pub mark: String,
    /// Sections above their first level.
    pub sections: usize,
}

/// Something that changed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeLine {
    /// Time; `None` between two revisions of files.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
    /// Address, or kind and name.
    pub object: String,
    /// The change.
    pub change: String,
    /// Cause and origin; empty between two revisions of files.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Person in one account.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonLine {
    /// Address.
    pub email: String,
    /// Name for people.
    pub display_name: String,
    /// Role, as stores write it.
    pub role: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Sections above their first level now; `None` if only the store has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sections_with_access: Option<usize>,
    /// Sections at their highest level now; `None` if only the store has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sections_at_top: Option<usize>,
    /// `Owner`, `EqualToOwner`, `Strong`, the reason of an end, `AtMostAsStored`, `Expired`, `ExpiresSoon`, `NotStarted`, `Invalid`, `Undeclared`,
    /// `KnownToStoreOnly`, `RemovalHeld`, `NotInStore`.
    #[schemars(with = "Vec<String>")]
    pub flags: Vec<Flag>,
}

/// Mark on a person that a reviewer should know of; one word in every output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// Owner of the account.
    Owner,
    /// Equal to the owner, by a lifted restriction.
    EqualToOwner,
    /// Among those who can do the most.
    Strong,
    /// Without access by an explicit revocation.
    Ended(RevocationReason),
    /// Past the end of the membership.
    Expired,
    /// Near the end of the membership.
    ExpiresSoon,
    /// Before the start of the membership.
    NotStarted,
    /// The Membership is invalid.
    Invalid,
    /// Access is known to the store only.
    KnownToStoreOnly,
    /// The shown access is a maximum; the store may have less.
    AtMostAsStored,
    /// The person is in the store and not declared.
    Undeclared,
    /// Removal held back by the removal guard.
    RemovalHeld,
    /// Declared, and not in the store.
    NotInStore,
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(end) => f.write_str(end.as_str()),
            other => write!(f, "{other:?}"),
        }
    }
}

impl Serialize for Flag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl AccountReview {
    /// Returns whether only the store has the account.
    pub const fn is_orphaned(&self) -> bool {
        self.catalog.is_empty()
    }

    /// Returns why the store could not be read; `None` if it was read.
    pub fn unread(&self) -> Option<Unread> {
        let message = self.store.unread.clone()?;
        Some(Unread { account: self.account.clone(), message })
    }
}
