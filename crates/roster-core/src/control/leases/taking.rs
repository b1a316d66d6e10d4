//! Second half of a round: deletes unused Leases, releases shards that another replica lacks, and takes free ones up to
//! the fair share. `round` calls it once the Leases are listed, and for each answer after that.

use std::collections::VecDeque;

use k8s_openapi::api::coordination::v1::Lease;

use super::{
    ShardCoordinator,
    call::{LeaseAnswer, LeaseLog, LeaseRequest},
    fair,
    name::LeaseName,
    record,
    round_state::{Next, RoundStep, Taking},
    snapshot::LeaseSnapshot,
};
use crate::{
    contract::Epoch,
    control::{ApiFault, Mono, Now, ShardEvent},
};

impl ShardCoordinator {
    /// Deletes unused Leases, one after the other. A holder that was only slow finds its Lease gone, and has lost it.
    pub(super) fn clear(&mut self, mut snapshot: LeaseSnapshot, ends: Mono, now: Now) -> Next {
        if snapshot.stale.is_empty() {
            return self.share_out(snapshot, ends, now);
        }
        let lease = snapshot.stale.remove(0);
        let name = record::name(&lease).to_owned();
        let meta = lease.metadata;
        let request = LeaseRequest::Delete { name: name.clone(), uid: meta.uid, version: meta.resource_version };
        self.ask(request, RoundStep::Clear(name, snapshot), ends, now)
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

    pub(super) fn take_next(&mut self, mut rest: VecDeque<u16>, after: Epoch, ends: Mono, now: Now) -> Next {
        let Some(shard) = rest.pop_front() else { return Next::RoundDone };
        let request = LeaseRequest::Get(self.lease_name(shard));
        self.ask(request, RoundStep::Find(Taking { shard, asked: now.mono, rest, after }), ends, now)
    }

    /// Takes a shard if its Lease is free.
    pub(super) fn take_if_free(&mut self, taking: Taking, found: Option<Lease>, ends: Mono, now: Now) -> Next {
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
        self.ask(LeaseRequest::write(lease), RoundStep::Take(taking, clean), ends, now)
    }

    /// Keeps a taken shard, unless another replica holds one of another number of shards.
    pub(super) fn keep_if_alone(
        &mut self,
        taking: Taking,
        result: Result<LeaseAnswer, ApiFault>,
        ends: Mono,
        now: Now,
    ) -> Next {
        let others = result.map(|answer| self.snapshot(answer.listed(), now).others);
        let is_alone = others.as_ref().is_ok_and(Vec::is_empty);
        let Taking { shard, .. } = taking;
        let Some(holding) = self.held.get_mut(&shard) else {
            return Next::Waits(None, RoundStep::Undo(taking, others.err()));
        };
        if !is_alone {
            holding.releasing = true;
            return Next::Waits(None, RoundStep::Undo(taking, others.err()));
        }
        holding.reported = true;
        let (epoch, clean) = (holding.epoch, holding.clean);
        self.report(ShardEvent::Taken { shard, epoch, clean });
        self.take_next(taking.rest, taking.after, ends, now)
    }

    /// Sorts the Leases of a list, and records what changed in them.
    pub(super) fn snapshot(&mut self, leases: Vec<Lease>, at: Now) -> LeaseSnapshot {
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
        LeaseSnapshot { abandoned, ..LeaseSnapshot::new(leases, &self.config, holder) }
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
}
