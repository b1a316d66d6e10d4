//! Handles the end of a pass: updates the loop's state, and queues reports and follow-up work. Called by
//! [`Control::absorb`].

use std::{sync::Arc, time::Duration};

use super::{
    Access, Control, Effect, Now, PassId, PassResult,
    pass::Running,
    queue::{Completion, Trigger, WorkItem},
    refresh_state::REFRESH_DELAY,
    statuses::StatusLane,
};
use crate::{
    api::SyncReason,
    model::{AccountKey, KindName, Name, Scope},
    report::{Notice, NoticeReason, PassCompletion, PassReport, Report, RevocationsOnly, Synced},
    resolve::{self, Definitions},
};

/// Interval after which an event on held removals is repeated: the API server keeps events for an hour.
const REPEAT_AFTER: Duration = Duration::from_hours(1);

impl Control {
    pub(super) fn pass_finished(&mut self, pass: PassId, result: PassResult, now: Now) {
        let Some(running) = self.passes.end(pass) else { return };
        if running.is_orphaned {
            return self.orphaned_finished(&running, &result, now);
        }
        // A parallel pass reconciled them, perhaps only for explicit revocations.
        let withdrawn = running.handle.withdrawn();
        for email in &withdrawn {
            self.queue.add(&running.key, WorkItem::Member(email.clone()), Trigger::CHANGE, now.mono);
        }
        let completion = match result {
            PassResult::Reconciled(report) => self.reconciled_with(pass, &running, *report, now),
            PassResult::Deleted(deleted) => self.deleted(pass, &running, deleted, now),
            PassResult::FinalizersSet(result) => {
                let fault = result.as_ref().err().map(|(fault, _)| fault);
                self.refusals.note_fault(KindName::Account, Access::Other, fault, now.mono);
                match result {
                    Ok(()) => Completion::Done,
                    Err((_, revocations)) => {
                        if let Some(revocations) = revocations {
                            self.process_revocations(pass, &running.key, *revocations, now);
                        }
                        Completion::FAILED
                    }
                }
            }
            PassResult::OrphanedRevoked(_) => Completion::Done,
            PassResult::Aborted => {
                // A defect in Roster affects only the account in which it occurs; the pass is retried with backoff.
                if running.reconciles {
                    self.reconciled_by(&running, now);
                }
                Completion::FAILED
            }
        };
        if running.is_parallel {
            self.queue.finished_parallel(&running.key, completion, now.mono);
        } else {
            self.queue.finished(&running.key, completion, now.mono);
        }
    }

    /// Marks the account reconciled unless members were withdrawn from the pass, or the pass was for such members
    /// only.
    fn reconciled_by(&mut self, running: &Running, now: Now) {
        if !running.is_parallel && running.handle.withdrawn().is_empty() {
            self.reconciled(&running.key, running.store_generation, now);
        }
    }

