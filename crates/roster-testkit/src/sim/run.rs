//! Scheduler of the simulator: one queue of items in simulated time, and their execution. Driven by `play` and `transcript_of`.

use std::collections::{BTreeMap, BTreeSet};

use roster_core::{
    control::{Control, Effect, Event, Setup, leases::LeaseEvent},
    model::{AccountKey, Name, Seed},
};

use super::{
    action::{Action, ActionKind, ApiFailure},
    check::Checker,
    clock::{Clock, MILLI, MINUTE, SECOND, Time},
    cluster::Cluster,
    delivered_objects::DeliveredObjects,
    item::Item,
    random::mix,
    replica::Replica,
    transcript::{Transcript, Violation},
};
use crate::memory::{Kind, MemoryStore};

/// Settings of a run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Seed of all randomness.
    pub seed: u64,
    /// Seed of hash maps, which must have no influence.
    pub hashing: u64,
    /// Number of replicas.
    pub replicas: usize,
    /// Number of shards.
    pub shards: u16,
    /// Largest number of passes at a time in one store.
    pub most_passes: usize,
    /// Stores by the name of their IdentityStore.
    pub stores: BTreeMap<Name, Kind>,
    /// Latest time of the last action; the rest of the run is quiet.
    pub busy: Time,
    /// Whether every event is recorded in the transcript.
    pub records: bool,
    /// Largest latency of one step of a store.
    pub store_latency: Time,
}

/// Id of the simulated cluster.
pub const CLUSTER: &str = "here";

/// A run of the simulator.
pub struct Sim {
    /// Settings.
    pub config: Config,
    /// Clocks.
    pub clock: Clock,
    /// Simulated API server.
    pub cluster: Cluster,
    /// Stores by name.
    pub stores: BTreeMap<Name, MemoryStore>,
    /// Stores that are replaced by others.
    pub replaced: BTreeMap<Name, MemoryStore>,
    /// Latency of slow stores.
    pub slow: BTreeMap<Name, Time>,
    /// Replicas by number.
    pub replicas: Vec<Replica>,
    /// Checker of invariants.
    pub checker: Checker,
    /// Recorded transcript.
    pub transcript: Transcript,
    /// Failures of the API server, with the number of requests left for each.
    pub api_failures: Vec<(ApiFailure, u32)>,
    /// Time until which the API server cannot be reached.
    pub away_until: Time,
    /// Time until which some request about a Lease waits for a reply that never comes.
    pub unanswered_until: Time,
    /// Number of items processed.
    pub steps: u64,
    /// Number of passes that ran in parallel to another one over the same account.
    pub parallel: u64,
    actions: Vec<Action>,
    items: BTreeMap<(Time, u64), Item>,
    given: u64,
    drawn: BTreeMap<u64, u64>,
    effects: Vec<Effect>,
    trace: u64,
}

impl Sim {
    /// Returns a run that has not started.
    #[must_use]
    pub fn new(config: Config, actions: Vec<Action>) -> Self {
        let stores = config.stores.iter().map(|(name, kind)| (name.clone(), MemoryStore::new(*kind))).collect();
        let mut sim = Self {
            clock: Clock::default(),
            cluster: Cluster::default(),
            stores,
            replaced: BTreeMap::new(),
            slow: BTreeMap::new(),
            replicas: (0..config.replicas).map(Replica::new).collect(),
            checker: Checker::default(),
            transcript: Transcript::new(config.records),
            api_failures: Vec::new(),
            away_until: 0,
            unanswered_until: 0,
            steps: 0,
            parallel: 0,
            actions,
            items: BTreeMap::new(),
            given: 0,
            drawn: BTreeMap::new(),
            effects: Vec::new(),
            trace: 0,
            config,
        };
        let times: Vec<Time> = sim.actions.iter().map(|action| action.at).collect();
        for (index, at) in times.into_iter().enumerate() {
            sim.at(at, Item::Action(index));
        }
        for replica in 0..sim.replicas.len() {
            sim.at(replica as Time * 300 * MILLI, Item::Lease(replica, 0));
        }
        sim.at(SECOND, Item::CheckRevocations);
        sim
    }

    /// Adds an item to the queue.
    pub fn at(&mut self, time: Time, item: Item) {
        self.given += 1;
        self.items.insert((time.max(self.clock.time), self.given), item);
    }

    /// Draws a number for one key; draws for other keys do not influence it.
    pub fn draw(&mut self, key: u64) -> u64 {
        let count = self.drawn.entry(key).or_default();
        *count += 1;
        mix(&[self.config.seed, key, *count])
    }

