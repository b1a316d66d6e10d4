//! Links between an account and the objects that belong to it. `changes` sets and removes them with each change of a Role,
//! UserGroup, Membership or Invitation.

use std::collections::{BTreeMap, BTreeSet};

use super::{AccountEntry, Impact, Index, MemberFacts, Record, impact::touch};
use crate::model::{AccountKey, KindName, Name, ObjectRef};

impl Index {
    /// Removes an object from the account that it belongs to.
    pub(super) fn forget(&mut self, reference: &ObjectRef, impacts: &mut Vec<Impact>) {
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

    /// Adds a Membership to its account, by address, role and groups.
    pub(super) fn link_member(&mut self, record: &Record<MemberFacts>, impacts: &mut Vec<Impact>) {
        let account = record.account_key();
        let entry = self.entry(&account);
        let facts = &record.facts;
        match &facts.email {
            Ok(email) => {
                let names = entry.addresses.entry(email.clone()).or_default();
                if let Err(index) = names.binary_search(&record.name) {
                    names.insert(index, record.name.clone());
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

    /// Removes a Membership from its account.
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

    pub(super) fn drop_if_empty(&mut self, key: &AccountKey) {
        if self.accounts.get(key).is_some_and(AccountEntry::is_empty) {
            self.accounts.remove(key);
        }
    }

    /// Invalidates the definitions of an account.
    pub(super) fn redefine(&mut self, key: &AccountKey, impacts: &mut Vec<Impact>) {
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
