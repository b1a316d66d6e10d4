//! Defines notices: the content of Kubernetes events, as data. Created by `report` and the controller; published by the
//! controller.

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
    /// The store differs from what was last applied.
    DriftDetected,
    /// Drift was corrected.
    DriftCorrected,
    /// The removal guard holds removals back.
    RemovalGuarded,
    /// The store refused a change.
    Rejected,
    /// The rollout of a catalog's change has stopped.
    RolloutStopped,
    /// A member has access from now on: their time has begun, or a revocation was withdrawn.
    AccessBegan,
    /// A member has no access any more.
    AccessEnded,
    /// A store is used from now on, for the first time or in place of another one.
    StoreUsed,
    /// The addresses that the IdentityStore blocks have no access in any account.
    BlocksInForce,
    /// The store that answers is not the one used so far.
    StoreReplaced,
    /// The object's spec cannot be read.
    Unreadable,
    /// The object is invalid, for the reason in its condition.
    Invalid(InvalidReason),
}

/// Writes the reason as it appears in an event.
impl fmt::Display for NoticeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(reason) => write!(f, "{reason}"),
            reason => write!(f, "{reason:?}"),
        }
    }
}

impl NoticeReason {
    /// Returns whether the event is a warning, which needs somebody's attention.
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

/// Event to publish about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Object to which the event refers.
    pub about: ObjectRef,
    /// UID of the object.
    pub uid: Name,
    /// Reason of the event.
    pub reason: NoticeReason,
    /// Number of changes, for `Applied`; 0 for other reasons.
    pub count: usize,
    /// Text of the event.
    pub note: String,
}

impl Notice {
    /// Returns a notice about an object, with the UID from its metadata.
    #[must_use]
    pub fn new(about: ObjectRef, meta: &Meta, reason: NoticeReason, note: String) -> Self {
        Self { about, uid: meta.uid.clone(), reason, count: 0, note }
    }

    /// Returns an event for a newly invalid object; `None` if its status already has this for its generation, so that
    /// each generation gets one event. Faults of the Account are reported on the Account only, and unreadable specs by
    /// the code that failed to read them.
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
