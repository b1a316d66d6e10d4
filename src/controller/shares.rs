//! What of the accounts is ours, as the loop sees it: the shards this replica holds, and what it may write in each.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use crate::{
    api::IdentityStoreSpec,
    cluster::lease::{Leadership, Term},
    model::AccountKey,
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
    /// Shards that are being given back, and since when: nothing of them begins any more.
    leaving: BTreeMap<u16, Instant>,
    /// Shards that were taken while something else was looked after: nothing of them begins before everything has been
    /// listed afresh, since what is known may be older than what the one before did.
    unlisted: BTreeSet<u16>,
    /// What the holders of the others say.
    told: BTreeMap<u16, BTreeMap<String, i64>>,
}

impl Shares {
    /// Shares of so many shards.
    #[must_use]
    pub fn new(of: u16) -> Self {
        Self { of, held: BTreeMap::new(), leaving: BTreeMap::new(), unlisted: BTreeSet::new(), told: BTreeMap::new() }
    }

    /// The shard an account is in.
    #[must_use]
    pub fn shard(&self, account: &AccountKey, store: Option<&IdentityStoreSpec>) -> u16 {
        if self.of == 1 { 0 } else { Slots::part_of(place(account, store), self.of) }
    }

    /// Takes a shard; where something is known of its accounts already, it is to be [listed](Self::listed) afresh.
    pub fn take(&mut self, shard: u16, leadership: Leadership, known: bool) {
        self.leaving.remove(&shard);
        self.held.insert(shard, leadership);
        if known {
            self.unlisted.insert(shard);
        }
    }

    /// Shards that wait for a list.
    #[must_use]
    pub fn unlisted(&self) -> &BTreeSet<u16> {
        &self.unlisted
    }

    /// Everything was listed after this shard was taken.
    pub fn listed(&mut self, shard: u16) {
        self.unlisted.remove(&shard);
    }

    /// Begins to give a shard back.
    pub fn leave(&mut self, shard: u16) {
        if self.held.contains_key(&shard) {
            self.leaving.entry(shard).or_insert_with(Instant::now);
        }
    }

    /// Shards that are being given back, and since when.
    pub fn leaving(&self) -> impl Iterator<Item = (u16, Instant)> {
        self.leaving.iter().map(|(shard, since)| (*shard, *since))
    }

    /// A shard whose last write has ended: to be released.
    pub fn left(&mut self, shard: u16) -> Option<Leadership> {
        self.leaving.remove(&shard);
        self.unlisted.remove(&shard);
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
        let leadership = self.held.get(&shard).filter(|_| self.has(shard))?;
        let claim = Claim { epoch: leadership.epoch, slots: Slots::part(shard, self.of) };
        Some(Grip { claim, clean: leadership.is_clean(), term: leadership.term() })
    }

    /// Whether a shard is ours, stays so, and can be looked after.
    #[must_use]
    pub fn has(&self, shard: u16) -> bool {
        self.held.contains_key(&shard) && !self.leaving.contains_key(&shard) && !self.unlisted.contains(&shard)
    }

    /// Shards of which not every store knows that they are ours, though whoever had them before may still write.
    pub fn unclean(&self) -> impl Iterator<Item = (u16, &Leadership)> {
        self.held.iter().filter(|(_, leadership)| !leadership.is_clean()).map(|(shard, held)| (*shard, held))
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

    /// Tells the others with which generation of each store, by its UID, all our accounts have been gone over.
    pub fn say(&self, gone_over: &BTreeMap<&str, i64>) {
        // A map of names to numbers can always be written.
        let note = serde_json::to_string(gone_over).unwrap_or_default();
        let ours = self.held.iter().filter(|(shard, _)| self.has(**shard));
        ours.for_each(|(_, leadership)| leadership.say(&note));
    }

    /// Takes in what the others say; whether it is new.
    pub fn hear(&mut self, told: &BTreeMap<u16, String>) -> bool {
        let parse = |note: &String| serde_json::from_str(note).unwrap_or_default();
        let told = told.iter().map(|(shard, note)| (*shard, parse(note))).collect();
        std::mem::replace(&mut self.told, told) != self.told
    }

    /// Whether all others have gone over their accounts with this generation of the store of this UID, or a later one. A
    /// shard that is ours and cannot be looked after yet has been gone over by nobody.
    #[must_use]
    pub fn others_went_over(&self, store: &str, generation: i64) -> bool {
        let theirs = (0..self.of).filter(|shard| !self.has(*shard));
        let said = |shard: u16| self.told.get(&shard).and_then(|said| said.get(store)).copied();
        theirs.map(said).all(|said| said.is_some_and(|at| at >= generation))
    }
}

/// Where an account stands. In a store where accounts share what cannot be written together (a user of Keycloak is one,
/// in however many accounts), all of them stand in one place.
fn place(account: &AccountKey, store: Option<&IdentityStoreSpec>) -> Slot {
    match store.and_then(|spec| spec.keycloak.as_ref()) {
        Some(keycloak) => {
            // However it is written.
            let url = url::Url::parse(&keycloak.url).map_or_else(|_| keycloak.url.clone(), String::from);
            slot_of(&format!("{} {}", url.trim_end_matches('/'), keycloak.realm))
        }
        None => slot(account),
    }
}
