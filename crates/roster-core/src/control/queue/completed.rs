//! End of passes, as the queue sees it: what is done, what is retried and when. The loop calls it when a pass finishes.

use std::{collections::VecDeque, hash::BuildHasher as _, time::Duration};

use super::{Completion, Due, Lane, Pending, Queue, QueueState};
use crate::{control::Mono, model::AccountKey};

/// Wait of the rest of a pass that made way for a revocation, so that the revocation is reconciled first.
pub(super) const AFTER_INTERRUPTION: Duration = Duration::from_millis(10);
/// Wait after the first failure; doubled after each further one.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait after failures.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Longest wait of work that may revoke access: the maximum delay of a revocation after the store is back.
pub(super) const LONGEST_WAIT_OF_REVOCATIONS: Duration = Duration::from_secs(4);

impl Queue {
    /// Records the end of a pass. Failed work is retried after a wait.
    pub(in crate::control) fn finished(&mut self, key: &AccountKey, completion: Completion, now: Mono) {
        let Some(work) = self.work.get_mut(key) else { return };
        let ran = work.running.take().unwrap_or_default();
        let lane = ran.lane.min(Lane::Changes);
        let was_whole = ran.whole;
        let must_preempt = ran.whole && lane == Lane::Revocations;
        let rest = Pending { since: Some(now), lane, must_preempt, ..ran };
        match completion {
            Completion::Done => {
                // Only a pass over the whole account shows that nothing of a failure is left.
                if work.failed.is_none() && std::mem::take(&mut work.failures) > 0 && !was_whole {
                    let check = Pending { whole: true, since: Some(now), ..Pending::default() };
                    work.pending.get_or_insert_default().merge(check);
                }
            }
            Completion::Partly | Completion::Waits => {
                let arrived = work.pending.is_some();
                let rest = rest.of(None);
                work.pending = Some(rest.followed_by(work.pending.take()));
                // New work does not wait.
                if completion == Completion::Waits && !arrived && work.parallel.is_none() {
                    work.state = QueueState::NotYet;
                    return;
                }
            }
            Completion::Interrupted => {
                // Kept apart from the new work, which goes first.
                work.failed = Some(rest.followed_by(work.failed.take()));
                // Earlier failed work is retried with it, somewhat early.
                let due = now + AFTER_INTERRUPTION;
                work.retry = Some(due);
                self.later.entry(due).or_default().push(Due::Retry(key.clone()));
            }
            Completion::Failed { revokes, members } => {
                self.failed(key, rest.of(members), revokes, now);
            }
        }
        self.go_on(key);
    }

    /// Schedules failed work again; the wait grows with the number of failures.
    fn failed(&mut self, key: &AccountKey, rest: Pending, revokes: bool, now: Mono) {
        let Some(work) = self.work.get_mut(key) else { return };
        work.failures += 1;
        let rest = Pending { changed: rest.changed.filter(|_| revokes), since: Some(now), ..rest };
        work.failed = Some(rest.followed_by(work.failed.take()));
        let most = if revokes { LONGEST_WAIT_OF_REVOCATIONS } else { LONGEST_WAIT };
        let wait = (FIRST_WAIT * 2_u32.saturating_pow(work.failures.min(16) - 1)).min(most);
        // Accounts of one store failed together; they should not all be retried at the same moment.
        let jitter = u32::try_from(self.jitter.hash_one((key, work.failures)) % 1_000).unwrap_or(0);
        let wait = wait.mul_f64(0.75 + f64::from(jitter) / 4_000.0);
        let due = now + wait;
        if work.retry.is_none_or(|known| known > due) {
            work.retry = Some(due);
            self.later.entry(due).or_default().push(Due::Retry(key.clone()));
        }
    }

    /// Records the end of a parallel pass. Work that it could not do makes the other pass stop early.
    pub(in crate::control) fn finished_parallel(&mut self, key: &AccountKey, completion: Completion, now: Mono) {
        let Some(work) = self.work.get_mut(key) else { return };
        let Some(ran) = work.parallel.take() else { return };
        match completion {
            Completion::Done => {}
            Completion::Partly | Completion::Waits | Completion::Interrupted => {
                work.pending = Some(Pending { must_preempt: true, ..ran }.followed_by(work.pending.take()));
            }
            Completion::Failed { revokes, members } => {
                let members = members.unwrap_or_else(|| ran.members.clone());
                self.failed(key, ran.of(Some(members)), revokes, now);
            }
        }
        self.go_on(key);
    }

    /// Queues the next pass over an account, if none runs.
    fn go_on(&mut self, key: &AccountKey) {
        let Some(work) = self.work.get_mut(key) else { return };
        if work.running.is_none() && work.parallel.is_none() {
            work.state = QueueState::Ready;
            self.requeue(key, VecDeque::push_back);
        }
    }

    /// Queues failed work again.
    pub(super) fn retry(&mut self, key: &AccountKey, at: Mono) {
        let Some(work) = self.work.get_mut(key).filter(|work| work.retry == Some(at)) else { return };
        work.retry = None;
        let Some(failed) = work.failed.take() else { return };
        work.pending = Some(failed.followed_by(work.pending.take()));
        if work.state != QueueState::Running {
            self.line_up(key);
        }
    }
}
