//! What the loop shows of itself: readiness and gauges.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use super::{Dispatcher, ListState, TICK};
use crate::model::{KindName, Name};

impl Dispatcher {
    pub(super) fn readiness(&self) -> Result<(), String> {
        let absent: Vec<&str> = self.kinds_in(ListState::Absent);
        let pending: Vec<&str> = self.kinds_in(ListState::Pending);
        if !absent.is_empty() {
            return Err(format!("the server does not know {}: install the CRDs (`roster crds`)", absent.join(", ")));
        }
        if let Some(why) = self.refusals.first() {
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

    fn kinds_in(&self, state: ListState) -> Vec<&'static str> {
        let mut kinds: Vec<&str> =
            self.lists.iter().filter(|(_, known)| **known == state).map(|(kind, _)| kind.as_str()).collect();
        kinds.sort_unstable();
        kinds
    }

    pub(super) fn gauges(&mut self) {
        if self.gauges.elapsed() < TICK {
            return;
        }
        self.gauges = Instant::now();
        self.tell_others();
        self.note_clean();
        self.refusals.tidy();
        self.setting.health.set_ready(self.readiness());
        self.setting.metrics.shards(self.shares.count(), self.setting.shards);
        let metrics = &self.setting.metrics;
        let depth = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let (changes, checks) = self.queue.depths();
        metrics.queue("changes", depth(changes));
        metrics.queue("checks", depth(checks));
        metrics.queue("status", depth(self.writer.depth()));
        metrics.oldest_pending_revocation(self.queue.oldest_change().map_or(Duration::ZERO, |since| since.elapsed()));
        let tally = match self.setting.shards {
            1 => self.index.tally(true, |_| true),
            _ => self.index.tally(self.shares.leads(), |key| self.is_ours(key)),
        };
        for kind in KindName::ALL {
            if matches!(kind, KindName::Namespace | KindName::CatalogRecord) {
                continue;
            }
            for word in ["True", "False", "Unknown"] {
                metrics.objects(kind.as_str(), word, tally.ready.get(&(kind, word)).copied().unwrap_or(0));
            }
            metrics.drifted(kind.as_str(), tally.drifted.get(&kind).copied().unwrap_or(0));
        }
        metrics.guarded(tally.guarded);
        metrics.stopped_rollouts(if self.shares.leads() { self.stops.len() } else { 0 });
        let mut oldest: HashMap<Name, Duration> = HashMap::new();
        for (key, runtime) in self.runtime.iter().filter(|(key, _)| self.is_ours(key)) {
            let Some((store, checked)) = self.store_of(key).zip(runtime.checked) else { continue };
            let age = oldest.entry(store).or_default();
            *age = (*age).max(checked.elapsed());
        }
        let stores: HashSet<&Name> = self.index.stores.keys().collect();
        for (store, age) in oldest.iter().filter(|(store, _)| stores.contains(store)) {
            metrics.oldest_check(store, *age);
        }
    }
}
