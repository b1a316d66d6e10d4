//! What is to be looked at, account by account: two lanes, one pass at a time for each account, backoff after failures.
//!
//! A change starts at once, without any pause to collect more; what arrives while the account's pass runs makes the next
//! one. Changes go ahead of periodic checks.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

use crate::{
    model::{AccountKey, Email, Name},
    resolve::Origin,
};

/// Wait after the first failure; doubled for each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait: so long may a revocation wait once the store is back.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// All of the account.
    Account,
    /// One address.
    Member(Email),
}

/// How urgent it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Something changed.
    Change,
    /// A periodic check.
    Check,
}

/// All that is to be looked at in one account.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    /// All of it.
    pub whole: bool,
    /// These addresses.
    pub members: BTreeSet<Email>,
    /// The object that brought it about first.
    pub trigger: Option<Origin>,
    /// When the first of it was asked for.
    pub since: Option<Instant>,
    /// Whether it goes ahead of checks: something changed, or a pass failed.
    pub urgent: bool,
    /// Since when a change that may take something away has been waiting, if there is any. A pass that fails has not done it.
    pub changed: Option<Instant>,
}

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
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

#[derive(Default)]
struct Work {
    pending: Option<Pending>,
    running: bool,
    /// Since when the change that the running pass carries out has been waiting.
    open: Option<Instant>,
    failures: u32,
    held: bool,
    parked: bool,
    check: u64,
}

/// Whether an account may be looked at now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admit {
    /// It may.
    Start,
    /// Not before something else of this store is over.
    Full(Name),
    /// Not before more is known of the cluster.
    NotYet,
    /// Another replica looks after it.
    Elsewhere,
}

enum Due {
    Retry(AccountKey),
    Check(AccountKey, u64),
}

/// The queue. Owned by the controller's one loop.
#[derive(Default)]
pub struct Queue {
    work: HashMap<AccountKey, Work>,
    changes: VecDeque<AccountKey>,
    checks: VecDeque<AccountKey>,
    /// Accounts that wait for room in their store.
    full: HashMap<Name, VecDeque<AccountKey>>,
    /// Accounts that wait until more is known.
    not_yet: Vec<AccountKey>,
    later: BTreeMap<Instant, Vec<Due>>,
    jitter: RandomState,
}

impl Queue {
    /// Asks for something to be looked at.
    pub fn want(&mut self, key: &AccountKey, want: Want, urgency: Urgency, trigger: Option<&Origin>) {
        let work = self.work.entry(key.clone()).or_default();
        let queued = work.pending.is_some();
        let pending = work.pending.get_or_insert_default();
        let now = Instant::now();
        pending.since.get_or_insert(now);
        if urgency == Urgency::Change {
            pending.changed.get_or_insert(now);
        }
        match want {
            Want::Account => pending.whole = true,
            Want::Member(email) => {
                pending.members.insert(email);
            }
        }
        if pending.trigger.is_none() {
            pending.trigger = trigger.cloned();
        }
        let raised = urgency == Urgency::Change && !pending.urgent;
        pending.urgent |= urgency == Urgency::Change;
        if work.running || work.held {
            return;
        }
        if raised || std::mem::take(&mut work.parked) {
            self.changes.push_back(key.clone());
        } else if !queued {
            self.checks.push_back(key.clone());
        }
    }

    /// The next account to look at, of those that `admit` lets; it counts as running from now on. Those that have to
    /// wait are put aside, so that they are not asked about again and again.
    pub fn take(&mut self, admit: impl Fn(&AccountKey) -> Admit) -> Option<(AccountKey, Pending)> {
        loop {
            let key = self.changes.pop_front().or_else(|| self.checks.pop_front())?;
            // An account may stand in both lanes, or in one after it has been taken from the other.
            let Some(work) = self.work.get_mut(&key) else { continue };
            if work.pending.is_none() || work.running || work.held || work.parked {
                continue;
            }
            match admit(&key) {
                Admit::Start => {
                    work.running = true;
                    let pending = work.pending.take().unwrap_or_default();
                    work.open = pending.changed;
                    return Some((key, pending));
                }
                Admit::Full(store) => {
                    work.parked = true;
                    self.full.entry(store).or_default().push_back(key);
                }
                Admit::NotYet => {
                    work.parked = true;
                    self.not_yet.push(key);
                }
                // Whoever takes it over looks at all of it.
                Admit::Elsewhere => {
                    self.work.remove(&key);
                }
            }
        }
    }

    /// There is room in a store: one that waited for it has its turn.
    pub fn room_in(&mut self, store: &Name) {
        while let Some(key) = self.full.get_mut(store).and_then(VecDeque::pop_front) {
            if self.unpark(&key) {
                return;
            }
        }
    }

    /// More is known: those that waited for it have their turn.
    pub fn more_known(&mut self) {
        for key in std::mem::take(&mut self.not_yet) {
            self.unpark(&key);
        }
    }

    fn unpark(&mut self, key: &AccountKey) -> bool {
        let parked = self.work.get_mut(key).is_some_and(|work| std::mem::take(&mut work.parked));
        if parked {
            self.requeue(key);
        }
        parked
    }

