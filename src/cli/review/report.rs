//! What a review found: stable JSON, and what everything else is drawn from.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::{
    api::{ChangeFromDefault, DriftEntry, InvalidReason},
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
    /// When it was made.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What was looked at.
    pub scope: String,
    /// Since when, or since which revision, changes are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
    /// Memberships that end within this time are told.
    pub within_days: i64,
    /// Accounts whose store could not be read: what is said of them is not complete.
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
    /// Why.
    pub message: String,
}

/// One account.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountReview {
    /// `namespace/name`.
    pub account: String,
    /// Name for people.
    pub display_name: String,
    /// Its catalog; empty where only the store knows the account.
    pub catalog: String,
    /// Its store, and whether it could be read.
    pub store: StoreState,
    /// Numbers.
    pub counts: Counts,
    /// Who can do the most.
    pub strongest: Vec<Strong>,
    /// Where predefined roles differ from the catalog.
    pub overrides: Vec<Override>,
    /// Restrictions lifted for somebody.
    pub lifted: Vec<Lifted>,
    /// Whose time has run out or soon will.
    pub expiring: Vec<Expiring>,
    /// Whose access somebody has ended.
    pub ended: Vec<Ended>,
    /// Advice that is not followed.
    pub advice: Vec<ReviewFinding>,
    /// Objects that are not valid.
    pub invalid: Vec<ReviewFinding>,
    /// Members of the store whom nobody declared.
    pub undeclared: Vec<Undeclared>,
    /// Differences between the store and what was applied to it.
    pub drift: Vec<DriftEntry>,
    /// Changes that the store does not hold yet, and removals that the guard holds back.
    pub pending: usize,
    /// Members whose removal the guard holds back: they keep what the store gives them.
    pub held_removals: Vec<String>,
    /// Who gained or lost what; absent where it was not asked, or cannot be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<ChangeLine>>,
    /// Everybody in the store, and whom the objects name.
    pub people: Vec<PersonLine>,
}

/// The store of an account.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreState {
    /// Where it is; empty where that is not known.
    pub place: String,
    /// Why it could not be read; absent where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// Whether something is wrong, and not just nothing there.
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

/// Somebody who can do much.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Strong {
    /// Address.
    pub email: String,
    /// Role, as stores write it.
    pub role: String,
    /// Why it counts as strong.
    pub why: Vec<String>,
    /// Sections at their highest level now.
    pub sections_at_top: usize,
    /// Sections.
    pub sections: usize,
    /// Why there is no access now, where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// Whether no object names them.
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
    /// Where it differs.
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
    /// Whether that makes them equal to the owner.
    pub equal_to_owner: bool,
}

/// Somebody whose time has run out or soon will.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expiring {
    /// Address.
    pub email: String,
    /// The Membership.
    pub membership: String,
    /// When.
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
    /// Whether it has.
    pub expired: bool,
}

/// Somebody whose access was ended by somebody's word.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// Address.
    pub email: String,
    /// `Suspended`, `AccountSuspended`, `NotApproved` or `Blocked`.
    #[schemars(with = "String")]
    pub reason: RevocationReason,
    /// Whether it stands in the store only: the next apply lifts it, unless the objects say so, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub in_store_only: bool,
    /// Whether the store still gives access.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_in_store_yet: bool,
    /// Since when, by the store's audit; absent where that does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
}

/// Something said of an object.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewFinding {
    /// Kind and name.
    pub object: String,
    /// Reason of `Valid=False`; absent for advice.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub reason: Option<InvalidReason>,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A member of the store whom nobody declared.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Undeclared {
    /// Address.
    pub email: String,
    /// Role, as it stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Whose mark it carries.
    pub mark: String,
    /// Sections above their first level.
    pub sections: usize,
}

/// Something that changed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeLine {
    /// When; absent between two revisions of files.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
    /// Address, or kind and name.
    pub object: String,
    /// What changed.
    pub change: String,
    /// Cause and origin; empty between two revisions of files.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// One person in one account.
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
    /// Sections above their first level now; absent where only the store knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sections_with_access: Option<usize>,
    /// Sections at their highest level now; absent where only the store knows.
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
    /// Without access by somebody's word.
    Ended(RevocationReason),
    /// Past the end of the membership.
    Expired,
    /// Near the end of the membership.
    ExpiresSoon,
    /// Before the start of the membership.
    NotStarted,
    /// With an invalid Membership.
    Invalid,
    /// Access is known to the store only.
    KnownToStoreOnly,
    /// At most the access shown; the store may hold less.
    AtMostAsStored,
    /// In the store, and declared by nobody.
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
    /// Why its store could not be read, if so.
    pub fn unread(&self) -> Option<Unread> {
        let message = self.store.unread.clone()?;
        Some(Unread { account: self.account.clone(), message })
    }
}
