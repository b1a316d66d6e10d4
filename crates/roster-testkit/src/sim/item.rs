//! Items of the scheduler's queue: everything that is to happen at some simulated time. All parts of the run add items, and
//! the scheduler (`run`) executes them.

use roster_core::{
    control::{
        ApiFault, CatalogMaintenance, Event, PassId, StatusWrite, StoreRefresh,
        leases::{CallId, LeaseAnswer, LeaseCall},
    },
    model::{KindName, ObjectRef},
};

use super::cluster::Change;

/// Item of the scheduler's queue.
pub enum Item {
    /// An action happens.
    Action(usize),
    /// A watch delivers. Fields: replica, life, kind, number of openings.
    Deliver(usize, u64, KindName, u64),
    /// A loop wakes up.
    Wake(usize, u64),
    /// A store or the API server processes the request of a pass.
    Pass(usize, u64, PassId),
    /// A request arrives at the API server.
    Arrive(usize, u64, Box<Call>),
    /// A reply arrives at the replica.
    Reply(usize, u64, Box<Event>, Option<Change>),
    /// A lease coordinator wakes up, or a replica's life starts.
    Lease(usize, u64),
    /// A request about Leases arrives at the API server.
    LeaseCall(usize, u64, Box<LeaseCall>),
    /// The reply to such a request arrives.
    LeaseReply(usize, u64, CallId, Box<LeaseReply>),
    /// An object of a namespace that is being deleted is removed.
    Purge(ObjectRef),
    /// A user confirms on every Account that all its objects exist again after a CRD was recreated.
    Confirm,
    /// Revocations are checked, each second.
    CheckRevocations,
}

/// Request in flight to the API server.
pub enum Call {
    /// Write of a status.
    Status(StatusWrite),
    /// Update of a catalog's finalizer and record.
    Catalog(CatalogMaintenance),
    /// Refresh of a store.
    Store(StoreRefresh),
}

/// Reply to a request about Leases.
pub type LeaseReply = Result<LeaseAnswer, ApiFault>;
