//! State of a round: the answer that it waits for, and the shards that are being taken. `round` and `taking` create and
//! change it.

use std::collections::VecDeque;

use super::{call::CallId, snapshot::LeaseSnapshot};
use crate::{
    contract::Epoch,
    control::{ApiFault, Mono},
};

/// Round in progress.
pub(super) struct Round {
    /// Time at which it is aborted.
    pub ends: Mono,
    /// Call whose answer it waits for; absent while it waits for the release of a shard.
    pub call: Option<CallId>,
    pub step: RoundStep,
}

/// Answer that a round waits for.
pub(super) enum RoundStep {
    /// The Lease by which this replica announces itself.
    FindPresence,
    /// The write of that Lease.
    WritePresence,
    /// The list of all Leases.
    ReadLeases,
    /// The deletion of an unused Lease.
    Clear(String, LeaseSnapshot),
    /// The Lease of a shard to be taken.
    Find(Taking),
    /// The write that takes it, and whether no former holder can write any more.
    Take(Taking, bool),
    /// The list of all Leases once more, after a shard was taken.
    Check(Taking),
    /// The release of that shard, since the list failed or showed a conflict.
    Undo(Taking, Option<ApiFault>),
    /// The deletion of this replica's own Lease when it stops.
    Leave,
}

/// Shards that are being taken, one after the other.
pub(super) struct Taking {
    pub shard: u16,
    /// Time before the first request.
    pub asked: Mono,
    pub rest: VecDeque<u16>,
    /// Highest epoch seen.
    pub after: Epoch,
}

/// Continuation of a round.
pub(super) enum Next {
    /// Waits for the answer to a call, or for the release of a shard.
    Waits(Option<CallId>, RoundStep),
    /// The round is done.
    RoundDone,
}
