//! Accounts that are not reconciled yet since an IdentityStore last changed, and stores whose blocks are reported as in
//! force. The loop keeps it, and `blocks` updates it with each pass.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{AccountKey, Name};

/// State of the blocks of all stores.
#[derive(Default)]
pub(super) struct Blocks {
    /// Generation of each store, and the accounts that are not reconciled with it yet.
    pub(super) awaited: BTreeMap<Name, (i64, BTreeSet<AccountKey>)>,
    /// UID and generation of each store whose blocks are reported as in force, by this replica or a former leader.
    pub(super) reported: BTreeMap<Name, (Name, i64)>,
    /// UID and generation of each store for which an event was published. Kept while the store is unavailable.
    pub(super) notified: BTreeMap<Name, (Name, i64)>,
}

impl Blocks {
    /// Records that an account must be reconciled with the current version of a store.
    pub(super) fn wait_for(&mut self, store: &Name, generation: i64, key: &AccountKey) {
        let (current, awaited) = self.awaited.entry(store.clone()).or_default();
        *current = generation.max(*current);
        awaited.insert(key.clone());
    }

    /// Drops an account that another replica holds now.
    pub(super) fn forget(&mut self, key: &AccountKey) {
        for (_, awaited) in self.awaited.values_mut() {
            awaited.remove(key);
        }
    }
}
