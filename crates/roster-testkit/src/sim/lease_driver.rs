//! Lease coordinators: the real ones, driven in parallel to each replica's loop. Called by the run.

use roster_core::{
    control::{
        Event, Mono, ShardEvent,
        leases::{
            self, LeaseCall, LeaseEffect, LeaseEvent, LeaseName, LeaseRequest, LeaseTiming, ShardConfig,
            ShardCoordinator,
        },
        shard_of,
    },
    model::{AccountKey, KindName, Name, ObjectRef},
};

use super::{
    action::ApiFailure,
    calls::{conflict, lost},
    clock::{MILLI, SECOND, Time},
    item::Item,
    objects::Body,
    random::mix,
    replica::{Held, Replica},
    run::Sim,
};

/// Time after which a process that lost a lease participates again.
const AGAIN: Time = 100 * MILLI;

/// Returns whether a replica has listed the kinds that a revocation needs. A revocation must not wait for other kinds.
fn has_listed(replica: &Replica) -> bool {
    let needed = [KindName::Account, KindName::Membership, KindName::IdentityStore];
    needed.iter().all(|kind| replica.watches.get(kind).is_some_and(|watch| !watch.lists))
}

impl Sim {
    /// Wakes up a replica's lease coordinator, and creates it at the start of a life.
    pub fn wake_leases(&mut self, number: usize, life: u64) {
        let shards = self.config.shards;
        let replica = &mut self.replicas[number];
        if replica.leases.is_none() {
            let identity = replica.identity();
            let timing = LeaseTiming::default();
            let config = ShardConfig { namespace: "roster-system".to_owned(), identity, shards, timing };
            replica.leases = Some(ShardCoordinator::new(config));
            // A replica knows all accounts before it takes a shard.
            if shards > 1 {
                self.start(number);
            }
        } else if replica.lease_wake.is_none_or(|at| at > self.clock.time) {
            return;
        }
        if self.replicas[number].life == life {
            self.decide_leases(number);
        }
    }

    /// Passes an event to a replica's lease coordinator, which decides at once unless the event can wait.
    pub fn absorb_lease(&mut self, number: usize, event: LeaseEvent) {
        let now = self.clock.now(0);
        let is_urgent = !matches!(event, LeaseEvent::PublishNote(..) | LeaseEvent::MarkClean(..));
        let Some(leases) = &mut self.replicas[number].leases else { return };
        leases.absorb(event, now);
        if is_urgent {
            self.decide_leases(number);
        }
    }

    fn decide_leases(&mut self, number: usize) {
        let (time, now) = (self.clock.time, self.clock.now(0));
        let mut effects = Vec::new();
        let replica = &mut self.replicas[number];
        let life = replica.life;
        replica.lease_wake = replica.lease_wake.filter(|at| *at > time);
        if let Some(leases) = &mut replica.leases {
            leases.decide(now, &mut effects);
        }
        for effect in effects {
            // A lost shard ends this life.
            if self.replicas[number].life != life {
                return;
            }
            self.carry_out_lease(number, effect);
        }
        self.check_single_holder();
        let replica = &self.replicas[number];
        if let Some(at) = replica.leases.as_ref().filter(|_| replica.life == life).and_then(|all| all.next_wake(now)) {
            let after = Time::try_from(at.since(now.mono).as_micros()).unwrap_or(SECOND);
            let late = self.delay(mix(&[9, number as u64]), 100, 20 * MILLI);
            self.plan_leases(number, after + late);
        }
    }

    /// Plans the wake-up of a lease coordinator, unless it wakes earlier.
    fn plan_leases(&mut self, number: usize, after: Time) {
        let at = self.clock.time + after;
        let replica = &mut self.replicas[number];
        if replica.lease_wake.is_none_or(|known| known > at) {
            replica.lease_wake = Some(at);
            let life = replica.life;
            self.at(at, Item::Lease(number, life));
        }
    }

    fn carry_out_lease(&mut self, number: usize, effect: LeaseEffect) {
        let time = self.clock.time;
        match effect {
            LeaseEffect::Call(call) => {
                let after = self.delay(mix(&[10, number as u64]), MILLI / 2, 12 * MILLI);
                let life = self.replicas[number].life;
                self.at(time + after, Item::LeaseCall(number, life, Box::new(call)));
            }
            LeaseEffect::Report(event) => self.report_shard_event(number, event),
            LeaseEffect::Lost { shard, why, .. } => {
                self.transcript.record(time, None, || format!("replica {number} has lost shard {shard}: {why}"));
                self.end(number, AGAIN, false);
            }
            LeaseEffect::Log(line) => self.transcript.record(time, None, || format!("replica {number}: {line:?}")),
            LeaseEffect::Stopped => {}
        }
    }

