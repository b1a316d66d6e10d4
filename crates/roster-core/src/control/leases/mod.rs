//! Leases as a state machine: which shards this replica holds, one Lease for each (docs/architecture.md "Scale",
//! docs/decisions/0007, 0022 and 0026). No I/O, no clock.
//!
//! ```text
//!      LeaseEvent                              LeaseEffect
//!  answers ──────► ShardCoordinator::absorb   ┌─────► calls ──► API server
//!  the loop        ShardCoordinator::decide ──┼─────► ShareEvent ──► the loop
//!                                             └─────► lost, log
//! ```
//!
//! | part | what it does |
//! |---|---|
//! | `round` | looks at all Leases every `retry`; says that we are there, takes what is free, asks for what others lack |
//! | `holding` | renews each shard that is held, and gives it back |
//! | `fair` | works out fair shares |
//! | `observed`, `snapshot` | Leases as we saw them change; all of them at one moment |
//! | `record`, `name` | a Lease as data, and the names of ours |
//! | `call` | events and effects |
//!
//! Replicas that take part say so by a Lease of their own. Each works out by itself what is its fair share, takes what is
//! free and gives back what another one lacks. With one shard, which is the default, this is plain leader election.
//!
//! Every write carries resourceVersion and UID of the Lease as last seen, so that nobody renews or takes what changed
//! meanwhile.
//!
//! It is a machine of its own beside [`Control`](super::Control), and a small task of its own drives it: a long turn of the
//! loop must never cost a lease. Writers do not ask it either: whoever drives it publishes [`ShardCoordinator::until`],
//! which they read right before a write.

mod call;
mod fair;
mod holding;
mod name;
mod observed;
mod record;
mod round;
mod snapshot;

use std::{collections::BTreeMap, time::Duration};

pub use self::{
    call::{CallId, LeaseAnswer, LeaseCall, LeaseEffect, LeaseEvent, LeaseLog, LeaseRequest},
    name::{LeaseName, NAME},
    record::{epoch, holder},
};
use self::{holding::Holding, observed::ObservedLeases, round::Round};
use super::{Mono, Now};
use crate::contract::Epoch;

/// The most shards there can be: each is a Lease that is renewed every other second.
pub const MAX_SHARDS: u16 = 64;

/// Times of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTiming {
    /// Time that others wait after they last saw it change; whole seconds.
    pub duration: Duration,
    /// Time after its last renewal for which a holder believes in it. The difference to `duration` is the time that
    /// requests under way have to end.
    pub deadline: Duration,
    /// Time between two attempts to renew or to take.
    pub retry: Duration,
}

impl Default for LeaseTiming {
    fn default() -> Self {
        Self { duration: Duration::from_secs(15), deadline: Duration::from_secs(10), retry: Duration::from_secs(2) }
    }
}

/// Settings of a replica that takes part.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// Namespace of the Leases.
    pub namespace: String,
    /// Name of this process; of no other, now or ever.
    pub identity: String,
    /// Number of shards, 1 to [`MAX_SHARDS`].
    pub shards: u16,
    /// Times of the leases.
    pub timing: LeaseTiming,
}

/// Whether shards are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TakesPart {
    Yes,
    /// The round that is under way may end.
    Stops,
    No,
}

/// The machine.
pub struct ShardCoordinator {
    config: ShardConfig,
    held: BTreeMap<u16, Holding>,
    observed: ObservedLeases,
    takes_part: TakesPart,
    /// Whether this replica can look after accounts.
    serves: bool,
    round: Option<Round>,
    next_round: Mono,
    /// When this replica last said that it is there.
    present: Option<Mono>,
    /// Whether a round went well once.
    may: bool,
    /// Rounds that failed since.
    failures: u32,
    /// Rounds in a row in which somebody held a Lease of another number of shards.
    conflicts: u32,
    /// Number of calls so far.
    calls: u64,
    /// When it first decided: whatever this process held before was lost by then.
    began: Option<Mono>,
    outbox: Vec<LeaseEffect>,
}

impl ShardCoordinator {
    /// Returns a replica that takes part from now on, and holds nothing yet.
    #[must_use]
    pub fn new(config: ShardConfig) -> Self {
        Self {
            held: BTreeMap::new(),
            observed: ObservedLeases::default(),
            takes_part: TakesPart::Yes,
            // One that stands by for everything needs nothing but to be there.
            serves: config.shards == 1,
            round: None,
            next_round: Mono::default(),
            present: None,
            may: false,
            failures: 0,
            conflicts: 0,
            calls: 0,
            began: None,
            outbox: Vec::new(),
            config,
        }
    }

    /// Takes in an event.
    pub fn absorb(&mut self, event: LeaseEvent, now: Now) {
        match event {
            LeaseEvent::Answered { id, result } => {
                if let Some(result) = self.holding_answered(id, result, now) {
                    self.round_answered(id, result, now);
                }
            }
            LeaseEvent::Serve => self.serves = true,
            LeaseEvent::Stop if self.takes_part == TakesPart::Yes => self.takes_part = TakesPart::Stops,
            LeaseEvent::Stop => {}
            LeaseEvent::Abandon => {
                self.takes_part = TakesPart::No;
                self.abandon();
            }
            LeaseEvent::Drop(shard, epoch) => {
                if self.holding(shard, epoch).is_some() {
                    self.held.remove(&shard);
                }
            }
            LeaseEvent::Release(shard, epoch) => self.change(shard, epoch, |holding| holding.releasing = true),
            LeaseEvent::EveryStoreKnows(shard, epoch) => self.change(shard, epoch, |holding| holding.clean = true),
            LeaseEvent::Say(shard, epoch, note) => self.change(shard, epoch, |holding| holding.note = Some(note)),
        }
    }

    /// Decides what is to be done now, and asks for it.
    pub fn decide(&mut self, now: Now, effects: &mut Vec<LeaseEffect>) {
        self.began.get_or_insert(now.mono);
        self.tend_holdings(now);
        self.go_on(now);
        effects.append(&mut self.outbox);
    }

    /// Returns when there is something to decide even if nothing happens before.
    #[must_use]
    pub fn next_wake(&self, now: Now) -> Option<Mono> {
        let round = match (&self.round, self.takes_part) {
            (Some(round), _) => Some(round.ends),
            (None, TakesPart::Yes) => Some(self.next_round),
            (None, TakesPart::Stops) => Some(now.mono),
            (None, TakesPart::No) => None,
        };
        let held = self.held.values().map(|holding| holding.next_wake(now.mono));
        held.chain(round).min()
    }

    /// Returns until when a shard may be written in this epoch unless its Lease is renewed; nothing where it was lost, let go
    /// of, or is being given back.
    #[must_use]
    pub fn until(&self, shard: u16, epoch: Epoch) -> Option<Mono> {
        self.holding(shard, epoch).filter(|holding| !holding.has_ended()).map(|holding| holding.until)
    }

    /// Returns whether a shard is held in this epoch, or still being given back.
    #[must_use]
    pub fn has(&self, shard: u16, epoch: Epoch) -> bool {
        self.holding(shard, epoch).is_some()
    }

    fn holding(&self, shard: u16, epoch: Epoch) -> Option<&Holding> {
        self.held.get(&shard).filter(|holding| holding.epoch == epoch)
    }

    fn change(&mut self, shard: u16, epoch: Epoch, change: impl FnOnce(&mut Holding)) {
        if let Some(holding) = self.held.get_mut(&shard).filter(|holding| holding.epoch == epoch) {
            change(holding);
        }
    }
}
