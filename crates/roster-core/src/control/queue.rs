//! Work that waits, account by account: two lanes, one pass at a time for each account, backoff after failures.
//!
//! A change starts at once, without any pause to collect more; what arrives while the account's pass runs makes the next
//! one. Changes go ahead of periodic checks.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    hash::BuildHasher as _,
    time::Duration,
};

use super::Mono;
use crate::{
    model::{AccountKey, Email, Name, Seed, SeededState},
    resolve::Origin,
};

/// Wait after the first failure; doubled for each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait: so long may a revocation wait once the store is back.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Part of an account that is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WorkItem {
    /// All of the account.
    Account,
    /// One address.
    Member(Email),
}

/// Lane in which work waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Something changed.
    Changes,
    /// A periodic check.
    Checks,
}

/// All that is to be looked at in one account.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    /// All of it.
    pub(super) whole: bool,
    /// These addresses.
    pub(super) members: BTreeSet<Email>,
    /// The object that brought it about first.
    pub(super) trigger: Option<Origin>,
    /// When the first of it was asked for.
    pub(super) since: Option<Mono>,
    /// Whether it goes ahead of checks: something changed, or a pass failed.
    pub(super) urgent: bool,
    /// Since when a change that may take something away has been waiting, if there is any. A pass that fails has not done
    /// it.
    pub(super) changed: Option<Mono>,
}

/// How a pass ended, as far as the queue is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// All that was to be done is done.
    Done,
    /// The whole account is to be looked at for the rest of it, at once.
    Partly,
    /// It is to be done again, after a while.
    Failed {
        /// Whether that may take something away from somebody.
        revokes: bool,
    },
}

/// Where the work of an account stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Nothing is to be done, or it stands in a lane.
    #[default]
    Ready,
    /// A pass runs; what arrives meanwhile makes the next one.
    Running,
    /// Held back after a failure.
    Held,
    /// Waits for room in its store, or until more is known.
    Parked,
}

#[derive(Default)]
struct Work {
    place: Place,
    pending: Option<Pending>,
    /// Since when the change that the running pass carries out has been waiting.
    open: Option<Mono>,
    failures: u32,
    /// Counts the checks that were planned: only the latest counts.
    check: u64,
}

/// Whether a pass over an account may start now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may.
    Start,
    /// Not before another pass in this store has ended.
    Full(Name),
    /// Not before more is known of the cluster.
    NotYet,
    /// Another replica looks after the account.
    Elsewhere,
}

enum Due {
    Retry(AccountKey),
    Check(AccountKey, u64),
}

/// The queue.
pub(super) struct Queue {
    work: BTreeMap<AccountKey, Work>,
    changes: VecDeque<AccountKey>,
    checks: VecDeque<AccountKey>,
    /// Accounts that wait for room in their store.
    full: BTreeMap<Name, VecDeque<AccountKey>>,
    /// Accounts that wait until more is known.
    not_yet: Vec<AccountKey>,
    later: BTreeMap<Mono, Vec<Due>>,
    jitter: SeededState,
}

