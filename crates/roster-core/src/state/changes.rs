//! Changes of the index, and what each change affects. The controller's loop and the simulator pass objects of
//! watches here.

use std::{collections::HashSet, sync::Arc};

use super::{
    AccountFacts, Impact, Index, Meta, NamespaceRecord, Object,
    impact::{news, touch},
    index::Key,
};
use crate::model::{AccountKey, KindName, Name, ObjectRef};

impl Index {
    /// Stores the current version of an object and returns what the change affects. Labels, foreign annotations and a
    /// status that this process wrote affect nothing (`written` is the digest of the last status sent for an object).
    pub fn apply(&mut self, object: Object, written: impl Fn(&ObjectRef) -> Option<u64>) -> Vec<Impact> {
        let mut impacts = Vec::new();
        let reference = object.reference();
        if self.is_stale(&reference, &object) {
            return impacts;
        }
        if let Some(named) = self.listing.get_mut(&reference.kind) {
            named.insert((reference.namespace.clone(), reference.name.clone()));
        }
        self.forget_unreadable(&reference, &mut impacts);
        self.count(&reference, -1);
        match object {
            Object::Namespace(record) => self.namespace(&record, &mut impacts),
            Object::Catalog(record) => {
                let before = self.catalogs.get(&record.name).cloned();
                let is_news = news(before.as_deref(), &record, &reference, &written, &mut impacts);
                self.catalog(record, is_news, &mut impacts);
            }
            Object::CatalogRecord(record) => self.catalog_record(record, &mut impacts),
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
                    self.meet(record.facts.email.as_ref().ok(), &account);
                    touch(&account, record.facts.email.as_ref().ok(), &mut impacts);
                }
                self.invitations.insert(key, Arc::new(record));
            }
        }
        self.count(&reference, 1);
        impacts
    }

    /// Returns whether the event is older than our last write to the object's status.
    fn is_stale(&self, reference: &ObjectRef, object: &Object) -> bool {
        let Some(meta) = object.meta() else { return false };
        let version = |meta: &Meta| meta.resource_version.parse::<u64>().ok();
        self.meta(reference).is_some_and(|known| {
            known.uid == meta.uid && version(known).zip(version(meta)).is_some_and(|(known, now)| now < known)
        }) && !self.listing.contains_key(&reference.kind)
    }

    /// Removes an object that is gone; returns what that affects.
    pub fn remove(&mut self, reference: &ObjectRef) -> Vec<Impact> {
        let mut impacts = Vec::new();
        let name = &reference.name;
        self.forget_unreadable(reference, &mut impacts);
        self.count(reference, -1);
        match reference.kind {
            KindName::Namespace => {
                self.namespaces.remove(name);
            }
            KindName::PermissionCatalog => self.catalog_gone(name, &mut impacts),
            KindName::CatalogRecord => self.catalog_record_gone(name, &mut impacts),
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

    /// Returns whether a list in progress names an object that was not known before.
    #[must_use]
    pub fn is_first_listed(&self, object: &Object) -> bool {
        let reference = object.reference();
        self.listing.contains_key(&reference.kind) && self.meta(&reference).is_none()
    }

    /// Begins a list of a kind.
    pub fn begin_list(&mut self, kind: KindName) {
        self.listing.insert(kind, HashSet::with_hasher(self.hashing));
    }

    /// Ends a list: removes the objects that it did not name, and returns what that affects.
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
            KindName::CatalogRecord => {
                self.records.values().map(|record| (record.namespace.clone(), record.name.clone())).collect()
            }
        };
        let known = known.into_iter().chain(self.never_read(kind));
        let mut gone: Vec<Key> = known.filter(|key| !named.contains(key)).collect();
        // The result must not depend on the order of the hash maps.
        gone.sort_unstable();
        gone.into_iter().flat_map(|(namespace, name)| self.remove(&ObjectRef { kind, namespace, name })).collect()
    }

    /// Invalidates the definitions of the accounts for which `uses` returns true.
    pub(super) fn users(&mut self, uses: impl Fn(&AccountFacts) -> bool, impacts: &mut Vec<Impact>) {
        for (key, entry) in &mut self.accounts {
            if entry.object.as_ref().is_some_and(|record| uses(&record.facts)) {
                entry.redefine(&mut self.revisions);
                impacts.push(Impact::Account(key.clone()));
            }
        }
    }

    fn namespace(&mut self, record: &NamespaceRecord, impacts: &mut Vec<Impact>) {
        let name = record.name.clone();
        let before = self.namespaces.insert(name.clone(), record.clone());
        if before.is_none_or(|before| before.labels != record.labels) {
            self.users(|account| account.namespace == name, impacts);
            // A parent need not wait for accounts that it no longer admits.
            let within = self.accounts.iter().filter(|(key, _)| key.namespace == name);
            let parents: Vec<AccountKey> =
                within.filter_map(|(_, entry)| entry.object.as_ref()?.facts.parent()).collect();
            for parent in &parents {
                self.wake_if_deleting(parent, impacts);
            }
        }
    }
}
