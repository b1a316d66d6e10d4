//! One round, every `retry`: says that this replica is there, looks at all Leases, gives back what another replica lacks, and
//! takes what is free and ours by fair shares. One call at a time; a round that takes longer than `deadline` is broken off.

use std::{collections::VecDeque, time::Duration};

use k8s_openapi::api::coordination::v1::Lease;

use super::{
    ShardCoordinator, TakesPart,
    call::{CallId, LeaseAnswer, LeaseEffect, LeaseLog, LeaseRequest},
    fair,
    holding::Holding,
    name::LeaseName,
    record,
    snapshot::LeaseSnapshot,
};
use crate::{
    contract::Epoch,
    control::{ApiFault, Mono, NO_ANSWER, Now, ShareEvent},
};

/// Failures in a row after which a replica that could take part before says so: an API server that has just started knows
/// no rights for a moment, and a single answer may be lost.
const FAILURES: u32 = 5;

/// Interval in which a replica says that it is there.
const PRESENCE: Duration = Duration::from_secs(5);

/// A round that is under way.
pub(super) struct Round {
    /// When it is broken off.
    pub ends: Mono,
    /// The call that it waits for; absent while it waits for a shard to be given back.
    call: Option<CallId>,
    step: Step,
}

/// What a round waits for.
enum Step {
    /// Our own Lease, by which we say that we are there.
    FindPresence,
    /// It is being written.
    WritePresence,
    /// The list of all Leases.
    Look,
    /// A Lease of no use is being deleted.
    Clear(String, LeaseSnapshot),
    /// The Lease of a shard that is to be taken.
    Find(Taking),
    /// It is being taken; whether nobody from before can write any more.
    Take(Taking, bool),
    /// All Leases once more, after a shard was taken.
    Check(Taking),
    /// The shard is being given back, since not all was well.
    Undo(Taking, Option<ApiFault>),
    /// Our own Lease is being deleted: we take part no more.
    Leave,
}

/// Shards that are being taken, one after the other.
struct Taking {
    shard: u16,
    /// When it was first asked for.
    asked: Mono,
    rest: VecDeque<u16>,
    /// Highest epoch that was seen.
    after: Epoch,
}

/// How a round goes on.
enum Next {
    /// It waits for the answer to a call, or for a shard to be given back.
    Waits(Option<CallId>, Step),
    Ends,
}

impl ShardCoordinator {
    /// Begins a round if it is time, goes on where nothing is to be answered, and breaks off what takes too long.
    pub(super) fn go_on(&mut self, now: Now) {
        if let Some(Round { step: Step::Undo(taking, _), .. }) = &self.round
            && !self.held.contains_key(&taking.shard)
            && let Some(Round { ends, step: Step::Undo(taking, fault), .. }) = self.round.take()
        {
            let next = match fault {
                None => Ok(self.take_next(taking.rest, taking.after, ends, now)),
                Some(fault) => Err(fault),
            };
            self.went(next, ends, now);
        }
        if self.round.as_ref().is_some_and(|round| now.mono >= round.ends) {
            self.break_off(now);
        }
        if self.round.is_some() {
            return;
        }
        match self.takes_part {
            TakesPart::Yes if now.mono >= self.next_round => self.begin_round(now),
            TakesPart::Stops => self.leave(now),
            TakesPart::Yes | TakesPart::No => {}
        }
    }

    fn begin_round(&mut self, now: Now) {
        let timing = self.config.timing;
        let ends = now.mono + timing.deadline;
        let pause = PRESENCE.min(timing.duration / 3);
        let is_due = self.present.is_none_or(|at| now.mono.since(at) >= pause);
        // Where there is one shard, nobody asks who is there.
        let next = if self.serves && is_due && self.config.shards > 1 {
            self.ask(LeaseRequest::Get(self.presence_name()), Step::FindPresence, ends, now)
        } else {
            self.ask(LeaseRequest::List, Step::Look, ends, now)
        };
        self.went(Ok(next), ends, now);
    }

    /// Says that this replica takes part no more: others need not wait until its presence expires.
    fn leave(&mut self, now: Now) {
        if self.present.take().is_none() {
            return self.stopped();
        }
        let ends = now.mono + self.config.timing.retry;
        let request = LeaseRequest::Delete { name: self.presence_name(), uid: None, version: None };
        let next = self.ask(request, Step::Leave, ends, now);
        self.went(Ok(next), ends, now);
    }

