//! Work that waits, by account: three lanes, one pass at a time for each account plus one parallel pass over few
//! members, backoff after failures. The loop adds work, takes it and reports the end of each pass.
//!
//! A change starts at once, without a pause to collect more; work that arrives while the account's pass runs makes
//! the next one. Wherever work waits, revocations go ahead of other changes, and those ahead of periodic checks.
//! Failed work waits separately: later work does not wait with it.

mod completed;
#[cfg(test)]
mod tests;
mod work;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    hash::BuildHasher as _,
    time::Duration,
};

pub(super) use self::work::{Admission, Completion, Lane, Pending, Trigger, WaitingForPass, WorkItem};
use super::{Mono, Triggers};
use crate::model::{AccountKey, Email, Name, Seed, SeededState};

/// Sort key of a waiting account: lane, then single-member revocations first, then arrival order.
type Turn = (Lane, bool, u64);

/// State of an account's work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum QueueState {
    /// No work is pending, or the account is in a lane.
    #[default]
    Ready,
    /// A pass runs, or a parallel one still does; work that arrives meanwhile makes the next pass.
    Running,
    /// Waits at this position for room in its store.
    Full(Name, Turn),
    /// Waits for more kinds to be listed.
    NotYet,
}

#[derive(Default)]
struct Work {
    state: QueueState,
    /// Lane and arrival number with which it waits for room.
    turn: Option<(Lane, u64)>,
    pending: Option<Pending>,
    /// Failed work, to be retried when due.
    failed: Option<Pending>,
    /// Work of the running pass.
    running: Option<Pending>,
    /// Work of the parallel pass.
    parallel: Option<Pending>,
    failures: u32,
    /// Time of the retry: one for all failed work.
    retry: Option<Mono>,
    /// Time of the next check of the whole account, if planned; earlier plans are void.
    check: Option<Mono>,
}

enum Due {
    Retry(AccountKey),
    Check(AccountKey),
}

/// Pending, running and failed work of all accounts.
pub(super) struct Queue {
    work: BTreeMap<AccountKey, Work>,
    lanes: [VecDeque<AccountKey>; 3],
    /// Accounts that wait for room in their store, in the order in which they get it.
    full: BTreeMap<Name, BTreeMap<Turn, AccountKey>>,
    turns: u64,
    later: BTreeMap<Mono, Vec<Due>>,
    jitter: SeededState,
}

