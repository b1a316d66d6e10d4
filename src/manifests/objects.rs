//! Objects read at one moment, from files or by listing a cluster. Filled by `files` and `cluster`, and read by the
//! commands. The controller has an index of its own instead, which follows changes; both produce the same snapshots
//! ([`SnapshotSource`]).

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use smallvec::SmallVec;

use crate::{
    authority::Change,
    model::{AccountKey, Email, KindName, Name, ObjectRef, Scope},
    state::{
        AccountAnnotations, AccountFacts, CatalogFacts, CatalogRecord, GroupFacts, InvitationFacts, Labels,
        LastRevision, MemberFacts, Members, Object, PresentRevision, Record, RoleFacts, RoleRefs, Rollout, Snapshot,
        SnapshotSource, StoreFacts, namespace_labels,
    },
};

/// Addresses that are looked up one by one.
const FEW: usize = 4;

/// All objects that were read.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Labels of the known namespaces.
    pub namespaces: BTreeMap<Name, Arc<Labels>>,
    /// Catalogs by name.
    pub catalogs: BTreeMap<Name, PresentRevision>,
    /// Last revisions that reached all accounts, by catalog, if known.
    pub last_revisions: BTreeMap<Name, LastRevision>,
    /// Stores by name.
    pub stores: BTreeMap<Name, Arc<StoreFacts>>,
    /// Accounts. Includes accounts that do not exist but are named by other objects.
    pub accounts: BTreeMap<AccountKey, AccountObjects>,
    /// Objects that are being deleted. Those that belong to an account are in no other collection.
    pub deleting: BTreeSet<ObjectRef>,
}

/// Objects of one account.
#[derive(Clone, Debug, Default)]
pub struct AccountObjects {
    /// Account; `None` if other objects name it and it does not exist.
    pub account: Option<Arc<AccountFacts>>,
    /// Instructions in the annotations of the Account.
    pub annotations: AccountAnnotations,
    /// Roles by name.
    pub roles: BTreeMap<Name, Arc<RoleFacts>>,
    /// Groups by name.
    pub groups: BTreeMap<Name, Arc<GroupFacts>>,
    /// Memberships by name.
    pub members: BTreeMap<Name, MemberFacts>,
    /// Invitations by name.
    pub invitations: BTreeMap<Name, InvitationFacts>,
    /// Roles and groups that are being deleted.
    deleting: BTreeSet<ObjectRef>,
    /// Number of memberships that are being deleted, by the role they name.
    deleting_refs: RoleRefs,
}

/// Memberships by address.
pub type Addresses<'a> = BTreeMap<&'a Email, SmallVec<[&'a MemberFacts; 1]>>;

/// Returns the memberships of an invited address.
#[must_use]
pub fn of_invited<'a, 'o>(addresses: &'a Addresses<'o>, invitation: &InvitationFacts) -> &'a [&'o MemberFacts] {
    let found = invitation.email.as_ref().ok().and_then(|email| addresses.get(email));
    found.map(SmallVec::as_slice).unwrap_or_default()
}

impl AccountObjects {
    /// Counts the memberships by the role they name, including those that are being deleted.
    #[must_use]
    pub fn role_refs(&self) -> RoleRefs {
        let mut refs = self.deleting_refs.clone();
        for member in self.members.values() {
            *refs.entry(member.role_name()).or_default() += 1;
        }
        refs
    }

    /// Returns the memberships by address, without those whose address is not valid.
    #[must_use]
    pub fn addresses(&self) -> Addresses<'_> {
        let mut addresses = Addresses::new();
        for member in self.members.values() {
            if let Ok(email) = &member.email {
                addresses.entry(email).or_default().push(member);
            }
        }
        addresses
    }
}

impl Objects {
    /// Returns whether the Account is being deleted.
    #[must_use]
    pub fn is_deleting(&self, account: &AccountKey) -> bool {
        self.deleting.contains(&account.object())
    }

    /// Returns the stores that accounts name.
    #[must_use]
    pub fn stores_named(&self) -> BTreeSet<Name> {
        let accounts = self.accounts.values().filter_map(|entry| entry.account.as_ref());
        accounts.map(|account| Name::new(&account.spec.store_ref.name)).collect()
    }

