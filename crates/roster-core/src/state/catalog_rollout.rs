//! Rollout of a catalog's revision: which accounts follow it, and which come next
//! (docs/decisions/0020-catalog-rollouts.md). `revisions` and the loop's rollouts use it.
//!
//! A changed catalog reaches its accounts one after another, in the order of their keys. Access depends on two facts
//! in the record: the revision that reached all accounts before, and the last account that follows the present one.
//! The statuses of the accounts affect only the pace.

use std::{cmp::Ordering, sync::Arc};

use super::{CatalogFacts, LastRevision, Record};
use crate::{
    api::{ROLLOUT_ANNOTATION, SyncReason},
    model::{AccountKey, Name},
};

/// Present revision of a catalog.
#[derive(Clone, Debug)]
pub struct PresentRevision {
    /// UID of the catalog object.
    pub uid: Name,
    /// Content of the revision.
    pub facts: Arc<CatalogFacts>,
    /// Whether the catalog is being deleted.
    pub deleting: bool,
    /// Whether its annotation requests that a change reaches all accounts at once.
    pub all_at_once: bool,
}

impl PresentRevision {
    /// Extracts the present revision of a catalog.
    #[must_use]
    pub fn new(catalog: &Record<CatalogFacts>) -> Self {
        Self {
            uid: catalog.meta.uid.clone(),
            facts: catalog.facts.clone(),
            deleting: catalog.meta.deleting,
            all_at_once: catalog.meta.annotation(ROLLOUT_ANNOTATION) == Some("AllAtOnce"),
        }
    }

    /// Returns whether the revision may be recorded: it is valid, and the catalog is not being deleted.
    fn counts(&self) -> bool {
        !self.deleting && self.facts.compiled.is_ok()
    }
}

/// State of the rollout of a catalog.
#[derive(Clone, Copy, Debug)]
pub enum Rollout<'a> {
    /// All accounts follow the present revision.
    Done,
    /// The record is newer than the known catalog, so the catalog's own change has not arrived yet.
    Ahead(&'a LastRevision),
    /// The present revision is being rolled out from account to account.
    Under(&'a LastRevision),
}

impl<'a> Rollout<'a> {
    /// Returns the state of the rollout, by the record of the last revision.
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

    /// Returns whether the record must be rewritten: all accounts follow the present revision, and the record
    /// differs.
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
pub enum RolloutState {
    /// The account follows the revision, or cannot for a reason of its own that does not delay others.
    Done,
    /// The account follows the revision, and needs a person's decision that dates from before its turn and does not
    /// delay others.
    HeldBefore,
    /// The account has not followed the revision yet.
    Waits,
    /// The account needs a person's decision.
    Stopped(SyncReason),
}

/// Progress of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Number of accounts that use the catalog.
    pub accounts: usize,
    /// Number of them that follow the present revision.
    pub updated: usize,
    /// Number of them that need a person's decision that dates from before their turn.
    pub held_before: usize,
    /// Next account to follow.
    pub next: Option<AccountKey>,
    /// Number of accounts that others wait for.
    pub pending: usize,
    /// Number of accounts that stop the rollout.
    pub stops: usize,
    /// First account that stops the rollout, and the reason.
    pub stopped: Option<(AccountKey, SyncReason)>,
    /// Next action.
    pub step: Step,
}

/// Next action of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait for the accounts that follow already.
    Wait,
    /// Let all accounts up to this one follow the present revision.
    Admit(AccountKey),
    /// Record that all accounts follow it.
    Finish,
}

/// Returns the progress and the next action: one account first, then twice as many whenever all earlier ones are
/// done. `accounts` are all that use the catalog, in the order of their keys.
#[must_use]
pub fn progress(up_to: Option<&AccountKey>, accounts: &[(AccountKey, RolloutState)]) -> Progress {
    let updated = accounts.partition_point(|(key, _)| up_to.is_some_and(|up_to| key <= up_to));
    let (admitted, waiting) = accounts.split_at(updated);
    let stopped = admitted.iter().find_map(|(key, standing)| match standing {
        RolloutState::Stopped(reason) => Some((key.clone(), *reason)),
        RolloutState::Done | RolloutState::HeldBefore | RolloutState::Waits => None,
    });
    let held_before = admitted.iter().filter(|(_, standing)| *standing == RolloutState::HeldBefore).count();
    let pending = admitted.iter().filter(|(_, standing)| *standing == RolloutState::Waits).count();
    let stops = admitted.iter().filter(|(_, standing)| matches!(standing, RolloutState::Stopped(_))).count();
    // 1, 2, 4, …: as many as there are already, and one more.
    let last = (2 * updated).min(accounts.len().saturating_sub(1));
    let is_done = |standing: &RolloutState| matches!(standing, RolloutState::Done | RolloutState::HeldBefore);
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