impl Queue {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            work: BTreeMap::new(),
            lanes: [VecDeque::new(), VecDeque::new(), VecDeque::new()],
            full: BTreeMap::new(),
            turns: 0,
            later: BTreeMap::new(),
            jitter: SeededState::new(seed),
        }
    }

    /// Adds work on an account or one of its members.
    pub(super) fn add(&mut self, key: &AccountKey, item: WorkItem, trigger: Trigger<'_>, now: Mono) {
        let Trigger { lane, object } = trigger;
        let (whole, members, triggers): (bool, BTreeSet<Email>, _) = match item {
            WorkItem::Account => (true, BTreeSet::new(), Triggers::of(object, key, None)),
            WorkItem::Member(email) => (false, [email.clone()].into(), Triggers::of(object, key, Some(&email))),
        };
        let changed = lane.is_change().then_some(now);
        let revokes = lane == Lane::Revocations;
        let revoked = if revokes { members.clone() } else { BTreeSet::new() };
        let asked = Pending {
            whole,
            members,
            revoked,
            must_preempt: revokes && whole,
            triggers,
            since: Some(now),
            lane,
            changed,
        };
        let work = self.work.entry(key.clone()).or_default();
        let stood = work.pending.as_ref().map(|pending| pending.lane);
        match &mut work.pending {
            Some(pending) => pending.merge(asked),
            None => work.pending = Some(asked),
        }
        match &work.state {
            QueueState::Running => {}
            QueueState::Ready if stood.is_some_and(|stood| stood <= lane) => {}
            _ => self.line_up(key),
        }
    }

    /// Takes the next account that `admit` accepts; from then on it counts as running. Accounts that must wait are
    /// set aside, so that `admit` is not asked about them repeatedly.
    pub(super) fn take(&mut self, admit: impl Fn(&AccountKey, &Pending) -> Admission) -> Option<(AccountKey, Pending)> {
        loop {
            let key = self.lanes.iter_mut().find_map(VecDeque::pop_front)?;
            // An account may be in several lanes, or still in one after it was taken from another.
            let Some(work) = self.work.get_mut(&key).filter(|work| work.state == QueueState::Ready) else { continue };
            let Some(pending) = &work.pending else { continue };
            match admit(&key, pending) {
                Admission::Start => {
                    work.state = QueueState::Running;
                    work.turn = None;
                    let mut pending = work.pending.take().unwrap_or_default();
                    // A pass over the whole account covers the failed work, too.
                    if let Some(failed) = work.failed.take_if(|_| pending.whole) {
                        pending = failed.followed_by(Some(pending));
                    }
                    work.running = Some(pending.clone());
                    return Some((key, pending));
                }
                Admission::Full(store) => {
                    // An account that waited before keeps its position.
                    let turn = work.turn.filter(|(lane, _)| *lane == pending.lane).map(|(_, turn)| turn);
                    let turn = turn.unwrap_or(self.turns + 1);
                    self.turns = self.turns.max(turn);
                    work.turn = Some((pending.lane, turn));
                    let position = (pending.lane, pending.revoked.is_empty(), turn);
                    work.state = QueueState::Full(store.clone(), position);
                    self.full.entry(store).or_default().insert(position, key);
                }
                Admission::NotYet => work.state = QueueState::NotYet,
                // The replica that takes it over reconciles all of it.
                Admission::Elsewhere => {
                    self.work.remove(&key);
                }
            }
        }
    }

    /// Returns the stores whose room accounts wait for.
    pub(super) fn full_stores(&self) -> Vec<Name> {
        self.full.keys().cloned().collect()
    }

    /// Returns the stores in which revocations of single members wait for room; these come first.
    pub(super) fn stores_kept_waiting(&self) -> impl Iterator<Item = &Name> {
        let keeps =
            |waiting: &BTreeMap<Turn, AccountKey>| matches!(waiting.keys().next(), Some((Lane::Revocations, false, _)));
        self.full.iter().filter(move |(_, waiting)| keeps(waiting)).map(|(store, _)| store)
    }

    /// Sets how many more passes a store has room for: `room` for any work, `reserved` more for revocations only.
    /// Moves as many waiting accounts back to the front of their lanes.
    pub(super) fn room_in(&mut self, store: &Name, room: usize, reserved: usize) {
        let waiting = self.full.get(store).into_iter().flatten();
        let may = |(index, ((lane, ..), _)): &(usize, (&Turn, &AccountKey))| {
            *index < room || (*lane == Lane::Revocations && *index < room + reserved)
        };
        let turn: Vec<AccountKey> = waiting.enumerate().take_while(may).map(|(_, (_, key))| key.clone()).collect();
        // Waiting accounts go ahead of later work.
        for key in turn.iter().rev() {
            self.leave_waiting_list(key);
            self.requeue(key, VecDeque::push_front);
        }
    }

    /// Moves the accounts that waited for more listed kinds back into their lanes.
    pub(super) fn more_known(&mut self) {
        let waits = self.work.iter().filter(|(_, work)| work.state == QueueState::NotYet);
        let keys: Vec<AccountKey> = waits.map(|(key, _)| key.clone()).collect();
        for key in &keys {
            self.line_up(key);
        }
    }

    /// Puts an account at the end of its lane, wherever it waited before.
    fn line_up(&mut self, key: &AccountKey) {
        self.leave_waiting_list(key);
        self.requeue(key, VecDeque::push_back);
    }

    /// Removes an account from the store's waiting list.
    fn leave_waiting_list(&mut self, key: &AccountKey) {
        let Some(work) = self.work.get_mut(key) else { return };
        if let QueueState::Full(store, position) = std::mem::take(&mut work.state)
            && let Some(waiting) = self.full.get_mut(&store)
        {
            waiting.remove(&position);
            if waiting.is_empty() {
                self.full.remove(&store);
            }
        }
    }

    /// Moves the revocations of these people from the pending work into a parallel pass.
    pub(super) fn begin_parallel(&mut self, key: &AccountKey, people: &BTreeSet<Email>) -> Option<Pending> {
        let work = self.work.get_mut(key)?;
        let pending = work.pending.as_mut()?;
        let taken = pending.take_revoked(people);
        if pending.is_empty() {
            work.pending = None;
        }
        work.parallel = Some(taken.clone());
        Some(taken)
    }

    /// Plans a check of the whole account in `after`, with jitter; it replaces an earlier plan.
    pub(super) fn check_after(&mut self, key: &AccountKey, after: Duration, now: Mono) {
        let jitter = u32::try_from(self.jitter.hash_one(key) % 1_000).unwrap_or(0);
        let Some(work) = self.work.get_mut(key) else { return };
        let at = now + after.mul_f64(0.9 + f64::from(jitter) / 10_000.0);
        work.check = Some(at);
        self.later.entry(at).or_default().push(Due::Check(key.clone()));
    }

    /// Plans a check of the whole account in `within`, unless an earlier one is planned.
    pub(super) fn check_within(&mut self, key: &AccountKey, within: Duration, now: Mono) {
        let planned = self.work.get(key).and_then(|work| work.check);
        if planned.is_none_or(|at| at > now + within) {
            self.check_after(key, within, now);
        }
    }

    /// Queues the retries and checks that have become due.
    pub(super) fn wake(&mut self, now: Mono) {
        while let Some(entry) = self.later.first_entry().filter(|entry| *entry.key() <= now) {
            let (at, all) = entry.remove_entry();
            for due in all {
                match due {
                    Due::Retry(key) => self.retry(&key, at),
                    Due::Check(key) => {
                        let Some(work) = self.work.get_mut(&key).filter(|work| work.check == Some(at)) else {
                            continue;
                        };
                        work.check = None;
                        self.add(&key, WorkItem::Account, Trigger::CHECK, now);
                    }
                }
            }
        }
    }

    /// Returns the revocations that wait for the account's running pass and have no parallel pass yet.
    pub(super) fn waits_for_pass(&self, key: &AccountKey) -> Option<WaitingForPass<'_>> {
        let work = self.work.get(key).filter(|work| work.running.is_some())?;
        let pending = work.pending.as_ref()?;
        if pending.must_preempt {
            return Some(WaitingForPass::EndPassEarly);
        }
        (work.parallel.is_none() && !pending.revoked.is_empty()).then_some(WaitingForPass::Revoked(&pending.revoked))
    }

    /// Returns whether a pass over the account runs.
    pub(super) fn is_running(&self, key: &AccountKey) -> bool {
        self.work.get(key).is_some_and(|work| work.state == QueueState::Running)
    }

    /// Returns whether work on the account is pending.
    pub(super) fn is_pending(&self, key: &AccountKey) -> bool {
        self.work.get(key).is_some_and(|work| work.pending.is_some())
    }

    /// Returns the time of the next retry or check.
    pub(super) fn next_due(&self) -> Option<Mono> {
        self.later.keys().next().copied()
    }

    /// Drops an account that is gone, unless it runs or work is pending.
    pub(super) fn forget(&mut self, key: &AccountKey) {
        if self.work.get(key).is_some_and(|work| work.state != QueueState::Running && work.pending.is_none()) {
            self.work.remove(key);
        }
    }

    /// Returns the number of accounts that wait for a change, and for a check.
    pub(super) fn depths(&self) -> (usize, usize) {
        let [revocations, changes, checks] = &self.lanes;
        let parked: usize = self.full.values().map(BTreeMap::len).sum();
        let not_yet = self.work.values().filter(|work| work.state == QueueState::NotYet).count();
        (revocations.len() + changes.len() + parked + not_yet, checks.len())
    }

    /// Returns the time since which the oldest change has been waiting, across failed passes. Whether it revokes
    /// access is known only when a pass runs; a first pass begins with the revocations, however long it takes.
    pub(super) fn oldest_change(&self) -> Option<Mono> {
        let waiting = |work: &Work| {
            let running = work.running.as_ref().filter(|_| work.failures > 0);
            [running, work.pending.as_ref(), work.failed.as_ref()]
                .into_iter()
                .flatten()
                .filter_map(|it| it.changed)
                .min()
        };
        self.work.values().filter_map(waiting).min()
    }

    fn requeue(&mut self, key: &AccountKey, push: impl FnOnce(&mut VecDeque<AccountKey>, AccountKey)) {
        let Some(lane) = self.work.get(key).and_then(|work| work.pending.as_ref()).map(|it| it.lane) else { return };
        let index = Lane::ALL.iter().position(|one| *one == lane).unwrap_or_default();
        if let Some(queue) = self.lanes.get_mut(index) {
            push(queue, key.clone());
        }
    }
}
