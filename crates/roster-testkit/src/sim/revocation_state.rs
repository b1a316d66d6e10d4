//! State between two checks of revocations. The checker keeps it, and `revocation_deadlines` changes it each second.

use std::sync::Arc;

use jiff::Timestamp;

use super::{clock::Time, delivered_objects::DeliveredObjects};

/// Member whose access was revoked and who still has it.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Time without faults that has passed.
    pub(super) good: Time,
    /// Replica that must apply the revocation.
    pub(super) holder: usize,
    /// Whether it held the shard at the last check. A replica that lost a shard must take it again within the time limit,
    /// and then has the same time again.
    pub(super) holds: bool,
}

/// State of an account at the last check.
#[derive(Clone, Debug)]
pub struct Watched {
    pub(super) holder: usize,
    pub(super) delivered: Arc<DeliveredObjects>,
    pub(super) moved: i64,
    /// Next time at which a member's time window starts or ends.
    pub(super) next: Option<Timestamp>,
}
