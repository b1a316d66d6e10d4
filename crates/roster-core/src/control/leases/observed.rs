//! Leases as this replica observed them. Each round adds what it reads. Expiry is judged by the time that passed here
//! since a Lease last changed, never by another machine's clock.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::coordination::v1::Lease;

use super::record;
use crate::{contract::Epoch, control::Mono};

/// Last observed version of a Lease that had a holder.
#[derive(Clone, Debug)]
struct Observed {
    uid: Option<String>,
    version: Option<String>,
    holder: String,
    epoch: Epoch,
    duration: Option<Duration>,
    /// Time of the observation, on this process's clock.
    at: Mono,
}

/// Leases that had a holder, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct ObservedLeases(BTreeMap<String, Observed>);

impl ObservedLeases {
    /// Records the current state of a Lease; returns whether its holder has changed.
    pub(super) fn record(&mut self, lease: &Lease, now: Mono) -> bool {
        let (Some(name), Some(holder)) = (&lease.metadata.name, record::holder(lease)) else { return false };
        let before = self.0.get(name);
        let (uid, version) = (&lease.metadata.uid, &lease.metadata.resource_version);
        if before.is_some_and(|before| before.uid == *uid && before.version == *version) {
            return false;
        }
        let is_news = before.is_none_or(|before| before.holder != holder);
        let observed = Observed {
            uid: uid.clone(),
            version: version.clone(),
            holder: holder.to_owned(),
            epoch: record::epoch(lease),
            duration: record::duration(lease),
            at: now,
        };
        self.0.insert(name.clone(), observed);
        is_news
    }

    /// Drops a Lease that was deleted for good.
    pub(super) fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Returns whether the Lease is unchanged for its own duration (`otherwise` if it has none). A deleted Lease
    /// expires like one that still exists, so that its holder has time to notice.
    pub(super) fn is_expired(&self, name: &str, otherwise: Duration, now: Mono) -> bool {
        self.0.get(name).is_none_or(|observed| now.since(observed.at) > observed.duration.unwrap_or(otherwise))
    }

    /// Returns the epoch in which a Lease was last held.
    pub(super) fn epoch(&self, name: &str) -> Epoch {
        self.0.get(name).map_or(Epoch(0), |observed| observed.epoch)
    }
}
