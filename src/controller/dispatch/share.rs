//! Which accounts are ours, and how that changes while the loop runs.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{Dispatcher, runtime::Task};
use crate::{
    cluster::sharing::Event,
    controller::queue::{Urgency, Want},
    model::{AccountKey, KindName, Name, ObjectRef},
};

/// How long what is under way in a shard may take before it is cut short, so that nobody's revocation waits for it.
const HANDOVER: Duration = Duration::from_secs(10);

/// A list of everything, made since some shards were taken.
#[derive(Default)]
pub(super) struct Relist {
    /// The shards that were taken before it began.
    shards: BTreeSet<u16>,
    /// What is still to be listed.
    kinds: BTreeSet<KindName>,
}

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
            KindName::PermissionCatalog | KindName::IdentityStore | KindName::CatalogRecord => Some(0),
            _ => self.index.account_of(reference).map(|key| self.shard_of(&key)),
        }
    }

    pub(super) fn shared(&mut self, event: Event) {
        match event {
            Event::Taken(shard, leadership) => {
                // Its accounts are looked after once everything has been listed afresh.
                self.shares.take(shard, leadership, true);
            }
            Event::GiveBack(shard) => {
                tracing::info!(shard, "giving a shard to another replica");
                self.shares.leave(shard);
                if shard == 0 {
                    self.reached.clear();
                    self.stops.clear();
                }
            }
            Event::Told(told) => {
                if self.shares.hear(&told) {
                    self.look_at_stores();
                }
            }
            Event::Unable(why) => {
                tracing::warn!(why, "no accounts can be taken; trying again");
                self.no_lease = Some(why);
            }
            Event::Waiting => self.no_lease = None,
        }
        self.setting.metrics.shards(self.shares.count(), self.setting.shards);
    }

    /// Whether everything is to be listed now: a shard was taken, and what is known may be older than what the one before
    /// did there.
    pub(super) fn begins_relist(&mut self) -> bool {
        if !self.relist.kinds.is_empty() || self.shares.unlisted().is_empty() {
            return false;
        }
        let shards = self.shares.unlisted().clone();
        self.relist = Relist { shards, kinds: KindName::ALL.into_iter().collect() };
        true
    }

    /// A kind was listed.
    pub(super) fn relisted(&mut self, kind: KindName) {
        self.relist.kinds.remove(&kind);
        if !self.relist.kinds.is_empty() {
            return;
        }
        for shard in std::mem::take(&mut self.relist.shards) {
            self.shares.listed(shard);
            if self.shares.has(shard) {
                self.taken(shard);
            }
        }
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
            let catalogs: Vec<Name> = self.index.all_catalogs().cloned().collect();
            for name in catalogs {
                self.look(KindName::PermissionCatalog, name, Duration::ZERO);
            }
        }
    }

    fn look_at_stores(&mut self) {
        let stores: Vec<Name> = self.index.stores.keys().cloned().collect();
        for name in stores {
            self.look(KindName::IdentityStore, name, Duration::ZERO);
        }
    }

    /// Tells the other replicas which generation of each store all accounts of ours have been gone over with.
    pub(super) fn tell_others(&self) {
        if self.setting.shards == 1 || !self.is_complete() {
            return;
        }
        let settled = self.index.stores.values().filter(|record| self.is_settled_here(&record.name));
        self.shares.say(&settled.map(|record| (record.meta.uid.as_str(), record.facts.generation)).collect());
    }

    /// Notes of which shards every store knows that they are ours: all their accounts have been gone over, and no pass
    /// observes before the store is told.
    pub(super) fn note_clean(&self) {
        for (shard, leadership) in self.shares.unclean().filter(|(shard, _)| self.shares.has(*shard)) {
            let accounts = self.index.accounts.iter().filter(|(_, entry)| entry.object.is_some()).map(|(key, _)| key);
            let mut ours = accounts.filter(|key| self.shard_of(key) == shard);
            if self.is_complete() && ours.all(|key| self.runtime.get(key).is_some_and(|known| known.checked.is_some()))
            {
                leadership.every_store_knows();
            }
        }
    }

    /// Releases what is being given back once nothing of it is under way. What waits to be said of it is left to whoever
    /// takes it, who looks at all of it.
    pub(super) fn hand_over(&mut self) {
        let leaving: Vec<(u16, Instant)> = self.shares.leaving().collect();
        for (shard, since) in leaving {
            let in_shard = |reference: &ObjectRef| self.shard_of_object(reference).is_none_or(|of| of == shard);
            let waiting: Vec<ObjectRef> = self.writer.waiting().filter(|it| in_shard(it)).cloned().collect();
            let sends = self.writer.in_flight().any(in_shard);
            let runs = self.queue.running().any(|key| self.shard_of(key) == shard);
            let looks = shard == 0 && self.looks.values().any(|look| look.running);
            let is_late = since.elapsed() > HANDOVER;
            if is_late {
                let late = self.owners.values().filter(|(reference, _)| in_shard(reference));
                late.for_each(|(_, task)| task.abort());
            }
            for reference in &waiting {
                self.writer.forget(reference);
            }
            if (sends || runs || looks) && !is_late {
                continue;
            }
            let gone: Vec<AccountKey> =
                self.runtime.keys().filter(|key| self.shard_of(key) == shard).cloned().collect();
            for key in &gone {
                self.runtime.remove(key);
                self.blocks.forget(key);
            }
            let leadership = self.shares.left(shard);
            if is_late {
                tracing::warn!(
                    shard,
                    "what is under way takes long and is cut short; others wait until its lease expires"
                );
            } else if let Some(leadership) = leadership {
                self.tasks.spawn(async move {
                    leadership.release().await;
                    Task::Released(shard)
                });
            }
        }
    }
}
