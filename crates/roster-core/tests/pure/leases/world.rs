//! Machines, the Leases that they share, and the calls between them. Used by the tests of this folder.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use roster_core::contract::Epoch;
use roster_core::control::leases::{
    CallId, LeaseAnswer, LeaseCall, LeaseEffect, LeaseEvent, LeaseLog, LeaseRequest, LeaseTiming, ShardConfig,
    ShardCoordinator,
};
use roster_core::control::{ApiFault, Mono, Now, ShardEvent};

/// Milliseconds since the beginning.
pub type Time = u64;

pub const SECOND: Time = 1_000;
pub const BEGIN: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// Randomness of one world.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// One machine, and the events that it reported.
pub struct Replica {
    pub machine: ShardCoordinator,
    pub identity: String,
    /// Shards that were announced to it as its own, with their epochs.
    pub held: BTreeMap<u16, Epoch>,
    /// Shards that it was asked to release.
    pub asked_back: BTreeSet<u16>,
    pub reported: Vec<ShardEvent>,
    pub lost: Vec<(u16, &'static str)>,
    pub log: Vec<LeaseLog>,
    pub stopped: bool,
    /// Seconds by which its wall clock is wrong.
    pub skew: i64,
    /// End of the time in which the process is frozen.
    pub frozen_until: Time,
    /// Whether its calls are lost.
    pub is_cut_off: bool,
    /// Delay of answers to its writes.
    pub slow_answers: Time,
    /// Number of calls that are carried out but not answered.
    pub lost_answers: u32,
}

enum Item {
    Arrives(usize, String, LeaseCall),
    Answered(usize, String, CallId, Result<LeaseAnswer, ApiFault>),
}

pub struct World {
    pub time: Time,
    pub leases: BTreeMap<String, Lease>,
    pub replicas: Vec<Replica>,
    /// Latency and faults of calls; no faults if absent.
    pub random: Option<Random>,
    /// Whether the loop releases shards as soon as it is asked to.
    pub gives_back: bool,
    /// Highest epoch of each shard.
    pub epochs: BTreeMap<u16, Epoch>,
    version: u64,
    items: Vec<(Time, Item)>,
}

pub fn fault(code: Option<u16>, message: &str) -> ApiFault {
    ApiFault { code, message: message.to_owned(), lacks_right: None }
}

impl World {
    pub fn new() -> Self {
        Self {
            time: 0,
            leases: BTreeMap::new(),
            replicas: Vec::new(),
            random: None,
            gives_back: true,
            epochs: BTreeMap::new(),
            version: 0,
            items: Vec::new(),
        }
    }

    /// Adds a replica; returns its index.
    pub fn join(&mut self, identity: &str, shards: u16) -> usize {
        self.replicas.push(replica(identity, shards));
        self.replicas.len() - 1
    }

    /// Replaces a process that died by a new one.
    pub fn restart(&mut self, index: usize, identity: &str, shards: u16) {
        self.replicas[index] = replica(identity, shards);
    }

    /// Sets a Lease as others left it.
    pub fn put(&mut self, name: &str, holder: Option<&str>, at: Timestamp) {
        let spec = LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            acquire_time: Some(MicroTime(at)),
            renew_time: Some(MicroTime(at)),
            lease_duration_seconds: Some(15),
            lease_transitions: Some(41),
            ..LeaseSpec::default()
        };
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        self.write(Lease { metadata, spec: Some(spec) });
    }

    pub fn lease(&self, name: &str) -> &Lease {
        &self.leases[name]
    }

    pub fn holder(&self, name: &str) -> Option<&str> {
        self.leases.get(name).and_then(roster_core::control::leases::holder)
    }

    pub fn annotation(&self, name: &str, key: &str) -> Option<&str> {
        self.lease(name).metadata.annotations.as_ref()?.get(key).map(String::as_str)
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Time) {
        self.run_until(self.time + time);
    }

    pub fn run_until(&mut self, end: Time) {
        loop {
            (0..self.replicas.len()).for_each(|index| self.decide(index));
            let wakes = self.replicas.iter().map(|replica| {
                let wake = replica.machine.next_wake(self.now(replica));
                let wake = wake.map_or(Time::MAX, |at| u64::try_from(at.0.as_millis()).unwrap() + 1);
                wake.max(replica.frozen_until).max(self.time + 1)
            });
            let items = self.items.iter().map(|(at, item)| (*at).max(self.thaws(item)));
            let next = wakes.chain(items).min().unwrap_or(end);
            if next > end {
                self.time = end;
                return;
            }
            self.time = next;
            while let Some(index) = self.items.iter().position(|(at, item)| (*at).max(self.thaws(item)) <= self.time) {
                let (_, item) = self.items.remove(index);
                self.step(item);
            }
        }
    }

