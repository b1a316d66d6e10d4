//! Handles the end of a pass that deletes an Account: reports why the deletion waits, or lets it go. `finish` calls it.

use std::{sync::Arc, time::Duration};

use super::{
    Control, Deleted, DeletionState, Effect, Now, PassId,
    pass::Running,
    queue::{Completion, Trigger, WorkItem},
    statuses::StatusLane,
};
use crate::{
    api::SyncReason,
    model::{AccountKey, KindName, counted},
    report::{self, Notice, NoticeReason, PassReport, Report, Synced, Waits},
    state::{AccountFacts, Record},
};

/// Maximum number of managed accounts named in one message.
const NAMED: usize = 5;

impl Control {
    /// Processes the result of a deletion.
    pub(super) fn deleted(&mut self, pass: PassId, running: &Running, deleted: Deleted, now: Now) -> Completion {
        let key = &running.key;
        self.reconciled(key, None, now);
        let Some(account) = &running.deleting else { return Completion::Done };
        let object = account.reference(KindName::Account);
        let report = self.deleting_report(key, account);
        let (report, completion) = match deleted {
            Deleted::Done(_) => return Completion::Done,
            Deleted::Waits(children, meanwhile) => {
                let names = children.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let message = format!("deletion waits for {}: {names}", counted(children.len(), "managed account"));
                let waits = Some(Box::new(Waits { reason: "ManagedAccountsExist", message, stalled: false }));
                let report = match &meanwhile.guarded {
                    Some(guarded) => report::guard(report, guarded, report::held(guarded)),
                    None => Report { synced: Synced::Yes { applied: false }, ..report },
                };
                let completion = self.process_meanwhile(pass, key, *meanwhile, now);
                (Report { waits, ..report }, completion)
            }
            Deleted::Held(guarded, meanwhile) => {
                let message = report::held_deletion(&guarded);
                let state = self.accounts.entry(key.clone()).or_default();
                let now_held = (running.uid.clone(), DeletionState::Held(guarded.hash.clone()));
                let is_news = std::mem::replace(&mut state.deletion, now_held.clone()) != now_held;
                if is_news {
                    let reason = NoticeReason::RemovalGuarded;
                    let notice = Notice::new(object.clone(), &account.meta, reason, message.clone());
                    self.outbox.push(Effect::EmitEvent(notice));
                }
                if !meanwhile.changes.is_empty() {
                    // The remaining members may be another set, with another hash to approve, or the guard may no
                    // longer hold them.
                    self.queue.add(key, WorkItem::Account, Trigger::CHANGE, now.mono);
                }
                let completion = self.process_meanwhile(pass, key, *meanwhile, now);
                (report::guard(report, &guarded, message), completion)
            }
            Deleted::Replaced(meanwhile) => {
                self.note_replaced(&running.store, key, now);
                let completion = self.process_meanwhile(pass, key, *meanwhile, now);
                let why = "the store is not the one used so far; the deletion waits until the former store is back or \
                           this one is approved on the IdentityStore";
                (report.unsynced(SyncReason::StoreReplaced, why), completion)
            }
            Deleted::Retry { error, decided, .. } => {
                if !decided.is_empty() {
                    self.accounts.entry(key.clone()).or_default().deletion =
                        (running.uid.clone(), DeletionState::Decided(decided));
                }
                (report.unsynced(SyncReason::StoreUnavailable, error.to_string()), Completion::FAILED)
            }
        };
        self.queue_status(object, report, StatusLane::Changes, Duration::ZERO, now);
        completion
    }

    /// Processes the report of an account whose deletion waits, and plans its next check.
    fn process_meanwhile(&mut self, pass: PassId, key: &AccountKey, mut meanwhile: PassReport, now: Now) -> Completion {
        let state = self.accounts.entry(key.clone()).or_default();
        state.is_holding = meanwhile.holds.or(state.is_holding);
        meanwhile.reports.retain(|(object, _)| object.kind != KindName::Account);
        self.plan_check(key, now);
        self.process_revocations(pass, key, meanwhile, now)
    }

    fn deleting_report(&self, key: &AccountKey, account: &Arc<Record<AccountFacts>>) -> Report {
        let counts = self.counts(key, true);
        let catalog = self.index.followed(key).map(|catalog| catalog.generation);
        let detail = report::account_detail(&counts, account.facts.spec.owner.is_some(), catalog, None);
        Report::new(account.facts.generation, detail)
    }
}
