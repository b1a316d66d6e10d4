//! How a changed catalog goes from account to account: the pace, which whoever holds shard 0 decides
//! (docs/decisions/0020-fleet-brake.md).

use std::{sync::Arc, time::Duration};

use super::{Dispatcher, runtime::Task};
use crate::{
    api::{ConditionType, SyncReason},
    cluster::{
        api_error::{refusal, said},
        catalog_record::{self, Write},
    },
    controller::{look, writer::Lane},
    model::{AccountKey, KindName, Name, ObjectRef},
    report::{self, Notice, NoticeReason as Reason},
    state::{AccountFacts, CatalogFacts, Held, Meta, Progress, Record, Revisions, Rollout, Standing, Step, progress},
};

/// What many accounts say at once is looked at once.
const PACE: Duration = Duration::from_millis(50);

impl Dispatcher {
    /// What an account says of itself has changed: others may have waited for it.
    pub(super) fn account_said(&mut self, reference: &ObjectRef) {
        if reference.kind != KindName::Account || !self.shares.leads() {
            return;
        }
        let key = AccountKey { namespace: reference.namespace.clone(), name: reference.name.clone() };
        let account = self.index.accounts.get(&key).and_then(|entry| entry.object.as_ref());
        let Some(catalog) = account.map(|account| Name::new(&account.facts.spec.catalog_ref.name)) else { return };
        let revisions = self.index.revisions(&catalog);
        if revisions.is_some_and(|revisions| matches!(revisions.rollout(), Rollout::Under(_))) {
            self.look(KindName::PermissionCatalog, catalog, PACE);
        }
    }

