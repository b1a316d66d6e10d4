//! Objects whose spec this release cannot read: of another release's definition, say. Where an earlier version of one could be
//! read, it counts as that. One that was never read, but may have counted before this process looked, holds back its
//! account: only ends by somebody's word are made there.

use std::{fmt, sync::Arc};

use super::{Impact, Index, Meta, Object, Record};
use crate::model::{AccountKey, FieldPath, KindName, Name, ObjectRef};

/// An object whose spec cannot be read.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// The object.
    pub object: ObjectRef,
    /// Name of the account that it says it belongs to, if that much can be read.
    pub account: Option<Name>,
    /// Metadata and status.
    pub meta: Meta,
    /// The field that cannot be read.
    pub field: FieldPath,
    /// Why, in words.
    pub how: Box<str>,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (object, field) = (&self.object, &self.field);
        write!(f, "{} {} cannot be read: {field}: {}", object.kind.as_str(), object.name, self.how)
    }
}

/// The same, as the index keeps it.
#[derive(Clone, Debug)]
pub(super) struct UnreadableRecord {
    told: Unreadable,
    /// The account that waits for it: it may have counted there before this process looked.
    holds_back: Option<AccountKey>,
}

impl Index {
    /// Takes in an object that cannot be read.
    pub fn note_unreadable(&mut self, unreadable: Unreadable) -> Vec<Impact> {
        let reference = unreadable.object.clone();
        let is_listed = self.listing.get_mut(&reference.kind).map(|named| {
            named.insert((reference.namespace.clone(), reference.name.clone()));
        });
        let mut impacts = Vec::new();
        let known = self.meta(&reference).map(|meta| meta.uid.clone());
        let is_known = known.as_ref() == Some(&unreadable.meta.uid);
        match known.and_then(|_| self.with_meta(&reference, &unreadable.meta)) {
            Some(object) if is_known => impacts = self.apply(object, |_| None),
            // Another object of this name.
            Some(_) => impacts = self.remove(&reference),
            None => {}
        }
        let before = self.unreadable.get(&reference);
        let may_have_counted = is_listed.is_some() || before.is_some_and(|before| before.holds_back.is_some());
        let account =
            unreadable.account.clone().map(|name| AccountKey { namespace: reference.namespace.clone(), name });
        let is_in_account = account.filter(|_| !is_known && may_have_counted && !unreadable.meta.deleting);
        let holds_back = is_in_account.filter(|_| is_of_account(reference.kind));
        impacts.extend(holds_back.iter().cloned().map(Impact::Account));
        self.unreadable.insert(reference, UnreadableRecord { told: unreadable, holds_back });
        impacts
    }

    /// Forgets that an object could not be read.
    pub(super) fn forget_unreadable(&mut self, reference: &ObjectRef, impacts: &mut Vec<Impact>) {
        let held_back = self.unreadable.remove(reference).and_then(|record| record.holds_back);
        impacts.extend(held_back.map(Impact::Account));
    }

    /// Returns the objects of a kind that cannot be read, and never could.
    pub(super) fn never_read(&self, kind: KindName) -> Vec<(Name, Name)> {
        let of_kind = self.unreadable.keys().filter(|object| object.kind == kind && self.meta(object).is_none());
        of_kind.map(|object| (object.namespace.clone(), object.name.clone())).collect()
    }

    /// Returns the first object that holds back an account, since it cannot be read and may have counted.
    #[must_use]
    pub fn holding_back(&self, account: &AccountKey) -> Option<&Unreadable> {
        let mut holding = self.unreadable.values().filter(|record| record.holds_back.as_ref() == Some(account));
        holding.next().map(|record| &record.told)
    }

    /// Returns the metadata of an object, also of one that never could be read.
    #[must_use]
    pub fn any_meta(&self, reference: &ObjectRef) -> Option<&Meta> {
        self.meta(reference).or_else(|| self.unreadable.get(reference).map(|record| &record.told.meta))
    }

    pub(super) fn unreadable_meta(&mut self, reference: &ObjectRef) -> Option<&mut Meta> {
        self.unreadable.get_mut(reference).map(|record| &mut record.told.meta)
    }

    /// Returns what is known of an object, with this metadata.
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

/// Whether objects of a kind belong to an account, and count there.
const fn is_of_account(kind: KindName) -> bool {
    matches!(kind, KindName::Role | KindName::UserGroup | KindName::Membership | KindName::Invitation)
}
