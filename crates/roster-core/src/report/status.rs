//! What is to be said of one object, before it is written down: small, so that very many can wait.

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
    /// Generation that was looked at.
    pub generation: i64,
    /// Faults and advice; none is the usual case.
    pub findings: Option<Box<Findings>>,
    /// Whether the store holds it.
    pub synced: Synced,
    /// Drift.
    pub drift: DriftReport,
    /// Why it waits, besides.
    pub waits: Option<Box<Waits>>,
    /// Status fields of its kind.
    pub detail: Detail,
}

/// Why an object waits for others: reason and message of `Ready=False`, and of `Reconciling` or `Stalled`.
#[derive(Clone, Debug)]
pub struct Waits {
    /// Reason.
    pub reason: &'static str,
    /// In words.
    pub message: String,
    /// Whether somebody must act.
    pub stalled: bool,
}

impl Waits {
    /// Returns the reason why a catalog or store that is being deleted stays.
    pub(super) fn in_use(message: String) -> Self {
        Self { reason: "InUse", message, stalled: false }
    }
}

/// Access of a member as the store gives it at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessReport {
    /// Whether there is any, and why not; absent where nobody can tell.
    pub access: Option<api::MemberAccess>,
    /// When it ends by itself, or ended.
    pub until: Option<Timestamp>,
    /// The role.
    pub role: Option<RoleName>,
}

/// State of the object in the store; decides `Synced`.
#[derive(Clone, Debug)]
pub enum Synced {
    /// Nothing is to be said: the kind has no place in a store, or nobody could look.
    Silent,
    /// It does; whether this pass made it so.
    Yes {
        /// This pass changed the store.
        applied: bool,
    },
    /// It does not.
    No(Box<(SyncReason, String)>),
}

/// State of drift; decides `Drifted`.
#[derive(Clone, Debug)]
pub enum DriftReport {
    /// Nothing new: what was said of an earlier correction stays.
    Clean,
    /// The store differs and is left so.
    Reported(Arc<[DriftEntry]>),
    /// The store differed and was corrected.
    Corrected(Seconds),
}

/// Status fields of each kind. Numbers of a store are absent if it could not be read.
#[derive(Clone, Debug)]
pub enum Detail {
    /// PermissionCatalog.
    Catalog {
        /// Accounts that use it.
        accounts: u64,
        /// Those of them that follow its present generation.
        updated: u64,
    },
    /// IdentityStore.
    Store {
        /// Accounts kept in it.
        accounts: Option<u64>,
        /// Members kept in it.
        members: Option<u64>,
        /// Accounts whose Account is gone.
        orphaned: Vec<String>,
        /// The generation for which nobody who is blocked has access.
        blocked_in_force: Option<i64>,
        /// Where somebody who is blocked still has access.
        blocked_with_access: Vec<String>,
        /// Words for the abilities of the backend.
        capabilities: Vec<String>,
        /// Longest time that a revoked permission may still work outside of the store; zero if none.
        revocation_delay: Duration,
    },
    /// Account.
    Account {
        /// Members, the owner included.
        members: u64,
        /// Role objects.
        roles: u64,
        /// Groups.
        groups: u64,
        /// Invitations not answered.
        pending_invitations: u64,
        /// Accounts that name it as their parent; absent if nobody counted them, and what was said of them stays.
        managed_accounts: Option<u64>,
        /// The generation of the catalog that it follows.
        catalog: Option<i64>,
        /// When it was just compared whole.
        checked: Option<Seconds>,
        /// Removals that are held back.
        held_removals: Option<api::HeldRemovals>,
    },
    /// Role.
    Role {
        /// Permissions that it grants; absent if they cannot be told.
        permissions: Option<(Layout, Ranks)>,
        /// Where an override differs.
        changes: Vec<ChangeFromDefault>,
        /// Members that hold it.
        members: u64,
    },
    /// UserGroup.
    Group {
        /// Permissions that it grants; absent if they cannot be told.
        permissions: Option<(Layout, Ranks)>,
        /// Members in it.
        members: u64,
    },
    /// Membership.
    Member {
        /// Effective permissions; absent where they cannot be said.
        permissions: Option<(Layout, Ranks)>,
        /// Restrictions in force.
        restrictions: Arc<[Name]>,
        /// Access at present.
        access: AccessReport,
    },
    /// Invitation.
    Invitation,
}

impl Report {
    /// A report that says nothing but what the kind shows.
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

    /// Sets `Synced=False` with this reason.
    #[must_use]
    pub fn unsynced(mut self, reason: SyncReason, message: impl Into<String>) -> Self {
        self.synced = Synced::No(Box::new((reason, message.into())));
        self
    }
}
