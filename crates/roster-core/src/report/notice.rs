//! Notices: what is told as Kubernetes events, as data.

use std::fmt;

use super::Report;
use crate::{
    api::{ConditionType, InvalidReason},
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
    /// Whom the IdentityStore blocks has no access any more, in any account.
    BlocksInForce,
    /// Another store answers than the one that was used so far.
    StoreReplaced,
    /// The object's spec cannot be read.
    Unreadable,
    /// The object is invalid, for the reason that its condition gives.
    Invalid(InvalidReason),
}

/// Writes the word that an event has for its reason.
impl fmt::Display for NoticeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(reason) => write!(f, "{reason}"),
            reason => write!(f, "{reason:?}"),
        }
    }
}

impl NoticeReason {
    /// Returns whether somebody should look at it.
    #[must_use]
    pub const fn is_warning(self) -> bool {
        match self {
            Self::Applied
            | Self::DriftCorrected
            | Self::AccessBegan
            | Self::AccessEnded
            | Self::StoreUsed
            | Self::BlocksInForce => false,
            Self::DriftDetected
            | Self::RemovalGuarded
            | Self::Rejected
            | Self::RolloutStopped
            | Self::StoreReplaced
            | Self::Unreadable
            | Self::Invalid(_) => true,
        }
    }
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

    /// Returns a notice that an object is invalid; nothing where its status says so of this generation already, so that a
    /// generation is told once, whoever looks at it again. What only the Account is to blame for, the Account tells; and of
    /// what cannot be read, whoever could not read it.
    #[must_use]
    pub fn invalid(about: &ObjectRef, meta: &Meta, report: &Report) -> Option<Self> {
        let findings = report.findings.as_ref()?;
        let reason = findings.reason().filter(|reason| *reason != InvalidReason::Unreadable)?;
        let is_own = findings.faults().any(|fault| !fault.is_of_account());
        let is_known = meta.status.observed_generation == report.generation
            && meta.status.since(ConditionType::Valid, false).is_some();
        let news = is_own && !is_known;
        news.then(|| Self::new(about.clone(), meta, NoticeReason::Invalid(reason), findings.message()))
    }
}
