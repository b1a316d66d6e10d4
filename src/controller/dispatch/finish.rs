//! Takes in what has run beside the loop: what it found, what it has to say, and what is to be done next.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::Id;
use tracing::Span;

use super::{COUNTS_DELAY, Dispatcher, LOOK_DELAY, refusals::Access, runtime::Task};
use crate::{
    api::SyncReason,
    cluster::api_error::{refusal, said},
    controller::{
        deletion::Deleted,
        pass::{PassId, PassOutcome},
        queue::{Ended, Urgency, Want},
        writer::{Lane, WriteResult, Written},
    },
    model::{AccountKey, KindName, Name, ObjectRef, Scope},
    report::{self, Detail, PassEnd, PassReport, Report, Synced, Waits},
    resolve::{self, Definitions},
    state::{AccountFacts, Record},
    telemetry::traces::{failed, note},
};

impl Dispatcher {
    pub(super) fn joined(&mut self, done: Result<(Id, Task), tokio::task::JoinError>) {
        match done {
            Ok((id, task)) => {
                self.owners.remove(&id);
                self.finished(task);
            }
            Err(error) => {
                // A defect of ours stays with the account it concerns; it is tried again, with backoff.
                let Some((reference, _)) = self.owners.remove(&error.id()) else { return };
                if !error.is_cancelled() {
                    tracing::error!(?reference, %error, "a pass broke off");
                }
                if reference.kind == KindName::Account {
                    let key = AccountKey { namespace: reference.namespace.clone(), name: reference.name.clone() };
                    let store = self.index.accounts.get(&key).and_then(|entry| entry.object.as_ref());
                    let store = store.map(|object| Name::new(&object.facts.spec.store_ref.name));
                    if let Some(store) = store {
                        self.release(&store);
                    }
                    let known = self.runtime.get(&key).and_then(|runtime| runtime.asked_store);
                    self.gone_over(&key, known);
                    self.queue.finished(&key, Ended::Failed { revokes: true });
                } else if let Some(look) = self.looks.get_mut(&reference) {
                    look.running = false;
                    self.look(reference.kind, reference.name, LOOK_DELAY);
                }
            }
        }
    }

    /// Whether a store could be reached; once is enough.
    fn note_reached(&mut self, reference: &ObjectRef, report: &Report) {
        if reference.kind != KindName::IdentityStore || self.reached.get(&reference.name) == Some(&Ok(())) {
            return;
        }
        let reached = match &report.synced {
            Synced::No(no) if matches!(no.0, SyncReason::StoreUnavailable | SyncReason::StoreRejected) => {
                Err(no.1.clone())
            }
            _ => Ok(()),
        };
        self.reached.insert(reference.name.clone(), reached);
        self.setting.health.set_ready(self.readiness());
    }

    fn release(&mut self, store: &Name) {
        if let Some(count) = self.busy.get_mut(store) {
            *count = count.saturating_sub(1);
        }
        self.queue.room_in(store);
    }

    fn finished(&mut self, task: Task) {
        match task {
            Task::OfStore(store, task) => {
                self.release(&store);
                self.finished(*task);
            }
            Task::Pass(outcome) => self.pass_finished(*outcome),
            Task::Deletion(key, account, deleted) => self.deletion_finished(&key, &account, deleted),
            Task::Finalizer(key, result) => {
                self.setting.metrics.api_write("finalizer", if result.is_ok() { "ok" } else { "failed" });
                self.accessed(KindName::Account, Access::Other, result.as_ref().err().and_then(refusal));
                let ended = match &result {
                    Ok(()) => Ended::Done,
                    Err(error) => {
                        tracing::warn!(account = %key, error = said(error), "finalizer not written, trying again");
                        Ended::Failed { revokes: true }
                    }
                };
                self.queue.finished(&key, ended);
            }
            Task::Released(shard) => tracing::info!(shard, held = self.shares.count(), "gave a shard back"),
            Task::Look { reference, report, again, seen, refused } => {
                self.accessed(reference.kind, Access::Other, refused);
                if let Some(look) = self.looks.get_mut(&reference) {
                    look.running = false;
                }
                if let Some(report) = report {
                    self.note_reached(&reference, &report);
                    if let Detail::Store { blocked_in_force, .. } = report.detail {
                        self.say_in_force(&reference.name, blocked_in_force);
                    }
                    self.writer.put(reference.clone(), report, Lane::Bulk, Duration::ZERO);
                }
                if again {
                    self.look(reference.kind, reference.name, LOOK_DELAY);
                }
                if let Some(seen) = seen {
                    // Ahead of its watch.
                    self.take_in(*seen);
                }
            }
        }
    }

