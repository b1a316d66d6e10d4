//! What of the accounts is ours, as the loop sees it: the shards this replica holds, and what it may write in each.

use std::collections::{BTreeMap, BTreeSet};

use super::lease::{Leadership, Term};
use crate::{
    api::IdentityStoreSpec,
    model::{AccountKey, Name},
    store::{Claim, Slot, Slots, slot, slot_of},
};

/// The right to write an account.
#[derive(Clone, Debug)]
pub struct Grip {
    /// What the store is told.
    pub claim: Claim,
    /// Whether whoever had it before has ended its writes; if not, the store is told before anything is read.
    pub clean: bool,
    /// Whether it still lasts.
    pub term: Term,
}

/// Who looks after what.
pub struct Shares {
    of: u16,
    held: BTreeMap<u16, Leadership>,
    /// Shards that are being given back: nothing of them begins any more.
    leaving: BTreeSet<u16>,
    /// What the holders of the others say.
    told: BTreeMap<u16, BTreeMap<Name, i64>>,
}

impl Shares {
    /// Shares of so many shards.
    #[must_use]
    pub fn new(of: u16) -> Self {
        Self { of, held: BTreeMap::new(), leaving: BTreeSet::new(), told: BTreeMap::new() }
    }

    /// The shard an account is in.
    #[must_use]
    pub fn shard(&self, account: &AccountKey, store: Option<&IdentityStoreSpec>) -> u16 {
        Slots::part_of(place(account, store), self.of)
    }

    /// Takes a shard.
    pub fn take(&mut self, shard: u16, leadership: Leadership) {
        self.leaving.remove(&shard);
        self.held.insert(shard, leadership);
    }

    /// Begins to give a shard back.
    pub fn leave(&mut self, shard: u16) {
        if self.held.contains_key(&shard) {
            self.leaving.insert(shard);
        }
    }

    /// Shards that are being given back.
    pub fn leaving(&self) -> impl Iterator<Item = u16> {
        self.leaving.iter().copied()
    }

    /// A shard whose last write has ended: to be released.
    pub fn left(&mut self, shard: u16) -> Option<Leadership> {
        self.leaving.remove(&shard);
        self.held.remove(&shard)
    }

    /// Everything that is held, to be released.
    pub fn all(&mut self) -> Vec<Leadership> {
        self.leaving.clear();
        std::mem::take(&mut self.held).into_values().collect()
    }

    /// What may be written of the accounts in a shard, if it is ours.
    #[must_use]
    pub fn grip(&self, shard: u16) -> Option<Grip> {
        let leadership = self.held.get(&shard).filter(|_| !self.leaving.contains(&shard))?;
        let claim = Claim { epoch: leadership.epoch, slots: Slots::part(shard, self.of) };
        Some(Grip { claim, clean: leadership.clean, term: leadership.term() })
    }

    /// Whether a shard is ours and stays so.
    #[must_use]
    pub fn has(&self, shard: u16) -> bool {
        self.held.contains_key(&shard) && !self.leaving.contains(&shard)
    }

    /// Whether catalogs and stores, which belong to no account, are ours to speak of.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.has(0)
    }

    /// How many are held.
    #[must_use]
    pub fn count(&self) -> usize {
        self.held.len()
    }

    /// Tells the others with which generation of each store all our accounts have been gone over.
    pub fn say(&self, gone_over: &BTreeMap<Name, i64>) {
        if self.of == 1 {
            return;
        }
        let words: BTreeMap<&str, i64> = gone_over.iter().map(|(store, at)| (store.as_str(), *at)).collect();
        // A map of names to numbers can always be written.
        let note = serde_json::to_string(&words).unwrap_or_default();
        self.held.values().for_each(|leadership| leadership.say(&note));
    }

    /// Takes in what the others say; whether it is new.
    pub fn hear(&mut self, told: &BTreeMap<u16, String>) -> bool {
        let parse = |note: &String| serde_json::from_str::<BTreeMap<String, i64>>(note).unwrap_or_default();
        let named = |note| parse(note).into_iter().map(|(store, at)| (Name::from(store), at)).collect();
        let told = told.iter().map(|(shard, note)| (*shard, named(note))).collect();
        std::mem::replace(&mut self.told, told) != self.told
    }

    /// Whether all others have gone over their accounts with this generation of a store, or a later one.
    #[must_use]
    pub fn others_went_over(&self, store: &Name, generation: i64) -> bool {
        let theirs = (0..self.of).filter(|shard| !self.held.contains_key(shard));
        let said = |shard: u16| self.told.get(&shard).and_then(|said| said.get(store)).copied();
        theirs.map(said).all(|said| said.is_some_and(|at| at >= generation))
    }
}

/// Where an account stands. In a store where accounts share what cannot be written together (a user of Keycloak is one,
/// in however many accounts), all of them stand in one place.
fn place(account: &AccountKey, store: Option<&IdentityStoreSpec>) -> Slot {
    match store.and_then(|spec| spec.keycloak.as_ref()) {
        Some(keycloak) => slot_of(&format!("{} {}", keycloak.url, keycloak.realm)),
        None => slot(account),
    }
}
