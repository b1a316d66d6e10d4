//! Objects whose spec this release cannot read, such as one written with another release's definition. The index
//! keeps them (`index_unreadable`), and the loop reports them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::Meta;
use crate::model::{AccountKey, FieldPath, Name, ObjectRef};

/// Object whose spec cannot be read.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// Reference to the object.
    pub object: ObjectRef,
    /// Name of its account, if that field can be read.
    pub account: Option<Name>,
    /// Metadata and status.
    pub meta: Meta,
    /// The field that cannot be read.
    pub field: FieldPath,
    /// Reason in words.
    pub how: Box<str>,
}

impl Unreadable {
    /// Returns the account that the object names, if that field can be read.
    #[must_use]
    pub fn account_key(&self) -> Option<AccountKey> {
        let name = self.account.clone()?;
        Some(AccountKey { namespace: self.object.namespace.clone(), name })
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (object, field) = (&self.object, &self.field);
        write!(f, "{} {} cannot be read: {field}: {}", object.kind.as_str(), object.name, self.how)
    }
}

/// Unreadable object as stored in the index.
#[derive(Clone, Debug)]
pub(super) struct UnreadableRecord {
    pub(super) object: Unreadable,
    /// Account that is held, since the object may have been effective there before this process started.
    pub(super) holds_back: Option<AccountKey>,
}

/// Objects that cannot be read, and the accounts that some of them hold.
#[derive(Debug, Default)]
pub(super) struct UnreadableObjects {
    pub(super) objects: BTreeMap<ObjectRef, UnreadableRecord>,
    pub(super) held_back: BTreeMap<AccountKey, BTreeSet<ObjectRef>>,
}

impl UnreadableObjects {
    pub(super) fn remove(&mut self, reference: &ObjectRef) -> Option<UnreadableRecord> {
        let record = self.objects.remove(reference)?;
        if let Some(key) = &record.holds_back
            && let Some(all) = self.held_back.get_mut(key)
        {
            all.remove(reference);
            if all.is_empty() {
                self.held_back.remove(key);
            }
        }
        Some(record)
    }

    pub(super) fn insert(&mut self, record: UnreadableRecord) {
        let reference = record.object.object.clone();
        self.remove(&reference);
        if let Some(key) = &record.holds_back {
            self.held_back.entry(key.clone()).or_default().insert(reference.clone());
        }
        self.objects.insert(reference, record);
    }
}
