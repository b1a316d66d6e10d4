//! Snapshots: all objects that affect one account, taken at one moment; and the trait of their sources. `evaluate`
//! and `resolve` read them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use smallvec::SmallVec;

use super::{AccountAnnotations, AccountFacts, CatalogFacts, GroupFacts, MemberFacts, RoleFacts, StoreFacts};
use crate::model::{AccountKey, Email, Name, ObjectRef, RoleName, Scope};

/// Labels of a namespace, or annotations of an object.
pub type Labels = BTreeMap<String, String>;

/// Number of Memberships by the role that they refer to; `None` counts those without a role.
pub type RoleRefs = BTreeMap<Option<RoleName>, u64>;

/// All objects that affect an account, except its members ([`Members`]). Cheap to clone: the objects are shared.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The account.
    pub account: Arc<AccountFacts>,
    /// Instructions in its annotations.
    pub annotations: AccountAnnotations,
    /// Labels of its namespace; absent if the namespace is not known (yet).
    pub namespace_labels: Option<Arc<Labels>>,
    /// The revision of its catalog that the account follows, if the catalog exists.
    pub catalog: Option<Arc<CatalogFacts>>,
    /// The store, if it exists.
    pub store: Option<Arc<StoreFacts>>,
    /// Parent, if the account refers to one that exists. A parent that is being deleted is included: it waits for
    /// this account, and its approvals count meanwhile.
    pub parent: Option<Arc<AccountFacts>>,
    /// The account's roles that are not being deleted, by name.
    pub roles: Vec<Arc<RoleFacts>>,
    /// The account's groups that are not being deleted, by name.
    pub groups: Vec<Arc<GroupFacts>>,
    /// Objects of this snapshot that are being deleted: of the account, its parent, catalog and store, its roles and
    /// groups.
    pub deleting: BTreeSet<ObjectRef>,
}

/// Memberships of a scope, by address, and other data that changes as often as they do. They are not part of the
/// [`Snapshot`], so that prepared definitions stay valid when a member changes, and a pass over one member copies no
/// others.
#[derive(Clone, Debug, PartialEq)]
pub struct Members<'a> {
    /// Part of the account that is judged.
    pub scope: Scope,
    /// Memberships of each address that are not being deleted. Complete within the scope; an address in scope without
    /// Memberships has an empty list.
    pub addresses: Vec<(&'a Email, SmallVec<[&'a MemberFacts; 1]>)>,
    /// Accepted invitations in scope that are not being deleted, with the address of each.
    pub accepted: BTreeMap<&'a Name, &'a Email>,
    /// Number of Memberships of the whole account by the role that they refer to.
    pub role_refs: Cow<'a, RoleRefs>,
}

impl Members<'_> {
    /// Returns whether an invitation to this address exists and was accepted.
    #[must_use]
    pub fn is_accepted(&self, invitation: &Name, email: &Email) -> bool {
        self.accepted.get(invitation) == Some(&email)
    }
}

/// Source of snapshots: the objects of a cluster ([`Index`](super::Index)), or those read from files. All sources
/// give equal results for equal objects.
pub trait SnapshotSource {
    /// Returns the existing Accounts, in the order of their keys.
    fn accounts(&self) -> impl Iterator<Item = &AccountKey>;

    /// Returns whether objects belong to an account, whether or not its Account exists.
    fn is_named(&self, account: &AccountKey) -> bool;

    /// Returns the existing `IdentityStores`.
    fn stores(&self) -> impl Iterator<Item = &Arc<StoreFacts>>;

    /// Returns the `IdentityStore` of this name; `None` if it does not exist.
    fn store(&self, name: &str) -> Option<Arc<StoreFacts>>;

    /// Takes a snapshot of an account; `None` if the Account does not exist.
    fn snapshot(&self, account: &AccountKey) -> Option<Snapshot>;

    /// Returns the Memberships of an account within a scope; `None` if the Account does not exist.
    fn members<'a>(&'a self, account: &AccountKey, scope: &'a Scope) -> Option<Members<'a>>;
}
