//! Statuses that wait to be written: bounded, prioritised, latest wins for each object.
//!
//! Twenty thousand statuses behind a role change must not keep one changed member waiting, so there are two lanes; and
//! the report waits, written down only when it is sent, against the object as it is then.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    time::Duration,
};

use super::{ApiFault, Effect, Mono, Now, PassId};
use crate::{
    model::{Name, ObjectRef, Seed, SeededState},
    report::{Rendered, Report, render},
    state::{Meta, StatusDigest},
};

/// Patches in flight at once: enough to keep the API server busy, few enough to leave it air.
const IN_FLIGHT: usize = 24;
/// Of those, patches that nobody waits for: the API server works them off in turn, and one that somebody waits for comes
/// behind them.
const BULK_IN_FLIGHT: usize = 8;
/// Reports looked at in one go, so that the loop stays quick.
const AT_ONCE: usize = 128;
/// Wait before a status is sent again after somebody else changed the object: its new version is on its way.
const AFTER_CONFLICT: Duration = Duration::from_millis(100);
/// Longest wait after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Reports for which there is always room.
const ROOM: usize = 1_024;

/// How soon a status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StatusLane {
    /// Somebody waits for it.
    Changes,
    /// Part of many.
    Bulk,
}

/// A status to be written.
#[derive(Clone, Debug)]
pub struct StatusWrite {
    /// The object.
    pub object: ObjectRef,
    /// Version of the object that the status was rendered against: with it, a former leader's patch is refused.
    pub resource_version: Name,
    /// The status.
    pub status: serde_json::Value,
    /// Whether to replace the whole status: server-side apply leaves alone what others have added.
    pub replace: bool,
    /// The pass that says it, where somebody waits for it.
    pub pass: Option<PassId>,
}

/// An object whose status was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusWritten {
    /// Its UID: of this name there may be another one by now.
    pub uid: Name,
    /// Its version.
    pub resource_version: Name,
}

struct Waiting {
    report: Report,
    lane: StatusLane,
    attempts: u32,
    /// The pass that says it, where somebody waits for it.
    pass: Option<PassId>,
}

/// The statuses that wait, and those that are being written.
pub(super) struct Statuses {
    waiting: HashMap<ObjectRef, Waiting, SeededState>,
    lanes: [VecDeque<ObjectRef>; 2],
    later: BTreeMap<Mono, Vec<ObjectRef>>,
    in_flight: HashMap<ObjectRef, (Waiting, StatusDigest), SeededState>,
    /// Statuses that somebody else wrote into.
    touched: HashSet<ObjectRef, SeededState>,
    /// How many statuses wait or are in flight for a pass.
    passes: BTreeMap<PassId, usize>,
}

impl Statuses {
    pub(super) fn new(seed: Seed) -> Self {
        let hashing = SeededState::new(seed);
        Self {
            waiting: HashMap::with_hasher(hashing),
            lanes: [VecDeque::new(), VecDeque::new()],
            later: BTreeMap::new(),
            in_flight: HashMap::with_hasher(hashing),
            touched: HashSet::with_hasher(hashing),
            passes: BTreeMap::new(),
        }
    }

    /// Says something of an object, instead of the report that waits for it; not before `delay` has passed.
    pub(super) fn put(&mut self, object: ObjectRef, report: Report, lane: StatusLane, delay: Duration, now: Mono) {
        self.place(object, Waiting { report, lane, attempts: 0, pass: None }, delay, now);
    }

    /// Like [`Self::put`], at once, and as a part of the pass that says it.
    pub(super) fn put_within(&mut self, pass: PassId, object: ObjectRef, report: Report, lane: StatusLane, now: Mono) {
        let pass = (lane == StatusLane::Changes).then_some(pass);
        if let Some(pass) = pass {
            *self.passes.entry(pass).or_default() += 1;
        }
        self.place(object, Waiting { report, lane, attempts: 0, pass }, Duration::ZERO, now);
    }

    fn place(&mut self, object: ObjectRef, waiting: Waiting, delay: Duration, now: Mono) {
        let lane = waiting.lane;
        let known = self.waiting.insert(object.clone(), waiting);
        if let Some(known) = &known {
            self.released(known.pass);
        }
        if delay > Duration::ZERO {
            if known.is_none() {
                self.later.entry(now + delay).or_default().push(object);
            }
        } else if known.is_none_or(|known| known.lane > lane) || !self.in_flight.contains_key(&object) {
            // It may wait for its delay only; a second place in the lane costs nothing.
            self.lanes[lane as usize].push_back(object);
        }
    }

    fn released(&mut self, pass: Option<PassId>) {
        let Some(pass) = pass else { return };
        if let Some(count) = self.passes.get_mut(&pass) {
            *count -= 1;
            if *count == 0 {
                self.passes.remove(&pass);
            }
        }
    }

    /// Returns whether a status waits, or is being written, for this pass.
    pub(super) fn names(&self, pass: PassId) -> bool {
        self.passes.contains_key(&pass)
    }

    /// Returns the digest of the status that is being written for an object.
    pub(super) fn being_sent(&self, object: &ObjectRef) -> Option<u64> {
        self.in_flight.get(object).map(|(_, digest)| digest.hash)
    }

    /// Notes that somebody else wrote into the status of an object: it is replaced whole next time.
    pub(super) fn was_touched(&mut self, object: &ObjectRef) {
        self.touched.insert(object.clone());
    }

