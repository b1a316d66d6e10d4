//! List of all kinds that begins after shards were taken, since the index may be older than the former holder's last
//! actions. The loop keeps it, and `shard_changes` follows it.

use std::{collections::BTreeSet, time::Duration};

use super::{Mono, watches::Lists};

/// Maximum wait for the remaining kinds after the kinds needed for revocations are listed. Older data is acceptable
/// for the others.
const WAIT_FOR_REMAINING: Duration = Duration::from_secs(1);

/// List of all kinds, begun after some shards were taken.
pub(super) struct Relist {
    /// Shards that were taken before it began.
    pub(super) shards: BTreeSet<u16>,
    /// Kinds listed since.
    pub(super) lists: Lists,
}

impl Relist {
    /// Begins a list for these shards.
    pub(super) fn new(shards: BTreeSet<u16>) -> Self {
        Self { shards, lists: Lists::new(WAIT_FOR_REMAINING) }
    }

    /// Returns the time at which the wait for the remaining kinds ends.
    pub(super) fn next_due(&self) -> Option<Mono> {
        self.lists.next_due()
    }

    /// Returns the kinds that are not listed yet.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        self.lists.missing()
    }
}