    fn thaws(&self, item: &Item) -> Time {
        match item {
            Item::Arrives(..) => 0,
            Item::Answered(replica, ..) => self.replicas[*replica].frozen_until,
        }
    }

    fn now(&self, replica: &Replica) -> Now {
        let wall = BEGIN + SignedDuration::from_millis(i64::try_from(self.time).unwrap());
        let wall = wall + SignedDuration::from_secs(replica.skew);
        Now { mono: Mono(Duration::from_millis(self.time)), wall }
    }

    /// Passes an event to a machine.
    pub fn absorb(&mut self, index: usize, event: LeaseEvent) {
        let now = self.now(&self.replicas[index]);
        self.replicas[index].machine.absorb(event, now);
    }

    /// Releases a shard, as the loop does after its last write.
    pub fn release(&mut self, index: usize, shard: u16) {
        let epoch = self.replicas[index].held.remove(&shard).unwrap();
        self.absorb(index, LeaseEvent::Release(shard, epoch));
        self.decide(index);
    }

    /// Returns whether a replica may write in a shard now.
    pub fn holds(&self, index: usize, shard: u16) -> bool {
        let replica = &self.replicas[index];
        let until = replica.held.get(&shard).and_then(|epoch| replica.machine.until(shard, *epoch));
        until.is_some_and(|until| Mono(Duration::from_millis(self.time)) < until)
    }

    pub fn holders(&self, shard: u16) -> Vec<usize> {
        (0..self.replicas.len()).filter(|index| self.holds(*index, shard)).collect()
    }

    fn decide(&mut self, index: usize) {
        if self.replicas[index].frozen_until > self.time {
            return;
        }
        let (now, mut effects) = (self.now(&self.replicas[index]), Vec::new());
        self.replicas[index].machine.decide(now, &mut effects);
        for effect in effects {
            let replica = &mut self.replicas[index];
            match effect {
                LeaseEffect::Call(call) => self.send(index, call),
                LeaseEffect::Report(event) => self.report(index, event),
                LeaseEffect::Lost { shard, why, .. } => {
                    replica.held.remove(&shard);
                    replica.lost.push((shard, why));
                }
                LeaseEffect::Log(line) => replica.log.push(line),
                LeaseEffect::Stopped => replica.stopped = true,
            }
        }
    }

    fn report(&mut self, index: usize, event: ShardEvent) {
        match &event {
            ShardEvent::Taken { shard, epoch, .. } => {
                let (shard, epoch) = (*shard, *epoch);
                let others = self.holders(shard);
                self.replicas[index].held.insert(shard, epoch);
                // A process that was frozen meanwhile receives a shard that it no longer holds.
                if self.holds(index, shard) {
                    assert!(others.is_empty(), "{others:?} at {} ms, shard {shard}", self.time);
                    let before = self.epochs.insert(shard, epoch);
                    assert!(before.is_none_or(|before| before < epoch), "{before:?}, then {epoch:?}");
                }
            }
            ShardEvent::GiveBack(shard) => {
                self.replicas[index].asked_back.insert(*shard);
                if self.gives_back && self.replicas[index].held.contains_key(shard) {
                    let epoch = self.replicas[index].held.remove(shard).unwrap();
                    self.absorb(index, LeaseEvent::Release(*shard, epoch));
                }
            }
            _ => {}
        }
        self.replicas[index].reported.push(event);
    }

    fn send(&mut self, index: usize, call: LeaseCall) {
        let replica = &self.replicas[index];
        if replica.is_cut_off {
            return;
        }
        let identity = replica.identity.clone();
        let after = self.latency();
        let is_lost = self.random.as_mut().is_some_and(|random| random.chance(4));
        if !is_lost {
            self.items.push((self.time + after, Item::Arrives(index, identity, call)));
        }
    }

    fn latency(&mut self) -> Time {
        match &mut self.random {
            None => 5,
            Some(random) => {
                let most = if random.chance(4) { 9 * SECOND } else { 40 };
                1 + random.below(most)
            }
        }
    }

