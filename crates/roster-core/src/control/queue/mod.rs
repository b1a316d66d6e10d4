//! Work that waits, account by account: three lanes, one pass at a time for each account and one over few people beside
//! it, backoff after failures.
//!
//! A change starts at once, without any pause to collect more; what arrives while the account's pass runs makes the next
//! one. In every place where work waits, revocations go ahead of other changes, and those ahead of periodic checks. What
//! failed waits by itself: what arrives meanwhile does not wait with it.

#[cfg(test)]
mod tests;
mod work;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    hash::BuildHasher as _,
    time::Duration,
};

pub(super) use self::work::{Admission, Ended, Kept, Lane, Pending, Trigger, WorkItem};
use super::{Mono, Triggers};
use crate::model::{AccountKey, Email, Name, Seed, SeededState};

/// Wait of the rest of a pass that made way for a revocation: that is looked at first.
const AFTER_INTERRUPTION: Duration = Duration::from_millis(10);
/// Wait after the first failure; doubled for each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Longest wait where something may be taken away: so long may a revocation wait once the store is back.
const LONGEST_WAIT_OF_REVOCATIONS: Duration = Duration::from_secs(4);

/// Turn of an account that waits for room: by lane, those first that are about single people of whom something is taken away,
/// then in order.
type Turn = (Lane, bool, u64);

/// Where the work of an account stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Nothing is to be done, or it stands in a lane.
    #[default]
    Ready,
    /// A pass runs, or one that ran beside it still does; what arrives meanwhile makes the next one.
    Running,
    /// Waits at this place for room in its store.
    Full(Name, Turn),
    /// Waits until more is known.
    NotYet,
}

#[derive(Default)]
struct Work {
    place: Place,
    /// Since when it has been waiting for room, and in which lane.
    turn: Option<(Lane, u64)>,
    pending: Option<Pending>,
    /// What failed, and is to be done again when it is due.
    failed: Option<Pending>,
    /// What the running pass carries out.
    running: Option<Pending>,
    /// What a pass beside it carries out.
    beside: Option<Pending>,
    failures: u32,
    /// When what failed is done again: once, however much of it there is.
    retry: Option<Mono>,
    /// When the whole account is looked at, if that is planned: an earlier plan no longer counts.
    check: Option<Mono>,
}

enum Due {
    Retry(AccountKey),
    Check(AccountKey),
}

