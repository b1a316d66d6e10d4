//! What is known of the cluster, by account: one slim record for each object, and the few links between them.
//!
//! Owned by the controller's one loop, so there is no lock; a pass takes shared pointers out of it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use smallvec::SmallVec;

use super::record::{KindName, NamespaceRecord, Object, ObjectRef, Record};
use crate::{
    api::RoleRefKind,
    model::{AccountKey, Email, Name},
    resolve::{
        AccountFacts, AccountSnapshot, CatalogFacts, Definitions, GroupFacts, InvitationFacts, MemberFacts, RoleFacts,
        RoleName, StoreFacts,
    },
};

/// Namespace and name.
type Key = (Name, Name);
/// The names of what has one address.
type Names = SmallVec<[Name; 1]>;

/// All that is known.
#[derive(Default)]
pub struct Index {
    /// Namespaces by name.
    pub namespaces: HashMap<Name, NamespaceRecord>,
    /// Catalogs by name.
    pub catalogs: HashMap<Name, Arc<Record<CatalogFacts>>>,
    /// Stores by name.
    pub stores: HashMap<Name, Arc<Record<StoreFacts>>>,
    /// Accounts, and what names an account that is not there (yet).
    pub accounts: HashMap<AccountKey, AccountEntry>,
    roles: HashMap<Key, Arc<Record<RoleFacts>>>,
    groups: HashMap<Key, Arc<Record<GroupFacts>>>,
    members: HashMap<Key, Arc<Record<MemberFacts>>>,
    invitations: HashMap<Key, Arc<Record<InvitationFacts>>>,
    /// What a list under way has named so far.
    listing: HashMap<KindName, HashSet<Key>>,
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
    pub addresses: HashMap<Email, Names>,
    /// Memberships whose address is none.
    pub unaddressed: BTreeSet<Name>,
    /// Names of its invitations.
    pub invitations: BTreeSet<Name>,
    /// Accounts that name it as their parent.
    pub children: BTreeSet<AccountKey>,
    /// Memberships by the role they name; absent for those that name none.
    pub role_refs: HashMap<Option<RoleName>, u64>,
    /// Memberships by the groups they name.
    pub group_refs: HashMap<Name, u64>,
    /// What its definitions mean; absent until worked out, and after each change.
    pub definitions: Option<Arc<Definitions>>,
    /// Counts the changes that made them unknown.
    pub revision: u64,
}

impl AccountEntry {
    /// Number of memberships.
    #[must_use]
    pub fn memberships(&self) -> u64 {
        self.role_refs.values().sum()
    }

    fn redefine(&mut self) {
        self.definitions = None;
        self.revision += 1;
    }