    fn step(&mut self, item: Item) {
        match item {
            Item::Arrives(index, identity, call) => {
                let result = self.carry_out(&identity, call.request);
                let replica = &mut self.replicas[index];
                let is_lost = replica.lost_answers > 0 || self.random.as_mut().is_some_and(|random| random.chance(4));
                replica.lost_answers = replica.lost_answers.saturating_sub(1);
                if !is_lost {
                    let is_write = matches!(result, Ok(LeaseAnswer::Written(_)));
                    let slow = if is_write { self.replicas[index].slow_answers } else { 0 };
                    let after = self.latency() + slow;
                    self.items.push((self.time + after, Item::Answered(index, identity, call.id, result)));
                }
            }
            Item::Answered(index, identity, id, result) => {
                // The process that sent the request may have died.
                if self.replicas[index].identity == identity {
                    self.absorb(index, LeaseEvent::Answered { id, result });
                }
            }
        }
    }

    fn carry_out(&mut self, identity: &str, request: LeaseRequest) -> Result<LeaseAnswer, ApiFault> {
        match request {
            LeaseRequest::List => Ok(LeaseAnswer::Listed(self.leases.values().cloned().collect())),
            LeaseRequest::Get(name) => Ok(LeaseAnswer::Found(self.leases.get(&name).cloned().map(Box::new))),
            LeaseRequest::Create(lease) => {
                let name = lease.metadata.name.as_ref().unwrap();
                if self.leases.contains_key(name) {
                    return Err(fault(Some(409), "it exists already"));
                }
                Ok(self.write(*lease))
            }
            LeaseRequest::Replace(lease) => {
                let meta = &lease.metadata;
                let name = meta.name.clone().unwrap();
                assert!(meta.uid.is_some() && meta.resource_version.is_some(), "{name} is replaced whatever it is");
                self.expect(&name, meta.uid.as_deref(), meta.resource_version.as_deref())?;
                self.nobody_else_believes(&name, identity, &lease);
                Ok(self.write(*lease))
            }
            LeaseRequest::Delete { name, uid, version } => {
                self.expect(&name, uid.as_deref(), version.as_deref())?;
                self.leases.remove(&name);
                Ok(LeaseAnswer::Deleted)
            }
        }
    }

    fn expect(&self, name: &str, uid: Option<&str>, version: Option<&str>) -> Result<(), ApiFault> {
        let Some(lease) = self.leases.get(name) else { return Err(fault(Some(404), "not found")) };
        let meta = &lease.metadata;
        let is_other = |wanted: Option<&str>, is: Option<&str>| wanted.is_some() && wanted != is;
        if is_other(uid, meta.uid.as_deref()) || is_other(version, meta.resource_version.as_deref()) {
            return Err(fault(Some(409), "modified"));
        }
        Ok(())
    }

    /// Checks that a replica takes a Lease only when no other replica is a holder.
    fn nobody_else_believes(&self, name: &str, identity: &str, lease: &Lease) {
        let Some(roster_core::control::leases::LeaseName::Shard { shard, .. }) =
            roster_core::control::leases::LeaseName::parse(name)
        else {
            return;
        };
        if roster_core::control::leases::holder(lease).is_none() || self.holder(name) == Some(identity) {
            return;
        }
        let others = self.holders(shard);
        let others: Vec<&usize> = others.iter().filter(|index| self.replicas[**index].identity != identity).collect();
        assert!(others.is_empty(), "{identity} takes {name} at {} ms from {others:?}", self.time);
    }

    fn write(&mut self, mut lease: Lease) -> LeaseAnswer {
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        let version = self.version;
        lease.metadata.uid.get_or_insert_with(|| format!("uid-{version}"));
        self.leases.insert(lease.metadata.name.clone().unwrap(), lease.clone());
        LeaseAnswer::Written(Box::new(lease))
    }
}

fn replica(identity: &str, shards: u16) -> Replica {
    let config = ShardConfig {
        namespace: "roster-system".to_owned(),
        identity: identity.to_owned(),
        shards,
        timing: LeaseTiming::default(),
    };
    let mut machine = ShardCoordinator::new(config);
    machine.absorb(LeaseEvent::Serve, Now { mono: Mono::default(), wall: BEGIN });
    Replica {
        machine,
        identity: identity.to_owned(),
        held: BTreeMap::new(),
        asked_back: BTreeSet::new(),
        reported: Vec::new(),
        lost: Vec::new(),
        log: Vec::new(),
        stopped: false,
        skew: 0,
        frozen_until: 0,
        is_cut_off: false,
        slow_answers: 0,
        lost_answers: 0,
    }
}
