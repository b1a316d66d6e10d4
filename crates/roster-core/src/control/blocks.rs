//! Accounts that are still to be reconciled since an IdentityStore last changed: before they are, nobody can say that a
//! block is in force, since a pass that began earlier may still write (docs/decisions/0017).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Control, Effect, Now};
use crate::{
    model::{AccountKey, KindName, Name},
    report,
    state::{Impact, Object, Record, StoreFacts},
};

/// What is known of blocks.
#[derive(Default)]
pub(super) struct Blocks {
    /// By store: its generation, and the accounts that are still to be reconciled.
    awaited: BTreeMap<Name, (i64, BTreeSet<AccountKey>)>,
    /// By store: the UID and generation of which it is said that blocks are in force; by us, or by whoever led before.
    said: BTreeMap<Name, (Name, i64)>,
    /// The same of which it was told. It stays while the store cannot be asked.
    told: BTreeMap<Name, (Name, i64)>,
}

impl Blocks {
    /// Notes that an account is to be reconciled with a store as it is now.
    pub(super) fn wait_for(&mut self, store: &Name, generation: i64, key: &AccountKey) {
        let (current, awaited) = self.awaited.entry(store.clone()).or_default();
        *current = generation.max(*current);
        awaited.insert(key.clone());
    }

    /// Notes that an account is another replica's.
    pub(super) fn forget(&mut self, key: &AccountKey) {
        for (_, awaited) in self.awaited.values_mut() {
            awaited.remove(key);
        }
    }
}

impl Control {
    /// Returns the store, if the object is one whose spec has changed.
    pub(super) fn changed_store(&self, object: &Object) -> Option<Name> {
        let Object::Store(record) = object else { return None };
        let known = self.index.stores.get(&record.name);
        let same = known
            .is_some_and(|known| known.meta.uid == record.meta.uid && known.meta.generation == record.meta.generation);
        (!same).then(|| record.name.clone())
    }

    /// Notes that a store has changed: whatever that touches is to be reconciled, and whatever runs goes on with what was
    /// before.
    pub(super) fn await_passes(&mut self, store: &Name, generation: i64, impacts: &[Impact]) {
        let touched = impacts.iter().filter_map(|impact| match impact {
            Impact::Account(key) | Impact::Member(key, _) => Some(key.clone()),
            _ => None,
        });
        let mut awaited: BTreeSet<AccountKey> = touched.collect();
        let earlier = self.blocks.awaited.remove(store).map(|(_, awaited)| awaited);
        awaited.extend(earlier.into_iter().flatten());
        let running = self.index.accounts.keys().filter(|key| self.queue.is_running(key));
        awaited.extend(running.filter(|key| self.store_of(key).as_ref() == Some(store)).cloned());
        awaited.retain(|key| self.is_ours(key));
        self.blocks.awaited.insert(store.clone(), (generation, awaited));
    }

    /// Takes in a store as it is seen for the first time, or with another spec. What its status says of this generation was
    /// found out by whoever led before; what anybody writes there later counts for nothing.
    pub(super) fn believe(&mut self, store: &Name) {
        self.blocks.said.remove(store);
        let Some(record) = self.index.stores.get(store) else { return };
        if record.meta.status.is_in_force(record.facts.generation) {
            let said = (record.meta.uid.clone(), record.facts.generation);
            self.blocks.said.insert(store.clone(), said.clone());
            self.blocks.told.insert(store.clone(), said);
        }
    }

    /// Notes what is said of a store from now on, and tells of blocks that are in force now.
    pub(super) fn say_in_force(&mut self, store: &Name, in_force: Option<i64>) {
        let record = self.index.stores.get(store).cloned();
        let Some((record, generation)) = record.zip(in_force) else {
            self.blocks.said.remove(store);
            return;
        };
        let said = (record.meta.uid.clone(), generation);
        self.blocks.said.insert(store.clone(), said.clone());
        // A store that was away for a while tells nothing new.
        let is_news = self.blocks.told.insert(store.clone(), said.clone()) != Some(said);
        if is_news && generation == record.facts.generation && !record.facts.spec.blocked.is_empty() {
            self.outbox.push(Effect::Tell(report::blocks_in_force(&record, generation)));
        }
    }

    /// Returns whether every account was reconciled since, by whichever replica. Once that was so of a generation, no pass
    /// knows less of it any more.
    pub(super) fn is_settled(&self, store: &Record<StoreFacts>) -> bool {
        let generation = store.facts.generation;
        let was_said =
            self.blocks.said.get(&store.name).is_some_and(|said| *said == (store.meta.uid.clone(), generation));
        was_said || self.is_settled_here(&store.name) && self.shards.others_know(store.meta.uid.as_str(), generation)
    }

    /// Returns whether every account of ours was reconciled since.
    pub(super) fn is_settled_here(&self, store: &Name) -> bool {
        self.blocks.awaited.get(store).is_none_or(|(_, awaited)| awaited.is_empty())
    }

    /// Notes that an account was reconciled, knowing the store at `generation`; nothing where it knew none.
    pub(super) fn reconciled(&mut self, key: &AccountKey, generation: Option<i64>, now: Now) {
        // What ran only because of something earlier has ended with this; what is still to come knows more.
        let last = !self.queue.is_pending(key);
        let mut settled = Vec::new();
        for (store, (current, awaited)) in &mut self.blocks.awaited {
            let is_current = last || generation.is_none_or(|generation| generation >= *current);
            if is_current && awaited.remove(key) && awaited.is_empty() {
                settled.push(store.clone());
            }
        }
        for store in settled {
            self.look(KindName::IdentityStore, store, Duration::ZERO, now.mono);
        }
    }
}
