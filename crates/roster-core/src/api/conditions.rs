//! Condition types and reasons; docs/runbook.md explains them to users. Written by `report`, read by the command line.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

use super::limits::MAX_DRIFT_ENTRIES;

/// Condition types, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ConditionType {
    /// Valid, synced and without reported drift. Users wait for this one.
    Ready,
    /// The spec resolves.
    Valid,
    /// The store holds what the spec says.
    Synced,
    /// The store differs from what was applied.
    Drifted,
    /// Advice applies; never affects `Ready`.
    Advised,
    /// Present only while True: the object heals by itself (kstatus).
    Reconciling,
    /// Present only while True: somebody must act (kstatus).
    Stalled,
}

impl ConditionType {
    /// All types, in the order in which they are written.
    pub const ALL: [Self; 7] =
        [Self::Ready, Self::Valid, Self::Synced, Self::Drifted, Self::Advised, Self::Reconciling, Self::Stalled];

    /// Returns the name as written in status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Valid => "Valid",
            Self::Synced => "Synced",
            Self::Drifted => "Drifted",
            Self::Advised => "Advised",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
        }
    }

    /// Returns the type with that name, if it is one of Roster's.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Reasons of `Valid=False`, in order of precedence: the first that applies is shown (docs/runbook.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum InvalidReason {
    /// `accountRef` names an Account that does not exist (yet).
    AccountNotFound,
    /// A role reference names a role that does not exist (yet).
    RoleNotFound,
    /// A group reference names a UserGroup that does not exist (yet).
    GroupNotFound,
    /// `catalogRef` names a catalog that does not exist (yet).
    CatalogNotFound,
    /// `storeRef` names a store that does not exist (yet).
    StoreNotFound,
    /// A restriction is not in the catalog (yet).
    RestrictionNotFound,
    /// The store or the catalog does not admit this namespace.
    NamespaceNotAllowed,
    /// The parent is missing, is not a partner, is managed itself, or does not admit this account.
    ParentNotAllowed,
    /// Waiting for approval in the parent account.
    ApprovalPending,
    /// The catalog breaks its own rules.
    CatalogInvalid,
    /// A section that is not in the catalog.
    UnknownSection,
    /// A level that is not on the section's ladder.
    UnknownLevel,
    /// A section that cannot be configured for this role.
    NotApplicable,
    /// A role that only the owner may hold, or one that is not available in this type of account.
    RoleNotAvailable,
    /// The catalog requires a role for every member.
    RoleRequired,
    /// The catalog forbids groups.
    GroupsForbidden,
    /// The catalog admits members by invitation only, or the invitation is gone.
    InvitationRequired,
    /// A Role with the name of a predefined role, or a second override of one.
    NameTaken,
    /// A Membership or Invitation for the owner's address.
    OwnerIsMember,
    /// The Account names a different owner, and the catalog does not allow a change of the owner.
    OwnerImmutable,
    /// The catalog has an owner role, but the Account has no owner.
    OwnerMissing,
    /// Two memberships of one user in one account.
    DuplicateMembership,
    /// A restriction is lifted without the acknowledgement that it needs.
    ConfirmationMissing,
    /// The account's plan lacks a feature.
    PlanNotEligible,
    /// The actor lacks the required authority.
    Unauthorized,
    /// An address that no mail system could have, which the schema cannot check (docs/decisions).
    AddressInvalid,
    /// The object has a form that this release cannot read.
    Unreadable,
}

impl InvalidReason {
    /// Returns whether it heals by itself (`Reconciling`), or somebody must act (`Stalled`).
    #[must_use]
    pub const fn heals_by_waiting(self) -> bool {
        (self as u8) <= (Self::ApprovalPending as u8)
    }
}

impl fmt::Display for InvalidReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Reasons of `Synced`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncReason {
    /// The store held the content already, or has held it since an earlier pass.
    InSync,
    /// This pass changed the store.
    Applied,
    /// The store differs and the policy says to report.
    DriftReported,
    /// The store cannot be reached. Roster retries with backoff.
    StoreUnavailable,
    /// The store refused; the message says what and why.
    StoreRejected,
    /// The store has an entry that is not Roster's, and `adoption` does not allow taking it over.
    NotOwned,
    /// The removal guard holds removals back.
    RemovalGuarded,
    /// This backend cannot hold the content.
    NotSupportedByStore,
    /// The store or the account is paused.
    Paused,
    /// A different or an empty store responds in place of the known one.
    StoreReplaced,
    /// Somebody without the authority changed the Account.
    Unauthorized,
    /// This release sends no invitations.
    NotDelivered,
    /// This release checks nobody's authority.
    NotEnforced,
}

impl fmt::Display for SyncReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Reasons of `Ready=False` of a catalog whose change is rolled out account by account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RolloutReason {
    /// Some accounts follow the current generation. The others wait for their turn.
    RollingOut,
    /// An account that follows the change holds removals back, or its store refuses a change. The accounts after it
    /// wait.
    RolloutStopped,
}

impl RolloutReason {
    /// Returns the name as written in status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RollingOut => "RollingOut",
            Self::RolloutStopped => "RolloutStopped",
        }
    }
}

/// Differences between the store and what was applied to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftStatus {
    /// Time at which the reported drift was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_at: Option<Time>,
    /// Time at which drift was last corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_corrected_time: Option<Time>,
    /// Number of fields that differ; 0 after a correction.
    #[schemars(schema_with = "schema::total")]
    pub count: i64,
    /// The first fields that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_DRIFT_ENTRIES), extend("x-kubernetes-list-type" = "atomic"))]
    pub entries: Vec<DriftEntry>,
}

/// One field that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriftEntry {
    /// Entry that differs: `member dana@acme.example`, `role night-shift`, …
    #[schemars(schema_with = "schema::message")]
    pub object: String,
    /// Field of the entry that differs.
    #[schemars(schema_with = "schema::message")]
    pub field: String,
    /// Value that the field should have.
    #[schemars(schema_with = "schema::message")]
    pub desired: String,
    /// Value that the field has.
    #[schemars(schema_with = "schema::message")]
    pub observed: String,
}

/// Conditions as written in status.
pub type Conditions = Vec<Condition>;
