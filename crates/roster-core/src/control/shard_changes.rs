//! Changes of the shards of this replica while the loop runs: taking, listing again and releasing. The loop calls it
//! with each [`ShardEvent`] and each decision.

use std::{collections::BTreeMap, time::Duration};

use super::{
    AccountState, Control, Effect, Now, ShardEvent,
    held_shards::HANDOVER,
    queue::{Trigger, WorkItem},
    relist::Relist,
    watches::ListState,
};
use crate::{
    model::{AccountKey, KindName, Name, ObjectRef},
    state::Unreadable,
};

impl Control {
    /// Returns the shard of an account.
    pub(super) fn shard_of(&self, key: &AccountKey) -> u16 {
        let store = self.store_of(key);
        let store = store.and_then(|store| self.index.stores.get(&store));
        self.shards.shard(key, store.map(|record| &record.facts.spec))
    }

    /// Returns whether an account is in a shard of this replica.
    pub(super) fn is_ours(&self, key: &AccountKey) -> bool {
        self.shards.has(self.shard_of(key))
    }

    /// Returns the shard of an object; `None` if the object is gone.
    pub(super) fn shard_of_object(&self, object: &ObjectRef) -> Option<u16> {
        match object.kind {
            KindName::PermissionCatalog | KindName::IdentityStore | KindName::CatalogRecord => Some(0),
            _ => self.index.account_of(object).map(|key| self.shard_of(&key)),
        }
    }

    pub(super) fn shard_changed(&mut self, event: ShardEvent, now: Now) {
        match event {
            // Its accounts are reconciled once all kinds have been listed again.
            ShardEvent::Taken { shard, epoch, clean } => {
                // A list that began earlier does not show what happened since.
                if let Some(relist) = &mut self.relist {
                    relist.shards.remove(&shard);
                }
                self.shards.take(shard, epoch, clean, true);
            }
            ShardEvent::GiveBack(shard) => {
                self.shards.leave(shard, now.mono);
                if shard == 0 {
                    self.reached.clear();
                    self.stops.clear();
                }
            }
            ShardEvent::Notes(notes) => {
                if self.shards.receive_notes(&notes) {
                    self.refresh_stores(now.mono);
                }
            }
            ShardEvent::CannotAcquire(why) => self.no_lease = Some(why),
            ShardEvent::CanAcquire => self.no_lease = None,
        }
    }

    /// Returns whether all kinds must be listed now: a shard was taken, and the index may be older than the former
    /// holder's last actions there. Waits for a list in progress, but not for long.
    pub(super) fn begins_relist(&mut self) -> bool {
        let unlisted = self.shards.unlisted();
        let begins = match &self.relist {
            None => !unlisted.is_empty(),
            Some(relist) => relist.lists.are_late() && !unlisted.is_subset(&relist.shards),
        };
        if begins {
            self.relist = Some(Relist::new(unlisted.clone()));
        }
        begins
    }

    /// Starts revocation-only passes in newly taken shards when the re-list takes too long.
    pub(super) fn stop_waiting_for_relist(&mut self, now: Now) {
        let Some(relist) = &mut self.relist else { return };
        if !relist.lists.stop_waiting(now.mono) {
            return;
        }
        for shard in relist.shards.clone() {
            if self.shards.listed_for_revocations(shard) {
                self.reconcile_accounts(shard, now);
            }
        }
    }

    /// Records that a kind was listed.
    pub(super) fn relisted(&mut self, kind: KindName, now: Now) {
        if let Some(relist) = &mut self.relist {
            relist.lists.set(kind, ListState::Listed, now.mono);
        }
        let Some(relist) = self.relist.take_if(|relist| relist.lists.are_complete()) else { return };
        for shard in relist.shards {
            self.shards.listed(shard);
            if self.shards.has(shard) {
                self.taken(shard, now);
            }
        }
    }

    /// Queues everything in a shard: the actions of its former holder are unknown.
    fn taken(&mut self, shard: u16, now: Now) {
        self.reconcile_accounts(shard, now);
        let unreadable: Vec<Unreadable> = self.index.all_unreadable().cloned().collect();
        for unreadable in &unreadable {
            if unreadable.account_key().map_or(0, |key| self.shard_of(&key)) == shard {
                self.report_unreadable(unreadable, now);
            }
        }
        if shard == 0 {
            self.refresh_stores(now.mono);
            let catalogs: Vec<Name> = self.index.all_catalogs().cloned().collect();
            for name in catalogs {
                self.refresh(KindName::PermissionCatalog, name, Duration::ZERO, now.mono);
            }
        }
    }