    /// Draws a time from `low` to `high` for one key.
    pub fn delay(&mut self, key: u64, low: Time, high: Time) -> Time {
        low + self.draw(key) % (high.saturating_sub(low) + 1)
    }

    /// Adds an event to the trace.
    pub fn mark(&mut self, parts: &[u64]) {
        self.trace = mix(&[self.trace, self.clock.time, mix(parts)]);
    }

    /// Returns a number that two runs share if and only if they did the same.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// Returns all actions.
    #[must_use]
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// Runs to the end, or to the first violation.
    pub fn run(&mut self) -> Option<Violation> {
        let end = self.config.busy + 29 * MINUTE;
        let calm = self.config.busy + 18 * MINUTE;
        let mut known = None;
        while let Some((&(time, _), _)) = self.items.first_key_value() {
            if time > end {
                break;
            }
            if time > calm && known.is_none() {
                self.clock.time = calm;
                self.check_final_state();
                known = Some((self.writes(), self.guards()));
            }
            let Some(((time, _), item)) = self.items.pop_first() else { break };
            self.clock.time = time;
            self.checker.tick(time);
            self.steps += 1;
            self.step(item);
            self.announce_new_objects();
            if self.checker.violation().is_some() {
                break;
            }
        }
        if self.checker.violation().is_none() {
            self.clock.time = end;
            self.check_final_state();
            // Removals that a guard holds may be released when earlier removals are ten minutes old.
            let (writes, guards) = known.unwrap_or_default();
            if !guards {
                self.is_quiet(&writes);
            }
        }
        self.checker.violation().cloned()
    }

    fn step(&mut self, item: Item) {
        match item {
            Item::Action(index) => self.act(index),
            Item::Deliver(replica, life, kind, opened) => {
                let lives = self.goes_on(replica, life);
                match lives {
                    Some(true) if self.is_away() => {
                        let after = self.delay(mix(&[13, replica as u64, kind as u64]), MILLI, SECOND);
                        self.at(self.away_until + after, Item::Deliver(replica, life, kind, opened));
                    }
                    Some(true) => self.deliver(replica, kind, opened),
                    Some(false) => self.later(replica, Item::Deliver(replica, life, kind, opened)),
                    None => {}
                }
            }
            Item::Wake(replica, life) => match self.goes_on(replica, life) {
                Some(true) => self.wake_up(replica),
                Some(false) => self.later(replica, Item::Wake(replica, life)),
                None => {}
            },
            Item::Pass(replica, life, pass) => match self.goes_on(replica, life) {
                Some(true) => self.serve(replica, pass),
                Some(false) => self.later(replica, Item::Pass(replica, life, pass)),
                None => {}
            },
            Item::Arrive(replica, life, call) => self.arrive(replica, life, *call),
            Item::Reply(replica, life, event, change) => match self.goes_on(replica, life) {
                Some(true) => {
                    if let Some(change) = change {
                        let time = self.clock.time;
                        self.replicas[replica].view.take(&change, time);
                    }
                    self.absorb(replica, *event);
                }
                Some(false) => self.later(replica, Item::Reply(replica, life, event, change)),
                None => {}
            },
            Item::Lease(replica, life) => match self.lives(replica, life) {
                Some(true) => self.wake_leases(replica, life),
                Some(false) => self.later(replica, Item::Lease(replica, life)),
                None => {}
            },
            Item::LeaseCall(replica, life, call) => self.arrive_lease(replica, life, &call),
            Item::LeaseReply(replica, life, id, result) => match self.lives(replica, life) {
                Some(true) => self.absorb_lease(replica, LeaseEvent::Answered { id, result: *result }),
                Some(false) => self.later(replica, Item::LeaseReply(replica, life, id, result)),
                None => {}
            },
            Item::Purge(object) => self.purge(&object),
            Item::Confirm => self.cluster.confirm_all_exist(),
            Item::CheckRevocations => {
                self.check_revocations();
                self.at(self.clock.time + SECOND, Item::CheckRevocations);
            }
        }
    }

    /// Returns whether this life of a replica's loop continues now, or is suspended; `None` if it is over.
    fn goes_on(&self, replica: usize, life: u64) -> Option<bool> {
        self.lives(replica, life).filter(|_| self.replicas[replica].control.is_some())
    }

    /// Returns whether this life of a replica continues now, or is suspended; `None` if it is over.
    fn lives(&self, replica: usize, life: u64) -> Option<bool> {
        let replica = &self.replicas[replica];
        (replica.life == life).then_some(replica.frozen_until <= self.clock.time)
    }