    /// A pass is over. What it has left undone is to be done by one over the whole account; after a failure, not before a
    /// while has passed.
    pub fn finished(&mut self, key: &AccountKey, ended: Ended) {
        let Some(work) = self.work.get_mut(key) else { return };
        work.running = false;
        let open = work.open.take().filter(|_| ended != Ended::Failed { revokes: false });
        if ended != Ended::Done {
            let now = Instant::now();
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
        work.held = true;
        let wait = (FIRST_WAIT * 2_u32.saturating_pow(work.failures.min(16) - 1)).min(LONGEST_WAIT);
        // Accounts of one store failed together; they should not all come back together.
        let jitter = u32::try_from(self.jitter.hash_one((key, work.failures)) % 1_000).unwrap_or(0);
        let wait = wait.mul_f64(0.75 + f64::from(jitter) / 4_000.0);
        self.later.entry(Instant::now() + wait).or_default().push(Due::Retry(key.clone()));
    }

    /// Looks at the whole account when `after` has passed, unless it is asked to do so anew before.
    pub fn check_after(&mut self, key: &AccountKey, after: Duration) {
        let jitter = u32::try_from(self.jitter.hash_one(key) % 1_000).unwrap_or(0);
        let Some(work) = self.work.get_mut(key) else { return };
        work.check += 1;
        let after = after.mul_f64(0.9 + f64::from(jitter) / 10_000.0);
        self.later.entry(Instant::now() + after).or_default().push(Due::Check(key.clone(), work.check));
    }

    /// Takes up what has become due.
    pub fn wake(&mut self, now: Instant) {
        while let Some(entry) = self.later.first_entry().filter(|entry| *entry.key() <= now) {
            for due in entry.remove() {
                match due {
                    Due::Retry(key) => {
                        if let Some(work) = self.work.get_mut(&key) {
                            work.held = false;
                        }
                        self.requeue(&key);
                    }
                    Due::Check(key, number) => {
                        if self.work.get(&key).is_some_and(|work| work.check == number) {
                            self.want(&key, Want::Account, Urgency::Check, None);
                        }
                    }
                }
            }
        }
    }

    /// Accounts over which a pass runs.
    pub fn running(&self) -> impl Iterator<Item = &AccountKey> {
        self.work.iter().filter(|(_, work)| work.running).map(|(key, _)| key)
    }

    /// Whether a pass over the account runs.
    #[must_use]
    pub fn is_running(&self, key: &AccountKey) -> bool {
        self.work.get(key).is_some_and(|work| work.running)
    }

    /// Whether something of the account is still to be looked at.
    #[must_use]
    pub fn is_pending(&self, key: &AccountKey) -> bool {
        self.work.get(key).is_some_and(|work| work.pending.is_some())
    }

    /// When something becomes due next.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.later.keys().next().copied()
    }

    /// Forgets an account that is gone.
    pub fn forget(&mut self, key: &AccountKey) {
        if self.work.get(key).is_some_and(|work| !work.running && work.pending.is_none()) {
            self.work.remove(key);
        }
    }

    /// How many accounts wait in each lane: changes, checks.
    #[must_use]
    pub fn depths(&self) -> (usize, usize) {
        let parked: usize = self.full.values().map(VecDeque::len).sum();
        (self.changes.len() + parked + self.not_yet.len(), self.checks.len())
    }

    /// Since when the oldest change has been waiting to be carried out, over all passes that failed. What it will turn out
    /// to take away is not known before a pass runs; the first one begins with just that, however long it takes.
    #[must_use]
    pub fn oldest_change(&self) -> Option<Instant> {
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

    fn acme() -> AccountKey {
        AccountKey { namespace: Name::new("acme"), name: Name::new("acme") }
    }

    fn next(queue: &mut Queue) -> Option<Pending> {
        queue.take(|_| Admit::Start).map(|(_, pending)| pending)
    }

    /// Takes up what is due, however far off it is.
    fn wake(queue: &mut Queue) {
        queue.wake(Instant::now() + 2 * LONGEST_WAIT);
    }

    #[test]
    fn a_change_waits_until_a_pass_has_carried_it_out() {
        let mut queue = Queue::default();
        assert_eq!(queue.oldest_change(), None);
        queue.want(&acme(), Want::Member(Email::parse("eve@acme.example").unwrap()), Urgency::Change, None);
        let since = queue.oldest_change();
        assert!(since.is_some());
        for _ in 0..3 {
            assert_eq!(next(&mut queue).unwrap().changed, since);
            queue.want(&acme(), Want::Account, Urgency::Change, None);
            queue.finished(&acme(), Ended::Failed { revokes: true });
            assert_eq!(queue.oldest_change(), since, "a pass that failed has not done it");
            assert!(next(&mut queue).is_none(), "not before a while has passed");
            wake(&mut queue);
        }
        assert!(next(&mut queue).unwrap().whole);
        assert_eq!(queue.oldest_change(), since, "while it is tried again");
        queue.finished(&acme(), Ended::Partly);
        assert_eq!(queue.oldest_change(), since, "the rest of it is to be done");
        assert!(next(&mut queue).is_some());
        queue.finished(&acme(), Ended::Done);
        assert_eq!(queue.oldest_change(), None);
    }

    #[test]
    fn what_only_grants_is_tried_again_and_is_no_revocation() {
        let mut queue = Queue::default();
        queue.want(&acme(), Want::Account, Urgency::Change, None);
        assert!(next(&mut queue).is_some());
        assert_eq!(queue.oldest_change(), None, "its first pass begins with what goes");
        queue.finished(&acme(), Ended::Failed { revokes: false });
        wake(&mut queue);
        assert!(next(&mut queue).unwrap().whole);
        assert_eq!(queue.oldest_change(), None);
    }

    #[test]
    fn a_check_that_fails_is_repeated_and_is_no_change() {
        let mut queue = Queue::default();
        queue.want(&acme(), Want::Account, Urgency::Check, None);
        assert!(!next(&mut queue).unwrap().urgent);
        queue.finished(&acme(), Ended::Failed { revokes: true });
        wake(&mut queue);
        let again = next(&mut queue).unwrap();
        assert!(again.whole && again.urgent, "it goes ahead of other checks");
        assert_eq!(queue.oldest_change(), None);
    }
}
