//! What the machine takes in and asks for, as data.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;

use crate::{
    contract::Epoch,
    control::{ApiFault, ShareEvent},
};

/// Id of a call; no other call of the same machine has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// A request to the API server, about Leases of the controller's namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseCall {
    /// Id, with which its answer comes back.
    pub id: CallId,
    /// The request.
    pub request: LeaseRequest,
    /// Time after which the machine has given it up: whoever carries it out may drop it then, and says nothing.
    pub limit: Duration,
}

/// What is requested.
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
        /// Its name.
        name: String,
        /// UID that it must have.
        uid: Option<String>,
        /// resourceVersion that it must have.
        version: Option<String>,
    },
}

/// Answer to a request that succeeded.
#[derive(Clone, Debug, PartialEq)]
pub enum LeaseAnswer {
    /// All Leases.
    Listed(Vec<Lease>),
    /// The Lease, if there is one.
    Found(Option<Box<Lease>>),
    /// The Lease as it was written, with its new version.
    Written(Box<Lease>),
    /// It is gone.
    Deleted,
}

/// Something that happened to the Leases, or that the controller's loop wants.
#[derive(Clone, Debug, PartialEq)]
pub enum LeaseEvent {
    /// A call was answered. An answer to a call that was given up changes nothing.
    Answered {
        /// Which call.
        id: CallId,
        /// The answer.
        result: Result<LeaseAnswer, ApiFault>,
    },
    /// Accounts can be looked after from now on: shards are taken. With a single shard, they are from the start.
    Serve,
    /// Take no more shards. What is being taken just now is still told; then follows [`LeaseEffect::Stopped`].
    Stop,
    /// Take no more shards, and break off at once. What was taken stays, and is renewed.
    Abandon,
    /// Give a shard back: its last write has ended.
    Release(u16, Epoch),
    /// Let go of a shard without giving it back: others wait until its Lease expires.
    Drop(u16, Epoch),
    /// Every store knows of this epoch of a shard.
    EveryStoreKnows(u16, Epoch),
    /// Say something on a shard's Lease; others read it when it was renewed the next time.
    Say(u16, Epoch, String),
}

/// Something to be done, or to be told.
#[derive(Clone, Debug)]
pub enum LeaseEffect {
    /// Carry out a call.
    Call(LeaseCall),
    /// Tell the controller's loop.
    Tell(ShareEvent),
    /// A shard was lost without being given back: nothing may be written in it any more.
    Lost {
        /// Which.
        shard: u16,
        /// Its epoch.
        epoch: Epoch,
        /// Why, for the log.
        why: &'static str,
    },
    /// Write a line of the log.
    Log(LeaseLog),
    /// No more shards are taken.
    Stopped,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseLog {
    /// A Lease was taken.
    Took {
        /// Its name.
        lease: String,
        /// Our epoch.
        epoch: Epoch,
    },
    /// Another replica holds a Lease that we wait for.
    Waiting {
        /// Its name.
        lease: String,
        /// The holder.
        holder: String,
    },
    /// Somebody holds Leases of another number of shards.
    WaitingForOthers(Vec<String>),
    /// A renewal failed, and why.
    CannotRenew(String),
    /// A renewal was not answered in time.
    RenewalUnanswered,
    /// A Lease was given back.
    GaveBack(String),
    /// A Lease was not given back.
    CannotGiveBack {
        /// Its name.
        lease: String,
        /// Why.
        error: String,
    },
    /// Giving back a Lease was not answered in time.
    GivingBackUnanswered(String),
    /// The Leases cannot be read or written.
    Unreachable(String),
    /// A Lease of no use was not deleted.
    StaysStale {
        /// Its name.
        lease: String,
        /// Why.
        error: String,
    },
}
