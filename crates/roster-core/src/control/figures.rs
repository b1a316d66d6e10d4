//! What the loop shows of itself: readiness, and numbers for metrics.

use std::{collections::BTreeMap, time::Duration};

use super::{Control, ListState, Now};
use crate::{model::Name, state::Tally};

/// Numbers of the loop.
#[derive(Debug, Default)]
pub struct Figures {
    /// Accounts that wait because something changed.
    pub changes: usize,
    /// Accounts that wait for a periodic check.
    pub checks: usize,
    /// Statuses that wait or are being written.
    pub statuses: usize,
    /// Age of the oldest change that may take something away and was not carried out yet.
    pub oldest_change: Duration,
    /// Statuses of objects, counted.
    pub tally: Tally,
    /// Catalogs whose rollout has stopped.
    pub stopped_rollouts: usize,
    /// By store: age of the oldest complete check among its accounts.
    pub oldest_checks: BTreeMap<Name, Duration>,
}

impl Control {
    /// Returns whether this process does its work; if not, why, and what to do.
    ///
    /// # Errors
    /// The reason, in one sentence.
    pub fn readiness(&self, now: Now) -> Result<(), String> {
        let absent: Vec<&str> = self.lists.kinds_in(ListState::Absent);
        let pending: Vec<&str> = self.lists.kinds_in(ListState::Pending);
        if !absent.is_empty() {
            return Err(format!("the server does not know {}: install the CRDs (`roster crds`)", absent.join(", ")));
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
        // One store of several is its own affair; but an installation that never reached any is set up wrongly.
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

    /// Returns the numbers of the loop. It looks at every account, not at every object of it.
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
