//! Readiness of the loop, and its numbers for metrics. The controller's health endpoint and metrics read them.

use std::{collections::BTreeMap, time::Duration};

use super::{Control, ListState, Now};
use crate::{model::Name, state::Tally};

/// Numbers of the loop for metrics.
#[derive(Debug, Default)]
pub struct Figures {
    /// Number of accounts that wait because of a change.
    pub changes: usize,
    /// Accounts that wait only for a periodic check.
    pub checks: usize,
    /// Number of statuses that are queued or in flight.
    pub statuses: usize,
    /// Age of the oldest change that may revoke access and was not carried out yet.
    pub oldest_change: Duration,
    /// Counts of object statuses.
    pub tally: Tally,
    /// Number of catalogs whose rollout has stopped.
    pub stopped_rollouts: usize,
    /// Age of the oldest complete check among its accounts, by store.
    pub oldest_checks: BTreeMap<Name, Duration>,
}

impl Control {
    /// Returns whether this process can do its work.
    ///
    /// # Errors
    /// The reason and the remedy, in one sentence.
    pub fn readiness(&self, now: Now) -> Result<(), String> {
        let absent: Vec<&str> = self.lists.kinds_in(ListState::Absent);
        let pending: Vec<&str> = self.lists.kinds_in(ListState::Pending);
        if !absent.is_empty() {
            return Err(format!(
                "the API server does not have {}: install the CRDs (`roster crds`)",
                absent.join(", ")
            ));
        }
        if let Some(why) = self.refusals.first(now.mono) {
            return Err(why.to_owned());
        }
        if !pending.is_empty() {
            return Err(format!("still listing {}", pending.join(", ")));
        }
        if let Some(why) = &self.no_lease {
            return Err(why.clone());
        }
        // One unavailable store among several does not matter; if none was ever reached, the installation is
        // misconfigured.
        let stores = self.index.stores.keys().filter_map(|name| Some((name, self.reached.get(name)?)));
        let failed: Vec<(&Name, &String)> =
            stores.filter_map(|(name, reached)| Some((name, reached.as_ref().err()?))).collect();
        if let Some((name, why)) = failed.first().filter(|_| failed.len() == self.index.stores.len()) {
            return Err(format!("no IdentityStore could be reached yet; {name}: {why}"));
        }
        Ok(())
    }

    /// Returns the number of shards that are held.
    #[must_use]
    pub fn held_shards(&self) -> usize {
        self.shards.count()
    }

    /// Returns the numbers of the loop. Takes time in proportion to the accounts, not to their objects.
    #[must_use]
    pub fn figures(&self, now: Now) -> Figures {
        let (changes, checks) = self.queue.depths();
        let tally = match self.setup.shards {
            1 => self.index.tally(true, |_| true),
            _ => self.index.tally(self.shards.leads(), |key| self.is_ours(key)),
        };
        let mut oldest_checks: BTreeMap<Name, Duration> = BTreeMap::new();
        for (key, state) in self.accounts.iter().filter(|(key, _)| self.is_ours(key)) {
            let Some((store, checked)) = self.store_of(key).zip(state.checked) else { continue };
            if self.index.stores.contains_key(&store) {
                let age = oldest_checks.entry(store).or_default();
                *age = (*age).max(now.mono.since(checked));
            }
        }
        Figures {
            changes,
            checks,
            statuses: self.statuses.depth(),
            oldest_change: self.queue.oldest_change().map_or(Duration::ZERO, |since| now.mono.since(since)),
            tally,
            stopped_rollouts: if self.shards.leads() { self.stops.len() } else { 0 },
            oldest_checks,
        }
    }
}