    fn report_shard_event(&mut self, number: usize, event: ShardEvent) {
        let time = self.clock.time;
        match &event {
            ShardEvent::Taken { shard, epoch, clean } => {
                let (shard, epoch, clean) = (*shard, *epoch, *clean);
                self.transcript.record(time, None, || {
                    let how = if clean { "clean" } else { "not clean" };
                    format!("replica {number} holds shard {shard} in epoch {}, {how}", epoch.0)
                });
                self.mark(&[6, number as u64, u64::from(shard)]);
                self.replicas[number].held.insert(shard, Held { epoch, leaving: false });
                if self.config.shards == 1 {
                    self.start(number);
                    if let Some(control) = &mut self.replicas[number].control {
                        control.begin_with(shard, epoch, clean);
                    }
                    return;
                }
            }
            ShardEvent::GiveBack(shard) => {
                let shard = *shard;
                self.transcript.record(time, None, || format!("replica {number} is to give shard {shard} back"));
                if let Some(held) = self.replicas[number].held.get_mut(&shard) {
                    held.leaving = true;
                }
            }
            ShardEvent::Notes(_) | ShardEvent::CannotAcquire(_) | ShardEvent::CanAcquire => {}
        }
        self.absorb(number, Event::Shard(event));
    }

    /// Processes a request about Leases that arrives at the API server, whether or not its sender still lives.
    pub fn arrive_lease(&mut self, number: usize, life: u64, call: &LeaseCall) {
        let is_write = !matches!(call.request, LeaseRequest::List | LeaseRequest::Get(_));
        let result = match self.next_api_failure() {
            Some(ApiFailure::Fails) => Err(lost()),
            Some(ApiFailure::Conflicts) if is_write => Err(conflict()),
            Some(ApiFailure::LosesReplies) => {
                // No reply at all: the sender gives up at its time limit.
                let _ = self.cluster.leases.carry_out(&call.request);
                let given_up = self.clock.time + Time::try_from(call.limit.as_micros()).unwrap_or(SECOND);
                self.unanswered_until = self.unanswered_until.max(given_up);
                self.at(given_up, Item::LeaseReply(number, life, call.id, Box::new(Err(lost()))));
                return;
            }
            Some(ApiFailure::Conflicts) | None => self.cluster.leases.carry_out(&call.request),
        };
        let after = self.delay(mix(&[12, number as u64]), MILLI / 2, 5 * MILLI);
        self.at(self.clock.time + after, Item::LeaseReply(number, life, call.id, Box::new(result)));
    }

    /// Checks that no two replicas believe at the same time that they hold a shard.
    fn check_single_holder(&mut self) {
        for shard in 0..self.config.shards {
            let mut believers = (0..self.replicas.len()).filter(|number| self.believes(*number, shard));
            if let (Some(one), Some(other)) = (believers.next(), believers.next()) {
                let message = format!("replicas {one} and {other} both believe that they hold shard {shard}");
                return self.checker.fail("lease", None, message);
            }
        }
    }

    /// Ends a replica's life. It starts again later, as another process if it `dies`. Single writes of calls in
    /// progress are not undone.
    pub fn end(&mut self, number: usize, after: Time, dies: bool) {
        let starts_at = self.clock.time + after;
        self.replicas[number].end(starts_at, dies);
        let life = self.replicas[number].life;
        self.at(starts_at, Item::Lease(number, life));
    }

    /// Returns whether a replica believes that it holds a shard.
    #[must_use]
    pub fn believes(&self, number: usize, shard: u16) -> bool {
        let replica = &self.replicas[number];
        let Some((held, leases)) = replica.held.get(&shard).zip(replica.leases.as_ref()) else { return false };
        leases.until(shard, held.epoch).is_some_and(|until: Mono| self.clock.now(0).mono < until)
    }

    /// Returns the replica that reconciles an account, if there is one.
    #[must_use]
    pub fn holder(&self, account: &AccountKey, store: Option<&Name>) -> Option<usize> {
        let shard = self.shard(account, store);
        let holder = (0..self.replicas.len()).find(|number| self.believes(*number, shard))?;
        let replica = &self.replicas[holder];
        let alive = has_listed(replica)
            && replica.control.is_some()
            && replica.frozen_until <= self.clock.time
            && replica.held.get(&shard).is_some_and(|held| !held.leaving);
        alive.then_some(holder)
    }

    /// Returns the replica that must apply revocations in an account: its holder, or a running process that its Lease
    /// names and that has not taken it again yet.
    #[must_use]
    pub fn answers_for(&self, account: &AccountKey, store: Option<&Name>) -> Option<usize> {
        let shard = self.shard(account, store);
        self.holder(account, store).or_else(|| self.waits_for_itself(shard))
    }

    fn waits_for_itself(&self, shard: u16) -> Option<usize> {
        let name = LeaseName::Shard { shard, of: self.config.shards }.to_string();
        let named = leases::holder(self.cluster.leases.get(&name)?)?;
        let number = self.replicas.iter().position(|replica| replica.identity() == named)?;
        let replica = &self.replicas[number];
        // One of several replicas lists the kinds it needs before it takes a shard.
        let lists = self.config.shards > 1 && !has_listed(replica);
        let runs = replica.leases.is_some() && replica.frozen_until <= self.clock.time && !lists;
        (runs && !replica.held.contains_key(&shard)).then_some(number)
    }

    /// Returns the shard of an account.
    #[must_use]
    pub fn shard(&self, account: &AccountKey, store: Option<&Name>) -> u16 {
        let object =
            |name: &Name| ObjectRef { kind: KindName::IdentityStore, namespace: Name::default(), name: name.clone() };
        if self.config.shards == 1 {
            return 0;
        }
        let stored = store.and_then(|store| self.cluster.get(&object(store)));
        let spec = stored.and_then(|stored| match &stored.body {
            Body::Store(store) => Some(&store.spec),
            _ => None,
        });
        shard_of(account, spec, self.config.shards)
    }
}
