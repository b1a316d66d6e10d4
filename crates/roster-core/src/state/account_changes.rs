//! Changes of Accounts in the index, with the links to their parents, and what each change affects. `changes` calls it for
//! each Account that a watch delivers, or that is gone.

use std::sync::Arc;

use super::{AccountFacts, Impact, Index, Record, impact::news};
use crate::model::{AccountKey, Name, ObjectRef};

impl Index {
    /// Stores the current version of an Account.
    pub(super) fn account(
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
    pub(super) fn wake_if_deleting(&self, parent: &AccountKey, impacts: &mut Vec<Impact>) {
        let object = self.accounts.get(parent).and_then(|entry| entry.object.as_ref());
        if object.is_some_and(|object| object.meta.deleting) {
            impacts.push(Impact::Account(parent.clone()));
        }
    }

    /// Removes an Account that is gone.
    pub(super) fn account_gone(&mut self, reference: &ObjectRef, impacts: &mut Vec<Impact>) {
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
}
