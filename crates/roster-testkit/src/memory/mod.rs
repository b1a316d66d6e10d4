//! Identity store in memory, of two kinds: one as strong as an SQL database, and one as weak as a store can be. Used by
//! tests through [`SharedStore`], and by the simulator step by step.
//!
//! [`MemoryStore`] is plain data: no locks, no tasks, no clock. A call that writes is an [`Apply`], advanced explicitly
//! one step at a time, so that a simulator decides about every interleaving; dropping it is a crash of the caller.
//! [`Faults`] make the store fail. [`MemoryStore::access`] returns the effective levels, without any code of the
//! engine. [`SharedStore`] opens handles that implement the trait `Store`.

mod apply;
mod batch;
mod faults;
mod in_force;
mod levels;
mod plain;
mod rows;
mod shared;
mod store;
mod tamper;
mod transaction;
mod write;

pub use apply::{Apply, Progress};
pub use batch::OwnedBatch;
pub use faults::Faults;
pub use levels::Levels;
pub use shared::{MemoryHandle, SharedStore};
pub use store::MemoryStore;

use roster_core::contract::Capabilities;

/// Kind of a store in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Applies a batch in one transaction, fences out former leaders, evaluates time windows and revocations, and keeps
    /// an audit.
    Transactional,
    /// Makes each change by several single writes, without the other capabilities. A time window or a revocation in a
    /// member's content has no effect: the levels that the member holds are effective.
    Plain,
}

impl Kind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Transactional, Self::Plain];

    /// Returns the capabilities of a store of this kind.
    #[must_use]
    pub fn capabilities(self) -> Capabilities {
        let strong = self == Self::Transactional;
        Capabilities {
            transactions: strong,
            fencing: strong,
            time_windows: strong,
            audit: strong,
            notifications: false,
        }
    }
}
