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
    model::{AccountKey, Email},
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
    urgent: bool,
}

#[derive(Default)]
struct Work {
    pending: Option<Pending>,
    running: bool,
    failures: u32,
    held: bool,
    check: u64,
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
    later: BTreeMap<Instant, Vec<Due>>,
    jitter: RandomState,
}

impl Queue {
    /// Asks for something to be looked at.
    pub fn want(&mut self, key: &AccountKey, want: Want, urgency: Urgency, trigger: Option<&Origin>) {
        let work = self.work.entry(key.clone()).or_default();
        let queued = work.pending.is_some();
        let pending = work.pending.get_or_insert_default();
        pending.since.get_or_insert_with(Instant::now);
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
        if raised {
            self.changes.push_back(key.clone());
        } else if !queued {
            self.checks.push_back(key.clone());
        }
    }

    /// The next account to look at, of those that `may_start` lets; it counts as running from now on.
    pub fn take(&mut self, may_start: impl Fn(&AccountKey) -> bool) -> Option<(AccountKey, Pending)> {
        let work = &mut self.work;
        for lane in [&mut self.changes, &mut self.checks] {
            // An account may stand in both lanes, or in one after it has been taken from the other.
            lane.retain(|key| work.get(key).is_some_and(|work| work.pending.is_some() && !work.running && !work.held));
            let Some(place) = lane.iter().position(&may_start) else { continue };
            let Some(key) = lane.remove(place) else { continue };
            let Some(entry) = work.get_mut(&key) else { continue };
            entry.running = true;
            let pending = entry.pending.take().unwrap_or_default();
            return Some((key, pending));
        }
        None
    }

    /// A pass is over. After a failure the account waits before anything of it is looked at again.
    pub fn finished(&mut self, key: &AccountKey, failed: bool) {
        let Some(work) = self.work.get_mut(key) else { return };
        work.running = false;
        if !failed {
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
        (self.changes.len(), self.checks.len())
    }

    /// Since when the oldest change has been waiting.
    #[must_use]
    pub fn oldest_change(&self) -> Option<Instant> {
        self.work.values().filter_map(|work| work.pending.as_ref().filter(|pending| pending.urgent)?.since).min()
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
