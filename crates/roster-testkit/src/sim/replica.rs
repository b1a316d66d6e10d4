//! One replica of the controller: its loop, its watches and its passes. Held by the run.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::Arc,
};

use roster_core::{
    contract::{Claim, Epoch},
    control::{Control, Pass, PassId, PassResult, leases::ShardCoordinator, run_pass},
    model::{AccountKey, KindName, Name},
};

use super::{
    clock::Time,
    cluster::Stored,
    delivered_objects::{DeliveredObjects, Vanished, View},
    pass_environment::{Request, SimEnvironment},
};
use crate::memory::Apply;

/// Watch of one kind.
#[derive(Debug, Default)]
pub struct Watch {
    /// Number of times it was opened: deliveries of an earlier one are dropped.
    pub opened: u64,
    /// Number of log entries that were delivered.
    pub position: usize,
    /// Whether it starts with a list.
    pub lists: bool,
    /// Objects of a list that are not delivered yet.
    pub listing: Option<Vec<Arc<Stored>>>,
    /// Number of entries by which the list may be behind the log.
    pub behind: usize,
    /// Whether a delivery is planned.
    pub planned: bool,
}

/// Running pass.
pub struct Running {
    /// Pass as started by the loop.
    pub pass: Arc<Pass>,
    /// Future of the pass.
    pub future: Pin<Box<dyn Future<Output = PassResult> + Send>>,
    /// Environment of the pass.
    pub environment: SimEnvironment,
    /// Request in progress, with its start time.
    pub request: Option<(Request, Time)>,
    /// Call that writes.
    pub apply: Option<Apply>,
    /// Objects that were delivered when it was planned.
    pub delivered: Arc<DeliveredObjects>,
    /// Time when it was planned.
    pub began: Time,
    /// Objects in the account's namespace that had been deleted by then.
    pub vanished: Vec<Vanished>,
}

impl Running {
    /// Starts a pass.
    #[must_use]
    pub fn new(pass: Pass, view: &View, began: Time) -> Self {
        let delivered = view.delivered.clone();
        let around = |gone: &&Vanished| {
            let kinds = [KindName::Role, KindName::UserGroup, KindName::Membership];
            gone.object.namespace == pass.key.namespace && kinds.contains(&gone.object.kind)
        };
        let vanished = view.vanished.iter().filter(around).cloned().collect();
        let (pass, environment) = (Arc::new(pass), SimEnvironment::default());
        let future = {
            let (pass, environment) = (pass.clone(), environment.clone());
            Box::pin(async move { run_pass(&pass, &environment).await })
        };
        Self { pass, future, environment, request: None, apply: None, delivered, began, vanished }
    }
}

/// Shard that a replica's loop was given.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Epoch of the shard.
    pub epoch: Epoch,
    /// Whether it is being given back.
    pub leaving: bool,
}

/// One replica of the controller.
pub struct Replica {
    /// Number of the replica.
    pub number: usize,
    /// Loop, while it runs.
    pub control: Option<Control>,
    /// Lease coordinator; `None` before the start of this life.
    pub leases: Option<ShardCoordinator>,
    /// Time when the lease coordinator wakes up.
    pub lease_wake: Option<Time>,
    /// Whether the lease coordinator knows that accounts can be reconciled.
    pub serves: bool,
    /// Number of the process: only a crash starts another one.
    pub process: u64,
    /// Number of the life: items of an earlier one are dropped.
    pub life: u64,
    /// Start time of this life.
    pub origin: Time,
    /// Objects that were delivered.
    pub view: View,
    /// Watches by kind.
    pub watches: BTreeMap<KindName, Watch>,
    /// Running passes.
    pub passes: BTreeMap<PassId, Running>,
    /// Time until which the replica is suspended.
    pub frozen_until: Time,
    /// Time of the next start.
    pub starts_at: Time,
    /// Time when the loop wakes up.
    pub wake: Option<Time>,
    /// Claims that stores have received.
    pub claimed: BTreeSet<(Name, i64, u16)>,
    /// Shards that the loop was given.
    pub held: BTreeMap<u16, Held>,
    /// Time of the last fresh read that found that everything around an account stays.
    pub fresh: BTreeMap<AccountKey, Time>,
    /// Extra lag by kind, with its end time.
    pub lags: BTreeMap<KindName, (Time, Time)>,
}

impl Replica {
    /// Returns a replica that is about to start.
    #[must_use]
    pub fn new(number: usize) -> Self {
        Self {
            number,
            control: None,
            leases: None,
            lease_wake: None,
            serves: false,
            process: 0,
            life: 0,
            origin: 0,
            view: View::default(),
            watches: BTreeMap::new(),
            passes: BTreeMap::new(),
            frozen_until: 0,
            starts_at: 0,
            wake: None,
            claimed: BTreeSet::new(),
            held: BTreeMap::new(),
            fresh: BTreeMap::new(),
            lags: BTreeMap::new(),
        }
    }

    /// Ends this life: loop, leases, passes and their knowledge are dropped. The next life is another process if this
    /// one `dies`.
    pub fn end(&mut self, starts_at: Time, dies: bool) {
        let lags = std::mem::take(&mut self.lags);
        let process = self.process + u64::from(dies);
        *self = Self { life: self.life + 1, process, starts_at, lags, ..Self::new(self.number) };
    }

    /// Returns the name of the process.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("replica-{}-{}", self.number, self.process)
    }

    /// Returns the key of a claim in `claimed`.
    #[must_use]
    pub fn claim_key(store: &Name, claim: Claim) -> (Name, i64, u16) {
        (store.clone(), claim.epoch.0, claim.slots.first)
    }
}
