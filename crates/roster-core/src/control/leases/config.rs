//! Settings of a replica that takes part in sharing shards. The command line and the tests create them.

use std::time::Duration;

/// Maximum number of shards: each has a Lease that is renewed every other second.
pub const MAX_SHARDS: u16 = 64;

/// Durations of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTiming {
    /// Time that other replicas wait after the last observed change; whole seconds.
    pub duration: Duration,
    /// Time after its last renewal for which a holder relies on the Lease. The difference to `duration` is the time
    /// in which requests in flight must end.
    pub deadline: Duration,
    /// Interval between attempts to renew or to take a Lease.
    pub retry: Duration,
}

impl Default for LeaseTiming {
    fn default() -> Self {
        Self { duration: Duration::from_secs(15), deadline: Duration::from_secs(10), retry: Duration::from_secs(2) }
    }
}

/// Settings of a participating replica.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// Namespace of the Leases.
    pub namespace: String,
    /// Unique name of this process, never used by another one.
    pub identity: String,
    /// Number of shards, 1 to [`MAX_SHARDS`].
    pub shards: u16,
    /// Times of the leases.
    pub timing: LeaseTiming,
}
