//! Leases as this replica observed them. Expiry is judged by the time that passed here since a Lease last changed, never by
//! another machine's clock.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::coordination::v1::Lease;

use super::record;
use crate::{contract::Epoch, control::Mono};

/// A Lease as it last changed while somebody held it.
#[derive(Clone, Debug)]
struct Observed {
    uid: Option<String>,
    version: Option<String>,
    holder: String,
    epoch: Epoch,
    duration: Option<Duration>,
    /// When that was seen here.
    at: Mono,
}

/// Leases that somebody held, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct ObservedLeases(BTreeMap<String, Observed>);

impl ObservedLeases {
    /// Looks at a Lease again; returns whether it has another holder than before.
    pub(super) fn look(&mut self, lease: &Lease, now: Mono) -> bool {
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

    /// Forgets a Lease that is gone for good.
    pub(super) fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Returns whether a Lease has not changed for as long as it says; `otherwise` where it does not say. One that was
    /// deleted under its holder is judged as it was: that holder gets the time to notice.
    pub(super) fn is_expired(&self, name: &str, otherwise: Duration, now: Mono) -> bool {
        self.0.get(name).is_none_or(|observed| now.since(observed.at) > observed.duration.unwrap_or(otherwise))
    }

    /// Returns the epoch of a Lease as it was last held.
    pub(super) fn epoch(&self, name: &str) -> Epoch {
        self.0.get(name).map_or(Epoch(0), |observed| observed.epoch)
    }
}
