//! Record of the last revision of a catalog that reached all of its accounts (docs/decisions/0020-catalog-rollouts.md).
//! The cluster client reads it from a ConfigMap, and the index keeps it.

use std::{collections::BTreeSet, sync::Arc};

use super::CatalogFacts;
use crate::model::{AccountKey, Name};

/// Content of a catalog's record.
#[derive(Clone, Debug)]
pub struct CatalogRecord {
    /// Name of the catalog; absent for a ConfigMap that is not a record.
    pub catalog: Option<Name>,
    /// Last revision that reached all accounts; absent if the record cannot be read.
    pub last: Option<LastRevision>,
}

/// The last revision of a catalog that reached all of its accounts.
#[derive(Clone, Debug)]
pub struct LastRevision {
    /// UID of the catalog object.
    pub uid: Name,
    /// Content of the revision.
    pub facts: Arc<CatalogFacts>,
    /// Last account, in the order of keys, that follows the present revision instead.
    pub up_to: Option<AccountKey>,
    /// Accounts up to that one that already needed a person's decision before their turn.
    pub held_before: BTreeSet<AccountKey>,
}
