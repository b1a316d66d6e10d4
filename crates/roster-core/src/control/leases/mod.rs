//! Leases as a state machine: the shards that this replica holds, one Lease for each (docs/architecture.md "Scale",
//! docs/decisions/0007, 0022 and 0026). It has no I/O and no clock; the controller's lease task and the simulator
//! drive it.
//!
//! ```text
//!      LeaseEvent                              LeaseEffect
//!  answers ──────► ShardCoordinator::absorb   ┌─────► calls ──► API server
//!  the loop        ShardCoordinator::decide ──┼─────► ShardEvent ──► the loop
//!                                             └─────► lost, log
//! ```
//!
//! | part | task |
//! |---|---|
//! | `round` | announces this replica, and reads all Leases, every `retry` |
//! | `taking` | takes free shards, and releases what others lack, in each round |
//! | `renewal` | renews each held shard, and releases it |
//! | `round_state`, `held_lease` | state of a round, and of a held shard |
//! | `config` | settings of a replica |
//! | `fair` | computes fair shares |
//! | `observed`, `snapshot` | changes of Leases as observed here; all Leases at one moment |
//! | `record`, `name` | fields of a Lease, and the names of Roster's Leases |
//! | `call` | events and effects |
//!
//! Each participating replica announces itself by a Lease of its own. It computes its fair share, takes free shards
//! and releases those that another replica lacks. With one shard, the default, this is plain leader election.
//!
//! Every write carries resourceVersion and UID of the Lease as last read, so that no replica renews or takes a Lease
//! that changed meanwhile.
//!
//! The machine is separate from [`Control`](super::Control), and a small task of its own drives it: a long turn of
//! the loop must never cost a lease. Writers do not ask it either: its driver publishes [`ShardCoordinator::until`],
//! which they read right before a write.

mod call;
mod config;
mod fair;
mod held_lease;
mod name;
mod observed;
mod record;
mod renewal;
mod round;
mod round_state;
mod snapshot;
mod taking;

use std::collections::BTreeMap;

pub use self::{
    call::{CallId, LeaseAnswer, LeaseCall, LeaseEffect, LeaseEvent, LeaseLog, LeaseRequest},
    config::{LeaseTiming, MAX_SHARDS, ShardConfig},
    name::{LeaseName, NAME},
    record::{epoch, holder},
};
use self::{held_lease::HeldLease, observed::ObservedLeases, round_state::Round};
use super::{Mono, Now};
use crate::contract::Epoch;

/// Participation in the sharing of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TakesPart {
    Yes,
    /// The current round may end.
    Stops,
    No,
}

/// State machine of one replica's Leases.
pub struct ShardCoordinator {
    config: ShardConfig,
    held: BTreeMap<u16, HeldLease>,
    observed: ObservedLeases,
    takes_part: TakesPart,
    /// Whether this replica can reconcile accounts.
    serves: bool,
    round: Option<Round>,
    next_round: Mono,
    /// Time at which this replica last announced itself.
    present: Option<Mono>,
    /// Whether a round has succeeded.
    may: bool,
    /// Number of failed rounds since the last successful one.
    failures: u32,
    /// Number of consecutive rounds in which a replica held a Lease of another number of shards.
    conflicts: u32,
    /// Number of calls so far.
    calls: u64,
    /// Time of the first decision: this process had lost all earlier Leases by then.
    began: Option<Mono>,
    outbox: Vec<LeaseEffect>,
}

impl ShardCoordinator {
    /// Creates a participating replica that holds no shard yet.
    #[must_use]
    pub fn new(config: ShardConfig) -> Self {
        Self {
            held: BTreeMap::new(),
            observed: ObservedLeases::default(),
            takes_part: TakesPart::Yes,
            // A standby for a single shard needs no listed kinds to take it.
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

    /// Processes an event.
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
            LeaseEvent::MarkClean(shard, epoch) => self.change(shard, epoch, |holding| holding.clean = true),
            LeaseEvent::PublishNote(shard, epoch, note) => {
                self.change(shard, epoch, |holding| holding.note = Some(note));
            }
        }
    }

    /// Decides what to do now, and requests it.
    pub fn decide(&mut self, now: Now, effects: &mut Vec<LeaseEffect>) {
        self.began.get_or_insert(now.mono);
        self.tend_holdings(now);
        self.go_on(now);
        effects.append(&mut self.outbox);
    }

    /// Returns the time of the next decision if no event arrives before.
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

    /// Returns the time until which a shard may be written in this epoch unless its Lease is renewed; `None` if the
    /// shard was lost or dropped, or is being released.
    #[must_use]
    pub fn until(&self, shard: u16, epoch: Epoch) -> Option<Mono> {
        self.holding(shard, epoch).filter(|holding| !holding.has_ended()).map(|holding| holding.until)
    }

    /// Returns whether a shard is held in this epoch, or still being released.
    #[must_use]
    pub fn has(&self, shard: u16, epoch: Epoch) -> bool {
        self.holding(shard, epoch).is_some()
    }

    fn holding(&self, shard: u16, epoch: Epoch) -> Option<&HeldLease> {
        self.held.get(&shard).filter(|holding| holding.epoch == epoch)
    }

    fn change(&mut self, shard: u16, epoch: Epoch, change: impl FnOnce(&mut HeldLease)) {
        if let Some(holding) = self.held.get_mut(&shard).filter(|holding| holding.epoch == epoch) {
            change(holding);
        }
    }
}
