//! Changes of the index, and what each change affects. The controller's loop and the simulator pass objects of
//! watches here.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use super::{
    AccountEntry, AccountFacts, Impact, Index, KnownStore, MemberFacts, Meta, NamespaceRecord, Object, Record,
    StoreFacts, index::Key,
};
use crate::model::{AccountKey, Email, KindName, Name, ObjectRef};

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

    fn store(
        &mut self,
        record: Record<StoreFacts>,
        reference: &ObjectRef,
        written: &impl Fn(&ObjectRef) -> Option<u64>,
        impacts: &mut Vec<Impact>,
    ) {
        let name = record.name.clone();
        let before = self.stores.get(&name).cloned();
        let record = keep_id(before.as_deref(), record);
        let is_news = news(before.as_deref(), &record, reference, written, impacts);
        let only_id = before.as_ref().is_some_and(|before| only_learns_its_id(before, &record));
        let facts = record.facts.clone();
        self.stores.insert(name.clone(), Arc::new(record));
        if !is_news {
            return;
        }
        impacts.push(Impact::Store(name.clone()));
        if only_id {
            return;
        }
        let only_blocked = before.as_ref().is_some_and(|before| {
            let blocked =
                |facts: &StoreFacts| crate::api::IdentityStoreSpec { blocked: Vec::new(), ..facts.spec.clone() };
            let same_store = before.facts.known.is_same(&facts.known);
            same_store && blocked(&before.facts) == blocked(&facts) && before.facts.blocked != facts.blocked
        });
        // A block or its removal affects one person everywhere: only that person's members are reconciled.
        let before = before.map(|before| before.facts.clone()).unwrap_or_default();
        let changed: BTreeSet<&Email> = before
            .blocked
            .keys()
            .filter(|email| !facts.blocked.contains_key(*email))
            .chain(facts.blocked.keys().filter(|email| !before.blocked.contains_key(*email)))
            .collect();
        let is_in = |entry: &AccountEntry| {
            entry.object.as_ref().is_some_and(|object| object.facts.spec.store_ref.name == *name)
        };
        if only_blocked {
            let users = self.accounts.values_mut().filter(|entry| is_in(entry));
            users.for_each(|entry| entry.redefine(&mut self.revisions));
        } else {
            self.users(|account| account.spec.store_ref.name == *name, impacts);
        }
        for email in changed {
            let accounts = self.accounts_of(email).filter(|key| self.accounts.get(*key).is_some_and(is_in));
            impacts.extend(accounts.map(|key| Impact::Member(key.clone(), email.clone())));
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
        let owners = [before.as_ref().and_then(|before| before.facts.owner()), record.facts.owner()];
        if owners[0] != owners[1] {
            self.part(owners[0].as_ref(), &key);
            self.meet(owners[1].as_ref(), &key);
        }
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
            self.wake_if_deleting(&parent, impacts);
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

    /// Queues the parent if it is being deleted: it waits for the accounts that it manages, and one of them has
    /// changed.
    fn wake_if_deleting(&self, parent: &AccountKey, impacts: &mut Vec<Impact>) {
        let object = self.accounts.get(parent).and_then(|entry| entry.object.as_ref());
        if object.is_some_and(|object| object.meta.deleting) {
            impacts.push(Impact::Account(parent.clone()));
        }
    }

    fn account_gone(&mut self, reference: &ObjectRef, impacts: &mut Vec<Impact>) {
        let key = AccountKey { namespace: reference.namespace.clone(), name: reference.name.clone() };
        let Some(entry) = self.accounts.get_mut(&key) else { return };
        let Some(record) = entry.object.take() else { return };
        entry.redefine(&mut self.revisions);
        let owner = record.facts.owner();
        let children: Vec<AccountKey> = entry.children.iter().cloned().collect();
        self.part(owner.as_ref(), &key);
        impacts.push(Impact::Account(key.clone()));
        impacts.push(Impact::Catalog(Name::new(&record.facts.spec.catalog_ref.name)));
        impacts.push(Impact::Store(Name::new(&record.facts.spec.store_ref.name)));
        if let Some(parent) = record.facts.parent() {
            if let Some(entry) = self.accounts.get_mut(&parent) {
                entry.children.remove(&key);
            }
            // A parent that is being deleted waits for this account.
            impacts.push(Impact::Account(parent));
        }
        for child in children {
            self.redefine(&child, impacts);
        }
        self.drop_if_empty(&key);
    }

    /// Removes an object from the account that it belongs to.
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
                self.part(record.facts.email.as_ref().ok(), &account);
                touch(&account, record.facts.email.as_ref().ok(), impacts);
                self.drop_if_empty(&account);
            }
            KindName::Namespace
            | KindName::PermissionCatalog
            | KindName::IdentityStore
            | KindName::Account
            | KindName::CatalogRecord => {}
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
        entry.by_role.entry(facts.role_name()).or_default().insert(record.name.clone());
        for group in &facts.groups {
            entry.by_group.entry(group.clone()).or_default().insert(record.name.clone());
        }
        self.meet(facts.email.as_ref().ok(), &account);
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
        release(&mut entry.by_role, &facts.role_name(), &record.name);
        for group in &facts.groups {
            release(&mut entry.by_group, group, &record.name);
        }
        self.part(facts.email.as_ref().ok(), &account);
        touch(&account, facts.email.as_ref().ok(), impacts);
        self.drop_if_empty(&account);
    }

    fn drop_if_empty(&mut self, key: &AccountKey) {
        if self.accounts.get(key).is_some_and(AccountEntry::is_empty) {
            self.accounts.remove(key);
        }
    }

    fn redefine(&mut self, key: &AccountKey, impacts: &mut Vec<Impact>) {
        if let Some(entry) = self.accounts.get_mut(key) {
            entry.redefine(&mut self.revisions);
        }
        impacts.push(Impact::Account(key.clone()));
    }
}

