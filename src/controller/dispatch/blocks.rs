//! Which accounts are still to be gone over since an IdentityStore last changed: before they are, nobody can say that a
//! block is in force, since a pass that began earlier may still write (docs/decisions/0017).

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use super::Dispatcher;
use crate::{
    controller::{
        index::Impact,
        record::{KindName, Object, Record},
    },
    model::{AccountKey, Name},
    resolve::StoreFacts,
};

/// By store: its generation, and the accounts that are still to be gone over.
#[derive(Default)]
pub(super) struct Blocks(HashMap<Name, (i64, BTreeSet<AccountKey>)>);

impl Blocks {
    /// An account is to be gone over with a store as it is now.
    pub(super) fn wait_for(&mut self, store: &Name, generation: i64, key: &AccountKey) {
        let (current, awaited) = self.0.entry(store.clone()).or_default();
        *current = generation.max(*current);
        awaited.insert(key.clone());
    }

    /// An account is another replica's to go over.
    pub(super) fn forget(&mut self, key: &AccountKey) {
        for (_, awaited) in self.0.values_mut() {
            awaited.remove(key);
        }
    }
}

impl Dispatcher {
    /// The store, if the object is one whose spec has changed.
    pub(super) fn changed_store(&self, object: &Object) -> Option<Name> {
        let Object::Store(record) = object else { return None };
        let known = self.index.stores.get(&record.name);
        let same = known
            .is_some_and(|known| known.meta.uid == record.meta.uid && known.meta.generation == record.meta.generation);
        (!same).then(|| record.name.clone())
    }

    /// A store has changed: whatever that touches is to be gone over, and whatever runs goes on with what was before.
    pub(super) fn await_passes(&mut self, store: &Name, generation: i64, impacts: &[Impact]) {
        let touched = impacts.iter().filter_map(|impact| match impact {
            Impact::Account(key) | Impact::Member(key, _) => Some(key.clone()),
            _ => None,
        });
        let mut awaited: BTreeSet<AccountKey> = touched.collect();
        let earlier = self.blocks.0.remove(store).map(|(_, awaited)| awaited);
        awaited.extend(earlier.into_iter().flatten());
        let running = self.index.accounts.keys().filter(|key| self.queue.is_running(key));
        awaited.extend(running.filter(|key| self.store_of(key).as_ref() == Some(store)).cloned());
        awaited.retain(|key| self.is_ours(key));
        self.blocks.0.insert(store.clone(), (generation, awaited));
    }

    /// Whether every account was gone over since, by whichever replica.
    pub(super) fn is_settled(&self, store: &Record<StoreFacts>) -> bool {
        self.is_settled_here(&store.name)
            && self.shares.others_went_over(store.meta.uid.as_str(), store.facts.generation)
    }

    /// Whether every account of ours was gone over since.
    pub(super) fn is_settled_here(&self, store: &Name) -> bool {
        self.blocks.0.get(store).is_none_or(|(_, awaited)| awaited.is_empty())
    }

    /// An account was gone over, knowing the store at `generation`; nothing where it knew none.
    pub(super) fn gone_over(&mut self, key: &AccountKey, generation: Option<i64>) {
        // What ran only because of something earlier has ended with this; what is still to come knows more.
        let last = !self.queue.is_pending(key);
        let mut settled = Vec::new();
        for (store, (current, awaited)) in &mut self.blocks.0 {
            let is_current = last || generation.is_none_or(|generation| generation >= *current);
            if is_current && awaited.remove(key) && awaited.is_empty() {
                settled.push(store.clone());
            }
        }
        for store in settled {
            self.look(KindName::IdentityStore, store, Duration::ZERO);
        }
    }
}