    /// Says how far a catalog has come, and goes on with it.
    pub(super) fn look_at_catalog(&mut self, reference: &ObjectRef, complete: bool) {
        let name = &reference.name;
        let Some(revisions) = self.index.revisions(name) else {
            self.stops.remove(name);
            if let Some(record) = self.index.record(name).filter(|_| complete) {
                let write = Write::forget(record);
                self.spawn_catalog_look(reference, None, Some(write));
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
        self.tell_of_stop(&catalog, progress.as_ref());
        self.writer.put(reference.clone(), report, Lane::Bulk, Duration::ZERO);
        // Who uses it is not known before everything is.
        let write = complete.then(|| next_write(&revisions, users == 0, progress.as_ref())).flatten();
        let finalizer = (catalog.meta.finalizer != (users > 0)).then_some((catalog, users > 0));
        if finalizer.is_some() || write.is_some() {
            self.spawn_catalog_look(reference, finalizer, write);
        }
    }

    /// The accounts that use a catalog.
    fn users_of(&self, catalog: &Name) -> impl Iterator<Item = (&AccountKey, &Arc<Record<AccountFacts>>)> {
        let objects = self.index.accounts.iter().filter_map(|(key, entry)| Some((key, entry.object.as_ref()?)));
        objects.filter(move |(_, account)| account.facts.spec.catalog_ref.name == **catalog)
    }

    /// What each of them says of the present revision, in the order of their keys.
    fn standings(&self, catalog: &Name, revisions: &Revisions) -> Vec<(AccountKey, Standing)> {
        let generation = revisions.present.facts.generation;
        let is_away = |account: &AccountFacts| {
            let store = self.index.stores.get(account.spec.store_ref.name.as_str());
            store.is_none_or(|store| !store.meta.status.is_true(ConditionType::Ready))
        };
        let standing = |account: &Record<AccountFacts>| standing(&account.meta, generation, is_away(&account.facts));
        let mut all: Vec<_> = self.users_of(catalog).map(|(key, account)| (key.clone(), standing(account))).collect();
        all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    /// An event, once for each stop.
    fn tell_of_stop(&mut self, catalog: &Record<CatalogFacts>, progress: Option<&Progress>) {
        let Some((account, reason)) = progress.and_then(|progress| progress.stopped.as_ref()) else {
            self.stops.remove(&catalog.name);
            return;
        };
        let stop = (catalog.facts.generation, account.clone());
        let known = self.stops.insert(catalog.name.clone(), stop.clone());
        // A successor need not repeat it.
        let said = known.is_none() && catalog.meta.status.is_true(ConditionType::Stalled);
        if known != Some(stop) && !said {
            tracing::warn!(catalog = %catalog.name, %account, %reason, "the rollout of the catalog stops");
            let note = progress
                .map(|progress| report::rollout_message(catalog.facts.generation, progress))
                .unwrap_or_default();
            self.setting.events.tell(Notice::new(
                catalog.reference(KindName::PermissionCatalog),
                &catalog.meta,
                Reason::RolloutStopped,
                note,
            ));
        }
    }

    fn spawn_catalog_look(
        &mut self,
        reference: &ObjectRef,
        finalizer: Option<(Arc<Record<CatalogFacts>>, bool)>,
        write: Option<Write>,
    ) {
        // Right before it is written, whoever writes asks whether the lease still lasts.
        let Some(grip) = self.shares.grip(0) else { return };
        if let Some(look) = self.looks.get_mut(reference) {
            look.running = true;
        }
        let (client, namespace) = (self.setting.client.clone(), self.setting.namespace.clone());
        let (owner, reference, metrics) = (reference.clone(), reference.clone(), self.setting.metrics.clone());
        let task = self.tasks.spawn(async move {
            let mut failure = None;
            if let Some((catalog, used)) = finalizer {
                let kind = KindName::PermissionCatalog;
                failure = look::keep_finalizer(&client, kind, &catalog, used).await.err();
            }
            let mut seen = None;
            if let Some(write) = write {
                let written = catalog_record::write(&client, &namespace, &reference.name, write, &grip.term).await;
                metrics.api_write("record", if written.is_ok() { "ok" } else { "failed" });
                match written {
                    Ok(written) => seen = written,
                    Err(error) => {
                        // After a conflict what is on its way asks again, sooner.
                        tracing::warn!(catalog = %reference.name, error = said(&error), "record not written, trying again");
                        failure = Some(error);
                    }
                }
            }
            let refused = failure.as_ref().and_then(refusal);
            Task::Look { reference, report: None, again: failure.is_some(), seen: seen.map(Box::new), refused }
        });
        self.owners.insert(task.id(), (owner, task));
    }
}

/// What becomes of the record.
fn next_write(revisions: &Revisions, unused: bool, progress: Option<&Progress>) -> Option<Write> {
    let (present, record) = (&revisions.present, revisions.record.as_deref());
    if unused {
        return record.map(Write::forget);
    }
    let rollout = revisions.rollout();
    match (rollout, progress.map(|progress| &progress.step)) {
        (Rollout::Under(last), Some(Step::Admit(key))) => Some(Write::up_to(last, key.clone(), record)),
        (Rollout::Under(_), Some(Step::Finish)) => Write::present(present, record),
        _ if rollout.is_to_be_noted(present, revisions.last()) => Write::present(present, record),
        _ => None,
    }
}

/// What an account says of a generation of its catalog. A store that is away keeps nobody in other stores waiting; one pass
/// that failed does.
fn standing(account: &Meta, generation: i64, store_is_away: bool) -> Standing {
    let status = &account.status;
    let is_current = status.is_in_force(generation) && status.observed_generation == account.generation;
    match status.held {
        Some(Held::Away) if store_is_away => Standing::Done,
        _ if account.deleting => Standing::Done,
        _ if !is_current => Standing::Waits,
        Some(Held::Guarded) => Standing::Stopped(SyncReason::RemovalGuarded),
        Some(Held::Rejected) => Standing::Stopped(SyncReason::StoreRejected),
        Some(Held::Away) => Standing::Waits,
        None => Standing::Done,
    }
}