    fn stopped(&mut self) {
        self.takes_part = TakesPart::No;
        self.outbox.push(LeaseEffect::Stopped);
    }

    fn break_off(&mut self, now: Now) {
        let Some(round) = self.round.take() else { return };
        match round.step {
            Step::Leave => return self.stopped(),
            Step::Check(taking) | Step::Undo(taking, _) => self.forget_untold(taking.shard),
            _ => {}
        }
        self.failed(NO_ANSWER.to_owned());
        self.next_round = self.after_a_pause(now.mono);
    }

    /// Returns when the next round is: after the usual pause, but no later than our own Leases may be taken back.
    fn after_a_pause(&self, now: Mono) -> Mono {
        let usual = now + self.config.timing.retry;
        self.taken_back_from().filter(|from| *from > now).map_or(usual, |from| from.min(usual))
    }

    /// Returns from when on this process takes back what it let go of before it began afresh.
    fn taken_back_from(&self) -> Option<Mono> {
        let timing = self.config.timing;
        self.began.map(|began| began + timing.duration.saturating_sub(timing.deadline))
    }

    /// Breaks off the round without a word.
    pub(super) fn abandon(&mut self) {
        if let Some(Round { step: Step::Check(taking) | Step::Undo(taking, _), .. }) = self.round.take() {
            self.forget_untold(taking.shard);
        }
    }

    /// Lets go of a shard that the controller's loop knows nothing of.
    fn forget_untold(&mut self, shard: u16) {
        if self.held.get(&shard).is_some_and(|holding| !holding.told) {
            self.held.remove(&shard);
        }
    }

    /// Takes in the answer to the call of the round.
    pub(super) fn round_answered(&mut self, id: CallId, result: Result<LeaseAnswer, ApiFault>, now: Now) {
        let Some(Round { ends, step, .. }) = self.round.take_if(|round| round.call == Some(id)) else { return };
        let next = self.step(step, result, ends, now);
        self.went(next, ends, now);
    }

    /// Notes what a round has come to.
    fn went(&mut self, next: Result<Next, ApiFault>, ends: Mono, now: Now) {
        match next {
            Ok(Next::Waits(call, step)) => {
                self.round = Some(Round { ends, call, step });
                return;
            }
            Ok(Next::Ends) if self.takes_part == TakesPart::No => return,
            Ok(Next::Ends) => {
                (self.may, self.failures) = (true, 0);
                self.tell(ShareEvent::Waiting);
            }
            // Somebody else was quicker.
            Err(fault) if fault.is_conflict() => {}
            Err(fault) => self.failed(with_hint(&fault, &self.config.namespace)),
        }
        self.next_round = self.after_a_pause(now.mono);
    }

    fn failed(&mut self, why: String) {
        self.log(LeaseLog::Unreachable(why.clone()));
        self.failures += 1;
        if !self.may || self.failures >= FAILURES {
            self.tell(ShareEvent::Unable(why));
        }
    }

    fn step(
        &mut self,
        step: Step,
        result: Result<LeaseAnswer, ApiFault>,
        ends: Mono,
        now: Now,
    ) -> Result<Next, ApiFault> {
        match step {
            Step::FindPresence => {
                let (name, duration) = (self.presence_name(), self.config.timing.duration);
                let lease = record::presence(found(result?), &name, &self.config.identity, duration, now.wall);
                Ok(self.ask(write(lease), Step::WritePresence, ends, now))
            }
            Step::WritePresence => {
                result?;
                self.present = Some(now.mono);
                Ok(self.ask(LeaseRequest::List, Step::Look, ends, now))
            }
            Step::Look => {
                let snapshot = self.snapshot(listed(result?), now);
                Ok(self.clear(snapshot, ends, now))
            }
            Step::Clear(lease, snapshot) => {
                match result {
                    Err(fault) if !fault.is_gone() => {
                        // Somebody was quicker, or will have to.
                        self.log(LeaseLog::StaysStale { lease, error: fault.said });
                    }
                    _ => self.observed.forget(&lease),
                }
                Ok(self.clear(snapshot, ends, now))
            }
            Step::Find(taking) => Ok(self.found(taking, found(result?), ends, now)),
            Step::Take(taking, clean) => {
                let LeaseAnswer::Written(lease) = result? else { return Ok(Next::Ends) };
                let holding = Holding::new(*lease, clean, taking.asked, now.mono, self.config.timing);
                self.log(LeaseLog::Took { lease: self.lease_name(taking.shard), epoch: holding.epoch });
                self.held.insert(taking.shard, holding);
                // Somebody may have taken a Lease of another number of shards just then. Both look once they hold theirs,
                // so at least one sees the other.
                Ok(self.ask(LeaseRequest::List, Step::Check(taking), ends, now))
            }
            Step::Check(taking) => Ok(self.checked(taking, result, ends, now)),
            Step::Undo(..) => Ok(Next::Ends),
            Step::Leave => {
                self.stopped();
                Ok(Next::Ends)
            }
        }
    }