    /// Adds an object; replaces one with the same kind and name.
    pub fn add(&mut self, object: Object) {
        match object {
            Object::Namespace(record) => drop(self.namespaces.insert(record.name, record.labels)),
            Object::Catalog(record) => {
                self.note(KindName::PermissionCatalog, &record);
                self.catalogs.insert(record.name.clone(), PresentRevision::new(&record));
            }
            Object::CatalogRecord(record) => {
                let CatalogRecord { catalog, last } = record.facts.as_ref();
                self.last_revisions.extend(catalog.clone().zip(last.clone()));
            }
            Object::Store(record) => {
                self.note(KindName::IdentityStore, &record);
                self.stores.insert(record.name, record.facts);
            }
            Object::Account(record) => {
                self.note(KindName::Account, &record);
                let entry = self.entry(record.facts.key());
                entry.annotations = AccountAnnotations::read(|key| record.meta.annotation(key));
                entry.account = Some(record.facts);
            }
            Object::Role(record) => {
                let deleting = self.note(KindName::Role, &record);
                let entry = self.entry(record.account_key());
                match deleting {
                    Some(reference) => drop(entry.deleting.insert(reference)),
                    None => drop(entry.roles.insert(record.name, record.facts)),
                }
            }
            Object::Group(record) => {
                let deleting = self.note(KindName::UserGroup, &record);
                let entry = self.entry(record.account_key());
                match deleting {
                    Some(reference) => drop(entry.deleting.insert(reference)),
                    None => drop(entry.groups.insert(record.name, record.facts)),
                }
            }
            Object::Member(record) => {
                let deleting = self.note(KindName::Membership, &record);
                let entry = self.entry(record.account_key());
                match deleting {
                    Some(_) => *entry.deleting_refs.entry(record.facts.role_name()).or_default() += 1,
                    None => drop(entry.members.insert(record.name, Arc::unwrap_or_clone(record.facts))),
                }
            }
            Object::Invitation(record) => {
                let deleting = self.note(KindName::Invitation, &record);
                let entry = self.entry(record.account_key());
                if deleting.is_none() {
                    entry.invitations.insert(record.name, Arc::unwrap_or_clone(record.facts));
                }
            }
        }
    }

    /// Makes a change.
    pub fn make(&mut self, change: &Change) {
        /// Puts the changed object in place of the one before.
        fn put<K: Ord, F>(all: &mut BTreeMap<K, F>, name: K, after: Option<F>) {
            match after {
                Some(facts) => drop(all.insert(name, facts)),
                None => drop(all.remove(&name)),
            }
        }
        let (_, name) = change.object();
        match change {
            Change::Membership(key, edit) => {
                put(&mut self.entry(key.clone()).members, name, edit.after.as_deref().cloned());
            }
            Change::Invitation(key, edit) => {
                put(&mut self.entry(key.clone()).invitations, name, edit.after.as_deref().cloned());
            }
            Change::Role(key, edit) => put(&mut self.entry(key.clone()).roles, name, edit.after.clone()),
            Change::Group(key, edit) => put(&mut self.entry(key.clone()).groups, name, edit.after.clone()),
            Change::Account(key, edit) => {
                let entry = self.entry(key.clone());
                entry.account = edit.after.as_deref().map(|(facts, _)| Arc::new(facts.clone()));
                entry.annotations =
                    edit.after.as_deref().map(|(_, annotations)| annotations.clone()).unwrap_or_default();
            }
            Change::Catalog(edit) => {
                let uid = self.catalogs.get(&name).map(|present| present.uid.clone()).unwrap_or_default();
                let present = |facts| PresentRevision { uid, facts, deleting: false, all_at_once: false };
                put(&mut self.catalogs, name, edit.after.clone().map(present));
            }
            Change::Store(edit) => put(&mut self.stores, name, edit.after.clone()),
        }
    }

    /// Records an object if it is being deleted, and returns its reference then.
    fn note<F>(&mut self, kind: KindName, record: &Record<F>) -> Option<ObjectRef> {
        let reference = record.meta.deleting.then(|| record.reference(kind))?;
        self.deleting.insert(reference.clone());
        Some(reference)
    }

    /// Adds the namespace of each Account if it is missing, with only the labels that every namespace has.
    pub fn assume_namespaces(&mut self) {
        for key in self.accounts.keys() {
            let labels = || Arc::new(namespace_labels(&key.namespace, Labels::new()));
            self.namespaces.entry(key.namespace.clone()).or_insert_with(labels);
        }
    }

