//! Work on one account: what is asked for, and where it stands.

use std::collections::BTreeSet;

use crate::{
    control::{ChangedObject, Mono, Triggers},
    model::{Email, Name},
};

/// Part of an account that is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) enum WorkItem {
    /// All of the account.
    Account,
    /// One address.
    Member(Email),
}

/// Lane in which work waits; an earlier one goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::control) enum Lane {
    /// Somebody's word takes access away, or a Membership or an Invitation is gone.
    Revocations,
    /// Something changed, or a pass failed.
    Changes,
    /// A periodic check.
    #[default]
    Checks,
}

impl Lane {
    pub(super) const ALL: [Self; 3] = [Self::Revocations, Self::Changes, Self::Checks];

    /// Returns whether something changed.
    pub(in crate::control) const fn is_change(self) -> bool {
        !matches!(self, Self::Checks)
    }
}

/// What brings work about.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::control) struct Trigger<'a> {
    /// Lane in which it waits.
    pub(in crate::control) lane: Lane,
    /// The object that changed, where one did.
    pub(in crate::control) object: Option<&'a ChangedObject>,
}

impl Trigger<'_> {
    /// A change that no object of the account has brought about.
    pub(in crate::control) const CHANGE: Self = Self { lane: Lane::Changes, object: None };
    /// A periodic check.
    pub(in crate::control) const CHECK: Self = Self { lane: Lane::Checks, object: None };
}

/// All that is to be looked at in one account.
#[derive(Clone, Debug, Default)]
pub(in crate::control) struct Pending {
    /// All of it.
    pub(in crate::control) whole: bool,
    /// These addresses.
    pub(in crate::control) members: BTreeSet<Email>,
    /// Those of them of whom somebody's word takes something away, or an object is gone.
    pub(in crate::control) revoked: BTreeSet<Email>,
    /// Whether a pass that runs is to end early for this.
    pub(in crate::control) presses: bool,
    /// The objects that brought it about.
    pub(in crate::control) triggers: Triggers,
    /// When the first of it was asked for.
    pub(in crate::control) since: Option<Mono>,
    /// Lane in which it waits.
    pub(in crate::control) lane: Lane,
    /// Since when a change that may take something away has been waiting, if there is any. A pass that fails has not done
    /// it.
    pub(in crate::control) changed: Option<Mono>,
}

impl Pending {
    /// Returns this work, and other work on the same account that arrived after it.
    pub(super) fn followed_by(mut self, later: Option<Self>) -> Self {
        if let Some(later) = later {
            self.merge(later);
        }
        self
    }

    /// Returns the same work for just these people, or for the whole account.
    pub(super) fn of(mut self, members: Option<BTreeSet<Email>>) -> Self {
        self.whole = members.is_none();
        self.presses = self.whole && self.lane == Lane::Revocations;
        self.members = members.unwrap_or_default();
        self.revoked.retain(|email| self.members.contains(email));
        if !self.whole {
            // What else brought it about is done, and must not be named for what comes later.
            self.triggers = self.triggers.take(&self.members);
        }
        self
    }

    /// Takes out what is about these people, of whom something is taken away. What is left may be nothing.
    pub(super) fn take_revoked(&mut self, people: &BTreeSet<Email>) -> Self {
        let revoked: BTreeSet<Email> = self.revoked.intersection(people).cloned().collect();
        self.revoked.retain(|email| !revoked.contains(email));
        self.members.retain(|email| !revoked.contains(email));
        if self.lane == Lane::Revocations && !self.presses && self.revoked.is_empty() {
            self.lane = Lane::Changes;
        }
        Self {
            whole: false,
            members: revoked.clone(),
            triggers: self.triggers.take(&revoked),
            revoked,
            presses: false,
            since: self.since,
            lane: Lane::Revocations,
            changed: self.changed,
        }
    }

    /// Returns whether there is nothing to be looked at.
    pub(super) fn is_empty(&self) -> bool {
        !self.whole && self.members.is_empty()
    }

    /// Takes in other work on the same account, which arrived later.
    pub(super) fn merge(&mut self, other: Self) {
        self.whole |= other.whole;
        self.members.extend(other.members);
        self.revoked.extend(other.revoked);
        self.presses |= other.presses;
        self.triggers.merge(other.triggers);
        self.since = earlier(self.since, other.since);
        self.lane = self.lane.min(other.lane);
        self.changed = earlier(self.changed, other.changed);
    }
}

fn earlier(one: Option<Mono>, other: Option<Mono>) -> Option<Mono> {
    one.into_iter().chain(other).min()
}

/// How a pass ended, as far as the queue is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) enum Ended {
    /// All that was to be done is done.
    Done,
    /// The whole account is to be looked at for the rest of it, at once.
    Partly,
    /// The whole account is to be looked at for the rest of it, once more is known of the cluster.
    Waits,
    /// It made way for a revocation: that is done first, then all of it again for the rest.
    Interrupted,
    /// It is to be done again, after a while.
    Failed {
        /// Whether that may take something away from somebody.
        revokes: bool,
        /// Those who are to be looked at again; absent for the whole account.
        members: Option<BTreeSet<Email>>,
    },
}

impl Ended {
    /// All of it failed, and it may take something away.
    pub(in crate::control) const FAILED: Self = Self::Failed { revokes: true, members: None };
}

/// What a pass that runs keeps waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) enum Kept<'a> {
    /// Something for which it is to end early.
    Presses,
    /// People of whom something is taken away.
    Revoked(&'a BTreeSet<Email>),
}

/// Whether a pass over an account may start now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) enum Admission {
    /// It may.
    Start,
    /// Not before another pass in this store has ended.
    Full(Name),
    /// Not before more is known of the cluster.
    NotYet,
    /// Another replica looks after the account.
    Elsewhere,
}
