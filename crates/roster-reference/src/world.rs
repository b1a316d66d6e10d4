//! Objects that decide about access. Built by the comparison tests and the simulator; read by the other modules.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use roster_core::api::{Account, IdentityStore, Invitation, Membership, PermissionCatalog, Role, UserGroup};

/// Namespace and name.
pub type Key = (String, String);

/// All objects that decide about access, at one moment.
///
/// Objects are shared, so that a clone of a world costs little. To find the access that a deleted object would give,
/// clone the world, put the object back and ask.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Labels of the known namespaces. The labels of other namespaces are unknown.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// Permission catalogs by name.
    pub catalogs: BTreeMap<String, Arc<PermissionCatalog>>,
    /// Identity stores by name.
    pub stores: BTreeMap<String, Arc<IdentityStore>>,
    /// Accounts.
    pub accounts: BTreeMap<Key, Arc<Account>>,
    /// Custom roles and overrides.
    pub roles: BTreeMap<Key, Arc<Role>>,
    /// User groups.
    pub groups: BTreeMap<Key, Arc<UserGroup>>,
    /// Memberships.
    pub memberships: BTreeMap<Key, Arc<Membership>>,
    /// Invitations.
    pub invitations: BTreeMap<Key, Arc<Invitation>>,
    /// Namespace and name of the Invitations that the invited person accepted. An Invitation that is recreated must be
    /// removed from here.
    pub accepted: BTreeSet<Key>,
}

/// Kind of an object of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `PermissionCatalog`, cluster-scoped.
    PermissionCatalog,
    /// `IdentityStore`, cluster-scoped.
    IdentityStore,
    /// `Account`.
    Account,
    /// `Role`.
    Role,
    /// `UserGroup`.
    UserGroup,
    /// `Membership`.
    Membership,
    /// `Invitation`.
    Invitation,
}

/// Kind, namespace and name of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectId {
    /// Kind of the object.
    pub kind: Kind,
    /// Namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
}

impl ObjectId {
    /// Returns the id of an object.
    #[must_use]
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl World {
    /// Copies one object, or its absence, from another world. A world with an object put back is
    /// `now.clone().with_object_of(&before, &id)`.
    #[must_use]
    pub fn with_object_of(mut self, other: &Self, id: &ObjectId) -> Self {
        let key = (id.namespace.clone(), id.name.clone());
        match id.kind {
            Kind::PermissionCatalog => copy(&mut self.catalogs, &other.catalogs, &id.name),
            Kind::IdentityStore => copy(&mut self.stores, &other.stores, &id.name),
            Kind::Account => copy(&mut self.accounts, &other.accounts, &key),
            Kind::Role => copy(&mut self.roles, &other.roles, &key),
            Kind::UserGroup => copy(&mut self.groups, &other.groups, &key),
            Kind::Membership => copy(&mut self.memberships, &other.memberships, &key),
            Kind::Invitation => {
                copy(&mut self.invitations, &other.invitations, &key);
                if other.accepted.contains(&key) {
                    self.accepted.insert(key);
                }
            }
        }
        self
    }
}

fn copy<K: Ord + Clone, V: Clone>(into: &mut BTreeMap<K, V>, from: &BTreeMap<K, V>, key: &K) {
    match from.get(key) {
        Some(value) => into.insert(key.clone(), value.clone()),
        None => into.remove(key),
    };
}

/// Returns the objects of one namespace, with their names.
pub(crate) fn in_namespace<'a, T>(
    objects: &'a BTreeMap<Key, Arc<T>>,
    namespace: &str,
) -> impl Iterator<Item = (&'a str, &'a T)> {
    let owned = namespace.to_owned();
    let from = (namespace.to_owned(), String::new());
    let all = objects.range(from..).take_while(move |((namespace, _), _)| *namespace == owned);
    all.map(|((_, name), object)| (name.as_str(), &**object))
}
