//! Snapshots: everything that decides about one account, taken at one moment.

use std::{collections::BTreeMap, sync::Arc};

use super::{AccountFacts, CatalogFacts, GroupFacts, RoleFacts, StoreFacts};
use crate::model::RoleName;

/// Labels of a namespace, or annotations of an object.
pub type Labels = BTreeMap<String, String>;

/// Number of Memberships by the role that they name; `None` counts those that name none.
pub type RoleRefs = BTreeMap<Option<RoleName>, u64>;

/// Everything that decides what an account's definitions mean; members come one by one.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The account.
    pub account: Arc<AccountFacts>,
    /// Labels of its namespace.
    pub namespace_labels: Arc<Labels>,
    /// The revision of its catalog that the account follows, if the catalog exists.
    pub catalog: Option<Arc<CatalogFacts>>,
    /// The store, if it exists.
    pub store: Option<Arc<StoreFacts>>,
    /// The parent, if the account names one that exists.
    pub parent: Option<Arc<AccountFacts>>,
    /// The account's roles, by name.
    pub roles: Vec<Arc<RoleFacts>>,
    /// The account's groups, by name.
    pub groups: Vec<Arc<GroupFacts>>,
}
