//! A batch with its parts, for stores that work on it later. Made by the simulator; applied by `plain` and `transaction`.

use jiff::Timestamp;
use roster_core::{
    contract::Batch,
    model::{Layout, Name},
    plan::{Change, Mark},
};

/// Batch that owns its parts; see [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedBatch {
    /// Our mark on the account.
    pub mark: Mark,
    /// Layout of the ranks in the changes.
    pub layout: Layout,
    /// Id of the store that was observed.
    pub store: Option<Name>,
    /// Changes in order.
    pub changes: Vec<Change>,
    /// Time of the pass.
    pub now: Timestamp,
}

impl OwnedBatch {
    /// Borrows the parts.
    #[must_use]
    pub fn as_batch(&self) -> Batch<'_> {
        let store = self.store.as_ref();
        Batch { mark: &self.mark, layout: &self.layout, store, changes: &self.changes, now: self.now }
    }
}

impl From<&Batch<'_>> for OwnedBatch {
    fn from(batch: &Batch<'_>) -> Self {
        Self {
            mark: batch.mark.clone(),
            layout: batch.layout.clone(),
            store: batch.store.cloned(),
            changes: batch.changes.to_vec(),
            now: batch.now,
        }
    }
}
