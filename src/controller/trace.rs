//! Writes log lines, traces and metrics of passes. Called by `shell`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tracing::Span;

use super::log;
use crate::{
    api::{AccountSpec, DeletionPolicy},
    control::{Deleted, Figures, Mono, Pass, PassId, PassResult, PassWork},
    model::{AccountKey, KindName, Name, Scope},
    report::{PassCompletion, PassReport},
    resolve::Origin,
    telemetry::{
        Metrics,
        traces::{failed, note},
    },
};

/// Spans of passes that run, or of which some statuses are not written yet.
#[derive(Default)]
pub(super) struct Traces {
    running: BTreeMap<PassId, Running>,
    ended: BTreeMap<PassId, Span>,
    /// Failing stores, with the time when the failure was noticed.
    failing: BTreeMap<Name, Mono>,
    /// Orphaned accounts in which a block is not in force, since the last attempt failed.
    blocked: BTreeSet<AccountKey>,
    /// Whether addresses are written to log and traces.
    with_addresses: bool,
}

struct Running {
    span: Span,
    key: AccountKey,
    store: Name,
    scope: &'static str,
    began: Mono,
}

impl Traces {
    /// Returns an empty state.
    pub(super) fn new(with_addresses: bool) -> Self {
        Self { with_addresses, ..Self::default() }
    }

    /// Starts the span of a pass.
    pub(super) fn begin(&mut self, pass: &Pass, now: Mono) -> Span {
        let (span, scope) = match &pass.work {
            PassWork::Reconcile(work) => {
                let (scope, members) = match &work.objects.scope {
                    Scope::Account => ("account", None),
                    Scope::Members(emails) => ("members", Some(emails.len())),
                };
                let span = tracing::info_span!(parent: None, "pass", pass = %pass.id, account = %pass.key, scope);
                // Log lines show only the fields of the span itself; these further fields are for the trace.
                note(&span, "store", pass.store.as_ref());
                note(&span, "cause", if work.is_change { "change" } else { "check" });
                if let Some(Origin { kind, name, generation, .. }) = work.triggers.first() {
                    note(&span, "trigger", format!("{kind}/{name}@{generation}"));
                }
                if let Some(members) = members {
                    note(&span, "members", members);
                }
                if let Some(since) = work.since {
                    note(&span, "waited_ms", u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX));
                }
                (span, scope)
            }
            PassWork::Delete(_) => {
                let span = tracing::info_span!(parent: None, "deletion", pass = %pass.id, account = %pass.key);
                note(&span, "store", pass.store.as_ref());
                (span, "account")
            }
            PassWork::SetFinalizers(..) => (Span::none(), "account"),
            PassWork::OrphanedAccount(_) => {
                let span = tracing::info_span!(parent: None, "orphaned-account", pass = %pass.id, account = %pass.key);
                note(&span, "store", pass.store.as_ref());
                (span, "members")
            }
        };
        let running =
            Running { span: span.clone(), key: pass.key.clone(), store: pass.store.clone(), scope, began: now };
        self.running.insert(pass.id, running);
        span
    }

    /// Returns the span of a pass.
    pub(super) fn span(&self, pass: PassId) -> Option<&Span> {
        self.ended.get(&pass).or_else(|| self.running.get(&pass).map(|running| &running.span))
    }

    /// Records the end of a pass.
    pub(super) fn pass_finished(
        &mut self,
        pass: PassId,
        result: &PassResult,
        took: Duration,
        now: Mono,
        metrics: &Metrics,
    ) {
        let Some(running) = self.running.remove(&pass) else { return };
        match result {
            PassResult::Reconciled(report) => {
                reconciled(pass, &running, report, took, metrics, self.with_addresses);
                self.note_store(&running, report, now);
                self.ended.insert(pass, running.span);
            }
            // Somebody else wrote the object at the same time.
            PassResult::FinalizersSet(Err((fault, _))) if fault.is_conflict() => {
                tracing::debug!(account = %running.key, error = %fault, "finalizer not written, trying again");
            }
            PassResult::FinalizersSet(Err((fault, _))) => {
                tracing::warn!(account = %running.key, error = %fault, "finalizer not written, trying again");
            }
            PassResult::Deleted(Deleted::Retry { error, by_store: true, .. }) => {
                self.note_failure(&running, &error.to_string(), now);
            }
            // Retried every few seconds, but logged once.
            PassResult::OrphanedRevoked(Err(error)) if self.blocked.insert(running.key.clone()) => {
                let text = error.to_string();
                let error = &*log::shown(&text, self.with_addresses);
                tracing::warn!(account = %running.key, error, "a block is not in force in an orphaned account");
            }
            PassResult::OrphanedRevoked(Ok(_)) => drop(self.blocked.remove(&running.key)),
            PassResult::FinalizersSet(Ok(()))
            | PassResult::Deleted(_)
            | PassResult::OrphanedRevoked(Err(_))
            | PassResult::Aborted => {}
        }
    }

    /// Logs once that a store fails, however many accounts wait for it, and once that it works again.
    fn note_store(&mut self, running: &Running, report: &PassReport, now: Mono) {
        let Running { store, began, .. } = running;
        match &report.completion {
            PassCompletion::Retry { by_store: true, why, .. } => self.note_failure(running, why, now),
            PassCompletion::Done | PassCompletion::Retry { by_store: false, .. }
                if !report.replaced && self.failing.get(store).is_some_and(|failed| began > failed) =>
            {
                self.failing.remove(store);
                tracing::info!(%store, "the store is available again");
            }
            _ => {}
        }
    }

    /// Logs once that a store fails.
    fn note_failure(&mut self, Running { key, store, .. }: &Running, why: &str, now: Mono) {
        if !self.failing.contains_key(store) {
            self.failing.insert(store.clone(), now);
            let why = &*log::shown(why, self.with_addresses);
            tracing::warn!(%store, account = %key, why, "the store fails; its accounts wait until a retry succeeds");
        }
    }

    /// Returns the account of a running pass.
    pub(super) fn account(&self, pass: PassId) -> Option<&AccountKey> {
        self.running.get(&pass).map(|running| &running.key)
    }

    /// Forgets the spans of ended passes for which `gone` returns true.
    pub(super) fn forget(&mut self, gone: impl Fn(PassId) -> bool) {
        self.ended.retain(|pass, _| !gone(*pass));
    }
}

