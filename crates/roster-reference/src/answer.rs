//! Answers of the model.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::ObjectId;

/// Section name → level name; sections at their first level are left out.
pub type NamedLevels = BTreeMap<String, String>;

/// Strength of the statement about one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statement {
    /// The member holds just `levels`.
    Exactly,
    /// Something that lowers is invalid: the member holds, per section, at most the lower of `levels` and the level in the
    /// store. A member that the store does not have is not created.
    AtMostHeld,
    /// The account does not resolve: the member keeps what the store holds within the window, and gets nothing new.
    Kept,
    /// The member has no access now.
    Ended(End),
}

/// Reason for which a member has no access now; step 5 of "Effective permissions".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The store blocks this person.
    Blocked,
    /// The account is suspended.
    AccountSuspended,
    /// The parent account has not approved this one.
    NotApproved,
    /// The Membership is suspended.
    Suspended,
    /// `expiresAt` has come.
    Expired,
    /// `startsAt` has not come yet.
    NotStarted,
    /// The Membership names an Invitation that is not there, not accepted, or somebody else's.
    InvitationGone,
}

impl End {
    /// Returns whether the removal guard never counts this end: somebody wrote it down.
    ///
    /// An invitation that vanished is not among them: objects vanish by accident, too.
    #[must_use]
    pub const fn is_explicit(self) -> bool {
        !matches!(self, Self::InvitationGone)
    }
}

/// The model's answer about one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberAnswer {
    /// Strength of the statement.
    pub statement: Statement,
    /// Levels in force now. Empty under `Kept` and `Ended`; an upper bound under `AtMostHeld`.
    pub levels: NamedLevels,
    /// Levels after steps 1 to 4, whatever step 5 says. Empty where the account does not resolve.
    pub potential: NamedLevels,
    /// Levels after steps 1 and 2. Empty where the account does not resolve.
    pub granted: NamedLevels,
    /// Whether something that lowers is invalid; said also of members whose access has ended.
    pub at_most_held: bool,
    /// Start of access: the latest of all Memberships of this person.
    pub starts_at: Option<Timestamp>,
    /// End of access: the earliest of all Memberships of this person.
    pub expires_at: Option<Timestamp>,
    /// Whether this is the account's owner.
    pub owner: bool,
    /// Names of the Memberships that speak of this person and count; empty for the owner.
    pub memberships: BTreeSet<String>,
}

/// The model's answer about one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountAnswer {
    /// Whether catalog, store and parent are there, valid, and admit the account.
    pub resolves: bool,
    /// Reason for which nobody has access: suspended or not approved.
    pub ended: Option<End>,
    /// Canonical addresses that the Account's store blocks, whether they are members or not.
    pub blocked: BTreeSet<String>,
    /// Canonical address of the owner, where the catalog has an owner role and the Account names an owner. While the catalog
    /// is missing, the address that the Account names.
    pub owner: Option<String>,
    /// Members by canonical address, the owner included.
    pub members: BTreeMap<String, MemberAnswer>,
    /// For each predefined role with `minimumHolders`, the addresses of those who hold it in effect: by their own role,
    /// neither ended nor duplicate nor being deleted.
    pub holders: BTreeMap<String, BTreeSet<String>>,
    /// Reasons of `Valid=False` of the Account and of each object that belongs to it; an empty set where an object is valid.
    pub reasons: BTreeMap<ObjectId, BTreeSet<&'static str>>,
}
