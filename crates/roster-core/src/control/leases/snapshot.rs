//! All Leases at one moment, sorted by purpose. Each round makes one from its list.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::coordination::v1::Lease;

use super::{config::ShardConfig, name::LeaseName, record};
use crate::contract::Epoch;

/// The Leases of one list.
#[derive(Default)]
pub(super) struct LeaseSnapshot {
    /// Holder of each shard whose Lease has not expired.
    pub holders: Vec<Option<String>>,
    /// Shards whose Lease names this process, which has dropped them.
    pub abandoned: Vec<u16>,
    /// Running replicas, including this one.
    pub replicas: BTreeSet<String>,
    /// Names of held Leases of another number of shards.
    pub others: Vec<String>,
    /// Unused Leases: of another number of shards, or of a replica that has stopped.
    pub stale: Vec<Lease>,
    /// Notes of the holders, by shard.
    pub notes: BTreeMap<u16, String>,
    /// Highest epoch of any shard.
    pub highest: Epoch,
}

impl LeaseSnapshot {
    /// Sorts Leases. `holder` returns the holder of a Lease that has not expired.
    pub(super) fn new(leases: Vec<Lease>, config: &ShardConfig, holder: impl Fn(&Lease) -> Option<String>) -> Self {
        let shards = config.shards;
        let mut snapshot = Self { holders: vec![None; usize::from(shards)], ..Self::default() };
        for lease in leases {
            let Some(kind) = LeaseName::parse(record::name(&lease)) else { continue };
            let holder = holder(&lease);
            if let LeaseName::Shard { .. } = kind {
                snapshot.highest = snapshot.highest.max(record::epoch(&lease));
            }
            match (kind, holder) {
                (LeaseName::Shard { shard, of }, holder) if of == shards => {
                    if let Some(note) = record::note(&lease) {
                        snapshot.notes.insert(shard, note.clone());
                    }
                    if let Some(held_by) = snapshot.holders.get_mut(usize::from(shard)) {
                        *held_by = holder;
                    }
                }
                (LeaseName::Shard { .. }, Some(_)) => snapshot.others.push(record::name(&lease).to_owned()),
                (LeaseName::Replica { of }, Some(replica)) => {
                    // Replicas with another number of shards wait for us, and we need not wait for them.
                    if of == shards {
                        snapshot.replicas.insert(replica);
                    }
                }
                (_, None) => snapshot.stale.push(lease),
            }
        }
        snapshot.replicas.insert(config.identity.clone());
        snapshot
    }
}