    fn pass_finished(&mut self, outcome: PassOutcome) {
        let PassOutcome { id, span, key, scope, report, took } = outcome;
        let PassReport { definitions, reports, shown, notices, end, changes, drift, wakes } = report;
        note(&span, "changes", changes.values().sum::<u64>());
        note(&span, "drift", drift.0);
        note(&span, "statuses", reports.len());
        let ended = self.note_end(id, &span, &key, &scope, &end, took);
        for ((object, cause), count) in &changes {
            self.setting.metrics.changes(object, cause.as_str(), *count);
        }
        self.setting.metrics.drift(drift.0, drift.1);
        for notice in notices {
            self.setting.events.tell(notice);
        }
        self.wakes.extend(wakes.into_iter().map(|(at, email)| (at, key.clone(), email)));
        self.remember(&key, &scope, definitions, &end);
        let lane = if matches!(scope, Scope::Account) { Lane::Bulk } else { Lane::Changes };
        for (reference, report) in reports {
            self.writer.put_within(&span, reference, report, lane);
        }
        self.runtime.entry(key.clone()).or_default().reports.extend(shown);
        self.recount(&key, lane == Lane::Bulk);
        let parent = self.index.accounts.get(&key).and_then(|entry| entry.object.as_ref()?.facts.parent());
        if let Some(parent) = parent.filter(|_| lane == Lane::Bulk) {
            self.recount(&parent, true);
        }
        match self.said_of_members(&key).filter(|_| lane == Lane::Changes) {
            // Whoever came or went may have made it another set, with another hash to approve.
            Some(SyncReason::RemovalGuarded) => self.queue.want(&key, Want::Account, Urgency::Change, None),
            // It may have been this member that differed or failed, and only the whole account shows what is left.
            Some(_) if !changes.is_empty() => self.queue.want(&key, Want::Account, Urgency::Check, None),
            _ => {}
        }
        if let Some(store) =
            self.store_of(&key).filter(|_| matches!(ended, Ended::Failed { .. }) || !changes.is_empty())
        {
            self.look(KindName::IdentityStore, store, LOOK_DELAY);
        }
        if end != PassEnd::NeedsAccount {
            let known = self.runtime.get(&key).and_then(|runtime| runtime.asked_store);
            self.gone_over(&key, known);
        }
        self.queue.finished(&key, ended);
    }

    fn deletion_finished(&mut self, key: &AccountKey, account: &Arc<Record<AccountFacts>>, deleted: Deleted) {
        let reference = account.reference(KindName::Account);
        let counts = self.counts(key, true);
        let catalog = self.index.followed(key).map(|catalog| catalog.generation);
        let mut report = Report::new(
            account.facts.generation,
            report::account_detail(&counts, account.facts.spec.owner.is_some(), catalog, None),
        );
        self.gone_over(key, None);
        let ended = match deleted {
            Deleted::Done(removed) => {
                tracing::info!(account = %key, removed, policy = ?account.facts.spec.deletion_policy, "account deleted");
                self.queue.finished(key, Ended::Done);
                return;
            }
            Deleted::Waits(children) => {
                let names = children.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let message = format!("deletion waits for {} managed accounts: {names}", children.len());
                report.waits = Some(Box::new(Waits { reason: "ManagedAccountsExist", message, stalled: false }));
                report.synced = Synced::Yes { applied: false };
                Ended::Done
            }
            Deleted::Retry(error) => {
                tracing::warn!(account = %key, %error, "account not deleted yet, trying again");
                report = report.unsynced(SyncReason::StoreUnavailable, error.to_string());
                Ended::Failed { revokes: true }
            }
        };
        self.writer.put(reference, report, Lane::Changes, Duration::ZERO);
        self.queue.finished(key, ended);
    }