    /// Returns the objects whose reports wait.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &ObjectRef> {
        self.waiting.keys()
    }

    /// Returns the objects whose status is being written.
    pub(super) fn in_flight(&self) -> impl Iterator<Item = &ObjectRef> {
        self.in_flight.keys()
    }

    /// Drops the reports that wait for these objects.
    pub(super) fn forget(&mut self, objects: &[ObjectRef]) {
        for object in objects {
            if let Some(waiting) = self.waiting.remove(object) {
                self.released(waiting.pass);
            }
            self.touched.remove(object);
        }
    }

    /// Returns whether something is to be said of an object, or is being said.
    pub(super) fn concerns(&self, object: &ObjectRef) -> bool {
        self.waiting.contains_key(object) || self.in_flight.contains_key(object)
    }

    /// Returns the number of statuses that wait or are in flight.
    pub(super) fn depth(&self) -> usize {
        self.waiting.len() + self.in_flight.len()
    }

    /// Returns whether nothing waits but what is delayed on purpose, and nothing is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.lanes.iter().all(VecDeque::is_empty)
    }

    /// Returns whether [`Self::pump`] would go on at once: it looks at so many at a time only.
    pub(super) fn has_more(&self) -> bool {
        let [changes, bulk] = &self.lanes;
        (!changes.is_empty() && self.in_flight.len() < IN_FLIGHT)
            || (!bulk.is_empty() && self.in_flight.len() < BULK_IN_FLIGHT)
    }

    /// Returns when something that is delayed becomes due.
    pub(super) fn next_due(&self) -> Option<Mono> {
        self.later.keys().next().copied()
    }

    /// Writes as much as may be in flight. `meta` finds an object as it is now; an object that is gone, or has changed
    /// since the report was made, is dropped: another report follows, or none is wanted.
    pub(super) fn pump<'a>(
        &mut self,
        meta: impl Fn(&ObjectRef) -> Option<&'a Meta>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        while let Some(due) = self.later.first_entry().filter(|due| *due.key() <= now.mono) {
            for object in due.remove() {
                if let Some(waiting) = self.waiting.get(&object) {
                    self.lanes[waiting.lane as usize].push_back(object);
                }
            }
        }
        for _ in 0..AT_ONCE {
            if self.in_flight.len() >= IN_FLIGHT {
                return;
            }
            let [changes, bulk] = &mut self.lanes;
            let room_for_bulk = self.in_flight.len() < BULK_IN_FLIGHT;
            let next = changes.pop_front().or_else(|| room_for_bulk.then(|| bulk.pop_front()).flatten());
            let Some(object) = next else { return };
            if self.in_flight.contains_key(&object) {
                // Taken up again when the one in flight has landed.
                continue;
            }
            let Some(waiting) = self.waiting.remove(&object) else { continue };
            let current = meta(&object).filter(|meta| meta.generation == waiting.report.generation);
            // A status can always be written as JSON.
            let rendered = current.and_then(|meta| {
                let rendered = render(&waiting.report, &meta.status, now.wall).ok()?;
                (rendered.digest.hash != meta.status.hash).then_some((meta, rendered))
            });
            match rendered {
                Some((meta, Rendered { json, digest })) => {
                    effects.push(Effect::WriteStatus(Box::new(StatusWrite {
                        object: object.clone(),
                        resource_version: meta.resource_version.clone(),
                        status: json,
                        replace: self.touched.remove(&object),
                        pass: waiting.pass,
                    })));
                    self.in_flight.insert(object, (waiting, digest));
                }
                None => self.released(waiting.pass),
            }
        }
    }

    /// Takes in the end of a write; returns the digest of what is there now, where it was written.
    pub(super) fn landed(
        &mut self,
        object: &ObjectRef,
        result: &Result<StatusWritten, ApiFault>,
        now: Mono,
    ) -> Option<StatusDigest> {
        let (waiting, digest) = self.in_flight.remove(object)?;
        self.give_back();
        if let Some(waiting) = self.waiting.get(object) {
            self.lanes[waiting.lane as usize].push_front(object.clone());
        }
        match result {
            Ok(_) => {
                self.released(waiting.pass);
                Some(digest)
            }
            Err(fault) => {
                self.failed(object.clone(), waiting, fault, now);
                None
            }
        }
    }

    /// Returns memory: after very many statuses there is room for as many more, which nobody needs.
    fn give_back(&mut self) {
        if self.waiting.is_empty() && self.waiting.capacity() > ROOM {
            self.waiting.shrink_to(ROOM);
            self.lanes.iter_mut().for_each(|lane| lane.shrink_to(ROOM));
        }
    }

    fn failed(&mut self, object: ObjectRef, mut waiting: Waiting, fault: &ApiFault, now: Mono) {
        if fault.is_gone() || self.waiting.contains_key(&object) {
            self.released(waiting.pass);
            return;
        }
        let wait = if fault.is_conflict() {
            AFTER_CONFLICT
        } else {
            waiting.attempts += 1;
            (AFTER_CONFLICT * 2_u32.saturating_pow(waiting.attempts.min(10))).min(LONGEST_WAIT)
        };
        self.later.entry(now + wait).or_default().push(object.clone());
        self.waiting.insert(object, waiting);
    }
}