    fn reconciled_with(&mut self, pass: PassId, running: &Running, report: PassReport, now: Now) -> Completion {
        let key = &running.key;
        let PassReport {
            definitions,
            reports,
            shown,
            notices,
            completion,
            changes,
            drift: _,
            deadlines,
            confirmed,
            revocations_only,
            recreated,
            guarded: _,
            holds,
            withheld,
            replaced,
            authorised,
        } = report;
        if replaced {
            self.note_replaced(&running.store, &running.key, now);
        }
        let work = match work_completion(&completion) {
            // All kinds are listed by now.
            Completion::Waits if self.lists.are_complete() && !self.shards.is_revocations_only(self.shard_of(key)) => {
                Completion::Partly
            }
            work => work,
        };
        self.publish_notices(key, notices, holds, now);
        self.deadlines.replace(key, &running.scope, deadlines);
        // The fresh read does not cover a new Account of the same name.
        let account = self.index.accounts.get(key).and_then(|entry| entry.object.as_ref());
        if confirmed
            && account.is_some_and(|account| account.meta.uid == running.uid)
            && let Some(state) = self.accounts.get_mut(key)
        {
            state.confirmed = Some(running.vanished);
        }
        if let Some(state) = self.accounts.get_mut(key) {
            let is_whole = running.scope == Scope::Account && completion == PassCompletion::Done;
            match authorised {
                Some(true) if is_whole => state.authorised = Some(running.revision),
                Some(true) | None => {}
                Some(false) => state.authorised = None,
            }
        }
        // With a change of the Account that is held, they are those of the Account before it.
        let definitions = (authorised != Some(false)).then_some(definitions);
        self.remember(running, definitions, &completion, revocations_only, holds, now);
        if let (Some(withheld), Some(state)) = (withheld, self.accounts.get_mut(key)) {
            state.note_withheld(&running.scope, withheld);
        }
        let lane = if running.scope == Scope::Account { StatusLane::Bulk } else { StatusLane::Changes };
        // A report on an older generation must not replace a newer one in the queue. Members withdrawn from the pass
        // are reported by the parallel one.
        let withdrawn = running.handle.withdrawn();
        let reports = reports.into_iter().filter(|(object, report)| {
            self.index.any_meta(object).is_none_or(|meta| meta.generation <= report.generation)
                && (withdrawn.is_empty() || self.index.person(object).is_none_or(|email| !withdrawn.contains(email)))
        });
        for (object, report) in reports.collect::<Vec<_>>() {
            self.queue_status_of(pass, object, report, lane, now);
        }
        self.accounts.entry(key.clone()).or_default().reports.extend(shown);
        self.recount(key, lane == StatusLane::Bulk, now);
        let parent = self.index.accounts.get(key).and_then(|entry| entry.object.as_ref()?.facts.parent());
        if let Some(parent) = parent.filter(|_| lane == StatusLane::Bulk) {
            self.recounts.insert(parent);
        }
        match self.unsynced_by_members(key).filter(|_| lane == StatusLane::Changes) {
            // A new or removed member may have changed the set of held removals, and so the hash to approve.
            Some(SyncReason::RemovalGuarded) if completion == PassCompletion::Done => {
                self.queue.add(key, WorkItem::Account, Trigger::CHANGE, now.mono);
            }
            // This member may have been the only one that differed or failed; only a pass over the whole account
            // knows.
            Some(_) if !changes.is_empty() => self.queue.add(key, WorkItem::Account, Trigger::CHECK, now.mono),
            _ => {}
        }
        match (recreated, self.waits_for_recreated(key)) {
            _ if lane == StatusLane::Bulk => {}
            // The Account must report it, too.
            (true, false) => self.queue.add(key, WorkItem::Account, Trigger::CHANGE, now.mono),
            // This object may complete the set. The delay merges many objects that are applied one after the other.
            (_, true) => self.queue.check_within(key, REFRESH_DELAY, now.mono),
            (false, false) => {}
        }
        let store = self.store_of(key).filter(|_| matches!(work, Completion::Failed { .. }) || !changes.is_empty());
        if let Some(store) = store {
            self.refresh(KindName::IdentityStore, store, REFRESH_DELAY, now.mono);
        }
        if !matches!(completion, PassCompletion::NeedsAccount | PassCompletion::Interrupted) {
            self.reconciled_by(running, now);
        }
        work
    }

    /// Publishes the events of a pass, except repetitions: each check finds the held removals again, and a pass that
    /// begins before the status is written finds again that access ended. `holds` is [`PassReport::holds`].
    fn publish_notices(&mut self, key: &AccountKey, notices: Vec<Notice>, holds: Option<bool>, now: Now) {
        let state = self.accounts.entry(key.clone()).or_default();
        if holds == Some(false) {
            state.guard_notice = None;
        }
        for notice in notices {
            let is_repeated = match notice.reason {
                NoticeReason::RemovalGuarded => {
                    let last = state.guard_notice.as_ref();
                    let is_repeated =
                        last.is_some_and(|(note, at)| *note == notice.note && now.mono.since(*at) < REPEAT_AFTER);
                    if !is_repeated {
                        state.guard_notice = Some((notice.note.clone(), now.mono));
                    }
                    is_repeated
                }
                NoticeReason::AccessEnded | NoticeReason::AccessBegan => {
                    self.statuses.reported_access(&notice.about) == Some(notice.reason == NoticeReason::AccessBegan)
                }
                _ => false,
            };
            if !is_repeated {
                self.outbox.push(Effect::EmitEvent(notice));
            }
        }
    }

