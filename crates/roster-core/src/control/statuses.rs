//! Queue of statuses to write: bounded, prioritised, latest report wins for each object. The loop queues reports and
//! calls [`Statuses::pump`] with each decision.
//!
//! Twenty thousand statuses after a role change must not delay one changed member, nor another tenant. Therefore
//! there are two lanes, and in each of them accounts take turns. A report is rendered only when it is sent, against
//! the current object.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use super::{ApiFault, Effect, Mono, Now, PassId, StatusWrite, StatusWritten, fair_queue::FairQueue};
use crate::{
    api::MemberAccess,
    model::{AccountKey, ObjectRef, Seed, SeededState},
    report::{Detail, Notice, Rendered, Report, render},
    state::{Meta, StatusDigest},
};

/// Maximum number of patches in flight: enough to keep the API server busy, few enough not to overload it.
const IN_FLIGHT: usize = 24;
/// Maximum number of bulk patches in flight: the API server processes patches in turn, and an urgent one waits behind
/// them.
const BULK_IN_FLIGHT: usize = 8;
/// Number of bulk patches that may always be in flight, however many urgent ones are.
const BULK_ALWAYS: usize = 2;
/// Maximum number of reports processed per decision, so that the loop stays quick.
const AT_ONCE: usize = 128;
/// Wait before a status is sent again after someone else changed the object: its new version is on its way.
const AFTER_CONFLICT: Duration = Duration::from_millis(100);
/// Longest wait after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Capacity in reports that is kept when the queue is empty.
const ROOM: usize = 1_024;

/// Priority of a status write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StatusLane {
    /// A user waits for this status.
    Changes,
    /// One of many statuses, such as those of a whole account.
    Bulk,
}

/// Report that is queued for an object.
pub(super) struct QueuedStatus {
    /// Content of the status.
    pub report: Report,
    /// Account that the object belongs to, if any.
    pub account: Option<AccountKey>,
    /// Priority of the write.
    pub lane: StatusLane,
    /// Pass that reports it.
    pub pass: Option<PassId>,
}

struct Waiting {
    queued: QueuedStatus,
    attempts: u32,
    /// Lane in which the object is queued; `None` while it waits only for its delay or for the write in flight.
    queued_in: Option<StatusLane>,
}

/// Status write in flight.
struct InFlight {
    waiting: Waiting,
    digest: StatusDigest,
    /// Notice to publish when the status is written.
    notice: Option<Notice>,
}

/// Queued statuses, and those in flight.
pub(super) struct Statuses {
    waiting: HashMap<ObjectRef, Waiting, SeededState>,
    lanes: [FairQueue; 2],
    later: BTreeMap<Mono, Vec<ObjectRef>>,
    in_flight: HashMap<ObjectRef, InFlight, SeededState>,
    /// Number of bulk writes in flight.
    bulk: usize,
    /// Objects whose status was changed by someone else.
    touched: HashSet<ObjectRef, SeededState>,
    /// Number of queued and in-flight statuses, by pass.
    passes: BTreeMap<PassId, usize>,
}

impl Statuses {
    pub(super) fn new(seed: Seed) -> Self {
        let hashing = SeededState::new(seed);
        Self {
            waiting: HashMap::with_hasher(hashing),
            lanes: [FairQueue::new(seed), FairQueue::new(seed)],
            later: BTreeMap::new(),
            in_flight: HashMap::with_hasher(hashing),
            bulk: 0,
            touched: HashSet::with_hasher(hashing),
            passes: BTreeMap::new(),
        }
    }

    /// Queues a report, to be sent after `delay` at the earliest; it replaces the queued report on this object.
    pub(super) fn put(&mut self, object: ObjectRef, mut queued: QueuedStatus, delay: Duration, now: Mono) {
        let lane = queued.lane;
        // No user waits for a bulk status.
        queued.pass = queued.pass.filter(|_| lane == StatusLane::Changes);
        if let Some(pass) = queued.pass {
            *self.passes.entry(pass).or_default() += 1;
        }
        let account = queued.account.clone();
        let known = self.waiting.remove(&object);
        if let Some(known) = &known {
            self.released(known.queued.pass);
        }
        let mut queued_in = known.as_ref().and_then(|known| known.queued_in);
        if delay > Duration::ZERO {
            if known.is_none() {
                self.later.entry(now + delay).or_default().push(object.clone());
            }
        } else if !self.in_flight.contains_key(&object) && queued_in.is_none_or(|queued_in| queued_in > lane) {
            // At most one entry in each lane.
            queued_in = Some(lane);
            self.lanes[lane as usize].add(account, object.clone());
        }
        self.waiting.insert(object, Waiting { queued, attempts: 0, queued_in });
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

    /// Returns whether a status of this pass is queued or in flight.
    pub(super) fn names(&self, pass: PassId) -> bool {
        self.passes.contains_key(&pass)
    }

    /// Returns the digest of the status that is in flight for an object.
    pub(super) fn being_sent(&self, object: &ObjectRef) -> Option<u64> {
        self.in_flight.get(object).map(|sent| sent.digest.hash)
    }

    /// Records that someone else changed the status of an object; the next write replaces it as a whole.
    pub(super) fn was_touched(&mut self, object: &ObjectRef) {
        self.touched.insert(object.clone());
    }

    /// Returns the objects with a queued report.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &ObjectRef> {
        self.waiting.keys()
    }