    /// Returns whether the API server cannot be reached now.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.clock.time < self.away_until
    }

    /// Postpones an item of a suspended replica. The order of its items may change.
    fn later(&mut self, replica: usize, item: Item) {
        let thaw = self.replicas[replica].frozen_until;
        let after = self.delay(mix(&[11, replica as u64]), 0, 200 * MILLI);
        self.at(thaw + after, item);
    }

    /// Starts the loop of a replica.
    pub fn start(&mut self, number: usize) {
        let (seed, shards, most) = (self.config.seed, self.config.shards, self.config.most_passes);
        let time = self.clock.time;
        let replica = &mut self.replicas[number];
        replica.control = Some(Control::new(Setup {
            enforcing: None,
            cluster: Name::const_new(CLUSTER),
            shards,
            max_concurrent_accounts: most,
            seed: Seed([seed, mix(&[number as u64, replica.life])]),
            hashing: Seed([self.config.hashing, 0]),
        }));
        replica.origin = time;
        self.transcript.record(time, None, || format!("replica {number} starts"));
        self.relist(number);
        self.wake(number, 0);
    }

    /// Passes an event to a replica's loop, which decides soon after.
    pub fn absorb(&mut self, number: usize, event: Event) {
        let clock = self.clock;
        let replica = &mut self.replicas[number];
        let Some(control) = &mut replica.control else { return };
        control.absorb(event, clock.now(replica.origin));
        let after = self.delay(mix(&[3, number as u64]), 0, MILLI);
        self.wake(number, after);
    }

    /// Wakes a loop after a time, unless it wakes earlier.
    pub fn wake(&mut self, number: usize, after: Time) {
        let at = self.clock.time + after;
        let replica = &mut self.replicas[number];
        if replica.wake.is_none_or(|known| known > at) {
            replica.wake = Some(at);
            let life = replica.life;
            self.at(at, Item::Wake(number, life));
        }
    }

    fn wake_up(&mut self, number: usize) {
        if self.replicas[number].wake.is_some_and(|at| at <= self.clock.time) {
            self.decide(number);
        }
    }

    fn decide(&mut self, number: usize) {
        let clock = self.clock;
        let mut effects = std::mem::take(&mut self.effects);
        let replica = &mut self.replicas[number];
        replica.wake = None;
        let life = replica.life;
        let now = clock.now(replica.origin);
        if let Some(control) = &mut replica.control {
            control.decide(now, &mut effects);
        }
        for effect in effects.drain(..) {
            // A lease may be lost in the middle, which ends this life.
            if self.replicas[number].life == life {
                self.carry_out(number, effect);
            }
        }
        self.effects = effects;
        if self.replicas[number].life != life {
            return;
        }
        let replica = &mut self.replicas[number];
        if replica.control.as_ref().is_some_and(|control| control.can_serve(now)) && !replica.serves {
            replica.serves = true;
            self.absorb_lease(number, LeaseEvent::Serve);
        }
        let replica = &self.replicas[number];
        let next = replica.control.as_ref().and_then(|control| control.next_wake(now));
        let after = next.map_or(SECOND, |at| Time::try_from(at.since(now.mono).as_micros()).unwrap_or(SECOND));
        // Time passes between two decisions.
        self.wake(number, after.clamp(100, SECOND));
    }

    fn act(&mut self, index: usize) {
        let action = self.actions[index].clone();
        let time = self.clock.time;
        self.mark(&[3, action.id]);
        let namespace = match &action.kind {
            ActionKind::Apply(object, _) | ActionKind::Delete(object) | ActionKind::Annotate(object, ..) => {
                Some(object.namespace.clone())
            }
            ActionKind::Approve(key) | ActionKind::TamperDelete(_, key, _) | ActionKind::TamperRaise(_, key, _) => {
                Some(key.namespace.clone())
            }
            ActionKind::DeleteNamespace(name, _) => Some(name.clone()),
            _ => None,
        };
        self.transcript.record(time, namespace.as_ref().filter(|name| !name.is_empty()), || action.kind.to_string());
        self.perform(action);
    }

    /// Returns the accounts among delivered objects.
    #[must_use]
    pub fn accounts_of(delivered: &DeliveredObjects) -> BTreeSet<AccountKey> {
        delivered.world.accounts.keys().map(|(namespace, name)| AccountKey::new(namespace, name)).collect()
    }
}
