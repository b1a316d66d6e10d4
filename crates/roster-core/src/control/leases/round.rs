//! One round, every `retry`: announces this replica, reads all Leases, releases shards that another replica lacks,
//! and takes free shards up to the fair share. [`ShardCoordinator`] starts it and passes it the answers. One call at
//! a time; a round that takes longer than `deadline` is aborted.

use std::{collections::VecDeque, time::Duration};

use k8s_openapi::api::coordination::v1::Lease;

use super::{
    ShardCoordinator, TakesPart,
    call::{CallId, LeaseAnswer, LeaseEffect, LeaseLog, LeaseRequest},
    fair,
    held_lease::HeldLease,
    name::LeaseName,
    record,
    snapshot::LeaseSnapshot,
};
use crate::{
    contract::Epoch,
    control::{ApiFault, Mono, NO_ANSWER, Now, ShardEvent},
};

/// Number of consecutive failures after which a replica with an earlier success reports them: an API server that has
/// just started knows no rights for a moment, and a single answer may be lost.
const FAILURES: u32 = 5;

/// Interval at which a replica announces itself.
const PRESENCE: Duration = Duration::from_secs(5);

/// Round in progress.
pub(super) struct Round {
    /// Time at which it is aborted.
    pub ends: Mono,
    /// Call whose answer it waits for; absent while it waits for the release of a shard.
    call: Option<CallId>,
    step: Step,
}

/// Answer that a round waits for.
enum Step {
    /// The Lease by which this replica announces itself.
    FindPresence,
    /// The write of that Lease.
    WritePresence,
    /// The list of all Leases.
    ReadLeases,
    /// The deletion of an unused Lease.
    Clear(String, LeaseSnapshot),
    /// The Lease of a shard to be taken.
    Find(Taking),
    /// The write that takes it, and whether no former holder can write any more.
    Take(Taking, bool),
    /// The list of all Leases once more, after a shard was taken.
    Check(Taking),
    /// The release of that shard, since the list failed or showed a conflict.
    Undo(Taking, Option<ApiFault>),
    /// The deletion of this replica's own Lease when it stops.
    Leave,
}

/// Shards that are being taken, one after the other.
struct Taking {
    shard: u16,
    /// Time before the first request.
    asked: Mono,
    rest: VecDeque<u16>,
    /// Highest epoch seen.
    after: Epoch,
}

/// Continuation of a round.
enum Next {
    /// Waits for the answer to a call, or for the release of a shard.
    Waits(Option<CallId>, Step),
    /// The round is done.
    RoundDone,
}

