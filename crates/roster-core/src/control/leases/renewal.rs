//! Renews each held shard every `retry`, and releases it at the end. [`ShardCoordinator`] calls this with each decision.
//!
//! A holder relies on its Lease until `deadline` after the last renewal was *requested*: other replicas see the
//! change later, so they wait longer.

use std::time::Duration;

use super::{
    LeaseTiming, ShardCoordinator,
    call::{CallId, LeaseAnswer, LeaseCall, LeaseEffect, LeaseLog, LeaseRequest},
    held_lease::{Doing, Renewal, RenewalStep},
    name::LeaseName,
    record,
};
use crate::control::{ApiFault, Mono, Now};

impl ShardCoordinator {
    /// Renews and releases shards as due.
    pub(super) fn tend_holdings(&mut self, now: Now) {
        let shards: Vec<u16> = self.held.keys().copied().collect();
        for shard in shards {
            self.tend(shard, now);
        }
    }

    fn tend(&mut self, shard: u16, now: Now) {
        let timing = self.config.timing;
        let Some(holding) = self.held.get_mut(&shard) else { return };
        match &holding.doing {
            Doing::GivesBack(_, ends) if now.mono >= *ends => {
                self.held.remove(&shard);
                self.log(LeaseLog::GivingBackUnanswered(self.lease_name(shard)));
                return;
            }
            Doing::Renews(renewal) if now.mono >= renewal.ends => {
                holding.doing = Doing::Waits(now.mono + timing.retry);
                self.log(LeaseLog::RenewalUnanswered);
            }
            _ => {}
        }
        let Some(holding) = self.held.get(&shard) else { return };
        match &holding.doing {
            Doing::Waits(_) if holding.releasing => self.give_back(shard, now),
            Doing::Waits(at) if now.mono >= *at => self.renew(shard, now),
            _ => {}
        }
    }

    fn renew(&mut self, shard: u16, now: Now) {
        let timing = self.config.timing;
        let Some(holding) = self.held.get(&shard) else { return };
        let left = holding.until.since(now.mono);
        if left.is_zero() {
            return self.lose(shard, "the lease was not renewed in time");
        }
        // Two attempts fit in, even if the first one hangs.
        let limit = left.min(timing.deadline / 2);
        self.write(shard, RenewalStep::Writes, now.mono, now.mono + limit, now);
    }

    /// Requests a write of the renewed Lease.
    fn write(&mut self, shard: u16, step: RenewalStep, asked: Mono, ends: Mono, now: Now) {
        let duration = self.config.timing.duration;
        let Some(holding) = self.held.get(&shard) else { return };
        let lease = record::renewed(&holding.lease, holding.note.as_deref(), duration, now.wall);
        let request = LeaseRequest::Replace(Box::new(lease));
        self.step_renewal(shard, request, step, asked, ends, now);
    }

    fn step_renewal(
        &mut self,
        shard: u16,
        request: LeaseRequest,
        step: RenewalStep,
        asked: Mono,
        ends: Mono,
        now: Now,
    ) {
        let call = self.call(request, ends.since(now.mono));
        if let Some(holding) = self.held.get_mut(&shard) {
            holding.doing = Doing::Renews(Renewal { call, step, asked, ends });
        }
    }

    fn give_back(&mut self, shard: u16, now: Now) {
        let limit = self.config.timing.retry;
        let Some(holding) = self.held.get(&shard) else { return };
        let lease = record::given_back(&holding.lease, holding.note.as_deref(), holding.clean, now.wall);
        let call = self.call(LeaseRequest::Replace(Box::new(lease)), limit);
        if let Some(holding) = self.held.get_mut(&shard) {
            holding.doing = Doing::GivesBack(call, now.mono + limit);
        }
    }

    /// Processes the answer to a call about a held shard; returns the answer if the call is not about one.
    pub(super) fn holding_answered(
        &mut self,
        id: CallId,
        result: Result<LeaseAnswer, ApiFault>,
        now: Now,
    ) -> Option<Result<LeaseAnswer, ApiFault>> {
        let Some((&shard, holding)) = self.held.iter().find(|(_, holding)| holding.awaits(id)) else {
            return Some(result);
        };
        match &holding.doing {
            Doing::Waits(_) => {}
            Doing::Renews(renewal) => {
                let renewal = *renewal;
                self.renewal_answered(shard, renewal, result, now);
            }
            Doing::GivesBack(..) => {
                self.held.remove(&shard);
                let lease = self.lease_name(shard);
                self.log(match result {
                    Ok(_) => LeaseLog::GaveBack(lease),
                    Err(fault) => LeaseLog::CannotGiveBack { lease, error: fault.message },
                });
            }
        }
        None
    }

    fn renewal_answered(&mut self, shard: u16, renewal: Renewal, result: Result<LeaseAnswer, ApiFault>, now: Now) {
        const GONE: &str = "the lease was taken or deleted";
        let LeaseTiming { deadline, retry, .. } = self.config.timing;
        let identity = self.config.identity.clone();
        let Renewal { step, asked, ends, .. } = renewal;
        let Some(holding) = self.held.get_mut(&shard) else { return };
        match result {
            Ok(LeaseAnswer::Written(lease)) => {
                holding.lease = *lease;
                holding.until = asked + deadline;
                holding.doing = Doing::Waits(now.mono + retry);
            }
            Ok(LeaseAnswer::Found(Some(lease))) if holding.is_ours(&lease, &identity) => {
                holding.lease = *lease;
                self.write(shard, RenewalStep::WritesAgain, asked, ends, now);
            }
            Ok(_) => self.lose(shard, GONE),
            Err(fault) if fault.is_gone() && step == RenewalStep::Writes => self.lose(shard, GONE),
            Err(fault) if fault.is_conflict() && step == RenewalStep::Writes => {
                let request = LeaseRequest::Get(self.lease_name(shard));
                self.step_renewal(shard, request, RenewalStep::Reads, asked, ends, now);
            }
            // Even a refusal may be temporary: an API server that has just started knows no rights yet.
            Err(fault) => {
                holding.doing = Doing::Waits(now.mono + retry);
                self.log(LeaseLog::CannotRenew(fault.message));
            }
        }
    }

    fn lose(&mut self, shard: u16, why: &'static str) {
        if let Some(holding) = self.held.remove(&shard) {
            self.outbox.push(LeaseEffect::Lost { shard, epoch: holding.epoch, why });
        }
    }

    /// Returns the name of a shard's Lease.
    #[must_use]
    pub fn lease_name(&self, shard: u16) -> String {
        LeaseName::Shard { shard, of: self.config.shards }.to_string()
    }

    pub(super) fn log(&mut self, line: LeaseLog) {
        self.outbox.push(LeaseEffect::Log(line));
    }

    /// Requests a call; returns its id.
    pub(super) fn call(&mut self, request: LeaseRequest, limit: Duration) -> CallId {
        self.calls += 1;
        let id = CallId(self.calls);
        self.outbox.push(LeaseEffect::Call(LeaseCall { id, request, limit }));
        id
    }
}
