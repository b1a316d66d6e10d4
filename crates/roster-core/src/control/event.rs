//! Events that the loop takes in, and effects that it asks for.

use std::{collections::BTreeMap, collections::BTreeSet, sync::Arc};

use super::{ApiFault, Pass, PassEnded, PassId, RecordWrite, StatusWrite, StatusWritten};
use crate::{
    contract::{Epoch, StoreError},
    model::{AccountKey, Name, ObjectRef},
    report::{Notice, StoreFound},
    state::{CatalogFacts, Record, StoreFacts, WatchEvent},
};

/// Something that happened.
pub enum Event {
    /// An event from a watch.
    Seen(WatchEvent),
    /// Something happened to the shares of the replicas.
    Share(ShareEvent),
    /// Somebody else changed a store.
    Announced {
        /// Name of the IdentityStore.
        store: Name,
        /// The account; absent where some announcements may have been missed, so that all accounts are to be looked at.
        account: Option<AccountKey>,
    },
    /// A pass ended.
    Ended {
        /// Which.
        pass: PassId,
        /// How.
        end: PassEnded,
    },
    /// A status was written, or was not.
    StatusWritten {
        /// The object.
        object: ObjectRef,
        /// What became of it.
        result: Result<StatusWritten, ApiFault>,
    },
    /// Finalizer and record of a catalog were brought up to date, or were not.
    CatalogTended {
        /// Id of the effect.
        id: PassId,
        /// What the record has become, ahead of its watch.
        seen: Option<Box<WatchEvent>>,
        /// What could not be written.
        fault: Option<ApiFault>,
    },
    /// Somebody looked at a store.
    StoreLooked {
        /// Id of the effect.
        id: PassId,
        /// What was found.
        found: Result<StoreFound, StoreError>,
        /// Whether the id that was found was written into the IdentityStore.
        remembered: bool,
        /// Why its finalizer, or its id, could not be written.
        fault: Option<ApiFault>,
    },
    /// A look at a catalog or store panicked or was abandoned.
    LookBrokeOff {
        /// Id of the effect.
        id: PassId,
    },
    /// The process is to end: passes that run may end, and their reports are written; nothing new begins.
    Stop,
}

/// What happens to the shares of the replicas.
#[derive(Clone, Debug)]
pub enum ShareEvent {
    /// A shard is ours.
    Taken {
        /// Which.
        shard: u16,
        /// Our epoch: higher than that of every earlier holder.
        epoch: Epoch,
        /// Whether whoever held it before has ended its writes.
        clean: bool,
    },
    /// Another replica lacks this shard: to be given back when its last write has ended.
    GiveBack(u16),
    /// What the holders of all shards say, by shard.
    Told(BTreeMap<u16, String>),
    /// Nothing can be taken, and why.
    Unable(String),
    /// Shards can be taken again; others hold what there is.
    Waiting,
}

/// Something to be done, beside the loop.
pub enum Effect {
    /// Carry out a pass, and say how it ended.
    Start(Box<Pass>),
    /// Cut short what runs under this id; its end is said all the same.
    Abandon(PassId),
    /// Write a status.
    WriteStatus(Box<StatusWrite>),
    /// Bring finalizer and record of a catalog up to date.
    TendCatalog(Box<CatalogTending>),
    /// Look at a store.
    LookAtStore(Box<StoreLook>),
    /// List every kind afresh.
    Relist,
    /// Release the lease of a shard: its last write has ended.
    Release(u16),
    /// Drop a shard without releasing its lease: something may still write, so that others wait until it expires.
    Drop(u16),
    /// Note on a shard's lease that every store knows of our claim.
    StoresKnow(u16),
    /// Say something on a shard's lease.
    Say {
        /// Which.
        shard: u16,
        /// What.
        note: String,
    },
    /// Tell something as an event.
    Tell(Notice),
}

/// A catalog whose finalizer or record is to be brought up to date.
pub struct CatalogTending {
    /// Id.
    pub id: PassId,
    /// Name of the catalog.
    pub name: Name,
    /// The shard whose lease must last while the record is written: 0.
    pub shard: u16,
    /// The catalog, and whether it is in use, where its finalizer is to change.
    pub finalizer: Option<(Arc<Record<CatalogFacts>>, bool)>,
    /// What its record is to become.
    pub record: Option<RecordWrite>,
}

/// A store that is to be looked at.
pub struct StoreLook {
    /// Id.
    pub id: PassId,
    /// The IdentityStore.
    pub record: Arc<Record<StoreFacts>>,
    /// Accounts that use it, with their UIDs.
    pub users: BTreeSet<(AccountKey, Name)>,
    /// Our cluster's id.
    pub cluster: Name,
    /// Whether every account was reconciled since the IdentityStore last changed: nothing that was worked out before can
    /// be written any more.
    pub settled: bool,
    /// Whether this replica speaks of stores: it keeps their finalizers. Others only find out who is blocked.
    pub speaks: bool,
}