    /// Returns whether an account waits because the definition of a kind was recreated.
    fn waits_for_recreated(&self, key: &AccountKey) -> bool {
        let report = self.accounts.get(key).and_then(|state| state.reports.get(&key.object()));
        report.and_then(|report| report.waits.as_ref()).is_some_and(|waits| waits.reason == RevocationsOnly::RECREATED)
    }

    /// Processes the report of a pass that did only a part of an account's work.
    pub(super) fn process_revocations(
        &mut self,
        pass: PassId,
        key: &AccountKey,
        partial: PassReport,
        now: Now,
    ) -> Completion {
        if let Some(store) = self.store_of(key).filter(|_| partial.replaced) {
            self.note_replaced(&store, key, now);
        }
        self.publish_notices(key, partial.notices, partial.holds, now);
        let people = partial.deadlines.iter().map(|(_, email)| email.clone()).collect();
        self.deadlines.replace(key, &Scope::Members(people), partial.deadlines);
        for (object, report) in partial.reports {
            self.queue_status_of(pass, object, report, StatusLane::Changes, now);
        }
        work_completion(&partial.completion)
    }

    /// Returns the reason of the Account's `Synced` condition, if a member may be the cause.
    fn unsynced_by_members(&self, key: &AccountKey) -> Option<SyncReason> {
        let reports = self.accounts.get(key).into_iter().flat_map(|state| &state.reports);
        let account = reports.filter(|(object, _)| object.kind == KindName::Account).map(|(_, report)| report);
        let reasons = account.filter_map(|report| match &report.synced {
            Synced::No(no) => Some(no.0),
            _ => None,
        });
        let mut of_members = reasons.filter(|reason| {
            matches!(reason, SyncReason::RemovalGuarded | SyncReason::DriftReported | SyncReason::StoreRejected)
        });
        of_members.next()
    }

    /// Stores the definitions for the next pass, and plans the next check. `holds` is [`PassReport::holds`].
    fn remember(
        &mut self,
        running: &Running,
        definitions: Option<Arc<Definitions>>,
        completion: &PassCompletion,
        revocations_only: bool,
        holds: Option<bool>,
        now: Now,
    ) {
        let key = &running.key;
        if self.index.accounts.get(key).is_none_or(|entry| entry.object.is_none()) {
            return;
        }
        let state = self.accounts.entry(key.clone()).or_default();
        state.definitions = definitions.map(|definitions| (running.revision, definitions));
        state.is_holding = holds.or(state.is_holding);
        // Failed members are retried alone; the whole account keeps its interval.
        let is_whole =
            *completion == PassCompletion::Done || matches!(completion, PassCompletion::Retry { members: Some(_), .. });
        if running.scope == Scope::Account && is_whole {
            if *completion == PassCompletion::Done && !revocations_only {
                state.checked = Some(now.mono);
            }
            self.plan_check(key, now);
        }
    }

    /// Plans the next check of an account, after the interval of its settings.
    pub(super) fn plan_check(&mut self, key: &AccountKey, now: Now) {
        let Some(object) = self.index.accounts.get(key).and_then(|entry| entry.object.as_ref()) else { return };
        let store = self.index.stores.get(object.facts.spec.store_ref.name.as_str());
        let every = resolve::check_every(store.map(|store| &store.facts.spec), &object.facts.spec);
        self.queue.check_after(key, every, now.mono);
    }

    /// Records whether a store could be reached; a success is never replaced by a later failure.
    pub(super) fn note_reached(&mut self, store: &Name, report: &Report) {
        if self.reached.get(store) == Some(&Ok(())) {
            return;
        }
        let reached = match &report.synced {
            Synced::No(no) if matches!(no.0, SyncReason::StoreUnavailable | SyncReason::StoreRejected) => {
                Err(no.1.clone())
            }
            _ => Ok(()),
        };
        self.reached.insert(store.clone(), reached);
    }
}

/// Returns the queue's view of a pass's end.
fn work_completion(completion: &PassCompletion) -> Completion {
    match completion {
        PassCompletion::Done => Completion::Done,
        PassCompletion::NeedsAccount => Completion::Partly,
        PassCompletion::Waits => Completion::Waits,
        PassCompletion::Interrupted => Completion::Interrupted,
        PassCompletion::Retry { revokes, members, .. } => {
            Completion::Failed { revokes: *revokes, members: members.clone() }
        }
    }
}
