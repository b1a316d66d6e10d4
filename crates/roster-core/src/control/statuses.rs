//! Statuses that wait to be written: bounded, prioritised, latest wins for each object.
//!
//! Twenty thousand statuses behind a role change must not keep one changed member waiting, nor another tenant: so there are
//! two lanes, and in each of them accounts take turns. The report waits, written down only when it is sent, against the
//! object as it is then.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use super::{ApiFault, Effect, Mono, Now, PassId, turns::Turns};
use crate::{
    api::MemberAccess,
    model::{AccountKey, Name, ObjectRef, Seed, SeededState},
    report::{Detail, Notice, Rendered, Report, render},
    state::{Meta, StatusDigest},
};

/// Patches in flight at once: enough to keep the API server busy, few enough to leave it air.
const IN_FLIGHT: usize = 24;
/// Of those, patches that nobody waits for: the API server works them off in turn, and one that somebody waits for comes
/// behind them.
const BULK_IN_FLIGHT: usize = 8;
/// Patches that nobody waits for, for which there is a place however many are in flight besides.
const BULK_ALWAYS: usize = 2;
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

/// What is to be said of an object.
pub(super) struct Saying {
    /// What.
    pub report: Report,
    /// The account that the object belongs to, if any.
    pub account: Option<AccountKey>,
    /// How soon.
    pub lane: StatusLane,
    /// The pass that says it.
    pub pass: Option<PassId>,
}

struct Waiting {
    saying: Saying,
    attempts: u32,
    /// The lane in which the object has a place; none while only its delay, or the write in flight, is waited for.
    place: Option<StatusLane>,
}

/// A status that is being written.
struct InFlight {
    waiting: Waiting,
    digest: StatusDigest,
    /// What is to be told when it is there.
    news: Option<Notice>,
}

