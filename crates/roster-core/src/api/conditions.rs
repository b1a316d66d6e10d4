//! Condition types and reasons (docs/runbook.md); what they mean to a person is in `docs/`.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

use super::limits::MAX_DRIFT_ENTRIES;

/// Condition types, in the order they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ConditionType {
    /// Valid, synced and no reported drift: the one to wait for.
    Ready,
    /// The spec resolves.
    Valid,
    /// The store holds what the spec says.
    Synced,
    /// The store differs from what was applied.
    Drifted,
    /// Advice applies; never affects `Ready`.
    Advised,
    /// Present only while True: waiting heals by itself (kstatus).
    Reconciling,
    /// Present only while True: somebody must act (kstatus).
    Stalled,
}

impl ConditionType {
    /// All types, in the order they are written.
    pub const ALL: [Self; 7] =
        [Self::Ready, Self::Valid, Self::Synced, Self::Drifted, Self::Advised, Self::Reconciling, Self::Stalled];

    /// The name as it stands in status.
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

    /// The type of that name, if it is one of ours.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Reasons of `Valid=False`, in the order in which the first that applies is shown (docs/runbook.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum InvalidReason {
    /// `accountRef` leads nowhere (yet).
    AccountNotFound,
    /// A role reference leads nowhere (yet).
    RoleNotFound,
    /// A group reference leads nowhere (yet).
    GroupNotFound,
    /// `catalogRef` leads nowhere (yet).
    CatalogNotFound,
    /// `storeRef` leads nowhere (yet).
    StoreNotFound,
    /// A restriction is not in the catalog (yet).
    RestrictionNotFound,
    /// The store or the catalog does not admit this namespace.
    NamespaceNotAllowed,
    /// The parent is missing, no partner, itself managed, or does not admit this account.
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
    /// A role only the owner holds, or one not available in this type of account.
    RoleNotAvailable,
    /// The catalog wants every member to have a role.
    RoleRequired,
    /// The catalog forbids groups.
    GroupsForbidden,
    /// The catalog admits members by invitation only, or the invitation is gone.
    InvitationRequired,
    /// A Role named like a predefined role, or a second override of one.
    NameTaken,
    /// A Membership or Invitation for the owner's address.
    OwnerIsMember,
    /// The Account names another owner, and the catalog does not let the owner change.
    OwnerImmutable,
    /// The catalog has an owner role and the Account no owner.
    OwnerMissing,
    /// Two memberships of one user in one account.
    DuplicateMembership,
    /// A lifted restriction needs to be acknowledged.
    ConfirmationMissing,
    /// The account's plan lacks a feature.
    PlanNotEligible,
    /// The actor's authority does not hold.
    Unauthorized,
    /// An address that no mail system could have; what the schema cannot see (docs/decisions).
    AddressInvalid,
    /// The object is of a form that this release cannot read.
    Unreadable,
}

impl InvalidReason {
    /// Whether waiting heals it by itself (`Reconciling`) or somebody must act (`Stalled`).
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
    /// The store held it already, or holds it after an earlier pass.
    InSync,
    /// This pass changed the store.
    Applied,
    /// The store differs and the policy says to report.
    DriftReported,
    /// The store cannot be reached; retried with backoff.
    StoreUnavailable,
    /// The store refused; the message says what and why.
    StoreRejected,
    /// Something is there already that is not ours, and adoption does not allow taking it.
    NotOwned,
    /// The removal guard holds removals back.
    RemovalGuarded,
    /// This backend cannot hold it.
    NotSupportedByStore,
    /// The store or the account is paused.
    Paused,
    /// Another or an empty store answers where a known one was.
    StoreReplaced,
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

/// Reasons of `Ready=False` of a catalog whose change goes from account to account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RolloutReason {
    /// Some accounts follow the present generation, the others wait for their turn.
    RollingOut,
    /// An account that follows it holds removals back, or its store refuses them; those that come after it wait.
    RolloutStopped,
}

impl RolloutReason {
    /// The name as it stands in status.
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
    /// When the drift now reported was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_at: Option<Time>,
    /// When drift was last corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_corrected_time: Option<Time>,
    /// Number of fields that differ, or differed at the last correction.
    #[schemars(schema_with = "schema::total")]
    pub count: i64,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_DRIFT_ENTRIES), extend("x-kubernetes-list-type" = "atomic"))]
    pub entries: Vec<DriftEntry>,
}

/// One field that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriftEntry {
    /// What differs: `member dana@acme.example`, `role night-shift`, …
    #[schemars(schema_with = "schema::message")]
    pub object: String,
    /// Which field of it.
    #[schemars(schema_with = "schema::message")]
    pub field: String,
    /// What it should be.
    #[schemars(schema_with = "schema::message")]
    pub desired: String,
    /// What it is.
    #[schemars(schema_with = "schema::message")]
    pub observed: String,
}

/// Conditions as they stand in status.
pub type Conditions = Vec<Condition>;
