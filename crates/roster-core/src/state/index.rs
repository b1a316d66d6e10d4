//! What is known of the cluster, by account: one slim record for each object, and the few links between them.
//!
//! Owned by the controller's one loop, so there is no lock; a pass takes shared pointers out of it.

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

/// Namespace and name.
pub(super) type Key = (Name, Name);
/// A map over very many objects, whose order decides nothing.
pub(super) type Map<K, V> = HashMap<K, V, SeededState>;
/// The names of what has one address.
type Names = SmallVec<[Name; 1]>;

/// All that is known.
pub struct Index {
    /// Namespaces by name.
    pub namespaces: BTreeMap<Name, NamespaceRecord>,
    /// Catalogs by name.
    pub catalogs: BTreeMap<Name, Arc<Record<CatalogFacts>>>,
    /// Stores by name.
    pub stores: BTreeMap<Name, Arc<Record<StoreFacts>>>,
    /// Accounts, and what names an account that is not there (yet).
    pub accounts: BTreeMap<AccountKey, AccountEntry>,
    pub(super) roles: Map<Key, Arc<Record<RoleFacts>>>,
    pub(super) groups: Map<Key, Arc<Record<GroupFacts>>>,
    pub(super) members: Map<Key, Arc<Record<MemberFacts>>>,
    pub(super) invitations: Map<Key, Arc<Record<InvitationFacts>>>,
    /// Objects that cannot be read.
    pub(super) unreadable: UnreadableObjects,
    /// By address, the accounts in which it is the owner's, or of a Membership or an Invitation: once for each of them.
    pub(super) people: Map<Email, SmallVec<[AccountKey; 1]>>,
    /// Records of catalogs' last revisions, by catalog.
    pub(super) records: BTreeMap<Name, Arc<Record<CatalogRecord>>>,
    /// What a list under way has named so far.
    pub(super) listing: BTreeMap<KindName, HashSet<Key, SeededState>>,
    /// Changes of definitions so far, over all accounts.
    pub(super) revisions: u64,
    pub(super) hashing: SeededState,
}

/// One account and what belongs to it.
#[derive(Default)]
pub struct AccountEntry {
    /// The Account, if it exists.
    pub object: Option<Arc<Record<AccountFacts>>>,
    /// Names of its roles.
    pub roles: BTreeSet<Name>,
    /// Names of its groups.
    pub groups: BTreeSet<Name>,
    /// Memberships by address.
    pub addresses: BTreeMap<Email, Names>,
    /// Memberships whose address is none.
    pub unaddressed: BTreeSet<Name>,
    /// Names of its invitations.
    pub invitations: BTreeSet<Name>,
    /// Accounts that name it as their parent.
    pub children: BTreeSet<AccountKey>,
    /// Names of memberships by the role they name; absent for those that name none.
    pub(super) by_role: BTreeMap<Option<RoleName>, BTreeSet<Name>>,
    /// Names of memberships by the groups they name.
    pub(super) by_group: BTreeMap<Name, BTreeSet<Name>>,
    /// What the statuses of all its objects come to.
    pub(super) tally: Tally,
    /// Number of the last change after which its definitions are to be worked out afresh. It never repeats, not even for
    /// another account of the same name: what was worked out of an earlier one cannot be taken for this one's.
    pub revision: u64,
}

impl AccountEntry {
    /// Number of memberships.
    #[must_use]
    pub fn memberships(&self) -> u64 {
        self.by_role.values().map(|names| names.len() as u64).sum()
    }

    /// Returns the number of memberships by the role they name.
    #[must_use]
    pub fn role_refs(&self) -> RoleRefs {
        self.by_role.iter().map(|(role, names)| (role.clone(), names.len() as u64)).collect()
    }

    /// Returns the number of memberships by the groups they name.
    #[must_use]
    pub fn group_refs(&self) -> BTreeMap<Name, u64> {
        self.by_group.iter().map(|(group, names)| (group.clone(), names.len() as u64)).collect()
    }

    /// Notes that its definitions are to be worked out afresh.
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

/// What a change touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Impact {
    /// All of an account.
    Account(AccountKey),
    /// One address in an account.
    Member(AccountKey, Email),
    /// What is said of an account: its counts, not its members.
    AccountStatus(AccountKey),
    /// A catalog's own status and finalizer.
    Catalog(Name),
    /// A store's own status and finalizer.
    Store(Name),
    /// Somebody else wrote a status of ours.
    Status(ObjectRef),
}

impl Index {
    /// Returns an index that knows nothing yet.
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

    /// The accounts that name this one as their parent, with the labels of their namespaces where those are known.
    pub fn children_of(&self, key: &AccountKey) -> impl Iterator<Item = (&AccountKey, &AccountFacts, Option<&Labels>)> {
        let children = self.accounts.get(key).into_iter().flat_map(|entry| &entry.children);
        children.filter_map(|child| {
            let labels = self.namespaces.get(&child.namespace).map(|record| record.labels.as_ref());
            Some((child, self.accounts.get(child)?.object.as_ref()?.facts.as_ref(), labels))
        })
    }

    /// The roles of an account.
    pub fn roles_of(&self, key: &AccountKey) -> impl Iterator<Item = &Arc<Record<RoleFacts>>> {
        let names = self.accounts.get(key).into_iter().flat_map(|entry| &entry.roles);
        names.filter_map(|name| self.roles.get(&(key.namespace.clone(), name.clone())))
    }

    /// The groups of an account.
    pub fn groups_of(&self, key: &AccountKey) -> impl Iterator<Item = &Arc<Record<GroupFacts>>> {
        let names = self.accounts.get(key).into_iter().flat_map(|entry| &entry.groups);
        names.filter_map(|name| self.groups.get(&(key.namespace.clone(), name.clone())))
    }

    /// The invitations of an account.
    pub fn invitations_of(&self, key: &AccountKey) -> impl Iterator<Item = &Arc<Record<InvitationFacts>>> {
        let names = self.accounts.get(key).into_iter().flat_map(|entry| &entry.invitations);
        names.filter_map(|name| self.invitations.get(&(key.namespace.clone(), name.clone())))
    }

    /// A membership.
    #[must_use]
    pub fn member(&self, namespace: &Name, name: &Name) -> Option<&Arc<Record<MemberFacts>>> {
        self.members.get(&(namespace.clone(), name.clone()))
    }

    /// The Role that an object is.
    pub(crate) fn role(&self, reference: &ObjectRef) -> Option<&Arc<Record<RoleFacts>>> {
        let is_role = reference.kind == KindName::Role;
        is_role.then(|| self.roles.get(&(reference.namespace.clone(), reference.name.clone()))).flatten()
    }

    /// The person whose Membership an object is.
    pub(crate) fn person(&self, reference: &ObjectRef) -> Option<&Email> {
        let is_membership = reference.kind == KindName::Membership;
        let record = is_membership.then(|| self.member(&reference.namespace, &reference.name)).flatten()?;
        record.facts.email.as_ref().ok()
    }

    /// The account that an object belongs to.
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

    /// What belongs to an account: all of it, or what has one of these addresses.
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

    /// The metadata of any object of ours.
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

    /// Notes what was just written of an object.
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
    fn an_account_that_is_made_again_has_revisions_of_its_own() {
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
