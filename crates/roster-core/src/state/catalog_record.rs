//! The record of the last revision of a catalog that reached all of its accounts (docs/decisions/0020-fleet-brake.md).

use super::LastRevision;
use crate::model::Name;

/// Content of a catalog's record.
#[derive(Clone, Debug)]
pub struct CatalogRecord {
    /// The catalog; nothing for a ConfigMap that is no record.
    pub catalog: Option<Name>,
    /// The last revision that reached everybody; nothing where the record cannot be read.
    pub last: Option<LastRevision>,
}
