//! The scheduler: one queue of items in simulated time, and whatever carries them out.

use std::collections::{BTreeMap, BTreeSet};

use roster_core::{
    control::{
        Control, Effect, Event, PassId, Setup,
        leases::{CallId, LeaseCall, LeaseEvent},
    },
    model::{AccountKey, KindName, Name, ObjectRef, Seed},
};

use super::{
    action::{Act, Action, ApiTrouble},
    calls::Call,
    check::Checker,
    clock::{Clock, MILLI, MINUTE, SECOND, Time},
    cluster::{Change, Cluster},
    picture::Picture,
    random::mix,
    replica::Replica,
    sharing::LeaseReply,
    story::{Story, Violation},
};
use crate::memory::{Kind, MemoryStore};

/// Settings of a run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Seed of all randomness.
    pub seed: u64,
    /// Seed of hash maps, which must decide nothing.
    pub hashing: u64,
    /// Replicas.
    pub replicas: usize,
    /// Shards.
    pub shards: u16,
    /// Most passes at a time in one store.
    pub most_passes: usize,
    /// Stores by the name of their IdentityStore.
    pub stores: BTreeMap<Name, Kind>,
    /// When the last action happens at the latest; the rest is quiet.
    pub busy: Time,
    /// Whether every event is written down.
    pub tells: bool,
    /// Latency of one step of a store, at most.
    pub store_latency: Time,
}

/// Item of the scheduler's queue.
pub enum Item {
    /// An action happens.
    Act(usize),
    /// A watch delivers: replica, life, kind, count of openings.
    Deliver(usize, u64, KindName, u64),
    /// A loop wakes up.
    Wake(usize, u64),
    /// A store or the API server works on the request of a pass.
    Pass(usize, u64, PassId),
    /// A request arrives at the API server.
    Arrive(usize, u64, Box<Call>),
    /// A reply arrives.
    Reply(usize, u64, Box<Event>, Option<Change>),
    /// A lease machine wakes up, or a replica's life begins.
    Lease(usize, u64),
    /// A call about Leases arrives at the API server.
    LeaseCall(usize, u64, Box<LeaseCall>),
    /// Its answer arrives.
    LeaseReply(usize, u64, CallId, Box<LeaseReply>),
    /// An object of a namespace that is being deleted goes.
    Purge(ObjectRef),
    /// Somebody says of every Account that its objects are all there, after a definition was made anew.
    Confirm,
    /// The invariants that need time are looked at.
    Pulse,
}

/// Id of the cluster.
pub const CLUSTER: &str = "here";

/// A run.
pub struct Sim {
    /// Settings.
    pub config: Config,
    /// Clocks.
    pub clock: Clock,
    /// API server.
    pub cluster: Cluster,
    /// Stores.
    pub stores: BTreeMap<Name, MemoryStore>,
    /// Stores in whose place others stand.
    pub replaced: BTreeMap<Name, MemoryStore>,
    /// Latency of stores that are slow.
    pub slow: BTreeMap<Name, Time>,
    /// Replicas.
    pub replicas: Vec<Replica>,
    /// Invariants.
    pub checker: Checker,
    /// Written story.
    pub story: Story,
    /// Troubles of the API server, and how many requests still meet them.
    pub troubles: Vec<(ApiTrouble, u32)>,
    /// Until when the API server cannot be reached.
    pub away_until: Time,
    /// Until when a call about a Lease is waited for that is never answered.
    pub unanswered_until: Time,
    /// Items done.
    pub steps: u64,
    /// Passes that ran beside another one over the same account.
    pub beside: u64,
    actions: Vec<Action>,
    items: BTreeMap<(Time, u64), Item>,
    given: u64,
    drawn: BTreeMap<u64, u64>,
    effects: Vec<Effect>,
    trace: u64,
}