impl ShardCoordinator {
    /// Begins a round if due, continues one that waits for no answer, and aborts one that takes too long.
    pub(super) fn go_on(&mut self, now: Now) {
        if let Some(Round { step: Step::Undo(taking, _), .. }) = &self.round
            && !self.held.contains_key(&taking.shard)
            && let Some(Round { ends, step: Step::Undo(taking, fault), .. }) = self.round.take()
        {
            let next = match fault {
                None => Ok(self.take_next(taking.rest, taking.after, ends, now)),
                Some(fault) => Err(fault),
            };
            self.advance(next, ends, now);
        }
        if self.round.as_ref().is_some_and(|round| now.mono >= round.ends) {
            self.abort(now);
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
        // A single shard needs no list of replicas.
        let next = if self.serves && is_due && self.config.shards > 1 {
            self.ask(LeaseRequest::Get(self.presence_name()), Step::FindPresence, ends, now)
        } else {
            self.ask(LeaseRequest::List, Step::ReadLeases, ends, now)
        };
        self.advance(Ok(next), ends, now);
    }

    /// Deletes the Lease by which this replica announces itself, so that others need not wait until it expires.
    fn leave(&mut self, now: Now) {
        if self.present.take().is_none() {
            return self.stopped();
        }
        let ends = now.mono + self.config.timing.retry;
        let request = LeaseRequest::Delete { name: self.presence_name(), uid: None, version: None };
        let next = self.ask(request, Step::Leave, ends, now);
        self.advance(Ok(next), ends, now);
    }

    fn stopped(&mut self) {
        self.takes_part = TakesPart::No;
        self.outbox.push(LeaseEffect::Stopped);
    }

    fn abort(&mut self, now: Now) {
        let Some(round) = self.round.take() else { return };
        match round.step {
            Step::Leave => return self.stopped(),
            Step::Check(taking) | Step::Undo(taking, _) => self.drop_unreported(taking.shard),
            _ => {}
        }
        self.failed(NO_ANSWER.to_owned());
        self.next_round = self.after_a_pause(now.mono);
    }

    /// Returns the time of the next round: after the usual interval, but no later than this process may take back its
    /// own Leases.
    fn after_a_pause(&self, now: Mono) -> Mono {
        let usual = now + self.config.timing.retry;
        self.taken_back_from().filter(|from| *from > now).map_or(usual, |from| from.min(usual))
    }

    /// Returns the time from which this process may take back Leases that it dropped before it restarted.
    fn taken_back_from(&self) -> Option<Mono> {
        let timing = self.config.timing;
        self.began.map(|began| began + timing.duration.saturating_sub(timing.deadline))
    }

    /// Aborts the round without a report.
    pub(super) fn abandon(&mut self) {
        if let Some(Round { step: Step::Check(taking) | Step::Undo(taking, _), .. }) = self.round.take() {
            self.drop_unreported(taking.shard);
        }
    }

    /// Drops a shard that was not reported to the controller's loop.
    fn drop_unreported(&mut self, shard: u16) {
        if self.held.get(&shard).is_some_and(|holding| !holding.reported) {
            self.held.remove(&shard);
        }
    }

    /// Processes the answer to the round's call.
    pub(super) fn round_answered(&mut self, id: CallId, result: Result<LeaseAnswer, ApiFault>, now: Now) {
        let Some(Round { ends, step, .. }) = self.round.take_if(|round| round.call == Some(id)) else { return };
        let next = self.step(step, result, ends, now);
        self.advance(next, ends, now);
    }

    /// Stores the next step of a round, or ends it.
    fn advance(&mut self, next: Result<Next, ApiFault>, ends: Mono, now: Now) {
        match next {
            Ok(Next::Waits(call, step)) => {
                self.round = Some(Round { ends, call, step });
                return;
            }
            Ok(Next::RoundDone) if self.takes_part == TakesPart::No => return,
            Ok(Next::RoundDone) => {
                (self.may, self.failures) = (true, 0);
                self.report(ShardEvent::CanAcquire);
            }
            // Another replica was first.
            Err(fault) if fault.is_conflict() => {}
            Err(fault) => self.failed(with_hint(&fault, &self.config.namespace)),
        }
        self.next_round = self.after_a_pause(now.mono);
    }

    fn failed(&mut self, why: String) {
        self.log(LeaseLog::Unreachable(why.clone()));
        self.failures += 1;
        if !self.may || self.failures >= FAILURES {
            self.report(ShardEvent::CannotAcquire(why));
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
                Ok(self.ask(LeaseRequest::List, Step::ReadLeases, ends, now))
            }
            Step::ReadLeases => {
                let snapshot = self.snapshot(listed(result?), now);
                Ok(self.clear(snapshot, ends, now))
            }
            Step::Clear(lease, snapshot) => {
                match result {
                    Err(fault) if !fault.is_gone() => {
                        // Another replica was first, or must delete it.
                        self.log(LeaseLog::StaysStale { lease, error: fault.message });
                    }
                    _ => self.observed.forget(&lease),
                }
                Ok(self.clear(snapshot, ends, now))
            }
            Step::Find(taking) => Ok(self.found(taking, found(result?), ends, now)),
            Step::Take(taking, clean) => {
                let LeaseAnswer::Written(lease) = result? else { return Ok(Next::RoundDone) };
                let holding = HeldLease::new(*lease, clean, taking.asked, now.mono, self.config.timing);
                self.log(LeaseLog::Took { lease: self.lease_name(taking.shard), epoch: holding.epoch });
                self.held.insert(taking.shard, holding);
                // Another replica may have taken a Lease of another number of shards in the meantime. Both list once
                // they hold theirs, so that at least one sees the other.
                Ok(self.ask(LeaseRequest::List, Step::Check(taking), ends, now))
            }
            Step::Check(taking) => Ok(self.checked(taking, result, ends, now)),
            Step::Undo(..) => Ok(Next::RoundDone),
            Step::Leave => {
                self.stopped();
                Ok(Next::RoundDone)
            }
        }
    }

    /// Deletes unused Leases, one after the other. A holder that was only slow finds its Lease gone, and has lost it.
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

