//! Decides when the blocks of an IdentityStore are reported as in force: after every account was reconciled with them,
//! since a pass that began earlier may still write (docs/decisions/0017). The loop calls it when a store changes and
//! after each pass.

use std::{collections::BTreeSet, time::Duration};

use super::{Control, Effect, Now};
use crate::{
    model::{AccountKey, KindName, Name},
    report,
    state::{Impact, Object, Record, StoreFacts},
};

impl Control {
    /// Returns the name of the store if the object is a store whose spec has changed.
    pub(super) fn changed_store(&self, object: &Object) -> Option<Name> {
        let Object::Store(record) = object else { return None };
        let known = self.index.stores.get(&record.name);
        let same = known
            .is_some_and(|known| known.meta.uid == record.meta.uid && known.meta.generation == record.meta.generation);
        (!same).then(|| record.name.clone())
    }

    /// Records that a store has changed: the affected accounts must be reconciled, and so must those with a running
    /// pass, which still uses the former version.
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

    /// Loads a new store or spec. Trusts `blockedInForce` only as read at this moment (a former leader wrote it);
    /// later edits by others are ignored.
    pub(super) fn load_reported(&mut self, store: &Name) {
        self.blocks.reported.remove(store);
        let Some(record) = self.index.stores.get(store) else { return };
        if record.meta.status.is_in_force(record.facts.generation) {
            let version = (record.meta.uid.clone(), record.facts.generation);
            self.blocks.reported.insert(store.clone(), version.clone());
            self.blocks.notified.insert(store.clone(), version);
        }
    }

    /// Records the reported generation, and publishes an event for blocks that are newly in force.
    pub(super) fn report_in_force(&mut self, store: &Name, in_force: Option<i64>) {
        let record = self.index.stores.get(store).cloned();
        let Some((record, generation)) = record.zip(in_force) else {
            self.blocks.reported.remove(store);
            return;
        };
        let version = (record.meta.uid.clone(), generation);
        self.blocks.reported.insert(store.clone(), version.clone());
        // A store that was unavailable for a while repeats no event.
        let is_news = self.blocks.notified.insert(store.clone(), version.clone()) != Some(version);
        if is_news && generation == record.facts.generation && !record.facts.spec.blocked.is_empty() {
            self.outbox.push(Effect::EmitEvent(report::blocks_in_force(&record, generation)));
        }
    }

    /// Returns whether every account has been reconciled with this generation by any replica.
    pub(super) fn is_settled(&self, store: &Record<StoreFacts>) -> bool {
        let generation = store.facts.generation;
        let was_reported = self
            .blocks
            .reported
            .get(&store.name)
            .is_some_and(|version| *version == (store.meta.uid.clone(), generation));
        was_reported
            || self.is_settled_here(&store.name) && self.shards.others_know(store.meta.uid.as_str(), generation)
    }

    /// Returns whether every account of this replica was reconciled since the store last changed.
    pub(super) fn is_settled_here(&self, store: &Name) -> bool {
        self.blocks.awaited.get(store).is_none_or(|(_, awaited)| awaited.is_empty())
    }

    /// Records that an account was reconciled with the store at `generation`; `None` if the pass used no store.
    pub(super) fn reconciled(&mut self, key: &AccountKey, generation: Option<i64>, now: Now) {
        // If no work is pending, this was the last pass from before the change; later passes use the new version.
        let last = !self.queue.is_pending(key);
        let mut settled = Vec::new();
        for (store, (current, awaited)) in &mut self.blocks.awaited {
            let is_current = last || generation.is_none_or(|generation| generation >= *current);
            if is_current && awaited.remove(key) && awaited.is_empty() {
                settled.push(store.clone());
            }
        }
        for store in settled {
            self.refresh(KindName::IdentityStore, store, Duration::ZERO, now.mono);
        }
    }
}
