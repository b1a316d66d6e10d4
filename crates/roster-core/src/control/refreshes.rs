//! Refreshes of catalogs and stores: their statuses, their finalizers, and a catalog's record. The loop requests them
//! on changes and after passes.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Access, ApiFault, CatalogMaintenance, ChangedObject, Control, Effect, Mono, Now, PassId, StoreRefresh,
    queue::{Lane, Trigger, WorkItem},
    refresh_state::{REFRESH_DELAY, Refresh, Refreshes, StoreKnown},
    statuses::StatusLane,
};
use crate::{
    contract::StoreError,
    model::{AccountKey, Email, KindName, Name, ObjectRef},
    report::{self, Detail, NoticeReason, StoreFound},
    resolve::Origin,
    state::{Record, StoreAnswer, StoreFacts, WatchEvent},
};

impl Control {
    /// Schedules the refresh of a catalog or a store.
    pub(super) fn refresh(&mut self, kind: KindName, name: Name, delay: Duration, now: Mono) {
        self.refreshes.schedule(ObjectRef { kind, namespace: Name::default(), name }, now + delay);
    }

    pub(super) fn refresh_stores(&mut self, now: Mono) {
        let stores: Vec<Name> = self.index.stores.keys().cloned().collect();
        for name in stores {
            self.refresh(KindName::IdentityStore, name, Duration::ZERO, now);
        }
    }

    /// Returns the time of the next refresh that may start.
    pub(super) fn next_refresh(&self) -> Option<Mono> {
        self.startable_refreshes().map(|(_, due)| due).min().filter(|_| self.shards.count() > 0)
    }

    /// Returns the scheduled refreshes that may start.
    fn startable_refreshes(&self) -> impl Iterator<Item = (&ObjectRef, Mono)> {
        let complete = self.lists.are_complete();
        let (knows_accounts, knows_needed) = (self.lists.know_accounts(), self.lists.know_needed());
        let deleting = |object| self.index.meta(object).is_some_and(|meta| meta.deleting);
        let idle = self.refreshes.due.iter().filter(|(object, _)| !self.refreshes.running.contains_key(*object));
        let may = idle.filter(move |(object, _)| {
            complete || (knows_needed && object.kind == KindName::IdentityStore) || (knows_accounts && deleting(object))
        });
        may.map(|(object, due)| (object, *due))
    }

    /// Starts the refreshes that are due. A catalog or store that is being deleted needs only the accounts to be
    /// listed; the other kinds may be gone already.
    pub(super) fn start_refreshes(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !self.shards.leads() {
            // Another replica reports on catalogs and stores; but each replica finds the blocked people in its own
            // accounts.
            let (index, Refreshes { due, running, replaced, .. }) = (&self.index, &mut self.refreshes);
            let blocks = |object: &ObjectRef| {
                let store = index.stores.get(&object.name).filter(|_| object.kind == KindName::IdentityStore);
                store.is_some_and(|store| !store.facts.blocked.is_empty() || replaced.contains_key(&object.name))
            };
            due.retain(|object, _| running.contains_key(object) || blocks(object));
        }
        let complete = self.lists.are_complete();
        let due = self.startable_refreshes().filter(|(_, due)| *due <= now.mono);
        let due: Vec<ObjectRef> = due.map(|(object, _)| object.clone()).collect();
        for object in due {
            self.refreshes.due.remove(&object);
            match object.kind {
                KindName::PermissionCatalog => self.start_catalog_refresh(&object, complete, now, effects),
                _ => self.start_store_refresh(&object, effects),
            }
        }
    }

    fn start_store_refresh(&mut self, object: &ObjectRef, effects: &mut Vec<Effect>) {
        let Some(record) = self.index.stores.get(&object.name).cloned() else { return };
        let accounts = self.index.accounts.iter().filter_map(|(key, entry)| Some((key, entry.object.as_ref()?)));
        let users = accounts
            .filter(|(_, account)| account.facts.spec.store_ref.name == *record.name)
            .map(|(key, account)| (key.clone(), account.meta.uid.clone()))
            .collect::<BTreeSet<_>>();
        let settled = self.is_settled(&record);
        let id = self.pass_ids.give();
        let known = StoreKnown { record: record.clone(), users: users.len(), settled };
        self.refreshes.running.insert(object.clone(), Refresh { id, store: Some(known) });
        let cluster = self.setup.cluster.clone();
        let speaks = self.shards.leads();
        effects.push(Effect::RefreshStore(Box::new(StoreRefresh { id, record, users, cluster, settled, speaks })));
    }

    pub(super) fn maintain_catalog(
        &mut self,
        object: &ObjectRef,
        tending: impl FnOnce(PassId) -> CatalogMaintenance,
        effects: &mut Vec<Effect>,
    ) {
        let id = self.pass_ids.give();
        self.refreshes.running.insert(object.clone(), Refresh { id, store: None });
        effects.push(Effect::MaintainCatalog(Box::new(tending(id))));
    }