    /// Deletes what is of no use, one after the other. A holder that was only slow finds it gone, and has lost it.
    fn clear(&mut self, mut snapshot: LeaseSnapshot, ends: Mono, now: Now) -> Next {
        if snapshot.stale.is_empty() {
            return self.share_out(snapshot, ends, now);
        }
        let lease = snapshot.stale.remove(0);
        let name = record::name(&lease).to_owned();
        let meta = lease.metadata;
        let request = LeaseRequest::Delete { name: name.clone(), uid: meta.uid, version: meta.resource_version };
        self.ask(request, Step::Clear(name, snapshot), ends, now)
    }

    /// Gives back and takes, by fair shares.
    fn share_out(&mut self, snapshot: LeaseSnapshot, ends: Mono, now: Now) -> Next {
        // A holder that was there before us, and does not look at others: a pod of the first release.
        self.conflicts = if snapshot.others.is_empty() { 0 } else { self.conflicts + 1 };
        let moves = fair::moves(&self.config.identity, &snapshot.holders, &snapshot.replicas);
        let give = match self.conflicts {
            0 | 1 => moves.give,
            _ => self.held.keys().copied().collect(),
        };
        for shard in give {
            if let Some(holding) = self.held.get_mut(&shard).filter(|holding| holding.told && !holding.giving) {
                holding.giving = true;
                self.tell(ShareEvent::GiveBack(shard));
            }
        }
        if self.config.shards > 1 {
            self.tell(ShareEvent::Told(snapshot.told));
        }
        if !self.serves {
            return Next::Ends;
        }
        if !snapshot.others.is_empty() {
            self.log(LeaseLog::WaitingForOthers(snapshot.others));
            return Next::Ends;
        }
        let mut take: VecDeque<u16> = moves.take.into();
        // What we let go of others would wait for as long as it lasts; what of it is theirs by fair shares, they get back from
        // us in the next round.
        take.extend(snapshot.abandoned.into_iter().filter(|shard| !take.contains(shard)).collect::<Vec<_>>());
        self.take_next(take, snapshot.highest, ends, now)
    }

    fn take_next(&mut self, mut rest: VecDeque<u16>, after: Epoch, ends: Mono, now: Now) -> Next {
        let Some(shard) = rest.pop_front() else { return Next::Ends };
        let request = LeaseRequest::Get(self.lease_name(shard));
        self.ask(request, Step::Find(Taking { shard, asked: now.mono, rest, after }), ends, now)
    }

    /// Takes a shard if its Lease is free.
    fn found(&mut self, taking: Taking, found: Option<Lease>, ends: Mono, now: Now) -> Next {
        if let Some(lease) = &found {
            self.observed.look(lease, now.mono);
        }
        let name = self.lease_name(taking.shard);
        let was_given_back = found.as_ref().is_some_and(|lease| record::holder(lease).is_none());
        let is_abandoned = found.as_ref().is_some_and(|lease| self.abandoned(lease, now).is_some());
        if !was_given_back && !is_abandoned && self.may_be_believed(&name, now.mono) {
            return self.take_next(taking.rest, taking.after, ends, now);
        }
        // Of a new Lease nobody can say what was before: it may have been deleted under its holder, or be the first of
        // another number of shards.
        let clean = found.as_ref().is_some_and(record::is_clean);
        let before = self.observed.epoch(&name).max(found.as_ref().map_or(Epoch(0), record::epoch)).max(taking.after);
        let duration = self.config.timing.duration;
        let lease = record::taken(found, &name, &self.config.identity, before, duration, now.wall);
        self.ask(write(lease), Step::Take(taking, clean), ends, now)
    }

