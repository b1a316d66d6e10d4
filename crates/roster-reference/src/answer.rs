//! Answers of the model. Built by `account`, and compared with the engine by the tests and the simulator.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::ObjectId;

/// Level names by section name, without sections at their first level.
pub type NamedLevels = BTreeMap<String, String>;

/// Strength of the statement about one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statement {
    /// The member holds exactly `levels`.
    Exactly,
    /// An object that lowers access is invalid: the member holds, per section, at most the lower of `levels` and the
    /// level in the store. A member that the store does not have is not created.
    AtMostHeld,
    /// The account does not resolve: the member keeps the store's content within the time window, and gains nothing.
    Kept,
    /// The member has no access now.
    Ended(End),
}

/// Reason why a member has no access now; step 5 of "Effective permissions".
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
    /// `expiresAt` has passed.
    Expired,
    /// `startsAt` is in the future.
    NotStarted,
    /// The Membership names an Invitation that does not exist, is not accepted, or is for another account or address.
    InvitationGone,
}

impl End {
    /// Returns whether the removal guard never counts this reason, because it is an explicit revocation.
    ///
    /// A missing Invitation is not explicit: objects can be deleted by accident.
    #[must_use]
    pub const fn is_explicit(self) -> bool {
        !matches!(self, Self::InvitationGone)
    }
}

/// Answer about one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberAnswer {
    /// Strength of the statement.
    pub statement: Statement,
    /// Levels in force now. Empty for `Kept` and `Ended`; an upper bound for `AtMostHeld`.
    pub levels: NamedLevels,
    /// Levels after steps 1 to 4, without step 5. Empty if the account does not resolve.
    pub potential: NamedLevels,
    /// Levels after steps 1 and 2. Empty if the account does not resolve.
    pub granted: NamedLevels,
    /// Whether an object that lowers access is invalid; set also for members without access.
    pub at_most_held: bool,
    /// Start of access: the latest of all Memberships of this person.
    pub starts_at: Option<Timestamp>,
    /// End of access: the earliest of all Memberships of this person.
    pub expires_at: Option<Timestamp>,
    /// Whether this is the account's owner.
    pub owner: bool,
    /// Names of the Memberships of this person that count; empty for the owner.
    pub memberships: BTreeSet<String>,
}

/// Answer about one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountAnswer {
    /// Whether catalog, store and parent exist, are valid, and admit the account.
    pub resolves: bool,
    /// Reason why nobody has access: suspended or not approved.
    pub ended: Option<End>,
    /// Canonical addresses that the Account's store blocks, members or not.
    pub blocked: BTreeSet<String>,
    /// Canonical address of the owner if the catalog has an owner role and the Account names an owner. If the catalog
    /// is missing, the address that the Account names.
    pub owner: Option<String>,
    /// Members by canonical address, including the owner.
    pub members: BTreeMap<String, MemberAnswer>,
    /// Addresses of the members who hold each predefined role with `minimumHolders` in effect: by their own role, with
    /// access not revoked, with one Membership that is not being deleted.
    pub holders: BTreeMap<String, BTreeSet<String>>,
    /// Reasons of `Valid=False` of the Account and of each of its objects; an empty set if an object is valid.
    pub reasons: BTreeMap<ObjectId, BTreeSet<&'static str>>,
}