    /// Returns the objects with a write in flight.
    pub(super) fn in_flight(&self) -> impl Iterator<Item = &ObjectRef> {
        self.in_flight.keys()
    }

    /// Drops the queued reports on these objects.
    pub(super) fn forget(&mut self, objects: &[ObjectRef]) {
        for object in objects {
            if let Some(waiting) = self.waiting.remove(object) {
                self.released(waiting.queued.pass);
            }
            self.touched.remove(object);
        }
    }

    /// Returns whether an object has a queued or in-flight status.
    pub(super) fn concerns(&self, object: &ObjectRef) -> bool {
        self.waiting.contains_key(object) || self.in_flight.contains_key(object)
    }

    /// Returns whether the queued or in-flight status of a Membership grants access; `None` if there is no such
    /// status, or it does not say.
    pub(super) fn reported_access(&self, object: &ObjectRef) -> Option<bool> {
        let waiting = self.waiting.get(object);
        let waiting = waiting.or_else(|| self.in_flight.get(object).map(|in_flight| &in_flight.waiting))?;
        match &waiting.queued.report.detail {
            Detail::Member { access, .. } => access.access.map(MemberAccess::is_in_force),
            _ => None,
        }
    }

    /// Returns the number of queued and in-flight statuses.
    pub(super) fn depth(&self) -> usize {
        self.waiting.len() + self.in_flight.len()
    }

