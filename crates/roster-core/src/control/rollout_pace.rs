//! Rollout of a changed catalog from account to account, whose pace the holder of shard 0 decides
//! (docs/decisions/0020-catalog-rollouts.md). The loop calls it when a catalog is refreshed, or an Account's status
//! changes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{CatalogMaintenance, Control, Effect, Now, RecordWrite, statuses::StatusLane};
use crate::{
    api::{ConditionType, SyncReason},
    model::{AccountKey, KindName, Name, ObjectRef},
    report::{self, Notice, NoticeReason},
    state::{
        AccountFacts, CatalogFacts, Held, Meta, Progress, Record, Revisions, Rollout, RolloutState, Step, progress,
    },
};

/// Delay that collects status changes of many accounts.
const PACE: Duration = Duration::from_millis(50);

impl Control {
    /// Refreshes an account's catalog when the status of the Account has changed: other accounts may wait for it.
    pub(super) fn account_status_reported(&mut self, object: &ObjectRef, now: Now) {
        if object.kind != KindName::Account || !self.shards.leads() {
            return;
        }
        let key = AccountKey { namespace: object.namespace.clone(), name: object.name.clone() };
        let account = self.index.accounts.get(&key).and_then(|entry| entry.object.as_ref());
        let Some(catalog) = account.map(|account| Name::new(&account.facts.spec.catalog_ref.name)) else { return };
        let revisions = self.index.revisions(&catalog);
        if revisions.is_some_and(|revisions| matches!(revisions.rollout(), Rollout::Under(_))) {
            self.refresh(KindName::PermissionCatalog, catalog, PACE, now.mono);
        }
    }

    /// Reports the progress of a catalog's rollout, and continues it.
    pub(super) fn start_catalog_refresh(
        &mut self,
        object: &ObjectRef,
        complete: bool,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let name = &object.name;
        let Some(revisions) = self.index.revisions(name) else {
            if self.index.unreadable(object).is_some() {
                // The catalog exists, but its content cannot be read.
                return;
            }
            self.stops.remove(name);
            let record = self.index.record(name).filter(|_| complete).map(|record| RecordWrite::forget(record));
            if record.is_some() {
                self.tend(object, None, record, effects);
            }
            return;
        };
        let Some(catalog) = self.index.catalogs.get(name).cloned() else { return };
        let users = self.users_of(name).count();
        let progress = match revisions.rollout() {
            Rollout::Under(last) => Some(progress(last.up_to.as_ref(), &self.standings(name, &revisions))),
            Rollout::Done | Rollout::Ahead(_) => None,
        };
        let report = report::catalog(&catalog, users as u64, progress.as_ref());
        self.notify_of_stop(&catalog, progress.as_ref());
        self.queue_status(object.clone(), report, StatusLane::Bulk, Duration::ZERO, now);
        // The users of a catalog are known only when all kinds are listed.
        let record =
            complete.then(|| next_record(&revisions, users == 0, progress.as_ref(), || self.held(name))).flatten();
        let finalizer = (catalog.meta.finalizer != (users > 0)).then_some((catalog, users > 0));
        if finalizer.is_some() || record.is_some() {
            self.tend(object, finalizer, record, effects);
        }
    }

    fn tend(
        &mut self,
        object: &ObjectRef,
        finalizer: Option<(Arc<Record<CatalogFacts>>, bool)>,
        record: Option<RecordWrite>,
        effects: &mut Vec<Effect>,
    ) {
        // The shell checks right before the write that the lease still lasts.
        if !self.shards.leads() {
            return;
        }
        let name = object.name.clone();
        self.maintain_catalog(object, |id| CatalogMaintenance { id, name, shard: 0, finalizer, record }, effects);
    }

    /// Returns the accounts that use a catalog, in the order of their keys.
    fn users_of(&self, catalog: &Name) -> impl Iterator<Item = (&AccountKey, &Arc<Record<AccountFacts>>)> {
        let objects = self.index.accounts.iter().filter_map(|(key, entry)| Some((key, entry.object.as_ref()?)));
        objects.filter(move |(_, account)| account.facts.spec.catalog_ref.name == **catalog)
    }