    fn is_empty(&self) -> bool {
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
    /// Takes in an object as it is now. Nothing is touched by what does not matter: labels, foreign annotations, or the
    /// status that we wrote ourselves (`written` is the digest last sent for it).
    pub fn apply(&mut self, object: Object, written: impl Fn(&ObjectRef) -> Option<u64>) -> Vec<Impact> {
        let mut impacts = Vec::new();
        let reference = reference_of(&object);
        if self.is_stale(&reference, &object) {
            return impacts;
        }
        if let Some(named) = self.listing.get_mut(&reference.kind) {
            named.insert((reference.namespace.clone(), reference.name.clone()));
        }
        match object {
            Object::Namespace(record) => self.namespace(record, &mut impacts),
            Object::Catalog(record) => {
                let before = self.catalogs.get(&record.name).cloned();
                let name = record.name.clone();
                if news(before.as_deref(), &record, &reference, &written, &mut impacts) {
                    impacts.push(Impact::Catalog(name.clone()));
                    self.catalogs.insert(name.clone(), Arc::new(record));
                    self.users(|account| account.spec.catalog_ref.name == *name, &mut impacts);
                } else {
                    self.catalogs.insert(name, Arc::new(record));
                }
            }
            Object::Store(record) => self.store(record, &reference, &written, &mut impacts),
            Object::Account(record) => self.account(record, &reference, &written, &mut impacts),
            Object::Role(record) => {
                let (key, account) = ((record.namespace.clone(), record.name.clone()), record.account_key());
                let before = self.roles.get(&key).cloned();
                if news(before.as_deref(), &record, &reference, &written, &mut impacts) {
                    self.forget(&reference, &mut impacts);
                    self.entry(&account).roles.insert(key.1.clone());
                    self.redefine(&account, &mut impacts);
                }
                self.roles.insert(key, Arc::new(record));
            }
            Object::Group(record) => {
                let (key, account) = ((record.namespace.clone(), record.name.clone()), record.account_key());
                let before = self.groups.get(&key).cloned();
                if news(before.as_deref(), &record, &reference, &written, &mut impacts) {
                    self.forget(&reference, &mut impacts);
                    self.entry(&account).groups.insert(key.1.clone());
                    self.redefine(&account, &mut impacts);
                }
                self.groups.insert(key, Arc::new(record));
            }
            Object::Member(record) => {
                let key = (record.namespace.clone(), record.name.clone());
                let before = self.members.get(&key).cloned();
                if news(before.as_deref(), &record, &reference, &written, &mut impacts) {
                    self.forget(&reference, &mut impacts);
                    self.link_member(&record, &mut impacts);
                }
                self.members.insert(key, Arc::new(record));
            }
            Object::Invitation(record) => {
                let (key, account) = ((record.namespace.clone(), record.name.clone()), record.account_key());
                let before = self.invitations.get(&key).cloned();
                if news(before.as_deref(), &record, &reference, &written, &mut impacts) {
                    self.forget(&reference, &mut impacts);
                    self.entry(&account).invitations.insert(key.1.clone());
                    touch(&account, record.facts.email.as_ref().ok(), &mut impacts);
                }
                self.invitations.insert(key, Arc::new(record));
            }
        }
        impacts
    }

    /// Whether we know a later version of the object already, from the answer to a patch of our own.
    fn is_stale(&self, reference: &ObjectRef, object: &Object) -> bool {
        let meta = match object {
            Object::Namespace(_) => return false,
            Object::Catalog(record) => &record.meta,
            Object::Store(record) => &record.meta,
            Object::Account(record) => &record.meta,
            Object::Role(record) => &record.meta,
            Object::Group(record) => &record.meta,
            Object::Member(record) => &record.meta,
            Object::Invitation(record) => &record.meta,
        };
        let version = |meta: &super::record::Meta| meta.resource_version.parse::<u64>().ok();
        self.meta(reference).is_some_and(|known| {
            known.uid == meta.uid && version(known).zip(version(meta)).is_some_and(|(known, now)| now < known)
        }) && !self.listing.contains_key(&reference.kind)
    }

    /// An object is gone.
    pub fn remove(&mut self, reference: &ObjectRef) -> Vec<Impact> {
        let mut impacts = Vec::new();
        let name = &reference.name;
        match reference.kind {
            KindName::Namespace => {
                self.namespaces.remove(name);
            }
            KindName::PermissionCatalog => {
                self.catalogs.remove(name);
                self.users(|account| account.spec.catalog_ref.name == **name, &mut impacts);
            }
            KindName::IdentityStore => {
                self.stores.remove(name);
                impacts.push(Impact::Store(name.clone()));
                self.users(|account| account.spec.store_ref.name == **name, &mut impacts);
            }
            KindName::Account => self.account_gone(reference, &mut impacts),
            KindName::Role | KindName::UserGroup | KindName::Membership | KindName::Invitation => {
                self.forget(reference, &mut impacts);
            }
        }
        impacts
    }

    /// A list begins.
    pub fn begin_list(&mut self, kind: KindName) {
        self.listing.insert(kind, HashSet::new());
    }

    /// A list is complete: what it did not name is gone.
    pub fn end_list(&mut self, kind: KindName) -> Vec<Impact> {
        let Some(named) = self.listing.remove(&kind) else { return Vec::new() };
        let cluster_scoped =
            |names: Vec<&Name>| names.into_iter().map(|name| (Name::default(), name.clone())).collect();
        let known: Vec<Key> = match kind {
            KindName::Namespace => cluster_scoped(self.namespaces.keys().collect()),
            KindName::PermissionCatalog => cluster_scoped(self.catalogs.keys().collect()),
            KindName::IdentityStore => cluster_scoped(self.stores.keys().collect()),
            KindName::Account => {
                let existing = self.accounts.iter().filter(|(_, entry)| entry.object.is_some());
                existing.map(|(key, _)| (key.namespace.clone(), key.name.clone())).collect()
            }
            KindName::Role => self.roles.keys().cloned().collect(),
            KindName::UserGroup => self.groups.keys().cloned().collect(),
            KindName::Membership => self.members.keys().cloned().collect(),
            KindName::Invitation => self.invitations.keys().cloned().collect(),
        };
        known
            .into_iter()
            .filter(|key| !named.contains(key))
            .flat_map(|(namespace, name)| self.remove(&ObjectRef { kind, namespace, name }))
            .collect()
    }

    /// What decides about an account's definitions; nothing where the Account does not exist.
    #[must_use]
    pub fn snapshot(&self, key: &AccountKey) -> Option<AccountSnapshot> {
        let entry = self.accounts.get(key)?;
        let account = entry.object.as_ref()?.facts.clone();
        let labels = self.namespaces.get(&key.namespace).map(|record| record.labels.clone()).unwrap_or_default();
        let catalog = self.catalogs.get(account.spec.catalog_ref.name.as_str());
        let store = self.stores.get(account.spec.store_ref.name.as_str());
        let parent = account.parent().and_then(|parent| self.accounts.get(&parent)?.object.clone());
        Some(AccountSnapshot {
            namespace_labels: labels,
            catalog: catalog.map(|record| record.facts.clone()),
            store: store.map(|record| record.facts.clone()),
            parent: parent.filter(|parent| !parent.meta.deleting).map(|parent| parent.facts.clone()),
            roles: self.roles_of(key).filter(|role| !role.meta.deleting).map(|role| role.facts.clone()).collect(),
            groups: self.groups_of(key).filter(|group| !group.meta.deleting).map(|group| group.facts.clone()).collect(),
            account,
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
            KindName::Namespace | KindName::PermissionCatalog | KindName::IdentityStore => None,
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
    pub fn meta(&self, reference: &ObjectRef) -> Option<&super::record::Meta> {
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
        }
    }

    /// The same, to note what was just written.
    pub fn meta_mut(&mut self, reference: &ObjectRef) -> Option<&mut super::record::Meta> {
        let key = || (reference.namespace.clone(), reference.name.clone());
        match reference.kind {
            KindName::Namespace => None,
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

    /// How many objects of each kind there are, by what their `Ready` condition says.
    #[must_use]
    pub fn readiness(&self) -> BTreeMap<(KindName, &'static str), i64> {
        let mut counts = BTreeMap::new();
        let mut count = |kind: KindName, meta: &super::record::Meta| {
            let ready = crate::api::ConditionType::Ready;
            let word = match (meta.status.is_true(ready), meta.status.has(ready)) {
                (true, _) => "True",
                (false, true) => "False",
                (false, false) => "Unknown",
            };
            *counts.entry((kind, word)).or_insert(0) += 1;
        };
        self.catalogs.values().for_each(|record| count(KindName::PermissionCatalog, &record.meta));
        self.stores.values().for_each(|record| count(KindName::IdentityStore, &record.meta));
        let accounts = self.accounts.values().filter_map(|entry| entry.object.as_ref());
        accounts.for_each(|record| count(KindName::Account, &record.meta));
        self.roles.values().for_each(|record| count(KindName::Role, &record.meta));
        self.groups.values().for_each(|record| count(KindName::UserGroup, &record.meta));
        self.members.values().for_each(|record| count(KindName::Membership, &record.meta));
        self.invitations.values().for_each(|record| count(KindName::Invitation, &record.meta));
        counts
    }

    fn entry(&mut self, key: &AccountKey) -> &mut AccountEntry {
        self.accounts.entry(key.clone()).or_default()
    }

    /// The accounts that `uses` picks are to be worked out afresh.
    fn users(&mut self, uses: impl Fn(&AccountFacts) -> bool, impacts: &mut Vec<Impact>) {
        for (key, entry) in &mut self.accounts {
            if entry.object.as_ref().is_some_and(|record| uses(&record.facts)) {
                entry.redefine();
                impacts.push(Impact::Account(key.clone()));
            }
        }
    }

    fn redefine(&mut self, key: &AccountKey, impacts: &mut Vec<Impact>) {
        if let Some(entry) = self.accounts.get_mut(key) {
            entry.redefine();
        }
        impacts.push(Impact::Account(key.clone()));
    }

    fn namespace(&mut self, record: NamespaceRecord, impacts: &mut Vec<Impact>) {
        let name = record.name.clone();
        let before = self.namespaces.insert(name.clone(), record.clone());
        if before.is_none_or(|before| before.labels != record.labels) {
            self.users(|account| account.namespace == name, impacts);
        }
    }

    fn store(
        &mut self,
        record: Record<StoreFacts>,
        reference: &ObjectRef,
        written: &impl Fn(&ObjectRef) -> Option<u64>,
        impacts: &mut Vec<Impact>,
    ) {
        let name = record.name.clone();
        let before = self.stores.get(&name).cloned();
        let is_news = news(before.as_deref(), &record, reference, written, impacts);
        let facts = record.facts.clone();
        self.stores.insert(name.clone(), Arc::new(record));
        if !is_news {
            return;
        }
        impacts.push(Impact::Store(name.clone()));
        let only_blocked = before.as_ref().is_some_and(|before| {
            let blocked =
                |facts: &StoreFacts| crate::api::IdentityStoreSpec { blocked: Vec::new(), ..facts.spec.clone() };
            blocked(&before.facts) == blocked(&facts) && before.facts.blocked != facts.blocked
        });
        if !only_blocked {
            self.users(|account| account.spec.store_ref.name == *name, impacts);
            return;
        }
        // One person is cut off, or let in again, everywhere at once: only their places are looked at.
        let before = before.map(|before| before.facts.clone()).unwrap_or_default();
        let changed: Vec<&Email> = before
            .blocked
            .keys()
            .filter(|email| !facts.blocked.contains_key(*email))
            .chain(facts.blocked.keys().filter(|email| !before.blocked.contains_key(*email)))
            .collect();
        for (key, entry) in &mut self.accounts {
            let Some(object) = entry.object.clone().filter(|object| object.facts.spec.store_ref.name == *name) else {
                continue;
            };
            entry.redefine();
            let owner = object.facts.spec.owner.as_ref().and_then(|owner| Email::parse(&owner.email).ok());
            for email in &changed {
                if entry.addresses.contains_key(*email) || owner.as_ref() == Some(email) {
                    impacts.push(Impact::Member(key.clone(), (*email).clone()));
                }
            }
        }
    }

    fn account(
        &mut self,
        record: Record<AccountFacts>,
        reference: &ObjectRef,
        written: &impl Fn(&ObjectRef) -> Option<u64>,
        impacts: &mut Vec<Impact>,
    ) {
        let key = record.facts.key();
        let before = self.accounts.get(&key).and_then(|entry| entry.object.clone());
        let is_news = news(before.as_deref(), &record, reference, written, impacts);
        let record = Arc::new(record);
        self.entry(&key).object = Some(record.clone());
        if !is_news {
            return;
        }
        for name in [Some(&*record), before.as_deref()].into_iter().flatten() {
            impacts.push(Impact::Catalog(Name::new(&name.facts.spec.catalog_ref.name)));
            impacts.push(Impact::Store(Name::new(&name.facts.spec.store_ref.name)));
        }
        self.redefine(&key, impacts);
        let parents = [before.as_ref().and_then(|b| b.facts.parent()), record.facts.parent()];
        if parents[0] != parents[1]
            && let Some(old) = &parents[0]
            && let Some(entry) = self.accounts.get_mut(old)
        {
            entry.children.remove(&key);
        }
        if let Some(parent) = &parents[1] {
            self.entry(parent).children.insert(key.clone());
        }
        for parent in parents.into_iter().flatten() {
            impacts.push(Impact::AccountStatus(parent));
        }
        let spec = |record: &Record<AccountFacts>| {
            let spec = &record.facts.spec;
            (spec.partner, spec.managed_accounts.clone(), spec.catalog_ref.clone(), record.meta.deleting)
        };
        if before.is_none_or(|before| spec(&before) != spec(&record)) {
            let children: Vec<AccountKey> = self.entry(&key).children.iter().cloned().collect();
            for child in children {
                self.redefine(&child, impacts);
            }
        }
    }

    fn account_gone(&mut self, reference: &ObjectRef, impacts: &mut Vec<Impact>) {
        let key = AccountKey { namespace: reference.namespace.clone(), name: reference.name.clone() };
        let Some(entry) = self.accounts.get_mut(&key) else { return };
        let Some(record) = entry.object.take() else { return };
        entry.redefine();
        let children: Vec<AccountKey> = entry.children.iter().cloned().collect();
        impacts.push(Impact::Account(key.clone()));
        impacts.push(Impact::Catalog(Name::new(&record.facts.spec.catalog_ref.name)));
        impacts.push(Impact::Store(Name::new(&record.facts.spec.store_ref.name)));
        if let Some(parent) = record.facts.parent() {
            if let Some(entry) = self.accounts.get_mut(&parent) {
                entry.children.remove(&key);
            }
            // A parent that is being deleted waits for this.
            impacts.push(Impact::Account(parent));
        }
        for child in children {
            self.redefine(&child, impacts);
        }
        self.drop_if_empty(&key);
    }

    /// Takes an object that belongs to an account out of it.
    fn forget(&mut self, reference: &ObjectRef, impacts: &mut Vec<Impact>) {
        let key = (reference.namespace.clone(), reference.name.clone());
        match reference.kind {
            KindName::Role => {
                let Some(record) = self.roles.remove(&key) else { return };
                let account = record.account_key();
                self.entry(&account).roles.remove(&key.1);
                self.redefine(&account, impacts);
                self.drop_if_empty(&account);
            }
            KindName::UserGroup => {
                let Some(record) = self.groups.remove(&key) else { return };
                let account = record.account_key();
                self.entry(&account).groups.remove(&key.1);
                self.redefine(&account, impacts);
                self.drop_if_empty(&account);
            }
            KindName::Membership => {
                let Some(record) = self.members.remove(&key) else { return };
                self.unlink_member(&record, impacts);
            }
            KindName::Invitation => {
                let Some(record) = self.invitations.remove(&key) else { return };
                let account = record.account_key();
                self.entry(&account).invitations.remove(&key.1);
                touch(&account, record.facts.email.as_ref().ok(), impacts);
                self.drop_if_empty(&account);
            }
            KindName::Namespace | KindName::PermissionCatalog | KindName::IdentityStore | KindName::Account => {}
        }
    }

    fn link_member(&mut self, record: &Record<MemberFacts>, impacts: &mut Vec<Impact>) {
        let account = record.account_key();
        let entry = self.entry(&account);
        let facts = &record.facts;
        match &facts.email {
            Ok(email) => {
                let names = entry.addresses.entry(email.clone()).or_default();
                if let Err(place) = names.binary_search(&record.name) {
                    names.insert(place, record.name.clone());
                }
            }
            Err(_) => {
                entry.unaddressed.insert(record.name.clone());
            }
        }
        *entry.role_refs.entry(role_name(facts)).or_default() += 1;
        for group in &facts.groups {
            *entry.group_refs.entry(group.clone()).or_default() += 1;
        }
        touch(&account, facts.email.as_ref().ok(), impacts);
    }

    fn unlink_member(&mut self, record: &Record<MemberFacts>, impacts: &mut Vec<Impact>) {
        let account = record.account_key();
        let entry = self.entry(&account);
        let facts = &record.facts;
        if let Ok(email) = &facts.email {
            if let Some(names) = entry.addresses.get_mut(email) {
                names.retain(|name| *name != record.name);
                if names.is_empty() {
                    entry.addresses.remove(email);
                }
            }
        } else {
            entry.unaddressed.remove(&record.name);
        }
        release(&mut entry.role_refs, &role_name(facts));
        for group in &facts.groups {
            release(&mut entry.group_refs, group);
        }
        touch(&account, facts.email.as_ref().ok(), impacts);
        self.drop_if_empty(&account);
    }

    fn drop_if_empty(&mut self, key: &AccountKey) {
        if self.accounts.get(key).is_some_and(AccountEntry::is_empty) {
            self.accounts.remove(key);
        }
    }
}

fn role_name(facts: &MemberFacts) -> Option<RoleName> {
    facts.role.as_ref().map(|role| match role.kind {
        RoleRefKind::PredefinedRole => RoleName::predefined(&role.name),
        RoleRefKind::Role => RoleName::custom(&role.name),
    })
}

fn release<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u64>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

fn touch(account: &AccountKey, email: Option<&Email>, impacts: &mut Vec<Impact>) {
    impacts.push(match email {
        Some(email) => Impact::Member(account.clone(), email.clone()),
        None => Impact::Account(account.clone()),
    });
}

/// Whether an object says something new about access. If not, but its status is not the one we wrote, that is put right.
fn news<F>(
    before: Option<&Record<F>>,
    now: &Record<F>,
    reference: &ObjectRef,
    written: &impl Fn(&ObjectRef) -> Option<u64>,
    impacts: &mut Vec<Impact>,
) -> bool {
    let Some(before) = before else { return true };
    if now.meta.differs(&before.meta) {
        return true;
    }
    let hash = now.meta.status.hash;
    if hash != before.meta.status.hash && written(reference) != Some(hash) {
        impacts.push(Impact::Status(reference.clone()));
    }
    false
}

fn reference_of(object: &Object) -> ObjectRef {
    match object {
        Object::Namespace(record) => {
            ObjectRef { kind: KindName::Namespace, namespace: Name::default(), name: record.name.clone() }
        }
        Object::Catalog(record) => record.reference(KindName::PermissionCatalog),
        Object::Store(record) => record.reference(KindName::IdentityStore),
        Object::Account(record) => record.reference(KindName::Account),
        Object::Role(record) => record.reference(KindName::Role),
        Object::Group(record) => record.reference(KindName::UserGroup),
        Object::Member(record) => record.reference(KindName::Membership),
        Object::Invitation(record) => record.reference(KindName::Invitation),
    }
}