    /// Why the Account is not in sync, where that may be because of a member.
    fn said_of_members(&self, key: &AccountKey) -> Option<SyncReason> {
        let reports = self.runtime.get(key).into_iter().flat_map(|runtime| &runtime.reports);
        let account = reports.filter(|(reference, _)| reference.kind == KindName::Account).map(|(_, report)| report);
        let reasons = account.filter_map(|report| match &report.synced {
            Synced::No(no) => Some(no.0),
            _ => None,
        });
        let mut of_members = reasons.filter(|reason| {
            matches!(reason, SyncReason::RemovalGuarded | SyncReason::DriftReported | SyncReason::StoreRejected)
        });
        of_members.next()
    }

    fn note_end(
        &mut self,
        pass: PassId,
        span: &Span,
        key: &AccountKey,
        scope: &Scope,
        end: &PassEnd,
        took: Duration,
    ) -> Ended {
        let scope_word = if matches!(scope, Scope::Account) { "account" } else { "members" };
        let word = match end {
            PassEnd::Done => "ok",
            PassEnd::NeedsAccount => "partial",
            PassEnd::Retry { .. } => "failed",
        };
        self.setting.metrics.pass(scope_word, word, took);
        note(span, "outcome", word);
        match end {
            PassEnd::Done => {
                tracing::debug!(%pass, account = %key, scope = scope_word, ?took, "pass done");
                Ended::Done
            }
            PassEnd::NeedsAccount => Ended::Partly,
            PassEnd::Retry { why, revokes } => {
                failed(span, why);
                tracing::warn!(%pass, account = %key, scope = scope_word, why, "pass failed, trying again");
                Ended::Failed { revokes: *revokes }
            }
        }
    }

    /// Brings an account up to date on its next check, and its definitions for the next pass.
    fn remember(&mut self, key: &AccountKey, scope: &Scope, definitions: Arc<Definitions>, end: &PassEnd) {
        let Some(entry) = self.index.accounts.get(key) else { return };
        let Some(object) = &entry.object else { return };
        let runtime = self.runtime.entry(key.clone()).or_default();
        runtime.definitions = Some((runtime.asked_definitions, definitions));
        if matches!(scope, Scope::Account) && *end == PassEnd::Done {
            runtime.checked = Some(Instant::now());
            let store = self.index.stores.get(object.facts.spec.store_ref.name.as_str());
            let every = resolve::check_every(store.map(|store| &store.facts.spec), &object.facts.spec);
            self.queue.check_after(key, every);
        }
    }

    /// Numbers of an account, its roles and groups follow its members, without haste.
    pub(super) fn recount(&mut self, key: &AccountKey, with_children: bool) {
        let counts = self.counts(key, with_children);
        let Some(entry) = self.index.accounts.get(key) else { return };
        let Some(runtime) = self.runtime.get_mut(key) else { return };
        let Some((definitions, account)) = runtime.known(entry.revision).zip(entry.object.clone()) else { return };
        let mut stale = Vec::new();
        for (reference, report) in &mut runtime.reports {
            let mut changed = report::recount(reference, &mut report.detail, &definitions, &counts);
            if reference.kind == KindName::Account {
                changed |= report::readvise(report, &account.facts, &definitions, &counts);
            }
            if changed {
                stale.push((reference.clone(), report.clone()));
            }
        }
        runtime.reports.retain(|reference, _| self.index.meta(reference).is_some());
        for (reference, report) in stale {
            self.writer.put(reference, report, Lane::Bulk, COUNTS_DELAY);
        }
    }

    pub(super) fn landed(&mut self, written: WriteResult) {
        let outcome = if written.written.is_some() { "ok" } else { "failed" };
        self.setting.metrics.api_write("status", outcome);
        if written.written.is_some() || written.refused.is_some() {
            self.accessed(written.reference.kind, Access::Status, written.refused);
        }
        if let Some(Written { uid, version, digest }) = written.written
            && let Some(meta) = self.index.meta_mut(&written.reference).filter(|meta| *meta.uid == *uid)
        {
            meta.resource_version = version.into();
            meta.status = digest;
            self.account_said(&written.reference);
        }
    }
}
