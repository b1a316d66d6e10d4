//! Keeps unreadable objects in the index. The loop calls it for each object that arrives without a readable spec, and the
//! index for each one that can be read again.
//!
//! If an earlier version of the object could be read, that version stays effective. An object that was never read, but
//! may have been effective before this process started, holds its account: only explicit revocations are made there.

use std::sync::Arc;

use super::{
    Impact, Index, Meta, Object, Record,
    unreadable::{Unreadable, UnreadableRecord},
};
use crate::model::{AccountKey, KindName, Name, ObjectRef};

impl Index {
    /// Records an object that cannot be read; returns what that affects.
    pub fn note_unreadable(&mut self, unreadable: Unreadable) -> Vec<Impact> {
        let reference = unreadable.object.clone();
        let is_listed = self.listing.get_mut(&reference.kind).map(|named| {
            named.insert((reference.namespace.clone(), reference.name.clone()));
        });
        let before = self.unreadable.objects.get(&reference);
        let before = before.filter(|before| before.object.meta.uid == unreadable.meta.uid);
        let may_have_counted = before.map_or(is_listed.is_some(), |before| before.holds_back.is_some());
        let mut impacts = Vec::new();
        let known = self.meta(&reference).map(|meta| meta.uid.clone());
        let is_known = known.as_ref() == Some(&unreadable.meta.uid);
        match known.and_then(|_| self.with_meta(&reference, &unreadable.meta)) {
            Some(object) if is_known => impacts = self.apply(object, |_| None),
            // Another object of this name was known.
            Some(_) => impacts = self.remove(&reference),
            None => {}
        }
        let counts = is_of_account(reference.kind) && !is_known && may_have_counted && !unreadable.meta.deleting;
        let holds_back = unreadable.account_key().filter(|_| counts);
        impacts.extend(holds_back.iter().cloned().map(Impact::Account));
        self.unreadable.insert(UnreadableRecord { object: unreadable, holds_back });
        impacts
    }

    /// Drops the record of an object that can be read now, or is gone.
    pub(super) fn forget_unreadable(&mut self, reference: &ObjectRef, impacts: &mut Vec<Impact>) {
        let held_back = self.unreadable.remove(reference).and_then(|record| record.holds_back);
        impacts.extend(held_back.map(Impact::Account));
    }

    /// Returns the objects of a kind that could never be read.
    pub(super) fn never_read(&self, kind: KindName) -> Vec<(Name, Name)> {
        let of_kind =
            self.unreadable.objects.keys().filter(|object| object.kind == kind && self.meta(object).is_none());
        of_kind.map(|object| (object.namespace.clone(), object.name.clone())).collect()
    }

    /// Returns an object that cannot be read, as last received.
    #[must_use]
    pub fn unreadable(&self, reference: &ObjectRef) -> Option<&Unreadable> {
        self.unreadable.objects.get(reference).map(|record| &record.object)
    }

    /// Returns all objects that cannot be read, in order.
    pub fn all_unreadable(&self) -> impl Iterator<Item = &Unreadable> {
        self.unreadable.objects.values().map(|record| &record.object)
    }

    /// Returns the first object that holds an account, since it cannot be read and may have been effective.
    #[must_use]
    pub fn holding_back(&self, account: &AccountKey) -> Option<&Unreadable> {
        self.unreadable(self.unreadable.held_back.get(account)?.first()?)
    }

    /// Returns the metadata of an object, also of one that could never be read.
    #[must_use]
    pub fn any_meta(&self, reference: &ObjectRef) -> Option<&Meta> {
        self.meta(reference).or_else(|| self.unreadable(reference).map(|unreadable| &unreadable.meta))
    }

    pub(super) fn unreadable_meta(&mut self, reference: &ObjectRef) -> Option<&mut Meta> {
        self.unreadable.objects.get_mut(reference).map(|record| &mut record.object.meta)
    }

    /// Returns the known version of an object with new metadata. An object of no account also keeps its generation,
    /// since its status refers to that.
    fn with_meta(&self, reference: &ObjectRef, meta: &Meta) -> Option<Object> {
        fn with<F>(record: &Arc<Record<F>>, meta: &Meta) -> Record<F> {
            let Record { namespace, name, account, facts, .. } = record.as_ref();
            Record {
                namespace: namespace.clone(),
                name: name.clone(),
                account: account.clone(),
                meta: meta.clone(),
                facts: facts.clone(),
            }
        }
        let key = (reference.namespace.clone(), reference.name.clone());
        let read = self.meta(reference)?.generation;
        let meta = if is_of_account(reference.kind) { meta.clone() } else { Meta { generation: read, ..meta.clone() } };
        let meta = &meta;
        Some(match reference.kind {
            KindName::PermissionCatalog => Object::Catalog(with(self.catalogs.get(&key.1)?, meta)),
            KindName::IdentityStore => Object::Store(with(self.stores.get(&key.1)?, meta)),
            KindName::Account => {
                let key = AccountKey { namespace: key.0, name: key.1 };
                Object::Account(with(self.accounts.get(&key)?.object.as_ref()?, meta))
            }
            KindName::Role => Object::Role(with(self.roles.get(&key)?, meta)),
            KindName::UserGroup => Object::Group(with(self.groups.get(&key)?, meta)),
            KindName::Membership => Object::Member(with(self.members.get(&key)?, meta)),
            KindName::Invitation => Object::Invitation(with(self.invitations.get(&key)?, meta)),
            KindName::Namespace | KindName::CatalogRecord => return None,
        })
    }
}

/// Returns whether objects of a kind belong to an account and affect it.
const fn is_of_account(kind: KindName) -> bool {
    matches!(kind, KindName::Role | KindName::UserGroup | KindName::Membership | KindName::Invitation)
}