    /// Returns the state of each of these accounts towards the present revision, in the order of their keys.
    fn standings(&self, catalog: &Name, revisions: &Revisions) -> Vec<(AccountKey, RolloutState)> {
        let generation = revisions.present.facts.generation;
        let is_away = |account: &AccountFacts| {
            let store = self.index.stores.get(account.spec.store_ref.name.as_str());
            store.is_none_or(|store| !store.meta.status.is_true(ConditionType::Ready))
        };
        let held_before = revisions.last().map(|last| &last.held_before);
        let standing = |key: &AccountKey, account: &Record<AccountFacts>| {
            if self.index.holding_back(key).is_some() {
                // Only explicit revocations are made in it until someone fixes an object.
                return RolloutState::HeldBefore;
            }
            let before = held_before.is_some_and(|held| held.contains(key));
            standing(&account.meta, generation, before, is_away(&account.facts))
        };
        self.users_of(catalog).map(|(key, account)| (key.clone(), standing(key, account))).collect()
    }

    /// Returns the accounts of a catalog that need a person's decision.
    fn held(&self, catalog: &Name) -> BTreeSet<AccountKey> {
        let is_held = |meta: &Meta| matches!(meta.status.held, Some(Held::Guarded | Held::Rejected));
        self.users_of(catalog).filter(|(_, account)| is_held(&account.meta)).map(|(key, _)| key.clone()).collect()
    }

    /// Publishes an event for each stop once.
    fn notify_of_stop(&mut self, catalog: &Record<CatalogFacts>, progress: Option<&Progress>) {
        let stopped = progress.and_then(|progress| Some((progress, progress.stopped.as_ref()?)));
        let Some((progress, (account, _))) = stopped else {
            self.stops.remove(&catalog.name);
            return;
        };
        let stop = (catalog.facts.generation, account.clone());
        let known = self.stops.insert(catalog.name.clone(), stop.clone());
        // A new leader need not repeat the event.
        let is_reported = known.is_none() && catalog.meta.status.is_true(ConditionType::Stalled);
        if known != Some(stop) && !is_reported {
            let note = report::rollout_message(catalog.facts.generation, progress);
            let about = catalog.reference(KindName::PermissionCatalog);
            self.outbox.push(Effect::EmitEvent(Notice::new(about, &catalog.meta, NoticeReason::RolloutStopped, note)));
        }
    }
}

/// Returns the next change of the record, if any.
fn next_record(
    revisions: &Revisions,
    unused: bool,
    progress: Option<&Progress>,
    held: impl FnOnce() -> BTreeSet<AccountKey>,
) -> Option<RecordWrite> {
    let (present, record) = (&revisions.present, revisions.record.as_deref());
    if unused {
        return record.map(RecordWrite::forget);
    }
    let rollout = revisions.rollout();
    match (rollout, progress.map(|progress| &progress.step)) {
        (Rollout::Under(last), Some(Step::Admit(key))) => Some(RecordWrite::up_to(last, key.clone(), &held(), record)),
        (Rollout::Under(_), Some(Step::Finish)) => RecordWrite::present(present, record),
        _ if rollout.is_to_be_noted(present, revisions.last()) => RecordWrite::present(present, record),
        _ => None,
    }
}

/// Returns the state of an account towards a generation of its catalog. A store that is unavailable does not delay
/// accounts in other stores; one failed pass does.
///
/// An account that was held already before its turn does not stop the rollout either: the change is not the cause.
fn standing(account: &Meta, generation: i64, held_before: bool, store_is_away: bool) -> RolloutState {
    let status = &account.status;
    let is_current = status.is_in_force(generation) && status.observed_generation == account.generation;
    match status.held {
        Some(Held::Away) if store_is_away => RolloutState::Done,
        _ if account.deleting => RolloutState::Done,
        _ if !is_current => RolloutState::Waits,
        Some(Held::Guarded | Held::Rejected) if held_before => RolloutState::HeldBefore,
        Some(Held::Guarded) => RolloutState::Stopped(SyncReason::RemovalGuarded),
        Some(Held::Rejected) => RolloutState::Stopped(SyncReason::StoreRejected),
        Some(Held::Away) => RolloutState::Waits,
        None => RolloutState::Done,
    }
}