    /// Returns whether only delayed statuses are queued, and none is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.lanes.iter().all(FairQueue::is_empty)
    }

    /// Returns whether [`Self::pump`] has more to send at once; it processes a limited number per call.
    pub(super) fn has_more(&self) -> bool {
        let [changes, bulk] = &self.lanes;
        (!changes.is_empty() && self.in_flight.len() < IN_FLIGHT) || (!bulk.is_empty() && self.has_room_for_bulk())
    }

    fn has_room_for_bulk(&self) -> bool {
        self.bulk < BULK_ALWAYS || self.in_flight.len() < BULK_IN_FLIGHT
    }

    /// Returns the time at which the next delayed status becomes due.
    pub(super) fn next_due(&self) -> Option<Mono> {
        self.later.keys().next().copied()
    }

    /// Sends statuses up to the limits of writes in flight. `meta` finds the current object. A report on an object
    /// that is gone, or has a newer generation, is dropped: another report follows, or none is needed.
    pub(super) fn pump<'a>(
        &mut self,
        meta: impl Fn(&ObjectRef) -> Option<&'a Meta>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        while let Some(due) = self.later.first_entry().filter(|due| *due.key() <= now.mono) {
            for object in due.remove() {
                if let Some(waiting) = self.waiting.get_mut(&object).filter(|waiting| waiting.queued_in.is_none()) {
                    waiting.queued_in = Some(waiting.queued.lane);
                    self.lanes[waiting.queued.lane as usize].add(waiting.queued.account.clone(), object);
                }
            }
        }
        for _ in 0..AT_ONCE {
            let has_room_for_bulk = self.has_room_for_bulk();
            let [changes, bulk] = &mut self.lanes;
            let next = (self.in_flight.len() < IN_FLIGHT).then(|| changes.next()).flatten();
            let Some(object) = next.or_else(|| has_room_for_bulk.then(|| bulk.next()).flatten()) else { return };
            if self.in_flight.contains_key(&object) {
                // Queued again when the write in flight has ended.
                if let Some(waiting) = self.waiting.get_mut(&object) {
                    waiting.queued_in = None;
                }
                continue;
            }
            let Some(waiting) = self.waiting.remove(&object) else { continue };
            let current = meta(&object).filter(|meta| meta.generation == waiting.queued.report.generation);
            // A status can always be written as JSON.
            let rendered = current.and_then(|meta| {
                let rendered = render(&waiting.queued.report, &meta.status, now.wall).ok()?;
                (rendered.digest.hash != meta.status.hash).then_some((meta, rendered))
            });
            match rendered {
                Some((meta, Rendered { json, digest })) => {
                    effects.push(Effect::WriteStatus(Box::new(StatusWrite {
                        object: object.clone(),
                        resource_version: meta.resource_version.clone(),
                        status: json,
                        replace: self.touched.remove(&object),
                        pass: waiting.queued.pass,
                    })));
                    self.bulk += usize::from(waiting.queued.lane == StatusLane::Bulk);
                    // Compared with the current status: the watch may deliver the new one before the response
                    // arrives.
                    let notice = Notice::invalid(&object, meta, &waiting.queued.report);
                    self.in_flight.insert(object, InFlight { waiting, digest, notice });
                }
                None => self.released(waiting.queued.pass),
            }
        }
    }

    /// Ends a write. If it succeeded, returns the digest of the new status, and the notice to publish.
    pub(super) fn finish_write(
        &mut self,
        object: &ObjectRef,
        result: &Result<StatusWritten, ApiFault>,
        now: Mono,
    ) -> Option<(StatusDigest, Option<Notice>)> {
        let InFlight { waiting, digest, notice } = self.in_flight.remove(object)?;
        self.bulk -= usize::from(waiting.queued.lane == StatusLane::Bulk);
        self.shrink();
        if let Some(waiting) = self.waiting.get_mut(object).filter(|waiting| waiting.queued_in.is_none()) {
            waiting.queued_in = Some(waiting.queued.lane);
            self.lanes[waiting.queued.lane as usize].add_first(waiting.queued.account.clone(), object.clone());
        }
        match result {
            Ok(_) => {
                self.released(waiting.queued.pass);
                Some((digest, notice))
            }
            Err(fault) => {
                self.failed(object.clone(), waiting, fault, now);
                None
            }
        }
    }

    /// Frees memory after a peak of queued statuses.
    fn shrink(&mut self) {
        if self.waiting.is_empty() && self.waiting.capacity() > ROOM {
            self.waiting.shrink_to(ROOM);
            self.lanes.iter_mut().for_each(FairQueue::shrink);
        }
    }

    fn failed(&mut self, object: ObjectRef, mut waiting: Waiting, fault: &ApiFault, now: Mono) {
        if fault.is_gone() || self.waiting.contains_key(&object) {
            self.released(waiting.queued.pass);
            return;
        }
        let wait = if fault.is_conflict() {
            AFTER_CONFLICT
        } else {
            waiting.attempts += 1;
            (AFTER_CONFLICT * 2_u32.saturating_pow(waiting.attempts.min(10))).min(LONGEST_WAIT)
        };
        self.later.entry(now + wait).or_default().push(object.clone());
        self.waiting.insert(object, Waiting { queued_in: None, ..waiting });
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        model::{KindName, Name},
        report::Detail,
    };

    const NOW: Now = Now { mono: Mono(Duration::ZERO), wall: Timestamp::UNIX_EPOCH };

    /// Queues reports on many objects of one kind in one account.
    fn queue_status(statuses: &mut Statuses, account: &str, kind: KindName, many: usize, lane: StatusLane) {
        let account = AccountKey { namespace: "portal".into(), name: account.into() };
        for number in 0..many {
            let name = format!("{}-{number}", account.name.as_str());
            let object = ObjectRef { kind, namespace: "portal".into(), name: name.into() };
            let queued = QueuedStatus {
                report: Report::new(0, Detail::Invitation),
                account: Some(account.clone()),
                lane,
                pass: None,
            };
            statuses.put(object, queued, Duration::ZERO, NOW.mono);
        }
    }

    fn sent(statuses: &mut Statuses) -> Vec<ObjectRef> {
        let (meta, mut effects) = (Meta::default(), Vec::new());
        statuses.pump(|_| Some(&meta), NOW, &mut effects);
        let of = |effect| match effect {
            Effect::WriteStatus(write) => write.object,
            _ => panic!("nothing else is done for a status"),
        };
        effects.into_iter().map(of).collect()
    }

    fn land(statuses: &mut Statuses, objects: &[ObjectRef]) {
        for object in objects {
            let written = StatusWritten { uid: Name::default(), resource_version: Name::default() };
            statuses.finish_write(object, &Ok(written), NOW.mono);
        }
    }

    #[test]
    fn an_account_with_many_statuses_does_not_delay_others() {
        let mut statuses = Statuses::new(Seed::default());
        queue_status(&mut statuses, "large", KindName::Membership, 10_000, StatusLane::Bulk);
        let first = sent(&mut statuses);
        assert_eq!(first.len(), BULK_IN_FLIGHT);
        queue_status(&mut statuses, "small", KindName::Account, 1, StatusLane::Bulk);
        land(&mut statuses, &first);
        assert!(sent(&mut statuses).iter().any(|object| object.kind == KindName::Account));
    }

    #[test]
    fn an_object_is_queued_once_however_often_it_is_reported() {
        let mut statuses = Statuses::new(Seed::default());
        for lane in [StatusLane::Bulk, StatusLane::Changes, StatusLane::Bulk] {
            for _ in 0..1_000 {
                queue_status(&mut statuses, "large", KindName::Membership, 1, lane);
            }
        }
        let queued = statuses.lanes.iter_mut().map(|lane| std::iter::from_fn(|| lane.next()).count());
        assert_eq!(queued.collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn bulk_statuses_are_written_even_while_urgent_ones_wait() {
        let mut statuses = Statuses::new(Seed::default());
        queue_status(&mut statuses, "large", KindName::Membership, 10_000, StatusLane::Changes);
        assert_eq!(sent(&mut statuses).len(), IN_FLIGHT);
        queue_status(&mut statuses, "small", KindName::Account, 1, StatusLane::Bulk);
        let next = sent(&mut statuses);
        assert_eq!(next.iter().map(|object| object.kind).collect::<Vec<_>>(), [KindName::Account]);
        assert!(!statuses.has_more());
    }
}
