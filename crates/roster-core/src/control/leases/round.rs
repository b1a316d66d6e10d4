//! One round, every `retry`: announces this replica, reads all Leases, then shares out the shards (`taking`).
//! [`ShardCoordinator`] starts it and passes it the answers. One call at a time; a round that takes longer than
//! `deadline` is aborted.

use std::time::Duration;

use super::{
    ShardCoordinator, TakesPart,
    call::{CallId, LeaseAnswer, LeaseEffect, LeaseLog, LeaseRequest},
    held_lease::HeldLease,
    name::LeaseName,
    record,
    round_state::{Next, Round, RoundStep},
};
use crate::control::{ApiFault, Mono, NO_ANSWER, Now, ShardEvent};

/// Number of consecutive failures after which a replica with an earlier success reports them: an API server that has
/// just started knows no rights for a moment, and a single answer may be lost.
const FAILURES: u32 = 5;

/// Interval at which a replica announces itself.
const PRESENCE: Duration = Duration::from_secs(5);

impl ShardCoordinator {
    /// Begins a round if due, continues one that waits for no answer, and aborts one that takes too long.
    pub(super) fn go_on(&mut self, now: Now) {
        if let Some(Round { step: RoundStep::Undo(taking, _), .. }) = &self.round
            && !self.held.contains_key(&taking.shard)
            && let Some(Round { ends, step: RoundStep::Undo(taking, fault), .. }) = self.round.take()
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
            self.ask(LeaseRequest::Get(self.presence_name()), RoundStep::FindPresence, ends, now)
        } else {
            self.ask(LeaseRequest::List, RoundStep::ReadLeases, ends, now)
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
        let next = self.ask(request, RoundStep::Leave, ends, now);
        self.advance(Ok(next), ends, now);
    }

    fn stopped(&mut self) {
        self.takes_part = TakesPart::No;
        self.outbox.push(LeaseEffect::Stopped);
    }

    fn abort(&mut self, now: Now) {
        let Some(round) = self.round.take() else { return };
        match round.step {
            RoundStep::Leave => return self.stopped(),
            RoundStep::Check(taking) | RoundStep::Undo(taking, _) => self.drop_unreported(taking.shard),
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
    pub(super) fn taken_back_from(&self) -> Option<Mono> {
        let timing = self.config.timing;
        self.began.map(|began| began + timing.duration.saturating_sub(timing.deadline))
    }

    /// Aborts the round without a report.
    pub(super) fn abandon(&mut self) {
        if let Some(Round { step: RoundStep::Check(taking) | RoundStep::Undo(taking, _), .. }) = self.round.take() {
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
        step: RoundStep,
        result: Result<LeaseAnswer, ApiFault>,
        ends: Mono,
        now: Now,
    ) -> Result<Next, ApiFault> {
        match step {
            RoundStep::FindPresence => {
                let (name, duration) = (self.presence_name(), self.config.timing.duration);
                let lease = record::presence(result?.found(), &name, &self.config.identity, duration, now.wall);
                Ok(self.ask(LeaseRequest::write(lease), RoundStep::WritePresence, ends, now))
            }
            RoundStep::WritePresence => {
                result?;
                self.present = Some(now.mono);
                Ok(self.ask(LeaseRequest::List, RoundStep::ReadLeases, ends, now))
            }
            RoundStep::ReadLeases => {
                let snapshot = self.snapshot(result?.listed(), now);
                Ok(self.clear(snapshot, ends, now))
            }
            RoundStep::Clear(lease, snapshot) => {
                match result {
                    Err(fault) if !fault.is_gone() => {
                        // Another replica was first, or must delete it.
                        self.log(LeaseLog::StaysStale { lease, error: fault.message });
                    }
                    _ => self.observed.forget(&lease),
                }
                Ok(self.clear(snapshot, ends, now))
            }
            RoundStep::Find(taking) => Ok(self.take_if_free(taking, result?.found(), ends, now)),
            RoundStep::Take(taking, clean) => {
                let LeaseAnswer::Written(lease) = result? else { return Ok(Next::RoundDone) };
                let holding = HeldLease::new(*lease, clean, taking.asked, now.mono, self.config.timing);
                self.log(LeaseLog::Took { lease: self.lease_name(taking.shard), epoch: holding.epoch });
                self.held.insert(taking.shard, holding);
                // Another replica may have taken a Lease of another number of shards in the meantime. Both list once
                // they hold theirs, so that at least one sees the other.
                Ok(self.ask(LeaseRequest::List, RoundStep::Check(taking), ends, now))
            }
            RoundStep::Check(taking) => Ok(self.keep_if_alone(taking, result, ends, now)),
            RoundStep::Undo(..) => Ok(Next::RoundDone),
            RoundStep::Leave => {
                self.stopped();
                Ok(Next::RoundDone)
            }
        }
    }

    fn presence_name(&self) -> String {
        LeaseName::replica(self.config.shards, &self.config.identity)
    }

    pub(super) fn report(&mut self, event: ShardEvent) {
        self.outbox.push(LeaseEffect::Report(event));
    }

    pub(super) fn ask(&mut self, request: LeaseRequest, step: RoundStep, ends: Mono, now: Now) -> Next {
        // A single lost answer must not use up the time of the round.
        let limit = ends.since(now.mono).min(self.config.timing.deadline / 2);
        let call = self.call(request, limit);
        Next::Waits(Some(call), step)
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