    /// Releases and takes shards up to the fair share.
    fn share_out(&mut self, snapshot: LeaseSnapshot, ends: Mono, now: Now) -> Next {
        // A holder that started before us and does not check others: a pod of the first release.
        self.conflicts = if snapshot.others.is_empty() { 0 } else { self.conflicts + 1 };
        let moves = fair::moves(&self.config.identity, &snapshot.holders, &snapshot.replicas);
        let give = match self.conflicts {
            0 | 1 => moves.give,
            _ => self.held.keys().copied().collect(),
        };
        for shard in give {
            if let Some(holding) = self.held.get_mut(&shard).filter(|holding| holding.reported && !holding.giving) {
                holding.giving = true;
                self.report(ShardEvent::GiveBack(shard));
            }
        }
        if self.config.shards > 1 {
            self.report(ShardEvent::Notes(snapshot.notes));
        }
        if !self.serves {
            return Next::RoundDone;
        }
        if !snapshot.others.is_empty() {
            self.log(LeaseLog::WaitingForOthers(snapshot.others));
            return Next::RoundDone;
        }
        let mut take: VecDeque<u16> = moves.take.into();
        // Other replicas would wait until a dropped Lease expires. Shards that belong to them by fair shares are
        // released to them in the next round.
        take.extend(snapshot.abandoned.into_iter().filter(|shard| !take.contains(shard)).collect::<Vec<_>>());
        self.take_next(take, snapshot.highest, ends, now)
    }

    fn take_next(&mut self, mut rest: VecDeque<u16>, after: Epoch, ends: Mono, now: Now) -> Next {
        let Some(shard) = rest.pop_front() else { return Next::RoundDone };
        let request = LeaseRequest::Get(self.lease_name(shard));
        self.ask(request, Step::Find(Taking { shard, asked: now.mono, rest, after }), ends, now)
    }

    /// Takes a shard if its Lease is free.
    fn found(&mut self, taking: Taking, found: Option<Lease>, ends: Mono, now: Now) -> Next {
        if let Some(lease) = &found {
            self.observed.record(lease, now.mono);
        }
        let name = self.lease_name(taking.shard);
        let was_given_back = found.as_ref().is_some_and(|lease| record::holder(lease).is_none());
        let is_abandoned = found.as_ref().is_some_and(|lease| self.abandoned(lease, now).is_some());
        if !was_given_back && !is_abandoned && self.may_be_believed(&name, now.mono) {
            return self.take_next(taking.rest, taking.after, ends, now);
        }
        // The history of a new Lease is unknown: it may have been deleted under its holder, or be the first of
        // another number of shards.
        let clean = found.as_ref().is_some_and(record::is_clean);
        let before = self.observed.epoch(&name).max(found.as_ref().map_or(Epoch(0), record::epoch)).max(taking.after);
        let duration = self.config.timing.duration;
        let lease = record::taken(found, &name, &self.config.identity, before, duration, now.wall);
        self.ask(write(lease), Step::Take(taking, clean), ends, now)
    }

    /// Keeps a taken shard, unless another replica holds one of another number of shards.
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
        holding.reported = true;
        let (epoch, clean) = (holding.epoch, holding.clean);
        self.report(ShardEvent::Taken { shard, epoch, clean });
        self.take_next(taking.rest, taking.after, ends, now)
    }

    fn snapshot(&mut self, leases: Vec<Lease>, at: Now) -> LeaseSnapshot {
        let now = at.mono;
        for lease in &leases {
            let Some(kind) = LeaseName::parse(record::name(lease)) else { continue };
            let is_news = self.observed.record(lease, now);
            if let Some(holder) = record::holder(lease)
                && is_news
                && holder != self.config.identity
                && !self.held.values().any(|holding| holding.reported)
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

    /// Returns whether the last holder of a Lease may still rely on it: the Lease changed, as observed here, within
    /// its duration.
    fn may_be_believed(&self, name: &str, now: Mono) -> bool {
        !self.observed.is_expired(name, self.config.timing.duration, now)
    }

    /// Returns the shard of a Lease that this process abandoned during an API outage; it may retake it without
    /// waiting for expiry. It first waits for outstanding requests to time out, for stores without fencing.
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

    fn report(&mut self, event: ShardEvent) {
        self.outbox.push(LeaseEffect::Report(event));
    }

    fn ask(&mut self, request: LeaseRequest, step: Step, ends: Mono, now: Now) -> Next {
        // A single lost answer must not use up the time of the round.
        let limit = ends.since(now.mono).min(self.config.timing.deadline / 2);
        let call = self.call(request, limit);
        Next::Waits(Some(call), step)
    }
}

/// Returns the request that writes a Lease: replace if it has a resourceVersion, otherwise create.
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

/// Returns the message of the API server, with a remedy if one is known.
fn with_hint(fault: &ApiFault, namespace: &str) -> String {
    let why = fault.lacks_right.as_ref().unwrap_or(&fault.message);
    let hint = if fault.is_gone() {
        format!("; create it with `kubectl create namespace {namespace}`")
    } else {
        String::new()
    };
    format!("cannot take a lease in {namespace}: {why}{hint}")
}
