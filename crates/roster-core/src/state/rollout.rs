//! Which revision of a catalog an account follows, and who is next (docs/decisions/0020-fleet-brake.md).
//!
//! A changed catalog reaches its accounts one after another, in the order of their keys. What decides about access is the
//! record of the revision that reached everybody before, and the last account that follows the present one. What the
//! accounts say of themselves decides about the pace, and about nothing else.

use std::{cmp::Ordering, collections::BTreeSet, sync::Arc};

use super::{CatalogFacts, Record};
use crate::{
    api::{ROLLOUT_ANNOTATION, SyncReason},
    model::{AccountKey, Name},
};

/// A catalog as it is now.
#[derive(Clone, Debug)]
pub struct PresentRevision {
    /// UID of the object.
    pub uid: Name,
    /// The revision.
    pub facts: Arc<CatalogFacts>,
    /// The catalog is being deleted.
    pub deleting: bool,
    /// Its annotation wants a change to reach all accounts at once.
    pub all_at_once: bool,
}

impl PresentRevision {
    /// Returns the revision that a catalog has now.
    #[must_use]
    pub fn new(catalog: &Record<CatalogFacts>) -> Self {
        Self {
            uid: catalog.meta.uid.clone(),
            facts: catalog.facts.clone(),
            deleting: catalog.meta.deleting,
            all_at_once: catalog.meta.annotation(ROLLOUT_ANNOTATION) == Some("AllAtOnce"),
        }
    }

    /// Returns whether the revision deserves a record: it is valid and not being deleted.
    fn counts(&self) -> bool {
        !self.deleting && self.facts.compiled.is_ok()
    }
}

/// The last revision of a catalog that reached all of its accounts.
#[derive(Clone, Debug)]
pub struct LastRevision {
    /// UID of the object.
    pub uid: Name,
    /// The revision.
    pub facts: Arc<CatalogFacts>,
    /// The last account, in the order of keys, that follows the present revision instead.
    pub up_to: Option<AccountKey>,
    /// Those of these accounts that needed a person's decision already when they had their turn.
    pub held_before: BTreeSet<AccountKey>,
}

/// Where a change of a catalog stands.
#[derive(Clone, Copy, Debug)]
pub enum Rollout<'a> {
    /// All accounts follow the present revision.
    Done,
    /// The record is ahead of what is known of the catalog, so the catalog's own change is still on its way.
    Ahead(&'a LastRevision),
    /// The present revision goes from account to account.
    Under(&'a LastRevision),
}

impl<'a> Rollout<'a> {
    /// Where it stands, by the record of the last one.
    #[must_use]
    pub fn of(present: &PresentRevision, last: Option<&'a LastRevision>) -> Self {
        let Some(last) = last.filter(|last| last.uid == present.uid) else { return Self::Done };
        match last.facts.generation.cmp(&present.facts.generation) {
            Ordering::Greater => Self::Ahead(last),
            Ordering::Less if present.facts.compiled.is_ok() && !present.all_at_once => Self::Under(last),
            Ordering::Less | Ordering::Equal => Self::Done,
        }
    }

    /// Returns the older revision that an account still follows, if any.
    #[must_use]
    pub fn instead(self, account: &AccountKey) -> Option<&'a Arc<CatalogFacts>> {
        match self {
            Self::Done => None,
            Self::Ahead(last) => Some(&last.facts),
            Self::Under(last) => last.up_to.as_ref().is_none_or(|up_to| account > up_to).then_some(&last.facts),
        }
    }

    /// Returns whether the record must be rewritten: all accounts follow the present revision, and the record differs.
    #[must_use]
    pub fn is_to_be_noted(self, present: &PresentRevision, last: Option<&LastRevision>) -> bool {
        let noted = |last: &LastRevision| {
            last.uid == present.uid
                && last.facts.generation == present.facts.generation
                && last.facts.spec == present.facts.spec
                && last.up_to.is_none()
        };
        matches!(self, Self::Done) && present.counts() && !last.is_some_and(noted)
    }
}

/// State of one account in a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It follows it, or cannot for a reason of its own, which need not keep others waiting.
    Done,
    /// It follows it, and needs a person's decision about something from before its turn, which need not keep others
    /// waiting either.
    HeldBefore,
    /// Nothing yet.
    Waits,
    /// It needs a person's decision.
    Stopped(SyncReason),
}

/// How far a change has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Accounts that use the catalog.
    pub accounts: usize,
    /// Those of them that follow the present revision.
    pub updated: usize,
    /// Those of them that need a person's decision about something from before their turn.
    pub held_before: usize,
    /// The account that comes next.
    pub next: Option<AccountKey>,
    /// Accounts that others wait for.
    pub pending: usize,
    /// Accounts that stop it.
    pub stops: usize,
    /// The first account that stops it, and why.
    pub stopped: Option<(AccountKey, SyncReason)>,
    /// What is to be done now.
    pub step: Step,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait.
    Wait,
    /// All accounts up to this one are to follow the present revision.
    Admit(AccountKey),
    /// All do, and are done.
    Finish,
}

/// How far a change has come, and what is next: one account first, then twice as many each time that all before are done.
/// `accounts` are all that use the catalog, in the order of their keys.
#[must_use]
pub fn progress(up_to: Option<&AccountKey>, accounts: &[(AccountKey, Standing)]) -> Progress {
    let updated = accounts.partition_point(|(key, _)| up_to.is_some_and(|up_to| key <= up_to));
    let (admitted, waiting) = accounts.split_at(updated);
    let stopped = admitted.iter().find_map(|(key, standing)| match standing {
        Standing::Stopped(reason) => Some((key.clone(), *reason)),
        Standing::Done | Standing::HeldBefore | Standing::Waits => None,
    });
    let held_before = admitted.iter().filter(|(_, standing)| *standing == Standing::HeldBefore).count();
    let pending = admitted.iter().filter(|(_, standing)| *standing == Standing::Waits).count();
    let stops = admitted.iter().filter(|(_, standing)| matches!(standing, Standing::Stopped(_))).count();
    // 1, 2, 4, …: as many as there are already, and one.
    let last = (2 * updated).min(accounts.len().saturating_sub(1));
    let is_done = |standing: &Standing| matches!(standing, Standing::Done | Standing::HeldBefore);
    let step = if admitted.iter().any(|(_, standing)| !is_done(standing)) {
        Step::Wait
    } else if waiting.is_empty() {
        Step::Finish
    } else {
        accounts.get(last).map_or(Step::Finish, |(key, _)| Step::Admit(key.clone()))
    };
    let next = waiting.first().map(|(key, _)| key.clone());
    Progress { accounts: accounts.len(), updated, held_before, next, pending, stops, stopped, step }
}
