//! Index of the cluster's objects, by account: one small record for each object, and the few links between them.
//!
//! The controller's loop owns it, so it has no lock; a pass takes shared pointers out of it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use smallvec::SmallVec;

use super::{
    AccountFacts, CatalogFacts, CatalogRecord, GroupFacts, InvitationFacts, Labels, MemberFacts, Meta, NamespaceRecord,
    Record, RoleFacts, RoleRefs, StoreFacts, Tally, unreadable::UnreadableObjects,
};
use crate::model::{AccountKey, Email, KindName, Name, ObjectRef, RoleName, Seed, SeededState};

/// Namespace and name of an object.
pub(super) type Key = (Name, Name);
/// Map with very many objects, whose order does not affect any result.
pub(super) type Map<K, V> = HashMap<K, V, SeededState>;
/// Names of the objects with one address.
type Names = SmallVec<[Name; 1]>;

/// Index of all watched objects.
pub struct Index {
    /// Namespaces by name.
    pub namespaces: BTreeMap<Name, NamespaceRecord>,
    /// Catalogs by name.
    pub catalogs: BTreeMap<Name, Arc<Record<CatalogFacts>>>,
    /// Stores by name.
    pub stores: BTreeMap<Name, Arc<Record<StoreFacts>>>,
    /// Accounts by key, also those that objects refer to although the Account does not exist (yet).
    pub accounts: BTreeMap<AccountKey, AccountEntry>,
    pub(super) roles: Map<Key, Arc<Record<RoleFacts>>>,
    pub(super) groups: Map<Key, Arc<Record<GroupFacts>>>,
    pub(super) members: Map<Key, Arc<Record<MemberFacts>>>,
    pub(super) invitations: Map<Key, Arc<Record<InvitationFacts>>>,
    /// Objects that cannot be read.
    pub(super) unreadable: UnreadableObjects,
    /// Accounts by address of an owner, a Membership or an Invitation; one entry for each such object.
    pub(super) people: Map<Email, SmallVec<[AccountKey; 1]>>,
    /// Records of catalogs' last revisions, by catalog.
    pub(super) records: BTreeMap<Name, Arc<Record<CatalogRecord>>>,
    /// Objects that the list in progress has named so far, by kind.
    pub(super) listing: BTreeMap<KindName, HashSet<Key, SeededState>>,
    /// Number of changes of definitions so far, over all accounts.
    pub(super) revisions: u64,
    pub(super) hashing: SeededState,
}

/// One account and the objects that belong to it.
#[derive(Default)]
pub struct AccountEntry {
    /// The Account, if it exists.
    pub object: Option<Arc<Record<AccountFacts>>>,
    /// Names of its roles.
    pub roles: BTreeSet<Name>,
    /// Names of its groups.
    pub groups: BTreeSet<Name>,
    /// Names of its Memberships, by address.
    pub addresses: BTreeMap<Email, Names>,
    /// Names of its Memberships without a valid address.
    pub unaddressed: BTreeSet<Name>,
    /// Names of its invitations.
    pub invitations: BTreeSet<Name>,
    /// Accounts that refer to it as their parent.
    pub children: BTreeSet<AccountKey>,
    /// Names of its Memberships by the role that they refer to; `None` for those without a role.
    pub(super) by_role: BTreeMap<Option<RoleName>, BTreeSet<Name>>,
    /// Names of its Memberships by the groups that they refer to.
    pub(super) by_group: BTreeMap<Name, BTreeSet<Name>>,
    /// Counts of the statuses of all its objects.
    pub(super) tally: Tally,
    /// Number of the last change that invalidated its definitions. It never repeats, not even for another account of
    /// the same name, so that definitions of an earlier account are never used for this one.
    pub revision: u64,
}

impl AccountEntry {
    /// Returns the number of its Memberships.
    #[must_use]
    pub fn memberships(&self) -> u64 {
        self.by_role.values().map(|names| names.len() as u64).sum()
    }

    /// Returns the number of its Memberships by the role that they refer to.
    #[must_use]
    pub fn role_refs(&self) -> RoleRefs {
        self.by_role.iter().map(|(role, names)| (role.clone(), names.len() as u64)).collect()
    }

    /// Returns the number of its Memberships by the groups that they refer to.
    #[must_use]
    pub fn group_refs(&self) -> BTreeMap<Name, u64> {
        self.by_group.iter().map(|(group, names)| (group.clone(), names.len() as u64)).collect()
    }

    /// Returns whether a Role, group, Membership or Invitation belongs to it.
    pub(super) fn has_objects(&self) -> bool {
        !(self.roles.is_empty()
            && self.groups.is_empty()
            && self.addresses.is_empty()
            && self.unaddressed.is_empty()
            && self.invitations.is_empty())
    }

    /// Invalidates its definitions.
    pub(super) fn redefine(&mut self, revisions: &mut u64) {
        *revisions += 1;
        self.revision = *revisions;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.object.is_none()
            && self.roles.is_empty()
            && self.groups.is_empty()
            && self.addresses.is_empty()
            && self.unaddressed.is_empty()
            && self.invitations.is_empty()
            && self.children.is_empty()
    }
}

