//! The shards that this replica holds, and what it may write in each.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Mono, Permit};
use crate::{
    api::IdentityStoreSpec,
    contract::{Claim, Epoch, Slot, Slots, slot, slot_of},
    model::AccountKey,
};

/// How long what is under way in a shard may take before it is cut short, so that nobody's revocation waits for it.
pub(super) const HANDOVER: Duration = Duration::from_secs(10);

/// A shard that is held.
#[derive(Clone, Copy, Debug)]
struct Held {
    epoch: Epoch,
    clean: bool,
}

/// Shards that this replica holds.
pub(super) struct Shards {
    of: u16,
    held: BTreeMap<u16, Held>,
    /// Shards that are being given back, and since when: nothing of them begins any more.
    leaving: BTreeMap<u16, Mono>,
    /// Shards that were taken while something else was looked after: nothing of them begins before everything has been
    /// listed afresh, since what is known may be older than what the one before did.
    unlisted: BTreeSet<u16>,
    /// Of those, shards whose accounts can be looked after as far as ends by somebody's word go: all that these need has
    /// been listed afresh.
    only_ends: BTreeSet<u16>,
    /// By shard of another replica: for each store, by its UID, the generation with which all accounts are reconciled.
    told: BTreeMap<u16, BTreeMap<String, i64>>,
}

impl Shards {
    pub(super) fn new(of: u16) -> Self {
        Self {
            of,
            held: BTreeMap::new(),
            leaving: BTreeMap::new(),
            unlisted: BTreeSet::new(),
            only_ends: BTreeSet::new(),
            told: BTreeMap::new(),
        }
    }

    /// Returns the shard that an account is in.
    pub(super) fn shard(&self, account: &AccountKey, store: Option<&IdentityStoreSpec>) -> u16 {
        shard_of(account, store, self.of)
    }

    /// Takes a shard; where something is known of its accounts already, it is to be [listed](Self::listed) afresh.
    pub(super) fn take(&mut self, shard: u16, epoch: Epoch, clean: bool, known: bool) {
        self.leaving.remove(&shard);
        self.only_ends.remove(&shard);
        self.held.insert(shard, Held { epoch, clean });
        if known {
            self.unlisted.insert(shard);
        }
    }

    /// Returns the shards that wait for a list.
    pub(super) fn unlisted(&self) -> &BTreeSet<u16> {
        &self.unlisted
    }

    /// Notes that everything was listed after this shard was taken.
    pub(super) fn listed(&mut self, shard: u16) {
        self.unlisted.remove(&shard);
        self.only_ends.remove(&shard);
    }

    /// Notes that what ends by somebody's word need was listed after this shard was taken; returns whether that is of use:
    /// it is ours, and not everything was listed.
    pub(super) fn listed_for_ends(&mut self, shard: u16) -> bool {
        let waits = self.unlisted.contains(&shard) && !self.leaving.contains_key(&shard);
        waits && self.only_ends.insert(shard)
    }

    /// Returns whether a shard is ours, and so far only ends by somebody's word can be made in it.
    pub(super) fn has_only_ends(&self, shard: u16) -> bool {
        self.only_ends.contains(&shard) && !self.leaving.contains_key(&shard)
    }

    /// Begins to give a shard back.
    pub(super) fn leave(&mut self, shard: u16, now: Mono) {
        if self.held.contains_key(&shard) {
            self.leaving.entry(shard).or_insert(now);
        }
    }

    /// Returns the shards that are being given back, and since when.
    pub(super) fn leaving(&self) -> Vec<(u16, Mono)> {
        self.leaving.iter().map(|(shard, since)| (*shard, *since)).collect()
    }

    /// Forgets a shard whose last write has ended; returns whether it was held.
    pub(super) fn left(&mut self, shard: u16) -> bool {
        self.leaving.remove(&shard);
        self.listed(shard);
        self.held.remove(&shard).is_some()
    }

    /// Returns the right to write the accounts in a shard, if it is ours; it may be for ends only
    /// ([`Self::has_only_ends`]).
    pub(super) fn permit(&self, shard: u16) -> Option<Permit> {
        let held = self.held.get(&shard).filter(|_| self.has(shard) || self.has_only_ends(shard))?;
        let claim = Claim { epoch: held.epoch, slots: Slots::part(shard, self.of) };
        Some(Permit { shard, claim, clean: held.clean })
    }

    /// Returns whether a shard is ours, stays so, and can be looked after.
    pub(super) fn has(&self, shard: u16) -> bool {
        self.held.contains_key(&shard) && !self.leaving.contains_key(&shard) && !self.unlisted.contains(&shard)
    }

    /// Returns the shards of which not every store knows that they are ours, though whoever had them before may still
    /// write.
    pub(super) fn unclean(&self) -> Vec<u16> {
        self.held.iter().filter(|(_, held)| !held.clean).map(|(shard, _)| *shard).collect()
    }

    /// Notes that every store knows that a shard is ours.
    pub(super) fn every_store_knows(&mut self, shard: u16) {
        if let Some(held) = self.held.get_mut(&shard) {
            held.clean = true;
        }
    }

    /// Returns whether catalogs and stores, which belong to no account, are ours to speak of.
    pub(super) fn leads(&self) -> bool {
        self.has(0)
    }

    /// Returns the number of shards that are held.
    pub(super) fn count(&self) -> usize {
        self.held.len()
    }

    /// Returns the shards that are ours and can be looked after.
    pub(super) fn ours(&self) -> impl Iterator<Item = u16> {
        self.held.keys().copied().filter(|shard| self.has(*shard))
    }

    /// Takes in what the others say; returns whether it is new.
    pub(super) fn hear(&mut self, told: &BTreeMap<u16, String>) -> bool {
        let parse = |note: &String| serde_json::from_str(note).unwrap_or_default();
        let told = told.iter().map(|(shard, note)| (*shard, parse(note))).collect();
        std::mem::replace(&mut self.told, told) != self.told
    }

    /// Returns whether all others have reconciled their accounts with this generation of the store of this UID, or a later
    /// one. A shard that is ours and cannot be looked after yet is not reconciled yet.
    pub(super) fn others_know(&self, store: &str, generation: i64) -> bool {
        let theirs = (0..self.of).filter(|shard| !self.has(*shard));
        let said = |shard: u16| self.told.get(&shard).and_then(|said| said.get(store)).copied();
        theirs.map(said).all(|said| said.is_some_and(|at| at >= generation))
    }
}

/// Returns the shard of an account, of so many. `store` is what the IdentityStore that the account names says; absent where
/// there is none.
#[must_use]
pub fn shard_of(account: &AccountKey, store: Option<&IdentityStoreSpec>, shards: u16) -> u16 {
    if shards == 1 { 0 } else { Slots::part_of(slot_in(account, store), shards) }
}

/// Returns the slot of an account. In a store where accounts share what cannot be written together (a user of Keycloak is
/// one, in however many accounts), all of them have one slot.
fn slot_in(account: &AccountKey, store: Option<&IdentityStoreSpec>) -> Slot {
    match store.and_then(|spec| spec.keycloak.as_ref()) {
        Some(keycloak) => {
            // However it is written.
            let url = url::Url::parse(&keycloak.url).map_or_else(|_| keycloak.url.clone(), String::from);
            slot_of(&format!("{} {}", url.trim_end_matches('/'), keycloak.realm))
        }
        None => slot(account),
    }
}
