//! Events and effects of the Lease machine, as data. The controller's lease task and the simulator exchange them with
//! [`ShardCoordinator`](super::ShardCoordinator).

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;

use crate::{
    contract::Epoch,
    control::{ApiFault, ShardEvent},
};

/// Id of a call, unique within one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Request to the API server about Leases of the controller's namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseCall {
    /// Id of the call; the answer carries it, too.
    pub id: CallId,
    /// The request.
    pub request: LeaseRequest,
    /// Time after which the machine gives up the call; its executor may then drop it without an answer.
    pub limit: Duration,
}

/// Operation on a Lease.
#[derive(Clone, Debug, PartialEq)]
pub enum LeaseRequest {
    /// List all Leases; answered by [`LeaseAnswer::Listed`].
    List,
    /// Read the Lease of this name; answered by [`LeaseAnswer::Found`].
    Get(String),
    /// Create a Lease; answered by [`LeaseAnswer::Written`].
    Create(Box<Lease>),
    /// Replace a Lease, if it still has this UID and resourceVersion; answered by [`LeaseAnswer::Written`].
    Replace(Box<Lease>),
    /// Delete a Lease; answered by [`LeaseAnswer::Deleted`].
    Delete {
        /// Name of the Lease.
        name: String,
        /// UID that the Lease must have.
        uid: Option<String>,
        /// resourceVersion that the Lease must have.
        version: Option<String>,
    },
}

/// Answer to a successful request.
#[derive(Clone, Debug, PartialEq)]
pub enum LeaseAnswer {
    /// All Leases.
    Listed(Vec<Lease>),
    /// The Lease, if it exists.
    Found(Option<Box<Lease>>),
    /// The Lease as it was written, with its new version.
    Written(Box<Lease>),
    /// The Lease no longer exists.
    Deleted,
}

/// Event about Leases, or a request from the controller's loop.
#[derive(Clone, Debug, PartialEq)]
pub enum LeaseEvent {
    /// A call was answered. An answer to a call that was given up changes nothing.
    Answered {
        /// Id of the call.
        id: CallId,
        /// The answer.
        result: Result<LeaseAnswer, ApiFault>,
    },
    /// Accounts can be reconciled from now on, so that shards may be taken. A single shard is taken without it.
    Serve,
    /// Take no more shards. Shards being taken now are still reported; then follows [`LeaseEffect::Stopped`].
    Stop,
    /// Take no more shards, and abort the round at once. Held shards stay, and are renewed.
    Abandon,
    /// Release a shard: its last write has ended.
    Release(u16, Epoch),
    /// Drop a shard without releasing it: other replicas wait until its Lease expires.
    Drop(u16, Epoch),
    /// Record on the Lease that every store has recorded this epoch of a shard.
    MarkClean(u16, Epoch),
    /// Publish a note on a shard's Lease; other replicas read it after the next renewal.
    PublishNote(u16, Epoch, String),
}

/// Action or report that the machine requests.
#[derive(Clone, Debug)]
pub enum LeaseEffect {
    /// Carry out a call.
    Call(LeaseCall),
    /// Send an event to the controller's loop.
    Report(ShardEvent),
    /// A shard was lost without being released: no write may begin in it any more.
    Lost {
        /// Number of the shard.
        shard: u16,
        /// Epoch in which it was held.
        epoch: Epoch,
        /// Reason, for the log.
        why: &'static str,
    },
    /// Write a line of the log.
    Log(LeaseLog),
    /// The machine takes no more shards.
    Stopped,
}

/// Line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseLog {
    /// A Lease was taken.
    Took {
        /// Name of the Lease.
        lease: String,
        /// Our epoch.
        epoch: Epoch,
    },
    /// Another replica holds a Lease that this one waits for.
    Waiting {
        /// Name of the Lease.
        lease: String,
        /// Identity of the holder.
        holder: String,
    },
    /// Other replicas hold these Leases of another number of shards.
    WaitingForOthers(Vec<String>),
    /// A renewal failed, with the reason.
    CannotRenew(String),
    /// A renewal was not answered in time.
    RenewalUnanswered,
    /// A Lease was released.
    GaveBack(String),
    /// A Lease could not be released.
    CannotGiveBack {
        /// Name of the Lease.
        lease: String,
        /// Error message.
        error: String,
    },
    /// The release of a Lease was not answered in time.
    GivingBackUnanswered(String),
    /// The Leases cannot be read or written, with the reason.
    Unreachable(String),
    /// An unused Lease could not be deleted.
    StaysStale {
        /// Name of the Lease.
        lease: String,
        /// Error message.
        error: String,
    },
}

impl LeaseRequest {
    /// Returns the request that writes a Lease: replace if it has a resourceVersion, otherwise create.
    pub(super) fn write(lease: Lease) -> Self {
        if lease.metadata.resource_version.is_none() {
            Self::Create(Box::new(lease))
        } else {
            Self::Replace(Box::new(lease))
        }
    }
}

impl LeaseAnswer {
    /// Returns the Lease that was read; `None` if there is none.
    pub(super) fn found(self) -> Option<Lease> {
        match self {
            Self::Found(lease) => lease.map(|lease| *lease),
            _ => None,
        }
    }

    /// Returns the Leases that were listed.
    pub(super) fn listed(self) -> Vec<Lease> {
        match self {
            Self::Listed(leases) => leases,
            _ => Vec::new(),
        }
    }
}
