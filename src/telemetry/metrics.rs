//! Metrics of the process. Updated by the controller; read by `http`. Every label has few values: Roster's own words,
//! and names of identity stores, which the platform team chooses. No label contains an account, a member or a
//! namespace.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// Gauge in seconds.
type Seconds = Gauge<f64, AtomicU64>;
/// Histograms by label.
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Metrics of one process; clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    passes: Family<Pass, Counter>,
    pass_duration: Histograms<Scope>,
    changes: Family<Change, Counter>,
    drift_found: Counter,
    drift_corrected: Counter,
    store_calls: Histograms<StoreCall>,
    store_errors: Family<StoreError, Counter>,
    objects: Family<Objects, Gauge>,
    queue: Family<Lane, Gauge>,
    oldest_pending_revocation: Seconds,
    oldest_check: Family<StoreName, Seconds>,
    api_writes: Family<ApiWrite, Counter>,
    leader: Gauge,
    shards_held: Gauge,
    shards: Gauge,
    lease_losses: Counter,
    drifted: Family<Kind, Gauge>,
    guarded: Gauge,
    stopped_rollouts: Gauge,
    admissions: Family<Answer, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Pass {
    scope: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Scope {
    scope: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Change {
    object: &'static str,
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StoreCall {
    store: String,
    call: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StoreError {
    store: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StoreName {
    store: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    answer: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Objects {
    kind: &'static str,
    ready: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Lane {
    lane: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiWrite {
    what: &'static str,
    outcome: &'static str,
}

/// Returns a histogram in seconds: from 0.5 ms (one member in an embedded store) to a minute (an account of 50,000 in a
/// remote one).
fn durations() -> Histogram {
    Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0])
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Returns all metrics at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut inner = Inner {
            registry: Registry::with_prefix("roster"),
            passes: Family::default(),
            pass_duration: Family::new_with_constructor(durations),
            changes: Family::default(),
            drift_found: Counter::default(),
            drift_corrected: Counter::default(),
            store_calls: Family::new_with_constructor(durations),
            store_errors: Family::default(),
            objects: Family::default(),
            queue: Family::default(),
            oldest_pending_revocation: Seconds::default(),
            oldest_check: Family::default(),
            api_writes: Family::default(),
            leader: Gauge::default(),
            shards_held: Gauge::default(),
            shards: Gauge::default(),
            lease_losses: Counter::default(),
            drifted: Family::default(),
            guarded: Gauge::default(),
            stopped_rollouts: Gauge::default(),
            admissions: Family::default(),
        };
        inner.register();
        Self(Arc::new(inner))
    }

    /// Returns the metrics as OpenMetrics text.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode(&mut text, &self.0.registry);
        text
    }

    /// Counts a pass over an account. Scope: `account` or `members`; outcome: `ok`, `partial`, `waits`, `interrupted`
    /// or `failed`.
    pub fn pass(&self, scope: &'static str, outcome: &'static str, took: Duration) {
        self.0.passes.get_or_create(&Pass { scope, outcome }).inc();
        self.0.pass_duration.get_or_create(&Scope { scope }).observe(took.as_secs_f64());
    }

    /// Counts changes of a kind of object in a store by cause, for example `member` because of `drift`.
    pub fn changes(&self, object: &'static str, cause: &'static str, count: u64) {
        if count > 0 {
            self.0.changes.get_or_create(&Change { object, cause }).inc_by(count);
        }
    }

    /// Counts fields that differed from what was last applied, and the corrected ones among them.
    pub fn drift(&self, found: u64, corrected: u64) {
        self.0.drift_found.inc_by(found);
        self.0.drift_corrected.inc_by(corrected);
    }

    /// Records the duration of a call of a store, successful or not. Call: `open`, `observe`, `apply`, …
    pub fn store_call(&self, store: &str, call: &'static str, took: Duration) {
        self.0.store_calls.get_or_create(&StoreCall { store: store.to_owned(), call }).observe(took.as_secs_f64());
    }

    /// Counts a failure of a store by [`StoreError::kind`](crate::store::StoreError::kind).
    pub fn store_error(&self, store: &str, kind: &'static str) {
        self.0.store_errors.get_or_create(&StoreError { store: store.to_owned(), kind }).inc();
    }

    /// Sets the number of objects of a kind by their `Ready` status (`True`, `False`, `Unknown`).
    pub fn objects(&self, kind: &'static str, ready: &'static str, count: i64) {
        self.0.objects.get_or_create(&Objects { kind, ready }).set(count);
    }

    /// Sets the number of waiting items in a lane: `changes`, `checks` or `status`.
    pub fn queue(&self, lane: &'static str, depth: i64) {
        self.0.queue.get_or_create(&Lane { lane }).set(depth);
    }

    /// Sets the age of the oldest waiting change, which may revoke access; zero if none waits.
    pub fn oldest_pending_revocation(&self, age: Duration) {
        self.0.oldest_pending_revocation.set(age.as_secs_f64());
    }

    /// Sets, for each store, the time since the last complete check of its least recently checked account. A store that is not
    /// named is gone: an age that is never updated would raise a false alarm.
    pub fn oldest_checks<'a>(&self, ages: impl Iterator<Item = (&'a str, Duration)>) {
        self.0.oldest_check.clear();
        for (store, age) in ages {
            self.0.oldest_check.get_or_create(&StoreName { store: store.to_owned() }).set(age.as_secs_f64());
        }
    }

    /// Counts a write to the API server. What: `status`, `finalizer`, `record`, `event`.
    pub fn api_write(&self, what: &'static str, outcome: &'static str) {
        self.0.api_writes.get_or_create(&ApiWrite { what, outcome }).inc();
    }

    /// Counts a review of the admission webhook. Answer: `allowed`, `warned`, `refused`.
    pub fn admission(&self, answer: &'static str) {
        self.0.admissions.get_or_create(&Answer { answer }).inc();
    }

    /// Sets the number of shards that this process holds, and of all shards; it leads while it holds any.
    pub fn shards(&self, held: usize, of: u16) {
        self.0.leader.set((held > 0).into());
        self.0.shards_held.set(i64::try_from(held).unwrap_or(i64::MAX));
        self.0.shards.set(of.into());
    }

    /// Counts that this process lost the lease without giving it back.
    pub fn lease_lost(&self) {
        self.0.lease_losses.inc();
    }

    /// Sets the number of objects of a kind that report drift.
    pub fn drifted(&self, kind: &'static str, count: i64) {
        self.0.drifted.get_or_create(&Kind { kind }).set(count);
    }

    /// Sets the number of accounts in which removals wait for approval.
    pub fn guarded(&self, count: i64) {
        self.0.guarded.set(count);
    }

    /// Sets the number of catalogs whose rollout has stopped.
    pub fn stopped_rollouts(&self, count: usize) {
        self.0.stopped_rollouts.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

impl Inner {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("build", "The running version", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("passes", "Passes over accounts, by scope and outcome", self.passes.clone());
        registry.register_with_unit(
            "pass_duration",
            "Duration of passes, by scope",
            Unit::Seconds,
            self.pass_duration.clone(),
        );
        registry.register("changes", "Changes applied in stores, by object and cause", self.changes.clone());
        registry.register("drift_found", "Drifted fields that were found", self.drift_found.clone());
        registry.register("drift_corrected", "Drifted fields that were corrected", self.drift_corrected.clone());
        registry.register_with_unit(
            "store_call_duration",
            "Duration of calls to stores, by store and call",
            Unit::Seconds,
            self.store_calls.clone(),
        );
        registry.register("store_errors", "Failed calls to stores, by store and kind", self.store_errors.clone());
        registry.register("objects", "Objects, by kind and status of the condition Ready", self.objects.clone());
        registry.register("queue_depth", "Accounts and scopes that wait for a pass, by lane", self.queue.clone());
        registry.register_with_unit(
            "oldest_pending_revocation_age",
            "Age of the oldest pending change that may revoke access",
            Unit::Seconds,
            self.oldest_pending_revocation.clone(),
        );
        registry.register_with_unit(
            "oldest_check_age",
            "Time since the least recently checked account was checked completely, by store",
            Unit::Seconds,
            self.oldest_check.clone(),
        );
        registry.register(
            "api_writes",
            "Writes to the API server, by kind of write and outcome",
            self.api_writes.clone(),
        );
        registry.register(
            "admissions",
            "Changes of access that the admission webhook judged, by answer",
            self.admissions.clone(),
        );
        registry.register(
            "leader",
            "1 in a process that holds a shard of the accounts, otherwise 0",
            self.leader.clone(),
        );
        registry.register("shards_held", "Shards of the accounts that this process holds", self.shards_held.clone());
        registry.register("shards", "Number of shards into which the accounts are divided", self.shards.clone());
        registry.register("lease_losses", "Terms that ended because the lease was lost", self.lease_losses.clone());
        registry.register("drifted_objects", "Objects that report drift, by kind", self.drifted.clone());
        registry.register("guarded_accounts", "Accounts in which removals wait for approval", self.guarded.clone());
        registry.register("stopped_rollouts", "Catalogs whose rollout is stopped", self.stopped_rollouts.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn lines(metrics: &Metrics) -> Vec<String> {
        metrics.encode().lines().map(str::to_owned).collect()
    }

    #[test]
    fn every_metric_is_exported_under_its_name() {
        let metrics = Metrics::new();
        metrics.pass("members", "partial", 3 * MS);
        metrics.changes("member", "drift", 4);
        metrics.drift(5, 2);
        metrics.store_call("default", "apply", 2 * MS);
        metrics.store_error("default", "unavailable");
        metrics.objects("Membership", "True", 12);
        metrics.queue("checks", 7);
        metrics.oldest_pending_revocation(1500 * MS);
        metrics.oldest_checks([("default", 250 * MS)].into_iter());
        metrics.api_write("status", "ok");
        metrics.shards(1, 1);
        metrics.admission("refused");
        metrics.lease_lost();
        metrics.drifted("Membership", 3);
        metrics.guarded(2);
        metrics.stopped_rollouts(1);
        let lines = lines(&metrics);
        for line in [
            concat!("roster_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "roster_passes_total{scope=\"members\",outcome=\"partial\"} 1",
            "roster_pass_duration_seconds_sum{scope=\"members\"} 0.003",
            "roster_pass_duration_seconds_bucket{le=\"0.0025\",scope=\"members\"} 0",
            "roster_pass_duration_seconds_bucket{le=\"0.005\",scope=\"members\"} 1",
            "roster_changes_total{object=\"member\",cause=\"drift\"} 4",
            "roster_drift_found_total 5",
            "roster_drift_corrected_total 2",
            "roster_store_call_duration_seconds_count{store=\"default\",call=\"apply\"} 1",
            "roster_store_errors_total{store=\"default\",kind=\"unavailable\"} 1",
            "roster_objects{kind=\"Membership\",ready=\"True\"} 12",
            "roster_queue_depth{lane=\"checks\"} 7",
            "roster_oldest_pending_revocation_age_seconds 1.5",
            "roster_oldest_check_age_seconds{store=\"default\"} 0.25",
            "roster_api_writes_total{what=\"status\",outcome=\"ok\"} 1",
            "roster_leader 1",
            "roster_lease_losses_total 1",
            "roster_drifted_objects{kind=\"Membership\"} 3",
            "roster_guarded_accounts 2",
            "roster_stopped_rollouts 1",
            "# EOF",
        ] {
            assert!(lines.iter().any(|have| have == line), "{line}\nis not in\n{}", lines.join("\n"));
        }
    }

    #[test]
    fn clones_count_together() {
        let metrics = Metrics::new();
        metrics.clone().drift(1, 0);
        metrics.drift(1, 0);
        assert!(lines(&metrics).contains(&"roster_drift_found_total 2".to_owned()));
    }

    #[test]
    fn an_unchanged_counter_has_no_series() {
        let metrics = Metrics::new();
        metrics.changes("member", "spec", 0);
        assert!(!metrics.encode().contains("cause="));
    }

    #[test]
    fn a_store_that_is_gone_has_no_age() {
        let metrics = Metrics::new();
        metrics.oldest_checks([("old", MS), ("kept", MS)].into_iter());
        metrics.oldest_checks([("kept", MS)].into_iter());
        let encoded = metrics.encode();
        assert!(!encoded.contains("store=\"old\"") && encoded.contains("store=\"kept\""), "{encoded}");
    }
}
