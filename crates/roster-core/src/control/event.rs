//! Events that the loop receives, and effects that it requests. The modules of the loop produce effects; the
//! controller's shell and the simulator carry them out and send events.

use std::{collections::BTreeMap, collections::BTreeSet, sync::Arc};

use super::{ApiFault, Pass, PassId, PassResult, RecordWrite, StatusWrite, StatusWritten};
use crate::{
    contract::{Epoch, StoreError},
    model::{AccountKey, Name, ObjectRef},
    report::{Notice, StoreFound},
    state::{CatalogFacts, Record, StoreFacts, WatchEvent},
};

/// Something that happened outside of the loop.
pub enum Event {
    /// An event from a watch.
    Watched(WatchEvent),
    /// The shards of this replica or the state of the others changed.
    Shard(ShardEvent),
    /// Someone else changed a store.
    Announced {
        /// Name of the IdentityStore.
        store: Name,
        /// The account; absent if announcements may have been missed, so that all accounts of the store are
        /// reconciled.
        account: Option<AccountKey>,
    },
    /// A pass finished.
    PassFinished {
        /// Id of the pass.
        pass: PassId,
        /// Result of the pass.
        result: PassResult,
    },
    /// A status write ended, with or without success.
    StatusWritten {
        /// The object whose status was written.
        object: ObjectRef,
        /// Result of the write.
        result: Result<StatusWritten, ApiFault>,
    },
    /// The update of a catalog's finalizer and record ended, with or without success.
    CatalogMaintained {
        /// Id of the effect.
        id: PassId,
        /// The record as written, ahead of its watch.
        record: Option<Box<WatchEvent>>,
        /// Error of a write that failed.
        fault: Option<ApiFault>,
    },
    /// The refresh of a store ended.
    StoreRefreshed {
        /// Id of the effect.
        id: PassId,
        /// State of the store, or why it is unavailable.
        found: Result<StoreFound, StoreError>,
        /// Whether the id of the store was written into the IdentityStore.
        remembered: bool,
        /// Error of the write of its finalizer or id.
        fault: Option<ApiFault>,
    },
    /// The refresh of a catalog or store panicked or was abandoned.
    RefreshAborted {
        /// Id of the effect.
        id: PassId,
    },
    /// The process shuts down: running passes may end, and their reports are written; no new pass begins.
    Stop,
}

/// Change of the shards of this replica, or of what others report.
#[derive(Clone, Debug)]
pub enum ShardEvent {
    /// This replica acquired a shard.
    Taken {
        /// Number of the shard.
        shard: u16,
        /// Epoch of this replica: higher than that of every earlier holder.
        epoch: Epoch,
        /// Whether the former holder has ended its writes.
        clean: bool,
    },
    /// This shard is to be released to another replica, once its last write has ended.
    GiveBack(u16),
    /// Notes of the holders on their leases, by shard.
    Notes(BTreeMap<u16, String>),
    /// No shard can be acquired, with the reason.
    CannotAcquire(String),
    /// Shards can be acquired again; other replicas hold all of them now.
    CanAcquire,
}

/// Work that the loop requests; it runs outside of the loop.
pub enum Effect {
    /// Carry out a pass, and report its end.
    Start(Box<Pass>),
    /// Abort the work with this id; its end is reported all the same.
    Abandon(PassId),
    /// Write a status.
    WriteStatus(Box<StatusWrite>),
    /// Update the finalizer and record of a catalog.
    MaintainCatalog(Box<CatalogMaintenance>),
    /// Check the state of a store.
    RefreshStore(Box<StoreRefresh>),
    /// List every kind again.
    Relist,
    /// Release the lease of a shard: its last write has ended.
    Release(u16),
    /// Drop a shard without releasing its lease: a write may be in flight, so that others wait until the lease
    /// expires.
    Drop(u16),
    /// Record on a shard's lease that every store has recorded our claim.
    MarkClean(u16),
    /// Write a note on a shard's lease.
    PublishNote {
        /// Number of the shard.
        shard: u16,
        /// Text of the note.
        note: String,
    },
    /// Emit a notice as a Kubernetes event.
    EmitEvent(Notice),
}

/// Catalog whose finalizer or record needs an update.
pub struct CatalogMaintenance {
    /// Id of the effect.
    pub id: PassId,
    /// Name of the catalog.
    pub name: Name,
    /// The shard whose lease must last while the record is written: 0.
    pub shard: u16,
    /// The catalog, and whether it is in use, if its finalizer must change.
    pub finalizer: Option<(Arc<Record<CatalogFacts>>, bool)>,
    /// New content of its record, if it must change.
    pub record: Option<RecordWrite>,
}

/// Store whose state must be checked.
pub struct StoreRefresh {
    /// Id of the effect.
    pub id: PassId,
    /// The IdentityStore.
    pub record: Arc<Record<StoreFacts>>,
    /// Accounts that use it, with their UIDs.
    pub users: BTreeSet<(AccountKey, Name)>,
    /// Id of this cluster in every mark.
    pub cluster: Name,
    /// Whether every account was reconciled since the IdentityStore last changed, so that no result of an older
    /// version can be written any more.
    pub settled: bool,
    /// Whether this replica reports on stores and keeps their finalizers. Other replicas only find out which members
    /// are blocked.
    pub speaks: bool,
}