    pub(super) fn store_refreshed(
        &mut self,
        id: PassId,
        found: &Result<StoreFound, StoreError>,
        remembered: bool,
        fault: Option<&ApiFault>,
        now: Now,
    ) {
        let Some((object, refresh)) = self.refreshes.end(id) else { return };
        self.refusals.note_fault(object.kind, Access::Other, fault, now.mono);
        let Some(StoreKnown { record, users, settled }) = refresh.store else { return };
        if let Ok(found) = found {
            self.note_answer(&record, found, now);
            self.revoke_blocked(&record, &found.blocked_with_access, now);
            self.revoke_in_orphaned(&record, found, now);
        }
        if fault.is_some() || found.is_err() {
            // A replica that does not report on the store may still have to revoke access in it.
            self.refresh(object.kind, object.name.clone(), REFRESH_DELAY, now.mono);
        }
        if !self.shards.leads() {
            return;
        }
        if let Ok(found) = found {
            self.notify_of_store(&record, found, remembered);
        }
        let report = report::store(&record, users, settled, found.as_ref());
        self.note_reached(&object.name, &report);
        if let Detail::Store { blocked_in_force, .. } = report.detail {
            self.report_in_force(&object.name, blocked_in_force);
        }
        self.queue_status(object, report, StatusLane::Bulk, Duration::ZERO, now);
    }

    /// Records the id of the store that answered. Rechecks soon if it is a different store; reconciles all accounts
    /// when the known store is back.
    fn note_answer(&mut self, store: &Record<StoreFacts>, found: &StoreFound, now: Now) {
        if store.facts.known.judge(found.id.as_ref()) == StoreAnswer::Replaced {
            self.refresh(KindName::IdentityStore, store.name.clone(), REFRESH_DELAY, now.mono);
            let replaced = self.refreshes.replaced.entry(store.name.clone()).or_default();
            if !std::mem::replace(&mut replaced.queued_all, true) {
                // No account may continue to report that the store holds it.
                self.changed_in_store(&store.name, None, now);
            }
        } else if let Some(replaced) = self.refreshes.replaced.remove(&store.name) {
            // Access may have been revoked meanwhile in the store that is not used any more.
            let ours: Vec<AccountKey> = replaced.reconciled.into_iter().filter(|key| self.is_ours(key)).collect();
            for key in &ours {
                self.queue.add(key, WorkItem::Account, Trigger { lane: Lane::Revocations, object: None }, now.mono);
            }
            self.changed_in_store(&store.name, None, now);
        }
    }

    /// Publishes an event if a store is used for the first time or was replaced; once, until that changes.
    fn notify_of_store(&mut self, store: &Record<StoreFacts>, found: &StoreFound, remembered: bool) {
        let used = report::store_used(store, found).filter(|_| remembered);
        let Some(notice) = used.or_else(|| report::store_replaced(store, found)) else {
            let is_known = store.facts.known.judge(found.id.as_ref()) == StoreAnswer::Known;
            if is_known
                && matches!(self.refreshes.notified.get(&store.meta.uid), Some((NoticeReason::StoreReplaced, _)))
            {
                self.refreshes.notified.remove(&store.meta.uid);
                self.outbox.push(Effect::EmitEvent(report::store_is_back(store, found)));
            }
            return;
        };
        let notified = (notice.reason, found.id.clone());
        if self.refreshes.notified.insert(store.meta.uid.clone(), notified.clone()) != Some(notified) {
            self.outbox.push(Effect::EmitEvent(notice));
        }
    }

    /// Records that a pass over an account found another store than the known one.
    pub(super) fn note_replaced(&mut self, store: &Name, account: &AccountKey, now: Now) {
        if !self.refreshes.replaced.contains_key(store) {
            self.refresh(KindName::IdentityStore, store.clone(), Duration::ZERO, now.mono);
        }
        self.refreshes.replaced.entry(store.clone()).or_default().reconciled.insert(account.clone());
    }

    /// Queues the revocation of blocked people who still have access in a store, even without an object of theirs.
    fn revoke_blocked(&mut self, store: &Record<StoreFacts>, blocked: &[(AccountKey, Email)], now: Now) {
        let kept = |key: &AccountKey| self.store_of(key).as_ref() == Some(&store.name) && self.is_ours(key);
        let ours: Vec<&(AccountKey, Email)> = blocked.iter().filter(|(key, _)| kept(key)).collect();
        for (key, email) in ours {
            let object = ChangedObject::new(Origin::of_block(&store.facts, email));
            let trigger = Trigger { lane: Lane::Revocations, object: Some(&object) };
            self.queue.add(key, WorkItem::Member(email.clone()), trigger, now.mono);
        }
    }

    pub(super) fn catalog_maintained(
        &mut self,
        id: PassId,
        record: Option<Box<WatchEvent>>,
        fault: Option<&ApiFault>,
        now: Now,
    ) {
        let Some((object, _)) = self.refreshes.end(id) else { return };
        self.refusals.note_fault(object.kind, Access::Other, fault, now.mono);
        if fault.is_some() {
            self.refresh(object.kind, object.name, REFRESH_DELAY, now.mono);
        }
        if let Some(record) = record {
            // The watch delivers the object later.
            self.watched(*record, now);
        }
    }

    pub(super) fn refresh_failed(&mut self, id: PassId, now: Now) {
        let Some((object, _)) = self.refreshes.end(id) else { return };
        self.refresh(object.kind, object.name, REFRESH_DELAY, now.mono);
    }
}
