//! Snapshots: everything that decides about one account, taken at one moment; and the trait of all that can take one.

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

/// Number of Memberships by the role that they name; `None` counts those that name none.
pub type RoleRefs = BTreeMap<Option<RoleName>, u64>;

/// Everything that decides about an account besides its members ([`Members`]). Cheap to clone: the objects are shared.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The account.
    pub account: Arc<AccountFacts>,
    /// Instructions in its annotations.
    pub annotations: AccountAnnotations,
    /// Labels of its namespace; absent where the namespace is not known (yet).
    pub namespace_labels: Option<Arc<Labels>>,
    /// The revision of its catalog that the account follows, if the catalog exists.
    pub catalog: Option<Arc<CatalogFacts>>,
    /// The store, if it exists.
    pub store: Option<Arc<StoreFacts>>,
    /// The parent, if the account names one that exists; also while it is being deleted, since it waits for this account then,
    /// and what it approves counts as long.
    pub parent: Option<Arc<AccountFacts>>,
    /// The account's roles that are not being deleted, by name.
    pub roles: Vec<Arc<RoleFacts>>,
    /// The account's groups that are not being deleted, by name.
    pub groups: Vec<Arc<GroupFacts>>,
    /// Those of these objects that are being deleted: the account, its parent, catalog and store, its roles and groups.
    pub deleting: BTreeSet<ObjectRef>,
}

/// The memberships of a scope, by address, and whatever else of a [`Snapshot`] changes as often as they do: so that what
/// is prepared of an account stays good when a member changes, and a pass over one member copies nothing of all the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Members<'a> {
    /// The part of the account that is looked at.
    pub scope: Scope,
    /// The memberships of each address that are not being deleted. Complete within the scope; an address of the scope that
    /// nobody has any more comes without any.
    pub addresses: Vec<(&'a Email, SmallVec<[&'a MemberFacts; 1]>)>,
    /// Invitations of the scope that are accepted and not being deleted, with the address that each is for.
    pub accepted: BTreeMap<&'a Name, &'a Email>,
    /// Number of Memberships of the whole account by the role that they name.
    pub role_refs: Cow<'a, RoleRefs>,
}

impl Members<'_> {
    /// Returns whether an invitation to this address lives and was accepted.
    #[must_use]
    pub fn is_accepted(&self, invitation: &Name, email: &Email) -> bool {
        self.accepted.get(invitation) == Some(&email)
    }
}

/// Objects out of which snapshots are taken: those of a cluster ([`Index`](super::Index)), or those read from files. What
/// one of them says of an account, the others say of the same objects, too.
pub trait SnapshotSource {
    /// Returns the Accounts there are, in the order of their keys.
    fn accounts(&self) -> impl Iterator<Item = &AccountKey>;

    /// Takes a snapshot of an account. Returns nothing where there is no Account object.
    fn snapshot(&self, account: &AccountKey) -> Option<Snapshot>;

    /// Returns the memberships of an account within a scope. Returns nothing where there is no Account object.
    fn members<'a>(&'a self, account: &AccountKey, scope: &'a Scope) -> Option<Members<'a>>;
}