    /// Keeps a shard that was taken, unless somebody holds one of another number of shards.
    fn checked(&mut self, taking: Taking, result: Result<LeaseAnswer, ApiFault>, ends: Mono, now: Now) -> Next {
        let others = result.map(|answer| self.snapshot(listed(answer), now).others);
        let is_alone = others.as_ref().is_ok_and(Vec::is_empty);
        let Taking { shard, .. } = taking;
        let Some(holding) = self.held.get_mut(&shard) else {
            return Next::Waits(None, Step::Undo(taking, others.err()));
        };
        if !is_alone {
            holding.releasing = true;
            return Next::Waits(None, Step::Undo(taking, others.err()));
        }
        holding.told = true;
        let (epoch, clean) = (holding.epoch, holding.clean);
        self.tell(ShareEvent::Taken { shard, epoch, clean });
        self.take_next(taking.rest, taking.after, ends, now)
    }

    fn snapshot(&mut self, leases: Vec<Lease>, at: Now) -> LeaseSnapshot {
        let now = at.mono;
        for lease in &leases {
            let Some(kind) = LeaseName::parse(record::name(lease)) else { continue };
            let is_news = self.observed.look(lease, now);
            if let Some(holder) = record::holder(lease)
                && is_news
                && holder != self.config.identity
                && !self.held.values().any(|holding| holding.told)
                && !matches!(kind, LeaseName::Replica { .. })
            {
                let (lease, holder) = (record::name(lease).to_owned(), holder.to_owned());
                self.log(LeaseLog::Waiting { lease, holder });
            }
        }
        let holder = |lease: &Lease| {
            let believed = self.abandoned(lease, at).is_none() && self.may_be_believed(record::name(lease), now);
            let holder = record::holder(lease).filter(|_| believed);
            holder.map(ToOwned::to_owned)
        };
        let abandoned = leases.iter().filter_map(|lease| self.abandoned(lease, at)).collect();
        LeaseSnapshot { abandoned, ..LeaseSnapshot::new(leases, self, holder) }
    }

    /// Returns whether the last holder of a Lease may still believe that it holds it: it has changed as long ago, seen from
    /// here, as it lasts.
    fn may_be_believed(&self, name: &str, now: Mono) -> bool {
        !self.observed.is_expired(name, self.config.timing.duration, now)
    }

    /// Returns the shard of a Lease that names this very process, which does not hold it any more: it let go when the API
    /// server could not be reached, and need not wait again as others do, who saw it change later. It lets the time pass in
    /// which requests from before end, for the sake of stores without fencing.
    fn abandoned(&self, lease: &Lease, now: Now) -> Option<u16> {
        let shard = match LeaseName::parse(record::name(lease))? {
            LeaseName::Shard { shard, of } if of == self.config.shards => shard,
            _ => return None,
        };
        let is_over = self.taken_back_from().is_some_and(|from| from <= now.mono);
        let is_own = record::holder(lease) == Some(self.config.identity.as_str());
        (is_own && is_over && !self.held.contains_key(&shard)).then_some(shard)
    }

    fn presence_name(&self) -> String {
        LeaseName::replica(self.config.shards, &self.config.identity)
    }

    fn tell(&mut self, event: ShareEvent) {
        self.outbox.push(LeaseEffect::Tell(event));
    }

    fn ask(&mut self, request: LeaseRequest, step: Step, ends: Mono, now: Now) -> Next {
        // One answer that gets lost must not cost all of the round's time.
        let limit = ends.since(now.mono).min(self.config.timing.deadline / 2);
        let call = self.call(request, limit);
        Next::Waits(Some(call), step)
    }
}

/// Returns the request that writes a Lease: one that has a version replaces what has it.
fn write(lease: Lease) -> LeaseRequest {
    if lease.metadata.resource_version.is_none() {
        LeaseRequest::Create(Box::new(lease))
    } else {
        LeaseRequest::Replace(Box::new(lease))
    }
}

fn found(answer: LeaseAnswer) -> Option<Lease> {
    match answer {
        LeaseAnswer::Found(lease) => lease.map(|lease| *lease),
        _ => None,
    }
}

fn listed(answer: LeaseAnswer) -> Vec<Lease> {
    match answer {
        LeaseAnswer::Listed(leases) => leases,
        _ => Vec::new(),
    }
}

/// Returns what the API server said, and what to do where that is plain.
fn with_hint(fault: &ApiFault, namespace: &str) -> String {
    let why = fault.lacks_right.as_ref().unwrap_or(&fault.said);
    let hint =
        if fault.is_gone() { format!("; make it with `kubectl create namespace {namespace}`") } else { String::new() };
    format!("cannot take a lease in {namespace}: {why}{hint}")
}