    fn reconcile_accounts(&mut self, shard: u16, now: Now) {
        // Blocks also apply in accounts that no Account describes any more.
        let blocking = self.index.stores.iter().filter(|(_, store)| !store.facts.blocked.is_empty());
        let blocking: Vec<Name> = blocking.map(|(name, _)| name.clone()).collect();
        for name in blocking {
            self.refresh(KindName::IdentityStore, name, Duration::ZERO, now.mono);
        }
        let keys: Vec<AccountKey> =
            self.index.accounts.keys().filter(|key| self.shard_of(key) == shard).cloned().collect();
        for key in &keys {
            if let Some(store) = self.store_of(key)
                && let Some(record) = self.index.stores.get(&store)
            {
                self.blocks.wait_for(&store, record.facts.generation, key);
            }
            self.queue.add(key, WorkItem::Account, Trigger::CHANGE, now.mono);
        }
    }

    /// Publishes to the other replicas the generation of each store with which all accounts of this one are
    /// reconciled.
    pub(super) fn publish_reconciled(&self, effects: &mut Vec<Effect>) {
        if self.setup.shards == 1 || !self.lists.are_complete() {
            return;
        }
        let settled = self.index.stores.values().filter(|record| self.is_settled_here(&record.name));
        let known: BTreeMap<&str, i64> =
            settled.map(|record| (record.meta.uid.as_str(), record.facts.generation)).collect();
        // A map of names to numbers can always be written.
        let note = serde_json::to_string(&known).unwrap_or_default();
        effects.extend(self.shards.ours().map(|shard| Effect::PublishNote { shard, note: note.clone() }));
    }

    /// Records the shards whose epoch every store knows: all their accounts have been reconciled, and each pass
    /// claims the store before it observes.
    pub(super) fn note_clean(&mut self, effects: &mut Vec<Effect>) {
        if !self.lists.are_complete() {
            return;
        }
        for shard in self.shards.unclean() {
            if self.shards.has(shard) && self.is_reconciled(shard) {
                self.shards.mark_clean(shard);
                effects.push(Effect::MarkClean(shard));
            }
        }
    }

    /// Returns whether every account in a shard had a complete check.
    fn is_reconciled(&self, shard: u16) -> bool {
        let accounts = self.index.accounts.iter().filter(|(_, entry)| entry.object.is_some()).map(|(key, _)| key);
        let mut ours = accounts.filter(|key| self.shard_of(key) == shard);
        ours.all(|key| self.accounts.get(key).is_some_and(|known| known.checked.is_some()))
    }

    /// Releases a shard when its last pass has ended. Statuses still queued are dropped: the next holder reconciles
    /// every account.
    pub(super) fn hand_over(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for (shard, since) in self.shards.leaving() {
            let is_late = now.mono.since(since) > HANDOVER;
            let runs = self.passes.iter().filter(|(_, running)| running.shard == shard);
            // The next holder continues the work.
            let runs: Vec<_> = runs.inspect(|(_, running)| running.handle.end_early()).map(|(id, _)| id).collect();
            let refreshes: Vec<_> = self.refreshes.ids().filter(|_| shard == 0).collect();
            if is_late {
                effects.extend(runs.iter().chain(&refreshes).map(|id| Effect::Abandon(*id)));
            }
            let in_shard = |object: &ObjectRef| self.shard_of_object(object).is_none_or(|of| of == shard);
            let waiting: Vec<ObjectRef> = self.statuses.waiting().filter(|it| in_shard(it)).cloned().collect();
            let sends = self.statuses.in_flight().any(in_shard);
            self.statuses.forget(&waiting);
            if (sends || !runs.is_empty() || !refreshes.is_empty()) && !is_late {
                continue;
            }
            let is_of =
                |(key, state): &(&AccountKey, &AccountState)| state.shard == Some(shard) || self.shard_of(key) == shard;
            let gone: Vec<AccountKey> = self.accounts.iter().filter(is_of).map(|(key, _)| key.clone()).collect();
            for key in &gone {
                self.accounts.remove(key);
                self.blocks.forget(key);
            }
            if is_late {
                // Other replicas wait until its lease expires.
                self.shards.left(shard);
                effects.push(Effect::Drop(shard));
            } else if self.shards.left(shard) {
                effects.push(Effect::Release(shard));
            }
        }
    }
}
