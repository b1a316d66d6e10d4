//! State of a held shard: its Lease, and the progress of renewal or release. `renewal` creates and changes it.

use k8s_openapi::api::coordination::v1::Lease;

use super::{call::CallId, config::LeaseTiming, record};
use crate::{contract::Epoch, control::Mono};

/// State of a held shard.
#[derive(Debug)]
pub(super) struct HeldLease {
    pub epoch: Epoch,
    /// The Lease as last written or found by this replica.
    pub lease: Lease,
    /// Time at which the holder must stop unless the Lease is renewed.
    pub until: Mono,
    pub note: Option<String>,
    /// Whether no former holder can write any more.
    pub clean: bool,
    /// Whether the controller's loop knows of the shard.
    pub reported: bool,
    /// Whether the loop was asked to release it.
    pub giving: bool,
    /// Whether it must be released now.
    pub releasing: bool,
    pub doing: Doing,
}

/// Progress of the renewal.
#[derive(Debug)]
pub(super) enum Doing {
    /// Waits for the next renewal.
    Waits(Mono),
    /// A renewal is in flight.
    Renews(Renewal),
    /// The release is in flight, with its timeout.
    GivesBack(CallId, Mono),
}

/// Renewal in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renewal {
    pub call: CallId,
    pub step: RenewalStep,
    /// Time before its first request.
    pub asked: Mono,
    /// Timeout.
    pub ends: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RenewalStep {
    /// Write the renewed Lease.
    Writes,
    /// Re-read after a conflict: a foreign annotation or a lost response does not mean that the lease is lost.
    Reads,
    /// Write the Lease as it was found.
    WritesAgain,
}

impl HeldLease {
    /// Creates the state of a shard that was just taken; `asked` is the time before the first request.
    pub(super) fn new(lease: Lease, clean: bool, asked: Mono, now: Mono, timing: LeaseTiming) -> Self {
        Self {
            epoch: record::epoch(&lease),
            lease,
            until: asked + timing.deadline,
            note: None,
            clean,
            reported: false,
            giving: false,
            releasing: false,
            doing: Doing::Waits(now + timing.retry),
        }
    }

    /// Returns whether it is being released, so that no write may begin any more.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.doing, Doing::GivesBack(..))
    }

    /// Returns the time of the next action if no answer arrives before.
    pub(super) fn next_wake(&self, now: Mono) -> Mono {
        match &self.doing {
            Doing::Waits(_) if self.releasing => now,
            Doing::Waits(at) => *at,
            Doing::Renews(renewal) => renewal.ends,
            Doing::GivesBack(_, ends) => *ends,
        }
    }

    pub(super) fn awaits(&self, id: CallId) -> bool {
        match &self.doing {
            Doing::Waits(_) => false,
            Doing::Renews(renewal) => renewal.call == id,
            Doing::GivesBack(call, _) => *call == id,
        }
    }

    pub(super) fn is_ours(&self, found: &Lease, identity: &str) -> bool {
        record::holder(found) == Some(identity)
            && found.metadata.uid == self.lease.metadata.uid
            && record::epoch(found) == self.epoch
    }
}