/// The statuses that wait, and those that are being written.
pub(super) struct Statuses {
    waiting: HashMap<ObjectRef, Waiting, SeededState>,
    lanes: [Turns; 2],
    later: BTreeMap<Mono, Vec<ObjectRef>>,
    in_flight: HashMap<ObjectRef, InFlight, SeededState>,
    /// How many of those nobody waits for.
    bulk: usize,
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
            lanes: [Turns::new(seed), Turns::new(seed)],
            later: BTreeMap::new(),
            in_flight: HashMap::with_hasher(hashing),
            bulk: 0,
            touched: HashSet::with_hasher(hashing),
            passes: BTreeMap::new(),
        }
    }

    /// Says something of an object, instead of the report that waits for it; not before `delay` has passed.
    pub(super) fn put(&mut self, object: ObjectRef, mut saying: Saying, delay: Duration, now: Mono) {
        let lane = saying.lane;
        // Nobody waits for one of many.
        saying.pass = saying.pass.filter(|_| lane == StatusLane::Changes);
        if let Some(pass) = saying.pass {
            *self.passes.entry(pass).or_default() += 1;
        }
        let account = saying.account.clone();
        let known = self.waiting.remove(&object);
        if let Some(known) = &known {
            self.released(known.saying.pass);
        }
        let mut place = known.as_ref().and_then(|known| known.place);
        if delay > Duration::ZERO {
            if known.is_none() {
                self.later.entry(now + delay).or_default().push(object.clone());
            }
        } else if !self.in_flight.contains_key(&object) && place.is_none_or(|place| place > lane) {
            // Once in each lane at most.
            place = Some(lane);
            self.lanes[lane as usize].add(account, object.clone());
        }
        self.waiting.insert(object, Waiting { saying, attempts: 0, place });
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
        self.in_flight.get(object).map(|sent| sent.digest.hash)
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
                self.released(waiting.saying.pass);
            }
            self.touched.remove(object);
        }
    }

    /// Returns whether something is to be said of an object, or is being said.
    pub(super) fn concerns(&self, object: &ObjectRef) -> bool {
        self.waiting.contains_key(object) || self.in_flight.contains_key(object)
    }

    /// Returns whether the status that waits, or is being written, says that a Membership gives access; nothing where none
    /// does, or it does not tell.
    pub(super) fn says_access(&self, object: &ObjectRef) -> Option<bool> {
        let waiting = self.waiting.get(object);
        let waiting = waiting.or_else(|| self.in_flight.get(object).map(|in_flight| &in_flight.waiting))?;
        match &waiting.saying.report.detail {
            Detail::Member { access, .. } => access.access.map(MemberAccess::is_in_force),
            _ => None,
        }
    }

    /// Returns the number of statuses that wait or are in flight.
    pub(super) fn depth(&self) -> usize {
        self.waiting.len() + self.in_flight.len()
    }

    /// Returns whether nothing waits but what is delayed on purpose, and nothing is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.lanes.iter().all(Turns::is_empty)
    }

    /// Returns whether [`Self::pump`] would go on at once: it looks at so many at a time only.
    pub(super) fn has_more(&self) -> bool {
        let [changes, bulk] = &self.lanes;
        (!changes.is_empty() && self.in_flight.len() < IN_FLIGHT) || (!bulk.is_empty() && self.has_room_for_bulk())
    }

    fn has_room_for_bulk(&self) -> bool {
        self.bulk < BULK_ALWAYS || self.in_flight.len() < BULK_IN_FLIGHT
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
                if let Some(waiting) = self.waiting.get_mut(&object).filter(|waiting| waiting.place.is_none()) {
                    waiting.place = Some(waiting.saying.lane);
                    self.lanes[waiting.saying.lane as usize].add(waiting.saying.account.clone(), object);
                }
            }
        }
        for _ in 0..AT_ONCE {
            let has_room_for_bulk = self.has_room_for_bulk();
            let [changes, bulk] = &mut self.lanes;
            let next = (self.in_flight.len() < IN_FLIGHT).then(|| changes.next()).flatten();
            let Some(object) = next.or_else(|| has_room_for_bulk.then(|| bulk.next()).flatten()) else { return };
            if self.in_flight.contains_key(&object) {
                // Taken up again when the one in flight has landed.
                if let Some(waiting) = self.waiting.get_mut(&object) {
                    waiting.place = None;
                }
                continue;
            }
            let Some(waiting) = self.waiting.remove(&object) else { continue };
            let current = meta(&object).filter(|meta| meta.generation == waiting.saying.report.generation);
            // A status can always be written as JSON.
            let rendered = current.and_then(|meta| {
                let rendered = render(&waiting.saying.report, &meta.status, now.wall).ok()?;
                (rendered.digest.hash != meta.status.hash).then_some((meta, rendered))
            });
            match rendered {
                Some((meta, Rendered { json, digest })) => {
                    effects.push(Effect::WriteStatus(Box::new(StatusWrite {
                        object: object.clone(),
                        resource_version: meta.resource_version.clone(),
                        status: json,
                        replace: self.touched.remove(&object),
                        pass: waiting.saying.pass,
                    })));
                    self.bulk += usize::from(waiting.saying.lane == StatusLane::Bulk);
                    // Against the status as it is now: the watch may bring what is written before the answer comes.
                    let news = Notice::invalid(&object, meta, &waiting.saying.report);
                    self.in_flight.insert(object, InFlight { waiting, digest, news });
                }
                None => self.released(waiting.saying.pass),
            }
        }
    }

    /// Takes in the end of a write; returns the digest of what is there now, and what is to be told of it, where it
    /// was written.
    pub(super) fn landed(
        &mut self,
        object: &ObjectRef,
        result: &Result<StatusWritten, ApiFault>,
        now: Mono,
    ) -> Option<(StatusDigest, Option<Notice>)> {
        let InFlight { waiting, digest, news } = self.in_flight.remove(object)?;
        self.bulk -= usize::from(waiting.saying.lane == StatusLane::Bulk);
        self.give_back();
        if let Some(waiting) = self.waiting.get_mut(object).filter(|waiting| waiting.place.is_none()) {
            waiting.place = Some(waiting.saying.lane);
            self.lanes[waiting.saying.lane as usize].add_first(waiting.saying.account.clone(), object.clone());
        }
        match result {
            Ok(_) => {
                self.released(waiting.saying.pass);
                Some((digest, news))
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
            self.lanes.iter_mut().for_each(Turns::give_back);
        }
    }

    fn failed(&mut self, object: ObjectRef, mut waiting: Waiting, fault: &ApiFault, now: Mono) {
        if fault.is_gone() || self.waiting.contains_key(&object) {
            self.released(waiting.saying.pass);
            return;
        }
        let wait = if fault.is_conflict() {
            AFTER_CONFLICT
        } else {
            waiting.attempts += 1;
            (AFTER_CONFLICT * 2_u32.saturating_pow(waiting.attempts.min(10))).min(LONGEST_WAIT)
        };
        self.later.entry(now + wait).or_default().push(object.clone());
        self.waiting.insert(object, Waiting { place: None, ..waiting });
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{model::KindName, report::Detail};

    const NOW: Now = Now { mono: Mono(Duration::ZERO), wall: Timestamp::UNIX_EPOCH };

    /// Says something of very many Memberships of one account, and of an Account beside it.
    fn say(statuses: &mut Statuses, account: &str, kind: KindName, many: usize, lane: StatusLane) {
        let account = AccountKey { namespace: "portal".into(), name: account.into() };
        for number in 0..many {
            let name = format!("{}-{number}", account.name.as_str());
            let object = ObjectRef { kind, namespace: "portal".into(), name: name.into() };
            let saying =
                Saying { report: Report::new(0, Detail::Invitation), account: Some(account.clone()), lane, pass: None };
            statuses.put(object, saying, Duration::ZERO, NOW.mono);
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
            statuses.landed(object, &Ok(written), NOW.mono);
        }
    }

    #[test]
    fn an_account_does_not_wait_for_very_many_statuses_of_another() {
        let mut statuses = Statuses::new(Seed::default());
        say(&mut statuses, "large", KindName::Membership, 10_000, StatusLane::Bulk);
        let first = sent(&mut statuses);
        assert_eq!(first.len(), BULK_IN_FLIGHT);
        say(&mut statuses, "small", KindName::Account, 1, StatusLane::Bulk);
        land(&mut statuses, &first);
        assert!(sent(&mut statuses).iter().any(|object| object.kind == KindName::Account));
    }

    #[test]
    fn an_object_has_one_place_however_often_something_is_said_of_it() {
        let mut statuses = Statuses::new(Seed::default());
        for lane in [StatusLane::Bulk, StatusLane::Changes, StatusLane::Bulk] {
            for _ in 0..1_000 {
                say(&mut statuses, "large", KindName::Membership, 1, lane);
            }
        }
        let places = statuses.lanes.iter_mut().map(|lane| std::iter::from_fn(|| lane.next()).count());
        assert_eq!(places.collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn what_nobody_waits_for_has_a_place_however_much_somebody_waits_for() {
        let mut statuses = Statuses::new(Seed::default());
        say(&mut statuses, "large", KindName::Membership, 10_000, StatusLane::Changes);
        assert_eq!(sent(&mut statuses).len(), IN_FLIGHT);
        say(&mut statuses, "small", KindName::Account, 1, StatusLane::Bulk);
        let next = sent(&mut statuses);
        assert_eq!(next.iter().map(|object| object.kind).collect::<Vec<_>>(), [KindName::Account]);
        assert!(!statuses.has_more());
    }
}