impl Queue {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            work: BTreeMap::new(),
            changes: VecDeque::new(),
            checks: VecDeque::new(),
            full: BTreeMap::new(),
            not_yet: Vec::new(),
            later: BTreeMap::new(),
            jitter: SeededState::new(seed),
        }
    }

    /// Asks for something to be looked at.
    pub(super) fn want(&mut self, key: &AccountKey, item: WorkItem, lane: Lane, trigger: Option<&Origin>, now: Mono) {
        let work = self.work.entry(key.clone()).or_default();
        let queued = work.pending.is_some();
        let pending = work.pending.get_or_insert_default();
        pending.since.get_or_insert(now);
        if lane == Lane::Changes {
            pending.changed.get_or_insert(now);
        }
        match item {
            WorkItem::Account => pending.whole = true,
            WorkItem::Member(email) => {
                pending.members.insert(email);
            }
        }
        if pending.trigger.is_none() {
            pending.trigger = trigger.cloned();
        }
        let raised = lane == Lane::Changes && !pending.urgent;
        pending.urgent |= lane == Lane::Changes;
        match work.place {
            Place::Running | Place::Held => {}
            // Known defect, to be mended: a parked check that becomes a change is passed over until there is room.
            Place::Ready | Place::Parked if raised => self.changes.push_back(key.clone()),
            Place::Parked => {
                work.place = Place::Ready;
                self.changes.push_back(key.clone());
            }
            Place::Ready if !queued => self.checks.push_back(key.clone()),
            Place::Ready => {}
        }
    }

    /// Takes the next account to look at, of those that `admit` lets; it counts as running from now on. Those that have to
    /// wait are put aside, so that they are not asked about again and again.
    pub(super) fn take(&mut self, admit: impl Fn(&AccountKey) -> Admission) -> Option<(AccountKey, Pending)> {
        loop {
            let key = self.changes.pop_front().or_else(|| self.checks.pop_front())?;
            // An account may stand in both lanes, or in one after it has been taken from the other.
            let Some(work) = self.work.get_mut(&key) else { continue };
            if work.pending.is_none() || work.place != Place::Ready {
                continue;
            }
            match admit(&key) {
                Admission::Start => {
                    work.place = Place::Running;
                    let pending = work.pending.take().unwrap_or_default();
                    work.open = pending.changed;
                    return Some((key, pending));
                }
                Admission::Full(store) => {
                    work.place = Place::Parked;
                    self.full.entry(store).or_default().push_back(key);
                }
                Admission::NotYet => {
                    work.place = Place::Parked;
                    self.not_yet.push(key);
                }
                // Whoever takes it over looks at all of it.
                Admission::Elsewhere => {
                    self.work.remove(&key);
                }
            }
        }
    }

    /// Notes that there is room in a store: one account that waited for it has its turn.
    pub(super) fn room_in(&mut self, store: &Name) {
        while let Some(key) = self.full.get_mut(store).and_then(VecDeque::pop_front) {
            if self.unpark(&key) {
                return;
            }
        }
    }

    /// Notes that more is known: those that waited for it have their turn.
    pub(super) fn more_known(&mut self) {
        for key in std::mem::take(&mut self.not_yet) {
            self.unpark(&key);
        }
    }

    fn unpark(&mut self, key: &AccountKey) -> bool {
        let parked = self.work.get_mut(key).filter(|work| work.place == Place::Parked);
        let Some(work) = parked else { return false };
        work.place = Place::Ready;
        self.requeue(key);
        true
    }

    /// Notes that a pass has ended. What it left undone is to be done by one over the whole account; after a failure, not
    /// before a while has passed.
    pub(super) fn finished(&mut self, key: &AccountKey, ended: Ended, now: Mono) {
        let Some(work) = self.work.get_mut(key) else { return };
        work.place = Place::Ready;
        let open = work.open.take().filter(|_| ended != Ended::Failed { revokes: false });
        if ended != Ended::Done {
            let pending = work.pending.get_or_insert_default();
            pending.whole = true;
            pending.urgent = true;
            pending.since.get_or_insert(now);
            pending.changed = open.into_iter().chain(pending.changed).min();
        }
        if !matches!(ended, Ended::Failed { .. }) {
            work.failures = 0;
            self.requeue(key);
            return;
        }
        work.failures += 1;
        work.place = Place::Held;
        let wait = (FIRST_WAIT * 2_u32.saturating_pow(work.failures.min(16) - 1)).min(LONGEST_WAIT);
        // Accounts of one store failed together; they should not all come back together.
        let jitter = u32::try_from(self.jitter.hash_one((key, work.failures)) % 1_000).unwrap_or(0);
        let wait = wait.mul_f64(0.75 + f64::from(jitter) / 4_000.0);
        self.later.entry(now + wait).or_default().push(Due::Retry(key.clone()));
    }

    /// Looks at the whole account when `after` has passed, unless it is asked to do so anew before.
    pub(super) fn check_after(&mut self, key: &AccountKey, after: Duration, now: Mono) {
        let jitter = u32::try_from(self.jitter.hash_one(key) % 1_000).unwrap_or(0);
        let Some(work) = self.work.get_mut(key) else { return };
        work.check += 1;
        let after = after.mul_f64(0.9 + f64::from(jitter) / 10_000.0);
        self.later.entry(now + after).or_default().push(Due::Check(key.clone(), work.check));
    }

    /// Takes up what has become due.
    pub(super) fn wake(&mut self, now: Mono) {
        while let Some(entry) = self.later.first_entry().filter(|entry| *entry.key() <= now) {
            for due in entry.remove() {
                match due {
                    Due::Retry(key) => {
                        if let Some(work) = self.work.get_mut(&key).filter(|work| work.place == Place::Held) {
                            work.place = Place::Ready;
                        }
                        self.requeue(&key);
                    }
                    Due::Check(key, number) => {
                        if self.work.get(&key).is_some_and(|work| work.check == number) {
                            self.want(&key, WorkItem::Account, Lane::Checks, None, now);
                        }
                    }
                }
            }
        }
    }

    /// Returns whether a pass over the account runs.
    pub(super) fn is_running(&self, key: &AccountKey) -> bool {
        self.work.get(key).is_some_and(|work| work.place == Place::Running)
    }

    /// Returns whether something of the account is still to be looked at.
    pub(super) fn is_pending(&self, key: &AccountKey) -> bool {
        self.work.get(key).is_some_and(|work| work.pending.is_some())
    }

    /// Returns when something becomes due next.
    pub(super) fn next_due(&self) -> Option<Mono> {
        self.later.keys().next().copied()
    }

    /// Forgets an account that is gone.
    pub(super) fn forget(&mut self, key: &AccountKey) {
        if self.work.get(key).is_some_and(|work| work.place != Place::Running && work.pending.is_none()) {
            self.work.remove(key);
        }
    }

    /// Returns how many accounts wait in each lane: changes, checks.
    pub(super) fn depths(&self) -> (usize, usize) {
        let parked: usize = self.full.values().map(VecDeque::len).sum();
        (self.changes.len() + parked + self.not_yet.len(), self.checks.len())
    }

    /// Returns since when the oldest change has been waiting to be carried out, over all passes that failed. What it will
    /// turn out to take away is not known before a pass runs; the first one begins with just that, however long it takes.
    pub(super) fn oldest_change(&self) -> Option<Mono> {
        let waiting = |work: &Work| {
            let open = work.open.filter(|_| work.failures > 0);
            open.into_iter().chain(work.pending.as_ref().and_then(|all| all.changed)).min()
        };
        self.work.values().filter_map(waiting).min()
    }

    fn requeue(&mut self, key: &AccountKey) {
        let Some(work) = self.work.get(key) else { return };
        match &work.pending {
            Some(pending) if pending.urgent => self.changes.push_back(key.clone()),
            Some(_) => self.checks.push_back(key.clone()),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Mono = Mono(Duration::ZERO);

    fn acme() -> AccountKey {
        AccountKey { namespace: Name::new("acme"), name: Name::new("acme") }
    }

    fn next(queue: &mut Queue) -> Option<Pending> {
        queue.take(|_| Admission::Start).map(|(_, pending)| pending)
    }

    /// Takes up what is due, however far off it is.
    fn wake(queue: &mut Queue) {
        queue.wake(NOW + 2 * LONGEST_WAIT);
    }

    #[test]
    fn a_change_waits_until_a_pass_has_carried_it_out() {
        let mut queue = Queue::new(Seed::default());
        assert_eq!(queue.oldest_change(), None);
        queue.want(&acme(), WorkItem::Member(Email::parse("eve@acme.example").unwrap()), Lane::Changes, None, NOW);
        let since = queue.oldest_change();
        assert!(since.is_some());
        for _ in 0..3 {
            assert_eq!(next(&mut queue).unwrap().changed, since);
            queue.want(&acme(), WorkItem::Account, Lane::Changes, None, NOW);
            queue.finished(&acme(), Ended::Failed { revokes: true }, NOW);
            assert_eq!(queue.oldest_change(), since, "a pass that failed has not done it");
            assert!(next(&mut queue).is_none(), "not before a while has passed");
            wake(&mut queue);
        }
        assert!(next(&mut queue).unwrap().whole);
        assert_eq!(queue.oldest_change(), since, "while it is tried again");
        queue.finished(&acme(), Ended::Partly, NOW);
        assert_eq!(queue.oldest_change(), since, "the rest of it is to be done");
        assert!(next(&mut queue).is_some());
        queue.finished(&acme(), Ended::Done, NOW);
        assert_eq!(queue.oldest_change(), None);
    }

    #[test]
    fn what_only_grants_is_tried_again_and_is_no_revocation() {
        let mut queue = Queue::new(Seed::default());
        queue.want(&acme(), WorkItem::Account, Lane::Changes, None, NOW);
        assert!(next(&mut queue).is_some());
        assert_eq!(queue.oldest_change(), None, "its first pass begins with what goes");
        queue.finished(&acme(), Ended::Failed { revokes: false }, NOW);
        wake(&mut queue);
        assert!(next(&mut queue).unwrap().whole);
        assert_eq!(queue.oldest_change(), None);
    }

    #[test]
    fn a_check_that_fails_is_repeated_and_is_no_change() {
        let mut queue = Queue::new(Seed::default());
        queue.want(&acme(), WorkItem::Account, Lane::Checks, None, NOW);
        assert!(!next(&mut queue).unwrap().urgent);
        queue.finished(&acme(), Ended::Failed { revokes: true }, NOW);
        wake(&mut queue);
        let again = next(&mut queue).unwrap();
        assert!(again.whole && again.urgent, "it goes ahead of other checks");
        assert_eq!(queue.oldest_change(), None);
    }
}
