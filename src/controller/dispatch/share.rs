//! Which accounts are ours, and how that changes while the loop runs.

use std::time::Duration;

use super::{Dispatcher, runtime::Task};
use crate::{
    controller::{
        queue::{Urgency, Want},
        record::{KindName, ObjectRef},
        sharing::Event,
    },
    model::{AccountKey, Name},
};

impl Dispatcher {
    /// The shard an account is in.
    pub(super) fn shard_of(&self, key: &AccountKey) -> u16 {
        let store = self.store_of(key);
        let store = store.and_then(|store| self.index.stores.get(&store));
        self.shares.shard(key, store.map(|record| &record.facts.spec))
    }

    /// Whether an account is ours.
    pub(super) fn is_ours(&self, key: &AccountKey) -> bool {
        self.shares.has(self.shard_of(key))
    }

    /// The shard an object is in; nothing where it is gone.
    pub(super) fn shard_of_object(&self, reference: &ObjectRef) -> Option<u16> {
        match reference.kind {
            KindName::PermissionCatalog | KindName::IdentityStore => Some(0),
            _ => self.index.account_of(reference).map(|key| self.shard_of(&key)),
        }
    }

    pub(super) fn shared(&mut self, event: Event) {
        match event {
            Event::Taken(shard, leadership) => {
                self.shares.take(shard, leadership);
                self.taken(shard);
            }
            Event::GiveBack(shard) => {
                tracing::info!(shard, "giving a shard to another replica");
                self.shares.leave(shard);
            }
            Event::Told(told) => {
                if self.shares.hear(&told) {
                    self.look_at_stores();
                }
            }
            Event::Refused(why) => tracing::warn!(why, "no more accounts can be taken"),
            Event::Waiting => {}
        }
        self.setting.metrics.shards(self.shares.count(), self.setting.shards);
    }

    /// All that is in a shard is gone over: nobody can say what happened before.
    fn taken(&mut self, shard: u16) {
        let keys: Vec<AccountKey> =
            self.index.accounts.keys().filter(|key| self.shard_of(key) == shard).cloned().collect();
        for key in &keys {
            if let Some(store) = self.store_of(key)
                && let Some(record) = self.index.stores.get(&store)
            {
                self.blocks.wait_for(&store, record.facts.generation, key);
            }
            self.queue.want(key, Want::Account, Urgency::Change, None);
        }
        if shard == 0 {
            self.look_at_stores();
            let catalogs: Vec<Name> = self.index.catalogs.keys().cloned().collect();
            for name in catalogs {
                self.look(KindName::PermissionCatalog, name, Duration::ZERO);
            }
        }
        self.tell_others();
    }

    fn look_at_stores(&mut self) {
        let stores: Vec<Name> = self.index.stores.keys().cloned().collect();
        for name in stores {
            self.look(KindName::IdentityStore, name, Duration::ZERO);
        }
    }

    /// Tells the other replicas which generation of each store all accounts of ours have been gone over with.
    pub(super) fn tell_others(&self) {
        let settled = self.index.stores.iter().filter(|(name, _)| self.is_settled_here(name));
        self.shares.say(&settled.map(|(name, record)| (name.clone(), record.facts.generation)).collect());
    }

    /// Releases what is being given back once nothing of it is under way. What waits to be said of it is left to whoever
    /// takes it, who looks at all of it.
    pub(super) fn hand_over(&mut self) {
        let leaving: Vec<u16> = self.shares.leaving().collect();
        for shard in leaving {
            let in_shard = |reference: &ObjectRef| self.shard_of_object(reference).is_none_or(|of| of == shard);
            let waiting: Vec<ObjectRef> = self.writer.waiting().filter(|it| in_shard(it)).cloned().collect();
            let sends = self.writer.in_flight().any(in_shard);
            let runs = self.queue.running().any(|key| self.shard_of(key) == shard);
            let looks = shard == 0 && self.looks.values().any(|look| look.running);
            for reference in &waiting {
                self.writer.forget(reference);
            }
            if sends || runs || looks {
                continue;
            }
            let gone: Vec<AccountKey> =
                self.runtime.keys().filter(|key| self.shard_of(key) == shard).cloned().collect();
            for key in &gone {
                self.runtime.remove(key);
                self.blocks.forget(key);
            }
            if let Some(leadership) = self.shares.left(shard) {
                self.tasks.spawn(async move {
                    leadership.release().await;
                    Task::Released(shard)
                });
            }
        }
    }
}