impl Sim {
    /// Returns a run that is about to begin.
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
            story: Story::new(config.tells),
            troubles: Vec::new(),
            away_until: 0,
            unanswered_until: 0,
            steps: 0,
            beside: 0,
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
            sim.at(at, Item::Act(index));
        }
        for replica in 0..sim.replicas.len() {
            sim.at(replica as Time * 300 * MILLI, Item::Lease(replica, 0));
        }
        sim.at(SECOND, Item::Pulse);
        sim
    }

    /// Plans an item.
    pub fn at(&mut self, time: Time, item: Item) {
        self.given += 1;
        self.items.insert((time.max(self.clock.time), self.given), item);
    }

    /// Draws a number for one thing; others' draws do not shift it.
    pub fn draw(&mut self, key: u64) -> u64 {
        let count = self.drawn.entry(key).or_default();
        *count += 1;
        mix(&[self.config.seed, key, *count])
    }

    /// Draws a time from `low` to `high` for one thing.
    pub fn delay(&mut self, key: u64, low: Time, high: Time) -> Time {
        low + self.draw(key) % (high.saturating_sub(low) + 1)
    }

    /// Notes something of which traces are made.
    pub fn mark(&mut self, parts: &[u64]) {
        self.trace = mix(&[self.trace, self.clock.time, mix(parts)]);
    }

    /// Returns a number that two runs share if and only if they did the same.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// Returns the actions.
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
                self.rests();
                known = Some((self.writes(), self.guards()));
            }
            let Some(((time, _), item)) = self.items.pop_first() else { break };
            self.clock.time = time;
            self.checker.tick(time);
            self.steps += 1;
            self.step(item);
            self.tell_news();
            if self.checker.violation().is_some() {
                break;
            }
        }
        if self.checker.violation().is_none() {
            self.clock.time = end;
            self.rests();
            // What a guard holds may pass when earlier removals are ten minutes old.
            let (writes, guards) = known.unwrap_or_default();
            if !guards {
                self.is_quiet(&writes);
            }
        }
        self.checker.violation().cloned()
    }

    fn step(&mut self, item: Item) {
        match item {
            Item::Act(index) => self.act(index),
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
            Item::Reply(replica, life, event, seen) => match self.goes_on(replica, life) {
                Some(true) => {
                    if let Some(change) = seen {
                        let time = self.clock.time;
                        self.replicas[replica].view.take(&change, time);
                    }
                    self.absorb(replica, *event);
                }
                Some(false) => self.later(replica, Item::Reply(replica, life, event, seen)),
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
            Item::Confirm => self.cluster.say_all_are_there(),
            Item::Pulse => {
                self.pulse();
                self.at(self.clock.time + SECOND, Item::Pulse);
            }
        }
    }

    /// Returns whether this life of a replica's loop goes on now; nothing where it is over.
    fn goes_on(&self, replica: usize, life: u64) -> Option<bool> {
        self.lives(replica, life).filter(|_| self.replicas[replica].control.is_some())
    }

    /// Returns whether this life of a replica goes on now; nothing where it is over.
    fn lives(&self, replica: usize, life: u64) -> Option<bool> {
        let replica = &self.replicas[replica];
        (replica.life == life).then_some(replica.frozen_until <= self.clock.time)
    }

    /// Returns whether the API server cannot be reached.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.clock.time < self.away_until
    }

    /// Puts off what a frozen replica would do. The order in which it goes on is not the one it had.
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
            cluster: Name::const_new(CLUSTER),
            shards,
            max_concurrent_accounts: most,
            seed: Seed([seed, mix(&[number as u64, replica.life])]),
            hashing: Seed([self.config.hashing, 0]),
        }));
        replica.origin = time;
        self.story.tell(time, None, || format!("replica {number} starts"));
        self.relist(number);
        self.wake(number, 0);
    }

    /// Hands an event to a replica's loop, which decides soon after.
    pub fn absorb(&mut self, number: usize, event: Event) {
        let clock = self.clock;
        let replica = &mut self.replicas[number];
        let Some(control) = &mut replica.control else { return };
        control.absorb(event, clock.now(replica.origin));
        let after = self.delay(mix(&[3, number as u64]), 0, MILLI);
        self.wake(number, after);
    }

    /// Wakes a loop up after a while, unless it wakes up sooner.
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
            // A lease may turn out to be lost meanwhile: that ends everything.
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
        // Time goes on between two decisions.
        self.wake(number, after.clamp(100, SECOND));
    }

    fn act(&mut self, index: usize) {
        let action = self.actions[index].clone();
        let time = self.clock.time;
        self.mark(&[3, action.id]);
        let namespace = match &action.act {
            Act::Apply(object, _) | Act::Delete(object) | Act::Annotate(object, ..) => Some(object.namespace.clone()),
            Act::Approve(key) | Act::TamperDelete(_, key, _) | Act::TamperRaise(_, key, _) => {
                Some(key.namespace.clone())
            }
            Act::DeleteNamespace(name, _) => Some(name.clone()),
            _ => None,
        };
        self.story.tell(time, namespace.as_ref().filter(|name| !name.is_empty()), || action.act.to_string());
        self.perform(action);
    }

    /// Returns the accounts of a picture.
    #[must_use]
    pub fn accounts_of(picture: &Picture) -> BTreeSet<AccountKey> {
        picture.world.accounts.keys().map(|(namespace, name)| AccountKey::new(namespace, name)).collect()
    }
}
