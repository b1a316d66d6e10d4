//! Record of the last revision of a catalog that reached all of its accounts (docs/decisions/0020-fleet-brake.md).
//! The cluster client reads it from a ConfigMap, and the index keeps it.

use super::LastRevision;
use crate::model::Name;

/// Content of a catalog's record.
#[derive(Clone, Debug)]
pub struct CatalogRecord {
    /// Name of the catalog; absent for a ConfigMap that is not a record.
    pub catalog: Option<Name>,
    /// Last revision that reached all accounts; absent if the record cannot be read.
    pub last: Option<LastRevision>,
}
