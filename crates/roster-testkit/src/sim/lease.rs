//! Leases of shards: compare-and-set on one record for each, with a duration. What the controller's own lease code will do
//! is played here by the scheduler.

use std::collections::BTreeMap;

use roster_core::contract::Epoch;

use super::clock::{SECOND, Time};

/// Duration of a lease.
pub const DURATION: Time = 15 * SECOND;
/// Time after its last renewal for which a holder believes in its lease.
pub const BELIEF: Time = 10 * SECOND;
/// Time between two looks of a replica at the leases.
pub const TICK: Time = 2 * SECOND;

/// Lease of one shard.
#[derive(Clone, Debug, Default)]
pub struct Lease {
    /// Replica that holds it.
    pub holder: Option<usize>,
    /// Epoch of the last holder.
    pub epoch: i64,
    /// When it expires unless it is renewed.
    pub expires: Time,
    /// Whether whoever held it before can write nothing more.
    pub clean: bool,
    /// Note of its holder.
    pub note: Option<String>,
}

/// A shard that a replica holds.
#[derive(Clone, Debug)]
pub struct Holding {
    /// Its epoch.
    pub epoch: Epoch,
    /// Until when the replica believes in it.
    pub until: Time,
    /// Whether all stores know of it.
    pub clean: bool,
    /// Whether it is being given back.
    pub leaving: bool,
    /// Note that is to be written with the next renewal.
    pub note: Option<String>,
}

/// Leases of all shards.
#[derive(Clone, Debug)]
pub struct Leases {
    leases: Vec<Lease>,
    /// When each replica was last seen.
    present: BTreeMap<usize, Time>,
}

impl Leases {
    /// Returns leases that nobody ever held.
    #[must_use]
    pub fn new(shards: u16) -> Self {
        Self { leases: vec![Lease { clean: true, ..Lease::default() }; usize::from(shards)], present: BTreeMap::new() }
    }

    /// Returns the lease of a shard.
    #[must_use]
    pub fn get(&self, shard: u16) -> &Lease {
        &self.leases[usize::from(shard)]
    }

    /// Notes that a replica is there; returns how many shards it should have.
    pub fn attend(&mut self, replica: usize, now: Time) -> usize {
        self.present.insert(replica, now);
        let alive = self.present.values().filter(|seen| now - **seen <= 3 * TICK).count();
        self.leases.len().div_ceil(alive.max(1))
    }

    /// Renews a lease; returns whether it still belongs to this holder.
    pub fn renew(&mut self, shard: u16, replica: usize, holding: &mut Holding, now: Time) -> bool {
        let lease = &mut self.leases[usize::from(shard)];
        if lease.holder != Some(replica) || lease.epoch != holding.epoch.0 || now > holding.until {
            return false;
        }
        lease.expires = now + DURATION;
        holding.until = now + BELIEF;
        if holding.note.is_some() {
            lease.note.clone_from(&holding.note);
        }
        true
    }

    /// Takes the first shard that nobody holds.
    pub fn take(&mut self, replica: usize, now: Time) -> Option<(u16, Holding)> {
        let index = self.leases.iter().position(|lease| lease.holder.is_none() || lease.expires < now)?;
        let lease = &mut self.leases[index];
        let clean = lease.holder.is_none() && lease.clean;
        *lease =
            Lease { holder: Some(replica), epoch: lease.epoch + 1, expires: now + DURATION, clean: false, note: None };
        let holding = Holding { epoch: Epoch(lease.epoch), until: now + BELIEF, clean, leaving: false, note: None };
        Some((u16::try_from(index).unwrap_or(0), holding))
    }

    /// Releases a lease.
    pub fn release(&mut self, shard: u16, replica: usize, holding: &Holding) {
        let lease = &mut self.leases[usize::from(shard)];
        if lease.holder == Some(replica) && lease.epoch == holding.epoch.0 {
            (lease.holder, lease.clean, lease.note) = (None, holding.clean, None);
        }
    }

    /// Returns the notes of all holders.
    #[must_use]
    pub fn notes(&self) -> BTreeMap<u16, String> {
        let notes = (0..).zip(&self.leases).filter(|(_, lease)| lease.holder.is_some());
        notes.filter_map(|(shard, lease)| Some((shard, lease.note.clone()?))).collect()
    }
}