    /// Returns the revision of a catalog that an account follows, if the catalog exists.
    #[must_use]
    pub fn followed(&self, catalog: &str, account: &AccountKey) -> Option<&Arc<CatalogFacts>> {
        let present = self.catalogs.get(catalog)?;
        let rollout = Rollout::of(present, self.last_revisions.get(catalog));
        Some(rollout.instead(account).unwrap_or(&present.facts))
    }

    /// Returns the entry of an account, and creates it if missing.
    fn entry(&mut self, key: AccountKey) -> &mut AccountObjects {
        self.accounts.entry(key).or_default()
    }

    /// Returns the Account with this name.
    fn account(&self, key: &AccountKey) -> Option<&Arc<AccountFacts>> {
        self.accounts.get(key)?.account.as_ref()
    }
}

impl SnapshotSource for Objects {
    fn accounts(&self) -> impl Iterator<Item = &AccountKey> {
        self.accounts.iter().filter(|(_, entry)| entry.account.is_some()).map(|(key, _)| key)
    }

    fn is_named(&self, key: &AccountKey) -> bool {
        self.accounts.get(key).is_some_and(|entry| {
            !(entry.roles.is_empty()
                && entry.groups.is_empty()
                && entry.members.is_empty()
                && entry.invitations.is_empty())
        })
    }

    fn stores(&self) -> impl Iterator<Item = &Arc<StoreFacts>> {
        self.stores.values()
    }

    fn store(&self, name: &str) -> Option<Arc<StoreFacts>> {
        self.stores.get(name).cloned()
    }

    fn snapshot(&self, key: &AccountKey) -> Option<Snapshot> {
        let entry = self.accounts.get(key)?;
        let account = entry.account.clone()?;
        let named = |kind, name: &str| ObjectRef { kind, namespace: Name::default(), name: Name::new(name) };
        let reference = |key: &AccountKey| ObjectRef {
            kind: KindName::Account,
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        };
        let (catalog, store) = (&account.spec.catalog_ref.name, &account.spec.store_ref.name);
        let parent = account.parent();
        let mut concerned =
            vec![reference(key), named(KindName::PermissionCatalog, catalog), named(KindName::IdentityStore, store)];
        concerned.extend(parent.as_ref().map(reference));
        let deleting = concerned.into_iter().filter(|reference| self.deleting.contains(reference));
        let deleting: BTreeSet<ObjectRef> = deleting.chain(entry.deleting.iter().cloned()).collect();
        Some(Snapshot {
            annotations: entry.annotations.clone(),
            namespace_labels: self.namespaces.get(&key.namespace).cloned(),
            catalog: self.followed(catalog, key).cloned(),
            store: self.store(store),
            parent: parent.and_then(|parent| self.account(&parent).cloned()),
            roles: entry.roles.values().cloned().collect(),
            groups: entry.groups.values().cloned().collect(),
            deleting,
            account,
        })
    }

    fn members<'a>(&'a self, key: &AccountKey, scope: &'a Scope) -> Option<Members<'a>> {
        let entry = self.accounts.get(key).filter(|entry| entry.account.is_some())?;
        let addresses = match scope {
            Scope::Account => entry.addresses().into_iter().collect(),
            // An index costs more than to pass over all of them a few times.
            Scope::Members(emails) if emails.len() > FEW => {
                let mut all = entry.addresses();
                emails.iter().map(|email| (email, all.remove(email).unwrap_or_default())).collect()
            }
            Scope::Members(emails) => {
                let of = |email: &Email| {
                    entry.members.values().filter(|member| member.email.as_ref() == Ok(email)).collect()
                };
                emails.iter().map(|email| (email, of(email))).collect()
            }
        };
        let invitations = entry.invitations.iter().filter(|(_, invitation)| invitation.accepted);
        let invitations = invitations.filter_map(|(name, invitation)| Some((name, invitation.email.as_ref().ok()?)));
        Some(Members {
            scope: scope.clone(),
            addresses,
            accepted: invitations.filter(|(_, email)| scope.contains(email)).collect(),
            role_refs: Cow::Owned(entry.role_refs()),
        })
    }
}
