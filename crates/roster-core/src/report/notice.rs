//! Notices: what is told as Kubernetes events, as data.

use crate::{
    model::{Name, ObjectRef},
    state::Meta,
};

/// Reason of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoticeReason {
    /// A pass changed the store.
    Applied,
    /// The store differs from what was applied.
    DriftDetected,
    /// Drift was corrected.
    DriftCorrected,
    /// Removals are held back.
    RemovalGuarded,
    /// The store refused something.
    Rejected,
    /// A catalog's change goes no further.
    RolloutStopped,
    /// A member has access from now on: their time, or somebody's word, has come.
    AccessBegan,
    /// A member has no access any more.
    AccessEnded,
    /// A store is used from now on: for the first time, or in place of another one.
    StoreUsed,
    /// Another store answers than the one that was used so far.
    StoreReplaced,
    /// The object's spec cannot be read.
    Unreadable,
}

/// Something to tell about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The object.
    pub about: ObjectRef,
    /// Its UID.
    pub uid: Name,
    /// Reason of the event.
    pub reason: NoticeReason,
    /// How many changes, for `Applied`.
    pub count: usize,
    /// In words.
    pub note: String,
}

impl Notice {
    /// Returns a notice about an object as it is known.
    #[must_use]
    pub fn new(about: ObjectRef, meta: &Meta, reason: NoticeReason, note: String) -> Self {
        Self { about, uid: meta.uid.clone(), reason, count: 0, note }
    }
}