impl Index {
    /// Creates an empty index.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        let hashing = SeededState::new(seed);
        Self {
            namespaces: BTreeMap::new(),
            catalogs: BTreeMap::new(),
            stores: BTreeMap::new(),
            accounts: BTreeMap::new(),
            roles: Map::with_hasher(hashing),
            groups: Map::with_hasher(hashing),
            members: Map::with_hasher(hashing),
            invitations: Map::with_hasher(hashing),
            unreadable: UnreadableObjects::default(),
            people: Map::with_hasher(hashing),
            records: BTreeMap::new(),
            listing: BTreeMap::new(),
            revisions: 0,
            hashing,
        }
    }

    /// Returns the accounts that refer to this one as their parent, with the labels of their namespaces if known.
    pub fn children_of(&self, key: &AccountKey) -> impl Iterator<Item = (&AccountKey, &AccountFacts, Option<&Labels>)> {
        let children = self.accounts.get(key).into_iter().flat_map(|entry| &entry.children);
        children.filter_map(|child| {
            let labels = self.namespaces.get(&child.namespace).map(|record| record.labels.as_ref());
            Some((child, self.accounts.get(child)?.object.as_ref()?.facts.as_ref(), labels))
        })
    }

    /// Returns the roles of an account.
    pub fn roles_of(&self, key: &AccountKey) -> impl Iterator<Item = &Arc<Record<RoleFacts>>> {
        let names = self.accounts.get(key).into_iter().flat_map(|entry| &entry.roles);
        names.filter_map(|name| self.roles.get(&(key.namespace.clone(), name.clone())))
    }

    /// Returns the groups of an account.
    pub fn groups_of(&self, key: &AccountKey) -> impl Iterator<Item = &Arc<Record<GroupFacts>>> {
        let names = self.accounts.get(key).into_iter().flat_map(|entry| &entry.groups);
        names.filter_map(|name| self.groups.get(&(key.namespace.clone(), name.clone())))
    }

    /// Returns the invitations of an account.
    pub fn invitations_of(&self, key: &AccountKey) -> impl Iterator<Item = &Arc<Record<InvitationFacts>>> {
        let names = self.accounts.get(key).into_iter().flat_map(|entry| &entry.invitations);
        names.filter_map(|name| self.invitations.get(&(key.namespace.clone(), name.clone())))
    }

    /// Returns the Membership of this name, if it exists.
    #[must_use]
    pub fn member(&self, namespace: &Name, name: &Name) -> Option<&Arc<Record<MemberFacts>>> {
        self.members.get(&(namespace.clone(), name.clone()))
    }

    /// Returns the record of an object that is a Role; `None` for other kinds.
    pub(crate) fn role(&self, reference: &ObjectRef) -> Option<&Arc<Record<RoleFacts>>> {
        let is_role = reference.kind == KindName::Role;
        is_role.then(|| self.roles.get(&(reference.namespace.clone(), reference.name.clone()))).flatten()
    }

    /// Returns the address of an object that is a Membership; `None` for other kinds.
    pub(crate) fn person(&self, reference: &ObjectRef) -> Option<&Email> {
        let is_membership = reference.kind == KindName::Membership;
        let record = is_membership.then(|| self.member(&reference.namespace, &reference.name)).flatten()?;
        record.facts.email.as_ref().ok()
    }

    /// Returns the account that an object belongs to; `None` for cluster-scoped kinds and unknown objects.
    #[must_use]
    pub fn account_of(&self, reference: &ObjectRef) -> Option<AccountKey> {
        let key = || (reference.namespace.clone(), reference.name.clone());
        match reference.kind {
            KindName::Account => Some(AccountKey { namespace: key().0, name: key().1 }),
            KindName::Role => self.roles.get(&key()).map(|record| record.account_key()),
            KindName::UserGroup => self.groups.get(&key()).map(|record| record.account_key()),
            KindName::Membership => self.members.get(&key()).map(|record| record.account_key()),
            KindName::Invitation => self.invitations.get(&key()).map(|record| record.account_key()),
            KindName::Namespace | KindName::PermissionCatalog | KindName::IdentityStore | KindName::CatalogRecord => {
                None
            }
        }
    }

    /// Returns the objects of an account: all of them, or the Memberships and Invitations of these addresses.
    #[must_use]
    pub fn belongings(&self, key: &AccountKey, addresses: Option<&BTreeSet<Email>>) -> Vec<ObjectRef> {
        let Some(entry) = self.accounts.get(key) else { return Vec::new() };
        let reference = |kind, name: &Name| ObjectRef { kind, namespace: key.namespace.clone(), name: name.clone() };
        let wanted = |email: &Email| addresses.is_none_or(|addresses| addresses.contains(email));
        let members = entry.addresses.iter().filter(|(email, _)| wanted(email)).flat_map(|(_, names)| names);
        let mut found: Vec<ObjectRef> = members.map(|name| reference(KindName::Membership, name)).collect();
        let invitations = self.invitations_of(key).filter(|record| record.facts.email.as_ref().is_ok_and(wanted));
        found.extend(invitations.map(|record| reference(KindName::Invitation, &record.name)));
        if addresses.is_none() {
            found.extend(entry.unaddressed.iter().map(|name| reference(KindName::Membership, name)));
            found.extend(entry.roles.iter().map(|name| reference(KindName::Role, name)));
            found.extend(entry.groups.iter().map(|name| reference(KindName::UserGroup, name)));
        }
        found
    }

    /// Returns the metadata of an object; `None` for a namespace or an unknown object.
    #[must_use]
    pub fn meta(&self, reference: &ObjectRef) -> Option<&Meta> {
        let key = || (reference.namespace.clone(), reference.name.clone());
        match reference.kind {
            KindName::Namespace => None,
            KindName::PermissionCatalog => self.catalogs.get(&reference.name).map(|record| &record.meta),
            KindName::IdentityStore => self.stores.get(&reference.name).map(|record| &record.meta),
            KindName::Account => {
                let key = AccountKey { namespace: reference.namespace.clone(), name: reference.name.clone() };
                self.accounts.get(&key)?.object.as_ref().map(|record| &record.meta)
            }
            KindName::Role => self.roles.get(&key()).map(|record| &record.meta),
            KindName::UserGroup => self.groups.get(&key()).map(|record| &record.meta),
            KindName::Membership => self.members.get(&key()).map(|record| &record.meta),
            KindName::Invitation => self.invitations.get(&key()).map(|record| &record.meta),
            KindName::CatalogRecord => self.record_named(&reference.name).map(|record| &record.meta),
        }
    }

    /// Updates the metadata of an object after a write of its status.
    pub fn note_written(&mut self, reference: &ObjectRef, note: impl FnOnce(&mut Meta)) {
        self.count(reference, -1);
        if let Some(meta) = self.meta_mut(reference) {
            note(meta);
        }
        self.count(reference, 1);
    }

    fn meta_mut(&mut self, reference: &ObjectRef) -> Option<&mut Meta> {
        if self.meta(reference).is_none() {
            return self.unreadable_meta(reference);
        }
        let key = || (reference.namespace.clone(), reference.name.clone());
        match reference.kind {
            KindName::Namespace | KindName::CatalogRecord => None,
            KindName::PermissionCatalog => {
                self.catalogs.get_mut(&reference.name).map(|record| &mut Arc::make_mut(record).meta)
            }
            KindName::IdentityStore => {
                self.stores.get_mut(&reference.name).map(|record| &mut Arc::make_mut(record).meta)
            }
            KindName::Account => {
                let key = AccountKey { namespace: reference.namespace.clone(), name: reference.name.clone() };
                self.accounts.get_mut(&key)?.object.as_mut().map(|record| &mut Arc::make_mut(record).meta)
            }
            KindName::Role => self.roles.get_mut(&key()).map(|record| &mut Arc::make_mut(record).meta),
            KindName::UserGroup => self.groups.get_mut(&key()).map(|record| &mut Arc::make_mut(record).meta),
            KindName::Membership => self.members.get_mut(&key()).map(|record| &mut Arc::make_mut(record).meta),
            KindName::Invitation => self.invitations.get_mut(&key()).map(|record| &mut Arc::make_mut(record).meta),
        }
    }

    pub(super) fn entry(&mut self, key: &AccountKey) -> &mut AccountEntry {
        self.accounts.entry(key.clone()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;
    use crate::{
        api::{AccountSpec, NameRef, RoleSpec},
        state::{Object, StatusDigest},
    };

    fn metadata(name: &str, uid: &str) -> ObjectMeta {
        let text = |text: &str| Some(text.to_owned());
        ObjectMeta { namespace: text("acme"), name: text(name), uid: text(uid), ..ObjectMeta::default() }
    }

    fn appears(index: &mut Index, uid: &str) -> u64 {
        let role = RoleSpec { account_ref: NameRef { name: "acme".to_owned() }, ..RoleSpec::default() };
        let none = StatusDigest::default;
        index.apply(Object::account(&metadata("acme", uid), AccountSpec::default(), none()), |_| None);
        index.apply(Object::role(&metadata("clerk", uid), role, none()), |_| None);
        index.accounts[&AccountKey::new("acme", "acme")].revision
    }

    #[test]
    fn a_recreated_account_has_its_own_revisions() {
        let mut index = Index::new(Seed::default());
        let first = appears(&mut index, "1");
        for (kind, name) in [(KindName::Role, "clerk"), (KindName::Account, "acme")] {
            index.remove(&ObjectRef { kind, namespace: "acme".into(), name: name.into() });
        }
        assert!(index.accounts.is_empty());
        let second = appears(&mut index, "2");
        assert!(second > first, "definitions of revision {first} could be taken for those of {second}");
    }
}
