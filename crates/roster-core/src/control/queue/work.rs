//! Pending work on one account, and the outcomes of its passes. The queue and the loop pass these values to each
//! other.

use std::collections::BTreeSet;

use crate::{
    control::{ChangedObject, Mono, Triggers},
    model::{Email, Name},
};

/// Part of an account to be reconciled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) enum WorkItem {
    /// The whole account.
    Account,
    /// One address.
    Member(Email),
}

/// Lane in which work waits; an earlier one goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::control) enum Lane {
    /// An explicit revocation, or a deleted Membership or Invitation.
    Revocations,
    /// A change, or a failed pass.
    Changes,
    /// A periodic check.
    #[default]
    Checks,
}

impl Lane {
    pub(super) const ALL: [Self; 3] = [Self::Revocations, Self::Changes, Self::Checks];

    /// Returns whether the work is more than a periodic check.
    pub(in crate::control) const fn is_change(self) -> bool {
        !matches!(self, Self::Checks)
    }
}

/// Reason for new work.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::control) struct Trigger<'a> {
    /// Lane in which the work waits.
    pub(in crate::control) lane: Lane,
    /// The object that changed, if any.
    pub(in crate::control) object: Option<&'a ChangedObject>,
}

impl Trigger<'_> {
    /// A change that no object of the account triggered.
    pub(in crate::control) const CHANGE: Self = Self { lane: Lane::Changes, object: None };
    /// A periodic check.
    pub(in crate::control) const CHECK: Self = Self { lane: Lane::Checks, object: None };
}

/// All pending work on one account.
#[derive(Clone, Debug, Default)]
pub(in crate::control) struct Pending {
    /// Whether the whole account must be reconciled.
    pub(in crate::control) whole: bool,
    /// Addresses to be reconciled.
    pub(in crate::control) members: BTreeSet<Email>,
    /// Members with an explicit revocation or a deleted object.
    pub(in crate::control) revoked: BTreeSet<Email>,
    /// Whether the running pass must stop early.
    pub(in crate::control) must_preempt: bool,
    /// Objects that triggered the work.
    pub(in crate::control) triggers: Triggers,
    /// Time of the first request.
    pub(in crate::control) since: Option<Mono>,
    /// Lane in which the work waits.
    pub(in crate::control) lane: Lane,
    /// Time since which a change that may revoke access has been waiting, if any. A failed pass does not complete it.
    pub(in crate::control) changed: Option<Mono>,
}

impl Pending {
    /// Merges work on the same account that arrived later into this work.
    pub(super) fn followed_by(mut self, later: Option<Self>) -> Self {
        if let Some(later) = later {
            self.merge(later);
        }
        self
    }

    /// Restricts the work to these people, or extends it to the whole account.
    pub(super) fn of(mut self, members: Option<BTreeSet<Email>>) -> Self {
        self.whole = members.is_none();
        self.must_preempt = self.whole && self.lane == Lane::Revocations;
        self.members = members.unwrap_or_default();
        self.revoked.retain(|email| self.members.contains(email));
        if !self.whole {
            // The other triggers are completed, and must not be named as the cause of later changes.
            self.triggers = self.triggers.take(&self.members);
        }
        self
    }

    /// Removes and returns the revocations of these people. The remaining work may be empty.
    pub(super) fn take_revoked(&mut self, people: &BTreeSet<Email>) -> Self {
        let revoked: BTreeSet<Email> = self.revoked.intersection(people).cloned().collect();
        self.revoked.retain(|email| !revoked.contains(email));
        self.members.retain(|email| !revoked.contains(email));
        if self.lane == Lane::Revocations && !self.must_preempt && self.revoked.is_empty() {
            self.lane = Lane::Changes;
        }
        Self {
            whole: false,
            members: revoked.clone(),
            triggers: self.triggers.take(&revoked),
            revoked,
            must_preempt: false,
            since: self.since,
            lane: Lane::Revocations,
            changed: self.changed,
        }
    }

    /// Returns whether no work is left.
    pub(super) fn is_empty(&self) -> bool {
        !self.whole && self.members.is_empty()
    }

    /// Adds work on the same account that arrived later.
    pub(super) fn merge(&mut self, other: Self) {
        self.whole |= other.whole;
        self.members.extend(other.members);
        self.revoked.extend(other.revoked);
        self.must_preempt |= other.must_preempt;
        self.triggers.merge(other.triggers);
        self.since = earlier(self.since, other.since);
        self.lane = self.lane.min(other.lane);
        self.changed = earlier(self.changed, other.changed);
    }
}

fn earlier(one: Option<Mono>, other: Option<Mono>) -> Option<Mono> {
    one.into_iter().chain(other).min()
}

/// Outcome of a pass for the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) enum Completion {
    /// All work is done.
    Done,
    /// The rest needs a pass over the whole account, at once.
    Partly,
    /// The rest needs a pass over the whole account, once more kinds are listed.
    Waits,
    /// The pass ended early for a revocation, which goes first; then the whole work again.
    Interrupted,
    /// The work must be retried after a wait.
    Failed {
        /// Whether the work may revoke access.
        revokes: bool,
        /// Members to retry; absent for the whole account.
        members: Option<BTreeSet<Email>>,
    },
}

impl Completion {
    /// Failure of the whole work, which may revoke access.
    pub(in crate::control) const FAILED: Self = Self::Failed { revokes: true, members: None };
}

/// Urgent work that waits for a running pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) enum WaitingForPass<'a> {
    /// The running pass must stop early.
    EndPassEarly,
    /// Revocations of these people, which a parallel pass can make.
    Revoked(&'a BTreeSet<Email>),
}

/// Decision whether a pass over an account may start now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) enum Admission {
    /// The pass may start.
    Start,
    /// The pass must wait until another one in this store has ended.
    Full(Name),
    /// The pass must wait until more kinds are listed.
    NotYet,
    /// Another replica reconciles the account.
    Elsewhere,
}