/// The queue.
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

    /// Asks for something to be looked at.
    pub(super) fn want(&mut self, key: &AccountKey, item: WorkItem, trigger: Trigger<'_>, now: Mono) {
        let Trigger { lane, object } = trigger;
        let (whole, members, triggers): (bool, BTreeSet<Email>, _) = match item {
            WorkItem::Account => (true, BTreeSet::new(), Triggers::of(object, key, None)),
            WorkItem::Member(email) => (false, [email.clone()].into(), Triggers::of(object, key, Some(&email))),
        };
        let changed = lane.is_change().then_some(now);
        let revokes = lane == Lane::Revocations;
        let revoked = if revokes { members.clone() } else { BTreeSet::new() };
        let asked =
            Pending { whole, members, revoked, presses: revokes && whole, triggers, since: Some(now), lane, changed };
        let work = self.work.entry(key.clone()).or_default();
        let stood = work.pending.as_ref().map(|pending| pending.lane);
        match &mut work.pending {
            Some(pending) => pending.merge(asked),
            None => work.pending = Some(asked),
        }
        match &work.place {
            Place::Running => {}
            Place::Ready if stood.is_some_and(|stood| stood <= lane) => {}
            _ => self.line_up(key),
        }
    }

    /// Takes the next account to look at, of those that `admit` lets; it counts as running from now on. Those that have to
    /// wait are put aside, so that they are not asked about again and again.
    pub(super) fn take(&mut self, admit: impl Fn(&AccountKey, &Pending) -> Admission) -> Option<(AccountKey, Pending)> {
        loop {
            let key = self.lanes.iter_mut().find_map(VecDeque::pop_front)?;
            // An account may stand in several lanes, or in one after it has been taken from another.
            let Some(work) = self.work.get_mut(&key).filter(|work| work.place == Place::Ready) else { continue };
            let Some(pending) = &work.pending else { continue };
            match admit(&key, pending) {
                Admission::Start => {
                    work.place = Place::Running;
                    work.turn = None;
                    let mut pending = work.pending.take().unwrap_or_default();
                    // Who looks at all of it looks at what failed, too.
                    if let Some(failed) = work.failed.take_if(|_| pending.whole) {
                        pending = failed.followed_by(Some(pending));
                    }
                    work.running = Some(pending.clone());
                    return Some((key, pending));
                }
                Admission::Full(store) => {
                    // Who waited already has not lost the turn.
                    let turn = work.turn.filter(|(lane, _)| *lane == pending.lane).map(|(_, turn)| turn);
                    let turn = turn.unwrap_or(self.turns + 1);
                    self.turns = self.turns.max(turn);
                    work.turn = Some((pending.lane, turn));
                    let place = (pending.lane, pending.revoked.is_empty(), turn);
                    work.place = Place::Full(store.clone(), place);
                    self.full.entry(store).or_default().insert(place, key);
                }
                Admission::NotYet => work.place = Place::NotYet,
                // Whoever takes it over looks at all of it.
                Admission::Elsewhere => {
                    self.work.remove(&key);
                }
            }
        }
    }

    /// Returns the stores that accounts wait for.
    pub(super) fn full_stores(&self) -> Vec<Name> {
        self.full.keys().cloned().collect()
    }

    /// Returns the stores for which single people wait of whom something is taken away: they come first.
    pub(super) fn stores_kept_waiting(&self) -> impl Iterator<Item = &Name> {
        let keeps =
            |waiting: &BTreeMap<Turn, AccountKey>| matches!(waiting.keys().next(), Some((Lane::Revocations, false, _)));
        self.full.iter().filter(move |(_, waiting)| keeps(waiting)).map(|(store, _)| store)
    }

    /// Notes how many passes more a store has room for: beyond `room`, `reserved` for revocations alone. As many accounts
    /// that waited for it have their turn.
    pub(super) fn room_in(&mut self, store: &Name, room: usize, reserved: usize) {
        let waiting = self.full.get(store).into_iter().flatten();
        let may = |(place, ((lane, ..), _)): &(usize, (&Turn, &AccountKey))| {
            *place < room || (*lane == Lane::Revocations && *place < room + reserved)
        };
        let turn: Vec<AccountKey> = waiting.enumerate().take_while(may).map(|(_, (_, key))| key.clone()).collect();
        // Ahead of what has come since.
        for key in turn.iter().rev() {
            self.leave_place(key);
            self.requeue(key, VecDeque::push_front);
        }
    }

    /// Notes that more is known: those that waited for it have their turn.
    pub(super) fn more_known(&mut self) {
        let waits = self.work.iter().filter(|(_, work)| work.place == Place::NotYet);
        let keys: Vec<AccountKey> = waits.map(|(key, _)| key.clone()).collect();
        for key in &keys {
            self.line_up(key);
        }
    }

    /// Puts an account at the end of its lane, wherever it waited.
    fn line_up(&mut self, key: &AccountKey) {
        self.leave_place(key);
        self.requeue(key, VecDeque::push_back);
    }

    /// Takes an account from wherever it waited.
    fn leave_place(&mut self, key: &AccountKey) {
        let Some(work) = self.work.get_mut(key) else { return };
        if let Place::Full(store, place) = std::mem::take(&mut work.place)
            && let Some(waiting) = self.full.get_mut(&store)
        {
            waiting.remove(&place);
            if waiting.is_empty() {
                self.full.remove(&store);
            }
        }
    }

    /// Notes that a pass has ended. What failed is done again when a while has passed.
    pub(super) fn finished(&mut self, key: &AccountKey, ended: Ended, now: Mono) {
        let Some(work) = self.work.get_mut(key) else { return };
        let ran = work.running.take().unwrap_or_default();
        let lane = ran.lane.min(Lane::Changes);
        let was_whole = ran.whole;
        let presses = ran.whole && lane == Lane::Revocations;
        let rest = Pending { since: Some(now), lane, presses, ..ran };
        match ended {
            Ended::Done => {
                // Only the whole account shows that nothing is left of a failure.
                if work.failed.is_none() && std::mem::take(&mut work.failures) > 0 && !was_whole {
                    let check = Pending { whole: true, since: Some(now), ..Pending::default() };
                    work.pending.get_or_insert_default().merge(check);
                }
            }
            Ended::Partly | Ended::Waits => {
                let arrived = work.pending.is_some();
                let rest = rest.of(None);
                work.pending = Some(rest.followed_by(work.pending.take()));
                // What arrived meanwhile does not wait.
                if ended == Ended::Waits && !arrived && work.beside.is_none() {
                    work.place = Place::NotYet;
                    return;
                }
            }
            Ended::Interrupted => {
                // Apart from what arrived, which goes first.
                work.failed = Some(rest.followed_by(work.failed.take()));
                // What failed before comes with it, somewhat early.
                let due = now + AFTER_INTERRUPTION;
                work.retry = Some(due);
                self.later.entry(due).or_default().push(Due::Retry(key.clone()));
            }
            Ended::Failed { revokes, members } => {
                self.failed(key, rest.of(members), revokes, now);
            }
        }
        self.go_on(key);
    }

    /// Does again what failed, after a while: the longer the more often it failed.
    fn failed(&mut self, key: &AccountKey, rest: Pending, revokes: bool, now: Mono) {
        let Some(work) = self.work.get_mut(key) else { return };
        work.failures += 1;
        let rest = Pending { changed: rest.changed.filter(|_| revokes), since: Some(now), ..rest };
        work.failed = Some(rest.followed_by(work.failed.take()));
        let most = if revokes { LONGEST_WAIT_OF_REVOCATIONS } else { LONGEST_WAIT };
        let wait = (FIRST_WAIT * 2_u32.saturating_pow(work.failures.min(16) - 1)).min(most);
        // Accounts of one store failed together; they should not all come back together.
        let jitter = u32::try_from(self.jitter.hash_one((key, work.failures)) % 1_000).unwrap_or(0);
        let wait = wait.mul_f64(0.75 + f64::from(jitter) / 4_000.0);
        let due = now + wait;
        if work.retry.is_none_or(|known| known > due) {
            work.retry = Some(due);
            self.later.entry(due).or_default().push(Due::Retry(key.clone()));
        }
    }

    /// Takes out of what waits for the running pass what is about some of whom something is taken away, for a pass beside it.
    pub(super) fn begin_beside(&mut self, key: &AccountKey, people: &BTreeSet<Email>) -> Option<Pending> {
        let work = self.work.get_mut(key)?;
        let pending = work.pending.as_mut()?;
        let taken = pending.take_revoked(people);
        if pending.is_empty() {
            work.pending = None;
        }
        work.beside = Some(taken.clone());
        Some(taken)
    }

    /// Takes in how a pass ended that ran beside another. What cannot be done beside that one makes it end early.
    pub(super) fn finished_beside(&mut self, key: &AccountKey, ended: Ended, now: Mono) {
        let Some(work) = self.work.get_mut(key) else { return };
        let Some(ran) = work.beside.take() else { return };
        match ended {
            Ended::Done => {}
            Ended::Partly | Ended::Waits | Ended::Interrupted => {
                work.pending = Some(Pending { presses: true, ..ran }.followed_by(work.pending.take()));
            }
            Ended::Failed { revokes, members } => {
                let members = members.unwrap_or_else(|| ran.members.clone());
                self.failed(key, ran.of(Some(members)), revokes, now);
            }
        }
        self.go_on(key);
    }

    /// Lets the next pass over an account begin, once none runs.
    fn go_on(&mut self, key: &AccountKey) {
        let Some(work) = self.work.get_mut(key) else { return };
        if work.running.is_none() && work.beside.is_none() {
            work.place = Place::Ready;
            self.requeue(key, VecDeque::push_back);
        }
    }

    /// Plans to look at the whole account when `after` has passed, in place of what was planned before.
    pub(super) fn check_after(&mut self, key: &AccountKey, after: Duration, now: Mono) {
        let jitter = u32::try_from(self.jitter.hash_one(key) % 1_000).unwrap_or(0);
        let Some(work) = self.work.get_mut(key) else { return };
        let at = now + after.mul_f64(0.9 + f64::from(jitter) / 10_000.0);
        work.check = Some(at);
        self.later.entry(at).or_default().push(Due::Check(key.clone()));
    }

    /// Plans to look at the whole account before `within` has passed, unless that is planned already.
    pub(super) fn check_within(&mut self, key: &AccountKey, within: Duration, now: Mono) {
        let planned = self.work.get(key).and_then(|work| work.check);
        if planned.is_none_or(|at| at > now + within) {
            self.check_after(key, within, now);
        }
    }

    /// Takes up what has become due.
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
                        self.want(&key, WorkItem::Account, Trigger::CHECK, now);
                    }
                }
            }
        }
    }

    /// Asks again for what failed.
    fn retry(&mut self, key: &AccountKey, at: Mono) {
        let Some(work) = self.work.get_mut(key).filter(|work| work.retry == Some(at)) else { return };
        work.retry = None;
        let Some(failed) = work.failed.take() else { return };
        work.pending = Some(failed.followed_by(work.pending.take()));
        if work.place != Place::Running {
            self.line_up(key);
        }
    }

    /// Returns what the running pass over an account keeps waiting that is in a hurry, and does not run beside it already.
    pub(super) fn kept_waiting(&self, key: &AccountKey) -> Option<Kept<'_>> {
        let work = self.work.get(key).filter(|work| work.running.is_some())?;
        let pending = work.pending.as_ref()?;
        if pending.presses {
            return Some(Kept::Presses);
        }
        (work.beside.is_none() && !pending.revoked.is_empty()).then_some(Kept::Revoked(&pending.revoked))
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

    /// Returns how many accounts wait: for a change, and for a check.
    pub(super) fn depths(&self) -> (usize, usize) {
        let [revocations, changes, checks] = &self.lanes;
        let parked: usize = self.full.values().map(BTreeMap::len).sum();
        let not_yet = self.work.values().filter(|work| work.place == Place::NotYet).count();
        (revocations.len() + changes.len() + parked + not_yet, checks.len())
    }

    /// Returns since when the oldest change has been waiting to be carried out, over all passes that failed. What it will
    /// turn out to take away is not known before a pass runs; the first one begins with just that, however long it takes.
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
        let place = Lane::ALL.iter().position(|one| *one == lane).unwrap_or_default();
        if let Some(queue) = self.lanes.get_mut(place) {
            push(queue, key.clone());
        }
    }
}
