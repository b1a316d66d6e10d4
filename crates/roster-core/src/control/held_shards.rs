//! Shards that this replica holds, and the permits to write in them. The loop asks it before each pass.

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

/// Maximum time that work in progress delays the release of a shard, so that no revocation waits for it longer.
pub(super) const HANDOVER: Duration = Duration::from_secs(10);

/// State of a held shard.
#[derive(Clone, Copy, Debug)]
struct HeldShard {
    epoch: Epoch,
    clean: bool,
}

/// Shards of this replica, and what the others report.
pub(super) struct Shards {
    of: u16,
    held: BTreeMap<u16, HeldShard>,
    /// Shards being released, and since when; no new work begins in them.
    leaving: BTreeMap<u16, Mono>,
    /// Shards taken after other shards were in use. No work begins in them before all kinds have been listed again,
    /// since the index may be older than the former holder's last actions.
    unlisted: BTreeSet<u16>,
    /// Newly taken shards in which revocations are already possible because the kinds they need have been listed
    /// again.
    revocations_only: BTreeSet<u16>,
    /// Generation of each store, by UID, with which another replica's accounts are all reconciled; by shard.
    notes: BTreeMap<u16, BTreeMap<String, i64>>,
}

impl Shards {
    pub(super) fn new(of: u16) -> Self {
        Self {
            of,
            held: BTreeMap::new(),
            leaving: BTreeMap::new(),
            unlisted: BTreeSet::new(),
            revocations_only: BTreeSet::new(),
            notes: BTreeMap::new(),
        }
    }

    /// Returns the shard of an account.
    pub(super) fn shard(&self, account: &AccountKey, store: Option<&IdentityStoreSpec>) -> u16 {
        shard_of(account, store, self.of)
    }

    /// Takes a shard. If `known`, the index already has data of its accounts, and all kinds must be
    /// [listed](Self::listed) again.
    pub(super) fn take(&mut self, shard: u16, epoch: Epoch, clean: bool, known: bool) {
        self.leaving.remove(&shard);
        self.revocations_only.remove(&shard);
        self.held.insert(shard, HeldShard { epoch, clean });
        if known {
            self.unlisted.insert(shard);
        }
    }

    /// Returns the shards that wait for a list.
    pub(super) fn unlisted(&self) -> &BTreeSet<u16> {
        &self.unlisted
    }

    /// Records that all kinds were listed after this shard was taken.
    pub(super) fn listed(&mut self, shard: u16) {
        self.unlisted.remove(&shard);
        self.revocations_only.remove(&shard);
    }

    /// Records that the kinds needed for revocations were listed after this shard was taken. Returns whether that
    /// enables new work: the shard is held, and not all kinds were listed.
    pub(super) fn listed_for_revocations(&mut self, shard: u16) -> bool {
        let waits = self.unlisted.contains(&shard) && !self.leaving.contains_key(&shard);
        waits && self.revocations_only.insert(shard)
    }

    /// Returns whether a shard is held and so far allows only explicit revocations.
    pub(super) fn is_revocations_only(&self, shard: u16) -> bool {
        self.revocations_only.contains(&shard) && !self.leaving.contains_key(&shard)
    }

    /// Begins the release of a shard.
    pub(super) fn leave(&mut self, shard: u16, now: Mono) {
        if self.held.contains_key(&shard) {
            self.leaving.entry(shard).or_insert(now);
        }
    }

    /// Returns the shards being released, and since when.
    pub(super) fn leaving(&self) -> Vec<(u16, Mono)> {
        self.leaving.iter().map(|(shard, since)| (*shard, *since)).collect()
    }

    /// Drops a shard whose last write has ended; returns whether it was held.
    pub(super) fn left(&mut self, shard: u16) -> bool {
        self.leaving.remove(&shard);
        self.listed(shard);
        self.held.remove(&shard).is_some()
    }

    /// Returns the permit to write the accounts in a shard, if it is held; it may be for revocations only
    /// ([`Self::is_revocations_only`]).
    pub(super) fn permit(&self, shard: u16) -> Option<Permit> {
        let held = self.held.get(&shard).filter(|_| self.has(shard) || self.is_revocations_only(shard))?;
        let claim = Claim { epoch: held.epoch, slots: Slots::part(shard, self.of) };
        Some(Permit { shard, claim, clean: held.clean })
    }

    /// Returns whether a shard is held, is not being released, and has been listed.
    pub(super) fn has(&self, shard: u16) -> bool {
        self.held.contains_key(&shard) && !self.leaving.contains_key(&shard) && !self.unlisted.contains(&shard)
    }

    /// Returns the shards whose new epoch has not reached every store, so that a former holder could still write.
    pub(super) fn unclean(&self) -> Vec<u16> {
        self.held.iter().filter(|(_, held)| !held.clean).map(|(shard, _)| *shard).collect()
    }

    /// Records that every store knows the epoch of a shard.
    pub(super) fn mark_clean(&mut self, shard: u16) {
        if let Some(held) = self.held.get_mut(&shard) {
            held.clean = true;
        }
    }

    /// Returns whether this replica reports on catalogs and stores, which belong to no account.
    pub(super) fn leads(&self) -> bool {
        self.has(0)
    }

    /// Returns the number of held shards.
    pub(super) fn count(&self) -> usize {
        self.held.len()
    }

    /// Returns the shards that are held and can be reconciled.
    pub(super) fn ours(&self) -> impl Iterator<Item = u16> {
        self.held.keys().copied().filter(|shard| self.has(*shard))
    }

    /// Stores the notes of the other replicas; returns whether they changed.
    pub(super) fn receive_notes(&mut self, notes: &BTreeMap<u16, String>) -> bool {
        let parse = |note: &String| serde_json::from_str(note).unwrap_or_default();
        let notes = notes.iter().map(|(shard, note)| (*shard, parse(note))).collect();
        std::mem::replace(&mut self.notes, notes) != self.notes
    }

    /// Returns whether all other replicas have reconciled their accounts with this generation, or a later one, of the
    /// store with this UID. A shard of this replica that waits for a list counts as not reconciled.
    pub(super) fn others_know(&self, store: &str, generation: i64) -> bool {
        let theirs = (0..self.of).filter(|shard| !self.has(*shard));
        let noted = |shard: u16| self.notes.get(&shard).and_then(|note| note.get(store)).copied();
        theirs.map(noted).all(|noted| noted.is_some_and(|at| at >= generation))
    }
}

/// Returns the shard of an account, out of `shards`. `store` is the spec of the account's IdentityStore, if it
/// exists.
#[must_use]
pub fn shard_of(account: &AccountKey, store: Option<&IdentityStoreSpec>, shards: u16) -> u16 {
    if shards == 1 { 0 } else { Slots::part_of(slot_in(account, store), shards) }
}

/// Returns the slot of an account. In some stores accounts share data that must not be written in parallel (a
/// Keycloak user may be in many accounts); all accounts of such a store have one slot.
fn slot_in(account: &AccountKey, store: Option<&IdentityStoreSpec>) -> Slot {
    match store.and_then(|spec| spec.keycloak.as_ref()) {
        Some(keycloak) => {
            // Equivalent spellings of the URL must give one slot.
            let url = url::Url::parse(&keycloak.url).map_or_else(|_| keycloak.url.clone(), String::from);
            slot_of(&format!("{} {}", url.trim_end_matches('/'), keycloak.realm))
        }
        None => slot(account),
    }
}
