//! One replica of the controller: its loop, its watches and its passes.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::Arc,
};

use roster_core::{
    contract::Claim,
    control::{Control, Pass, PassEnded, PassId, leases::ShardCoordinator, reconcile},
    model::{AccountKey, KindName, Name},
};

use super::{
    clock::Time,
    cluster::Stored,
    picture::{Picture, Vanished, View},
    sharing::Held,
    world::{Request, SimWorld},
};
use crate::memory::Apply;

/// A watch of one kind.
#[derive(Debug, Default)]
pub struct Watch {
    /// Counts how often it was opened: deliveries of an earlier one are dropped.
    pub opened: u64,
    /// Entries of the log that were delivered.
    pub position: usize,
    /// Whether a list is to be made first.
    pub lists: bool,
    /// Objects of a list that are still to be delivered.
    pub listing: Option<Vec<Arc<Stored>>>,
    /// Entries that the list may be behind the last one.
    pub behind: usize,
    /// Whether a delivery is planned.
    pub planned: bool,
}

/// A pass that runs.
pub struct Running {
    /// The pass.
    pub pass: Arc<Pass>,
    /// Its future.
    pub future: Pin<Box<dyn Future<Output = PassEnded> + Send>>,
    /// Its world.
    pub world: SimWorld,
    /// The request that is being answered, and since when.
    pub request: Option<(Request, Time)>,
    /// The call that writes.
    pub apply: Option<Apply>,
    /// What was delivered when it was put together.
    pub delivered: Arc<Picture>,
    /// When it was put together.
    pub began: Time,
    /// Objects around the account that had gone by then.
    pub vanished: Vec<Vanished>,
}

impl Running {
    /// Begins a pass.
    #[must_use]
    pub fn new(pass: Pass, view: &View, began: Time) -> Self {
        let delivered = view.picture.clone();
        let around = |gone: &&Vanished| {
            let kinds = [KindName::Role, KindName::UserGroup, KindName::Membership];
            gone.object.namespace == pass.key.namespace && kinds.contains(&gone.object.kind)
        };
        let vanished = view.vanished.iter().filter(around).cloned().collect();
        let (pass, world) = (Arc::new(pass), SimWorld::default());
        let future = {
            let (pass, world) = (pass.clone(), world.clone());
            Box::pin(async move { reconcile::run(&pass, &world).await })
        };
        Self { pass, future, world, request: None, apply: None, delivered, began, vanished }
    }
}

/// One replica.
pub struct Replica {
    /// Its number.
    pub number: usize,
    /// Its loop, while it runs.
    pub control: Option<Control>,
    /// Its lease machine; absent until this life begins.
    pub leases: Option<ShardCoordinator>,
    /// When its lease machine is to wake up.
    pub lease_wake: Option<Time>,
    /// Whether its lease machine knows that accounts can be looked after.
    pub serves: bool,
    /// Counts its processes: only a crash ends one.
    pub process: u64,
    /// Counts its lives: what belongs to an earlier one is dropped.
    pub life: u64,
    /// When this life began.
    pub origin: Time,
    /// What was delivered to it.
    pub view: View,
    /// Its watches.
    pub watches: BTreeMap<KindName, Watch>,
    /// Its passes.
    pub passes: BTreeMap<PassId, Running>,
    /// Until when nothing of it goes on.
    pub frozen_until: Time,
    /// When it starts again.
    pub starts_at: Time,
    /// When it is to wake up.
    pub wake: Option<Time>,
    /// Claims that stores know of.
    pub claimed: BTreeSet<(Name, i64, u16)>,
    /// Shards that it was told are its own.
    pub held: BTreeMap<u16, Held>,
    /// When a fresh read last found that everything around an account stays.
    pub fresh: BTreeMap<AccountKey, Time>,
    /// Extra lag of kinds, and until when.
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

    /// Ends this life: loop, leases, passes and all that they knew are gone. The next one is of another process if this one
    /// `dies`.
    pub fn end(&mut self, starts_at: Time, dies: bool) {
        let lags = std::mem::take(&mut self.lags);
        let process = self.process + u64::from(dies);
        *self = Self { life: self.life + 1, process, starts_at, lags, ..Self::new(self.number) };
    }

    /// Returns the name of its process.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("replica-{}-{}", self.number, self.process)
    }

    /// Returns the key under which a claim is remembered.
    #[must_use]
    pub fn claim_key(store: &Name, claim: Claim) -> (Name, i64, u16) {
        (store.clone(), claim.epoch.0, claim.slots.first)
    }
}