fn release<K: Ord>(names: &mut BTreeMap<K, BTreeSet<Name>>, key: &K, name: &Name) {
    if let Some(of_key) = names.get_mut(key) {
        of_key.remove(name);
        if of_key.is_empty() {
            names.remove(key);
        }
    }
}

fn touch(account: &AccountKey, email: Option<&Email>, impacts: &mut Vec<Impact>) {
    impacts.push(match email {
        Some(email) => Impact::Member(account.clone(), email.clone()),
        None => Impact::Account(account.clone()),
    });
}

/// Returns the record of a store, with the former id if the object lost its annotation.
fn keep_id(before: Option<&Record<StoreFacts>>, now: Record<StoreFacts>) -> Record<StoreFacts> {
    let Some(before) = before.filter(|before| before.meta.uid == now.meta.uid) else { return now };
    let known = now.facts.known.keeping(&before.facts.known);
    if known == now.facts.known {
        return now;
    }
    let facts = Arc::new((*now.facts).clone().knowing(known));
    Record { facts, ..now }
}

/// Returns whether the only change is that a store's id was recorded at its first use, or was lost or written again.
/// Such a change affects no definitions. A change of the finalizer counts, since passes wait for it.
fn only_learns_its_id(before: &Record<StoreFacts>, now: &Record<StoreFacts>) -> bool {
    let (known, knew) = (&now.facts.known, &before.facts.known);
    let learns = *knew == KnownStore::default() && known.id.is_some();
    (learns || known.is_same(knew) && known.is_lost != knew.is_lost)
        && !now.meta.differs(&Meta { annotations: now.meta.annotations.clone(), ..before.meta.clone() })
        && StoreFacts { known: known.clone(), ..(*before.facts).clone() } == *now.facts
}

/// Returns whether an object differs in a way that may affect access. A status that someone else wrote adds
/// [`Impact::Status`] instead.
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
