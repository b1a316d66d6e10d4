//! Defines the report on one object: the content of its status before it is rendered, small because very many can be
//! queued. Built by `report` and the controller; rendered by `report::render`.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    api::{self, ChangeFromDefault, DriftEntry, SyncReason},
    model::{Findings, Layout, Name, Ranks, RoleName},
    state::Seconds,
};

/// Content of one object's status, not yet rendered.
#[derive(Clone, Debug)]
pub struct Report {
    /// Generation of the object that was reconciled.
    pub generation: i64,
    /// Faults and advice; `None` in the usual case that there are none.
    pub findings: Option<Box<Findings>>,
    /// State of the object in the store.
    pub synced: Synced,
    /// State of drift.
    pub drift: DriftReport,
    /// Reason why the object waits for others, in addition to its own state.
    pub waits: Option<Box<Waits>>,
    /// Status fields of the object's kind.
    pub detail: Detail,
}

/// Reason why an object waits for others: reason and message of `Ready=False`, and of `Reconciling` or `Stalled`.
#[derive(Clone, Debug)]
pub struct Waits {
    /// Reason of the conditions.
    pub reason: &'static str,
    /// Message of the conditions.
    pub message: String,
    /// Whether somebody must act: `Stalled` instead of `Reconciling`.
    pub stalled: bool,
}

impl Waits {
    /// Returns the reason why a catalog or store that is being deleted stays.
    pub(super) fn in_use(message: String) -> Self {
        Self { reason: "InUse", message, stalled: false }
    }
}

/// Access that the store gives a member at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessReport {
    /// Word for the current access, or for the reason why there is none; `None` if unknown.
    pub access: Option<api::MemberAccess>,
    /// Instant at which access ends or ended by its time window; `None` for no limit.
    pub until: Option<Timestamp>,
    /// Role in the store, for display.
    pub role: Option<RoleName>,
}

/// State of the object in the store; decides the condition `Synced`.
#[derive(Clone, Debug)]
pub enum Synced {
    /// No condition: the kind has no entry in a store, or the store could not be read.
    Silent,
    /// The store holds the object as desired.
    Yes {
        /// Whether this pass wrote it to the store.
        applied: bool,
    },
    /// The store does not hold the object as desired, for this reason and with this message.
    No(Box<(SyncReason, String)>),
}

/// State of drift; decides the condition `Drifted`.
#[derive(Clone, Debug)]
pub enum DriftReport {
    /// No drift now; an earlier correction stays in the status.
    Clean,
    /// The store differs and is left unchanged.
    Reported(Arc<[DriftEntry]>),
    /// The store differed and was corrected at this time.
    Corrected(Seconds),
}

/// Status fields of each kind. Counts of a store are `None` if it could not be read.
#[derive(Clone, Debug)]
pub enum Detail {
    /// PermissionCatalog.
    Catalog {
        /// Number of accounts that use the catalog.
        accounts: u64,
        /// Number of these accounts that follow its current generation.
        updated: u64,
    },
    /// IdentityStore.
    Store {
        /// Id of the store that answers; `None` where it has none, or did not answer.
        id: Option<Name>,
        /// Number of accounts in the store.
        accounts: Option<u64>,
        /// Number of members in the store, over all accounts.
        members: Option<u64>,
        /// Accounts in the store whose Account is gone, as `namespace/name`.
        orphaned: Vec<String>,
        /// Generation for which no blocked address has access.
        blocked_in_force: Option<i64>,
        /// Blocked addresses that still have access, as `account address`.
        blocked_with_access: Vec<String>,
        /// Words for the abilities of the backend.
        capabilities: Vec<String>,
        /// Longest time that a revoked permission may still work outside of the store; zero if none.
        revocation_delay: Duration,
    },
    /// Account.
    Account {
        /// Number of members, the owner included.
        members: u64,
        /// Number of Role objects.
        roles: u64,
        /// Number of groups.
        groups: u64,
        /// Number of invitations without an answer.
        pending_invitations: u64,
        /// Number of accounts that name it as their parent; `None` if they were not counted, and the status keeps its
        /// value.
        managed_accounts: Option<u64>,
        /// Generation of the catalog that the account follows.
        catalog: Option<i64>,
        /// Time of the full comparison in this pass; `None` if there was none.
        checked: Option<Seconds>,
        /// Removals that the guard holds back.
        held_removals: Option<api::HeldRemovals>,
        /// Changes that wait because nobody with the authority made them.
        held_changes: Option<api::HeldChanges>,
    },
    /// Role.
    Role {
        /// Permissions that the role grants; `None` if they are unknown.
        permissions: Option<(Layout, Ranks)>,
        /// Levels in which an override differs from the catalog.
        changes: Vec<ChangeFromDefault>,
        /// Number of members that hold the role.
        members: u64,
    },
    /// UserGroup.
    Group {
        /// Permissions that the group grants; `None` if they are unknown.
        permissions: Option<(Layout, Ranks)>,
        /// Number of members in the group.
        members: u64,
    },
    /// Membership.
    Member {
        /// Effective permissions; `None` if they are unknown.
        permissions: Option<(Layout, Ranks)>,
        /// Effective restrictions.
        restrictions: Arc<[Name]>,
        /// Current access.
        access: AccessReport,
    },
    /// Invitation.
    Invitation,
}

impl Report {
    /// Returns a report with only the fields of the kind: no findings, no sync state, no drift.
    #[must_use]
    pub fn new(generation: i64, detail: Detail) -> Self {
        Self { generation, findings: None, synced: Synced::Silent, drift: DriftReport::Clean, waits: None, detail }
    }

    /// Adds faults and advice.
    #[must_use]
    pub fn with_findings(mut self, findings: Findings) -> Self {
        if !findings.is_empty() {
            self.findings = Some(Box::new(findings));
        }
        self
    }

    /// Sets `Synced=False` with this reason and message.
    #[must_use]
    pub fn unsynced(mut self, reason: SyncReason, message: impl Into<String>) -> Self {
        self.synced = Synced::No(Box::new((reason, message.into())));
        self
    }
}
