//! Scheduled and running refreshes of catalogs and stores, and what the loop remembers between them. The loop keeps it;
//! `refreshes` and `orphaned_accounts` read and change it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{Mono, PassId};
use crate::{
    model::{AccountKey, Name, ObjectRef},
    report::NoticeReason,
    state::{Record, StoreFacts},
};

/// Minimum interval between refreshes of a store's numbers while its accounts change.
pub(super) const REFRESH_DELAY: Duration = Duration::from_secs(5);

/// Scheduled and running refreshes of cluster-scoped objects.
#[derive(Default)]
pub(super) struct Refreshes {
    pub(super) due: BTreeMap<ObjectRef, Mono>,
    pub(super) running: BTreeMap<ObjectRef, Refresh>,
    /// `IdentityStores` whose backing store was replaced.
    pub(super) replaced: BTreeMap<Name, Replaced>,
    /// Reason of the last event on each IdentityStore's backing store, and the id of that store, by the UID of the
    /// object.
    pub(super) notified: BTreeMap<Name, (NoticeReason, Option<Name>)>,
    /// State of orphaned accounts, by the `IdentityStore` that blocks people in them.
    pub(super) orphaned_accounts: BTreeMap<Name, OrphanedAccounts>,
}

/// `IdentityStore` whose backing store was replaced.
#[derive(Default)]
pub(super) struct Replaced {
    /// Accounts that were reconciled since.
    pub(super) reconciled: BTreeSet<AccountKey>,
    /// Whether all its accounts were queued, to report it.
    pub(super) queued_all: bool,
}

/// Running refresh.
pub(super) struct Refresh {
    pub(super) id: PassId,
    /// State of the store at the start; absent for a catalog.
    pub(super) store: Option<StoreKnown>,
}

/// State of a store when its refresh began.
pub(super) struct StoreKnown {
    pub(super) record: Arc<Record<StoreFacts>>,
    pub(super) users: usize,
    pub(super) settled: bool,
}

impl Refreshes {
    pub(super) fn any_runs(&self) -> bool {
        !self.running.is_empty()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = PassId> {
        self.running.values().map(|refresh| refresh.id)
    }

    pub(super) fn schedule(&mut self, object: ObjectRef, due: Mono) {
        let known = self.due.entry(object).or_insert(due);
        *known = (*known).min(due);
    }

    pub(super) fn end(&mut self, id: PassId) -> Option<(ObjectRef, Refresh)> {
        let object = self.running.iter().find(|(_, refresh)| refresh.id == id).map(|(object, _)| object.clone())?;
        let refresh = self.running.remove(&object)?;
        Some((object, refresh))
    }
}

/// State of orphaned accounts in one store.
#[derive(Default)]
pub(super) struct OrphanedAccounts {
    /// Generation of the IdentityStore that the other fields belong to.
    pub(super) generation: i64,
    /// Whether access was revoked in any.
    pub(super) has_revoked: bool,
    /// Accounts in which a pass found no access to revoke, whatever the store reports.
    pub(super) without: BTreeSet<AccountKey>,
}
