//! Change of the ConfigMap that records a catalog's last revision (docs/decisions/0020-catalog-rollouts.md). `rollout_pace`
//! requests it, and the cluster client makes it.

use std::collections::BTreeSet;

use crate::{
    model::{AccountKey, Name},
    state::{CatalogRecord, LastRevision, PresentRevision, Record},
};

/// Maximum size of a revision in a record, in bytes: a ConfigMap holds 1 MiB.
const MOST_BYTES: usize = 900_000;
/// Maximum number of accounts that a record names as held before the change; further ones stop a rollout.
const MOST_HELD: usize = 500;

/// Change of a catalog's record, based on the known version of the record.
#[derive(Clone, Debug)]
pub enum RecordWrite {
    /// Write the record.
    Put {
        /// Last revision that reached all accounts.
        last: LastRevision,
        /// Version that it replaces; absent if there is no record yet.
        resource_version: Option<Name>,
    },
    /// Delete the record.
    Delete {
        /// UID of the record.
        uid: Name,
        /// resourceVersion of the record.
        resource_version: Name,
    },
}

impl RecordWrite {
    /// Records that all accounts follow the present revision. A revision that is too big for a record has none: then
    /// all accounts follow it at once.
    #[must_use]
    pub fn present(present: &PresentRevision, known: Option<&Record<CatalogRecord>>) -> Option<Self> {
        let bytes = serde_json::to_vec(&present.facts.spec).map_or(usize::MAX, |json| json.len());
        if bytes > MOST_BYTES {
            return known.map(Self::forget);
        }
        let last = LastRevision {
            uid: present.uid.clone(),
            facts: present.facts.clone(),
            up_to: None,
            held_before: BTreeSet::new(),
        };
        Some(Self::put(last, known))
    }

    /// Records that the accounts up to this one follow the present revision, and the others the last one.
    pub(super) fn up_to(
        last: &LastRevision,
        up_to: AccountKey,
        held: &BTreeSet<AccountKey>,
        known: Option<&Record<CatalogRecord>>,
    ) -> Self {
        // Earlier accounts are recorded already.
        let has_turn = |key: &&AccountKey| **key <= up_to && last.up_to.as_ref().is_none_or(|earlier| *key > earlier);
        let now = held.iter().filter(has_turn).cloned();
        let held_before = last.held_before.iter().cloned().chain(now).take(MOST_HELD).collect();
        Self::put(LastRevision { up_to: Some(up_to), held_before, ..last.clone() }, known)
    }

    fn put(last: LastRevision, known: Option<&Record<CatalogRecord>>) -> Self {
        Self::Put { last, resource_version: known.map(|known| known.meta.resource_version.clone()) }
    }

    /// Deletes the record of a catalog that is no longer in use.
    pub(super) fn forget(known: &Record<CatalogRecord>) -> Self {
        Self::Delete { uid: known.meta.uid.clone(), resource_version: known.meta.resource_version.clone() }
    }
}