fn reconciled(
    pass: PassId,
    running: &Running,
    report: &PassReport,
    took: Duration,
    metrics: &Metrics,
    with_addresses: bool,
) {
    let Running { span, key, scope, .. } = running;
    note(span, "changes", report.changes.values().sum::<u64>());
    note(span, "drift", report.drift.0);
    note(span, "statuses", report.reports.len());
    let word = match &report.completion {
        PassCompletion::Done => "ok",
        PassCompletion::NeedsAccount => "partial",
        PassCompletion::Waits => "waits",
        PassCompletion::Interrupted => "interrupted",
        PassCompletion::Retry { .. } => "failed",
    };
    metrics.pass(scope, word, took);
    note(span, "outcome", word);
    for ((object, cause), count) in &report.changes {
        metrics.changes(object, cause.as_str(), *count);
    }
    metrics.drift(report.drift.0, report.drift.1);
    match &report.completion {
        PassCompletion::Done => tracing::debug!(%pass, account = %key, scope, ?took, "pass done"),
        PassCompletion::NeedsAccount => {}
        PassCompletion::Interrupted => tracing::debug!(%pass, account = %key, scope, ?took, "pass ended early for a \
                                                                                      revocation"),
        PassCompletion::Waits => {
            tracing::warn!(%pass, account = %key, scope, "only revocations are applied until every kind \
                                                                        is listed");
        }
        PassCompletion::Retry { why, by_store: true, .. } => {
            let why = &*log::shown(why, with_addresses);
            failed(span, why);
            tracing::debug!(%pass, account = %key, scope, why, "pass failed, trying again");
        }
        PassCompletion::Retry { why, .. } => {
            let why = &*log::shown(why, with_addresses);
            failed(span, why);
            tracing::warn!(%pass, account = %key, scope, why, "pass failed, trying again");
        }
    }
}

/// Logs the end of a deletion, within its span.
pub(super) fn end_of_deletion(pass: &Pass, spec: &AccountSpec, deleted: &Deleted, with_addresses: bool) {
    let account = &pass.key;
    match deleted {
        Deleted::Done(removed) => {
            if pass.store_facts.is_none() && spec.deletion_policy == DeletionPolicy::Delete {
                tracing::warn!(%account, "the IdentityStore is deleted, so nothing can be removed from its store");
            }
            tracing::info!(%account, removed, policy = ?spec.deletion_policy, "account deleted");
        }
        // An event reports these once, and a failing store has its own log line.
        Deleted::Waits(..) | Deleted::Held(..) | Deleted::Replaced(_) | Deleted::Retry { by_store: true, .. } => {}
        Deleted::Retry { error, .. } => {
            let error = error.to_string();
            let error = &*log::shown(&error, with_addresses);
            tracing::warn!(%account, error, "account not deleted yet, trying again");
        }
    }
}

/// Exports the figures of the loop as gauges.
pub(super) fn gauges(metrics: &Metrics, figures: &Figures) {
    let depth = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    metrics.queue("changes", depth(figures.changes));
    metrics.queue("checks", depth(figures.checks));
    metrics.queue("status", depth(figures.statuses));
    metrics.oldest_pending_revocation(figures.oldest_change);
    let tally = &figures.tally;
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
    metrics.stopped_rollouts(figures.stopped_rollouts);
    metrics.oldest_checks(figures.oldest_checks.iter().map(|(store, age)| (store.as_str(), *age)));
}
