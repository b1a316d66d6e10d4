//! Progress of the watches: which kinds are listed, and which requests the API server refuses. The loop updates it,
//! and asks it what may be done.

use std::{collections::BTreeMap, time::Duration};

use super::{ApiFault, Mono};
use crate::model::KindName;

/// Time for which a refusal counts unless it is repeated: every refused request is retried within 30 seconds.
const COUNTS: Duration = Duration::from_secs(45);

/// State of a kind's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListState {
    /// The list is not complete yet.
    Pending,
    /// The list is complete.
    Listed,
    /// The API server does not know the kind.
    Absent,
}

/// Kinds without which no access can be revoked: who is a member of which account, in which store, and until when.
const NEEDED: [KindName; 3] = [KindName::Account, KindName::Membership, KindName::IdentityStore];
/// Time to wait for the other kinds at the start.
const PATIENCE: Duration = Duration::from_secs(3);

/// State of the lists of all kinds.
pub(super) struct Lists {
    states: BTreeMap<KindName, ListState>,
    /// Time to wait for the other kinds once the needed ones are listed.
    patience: Duration,
    /// Time since which the needed kinds are listed.
    needed: Option<Mono>,
    /// Whether that wait has ended.
    has_waited: bool,
}

/// Actions that the listed kinds allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// All changes.
    All,
    /// Only explicit revocations: a kind is missing that they do not need.
    RevocationsOnly,
    /// No changes: an object that is not listed yet would look deleted.
    Nothing,
}

impl Default for Lists {
    fn default() -> Self {
        Self::new(PATIENCE)
    }
}

impl Lists {
    /// Creates the state in which no kind is listed.
    pub(super) fn new(patience: Duration) -> Self {
        let states = KindName::ALL.into_iter().map(|kind| (kind, ListState::Pending)).collect();
        Self { states, patience, needed: None, has_waited: false }
    }

    /// Sets the state of a kind's list; returns whether it changed.
    pub(super) fn set(&mut self, kind: KindName, state: ListState, now: Mono) -> bool {
        let is_new = self.states.insert(kind, state) != Some(state);
        let has_needed = NEEDED.iter().all(|kind| self.state(*kind) == ListState::Listed);
        self.needed = has_needed.then(|| self.needed.unwrap_or(now));
        self.has_waited &= has_needed;
        is_new
    }

    /// Returns whether every kind is listed completely; otherwise an object that is not listed yet would look
    /// deleted.
    pub(super) fn are_complete(&self) -> bool {
        self.states.values().all(|state| *state == ListState::Listed)
    }

    /// Returns the actions that are possible now.
    pub(super) fn listed(&self, now: Mono) -> Listed {
        if self.are_complete() {
            return Listed::All;
        }
        let is_missing = self.states.values().any(|state| *state == ListState::Absent);
        match self.needed {
            Some(since) if is_missing || now.since(since) >= self.patience => Listed::RevocationsOnly,
            _ => Listed::Nothing,
        }
    }

    /// Returns whether the kinds that revocations need are listed.
    pub(super) fn know_needed(&self) -> bool {
        self.needed.is_some()
    }

    /// Returns the time at which the wait for the other kinds ends.
    pub(super) fn next_due(&self) -> Option<Mono> {
        self.needed.filter(|_| !self.has_waited && !self.are_complete()).map(|since| since + self.patience)
    }

    /// Ends the wait for the other kinds if it is due; returns whether it ended now.
    pub(super) fn stop_waiting(&mut self, now: Mono) -> bool {
        let is_due = self.next_due().is_some_and(|due| due <= now);
        self.has_waited |= is_due;
        is_due
    }

    /// Returns whether the wait for the other kinds has ended and some are still missing.
    pub(super) fn are_late(&self) -> bool {
        self.has_waited && !self.are_complete()
    }

    /// Returns the kinds that are not listed.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let missing = self.states.iter().filter(|(_, state)| **state != ListState::Listed);
        missing.map(|(kind, _)| kind.as_str()).collect()
    }

    /// Returns whether accounts may be deleted. A deletion needs only the Account and its store; the other kinds may
    /// be gone already.
    pub(super) fn allow_deletion(&self) -> bool {
        // Labels of namespaces tell which accounts a partner waits for; catalogs tell which roles must not lose their
        // last holder.
        self.state(KindName::Account) == ListState::Listed
            && self.state(KindName::Namespace) == ListState::Listed
            && self.state(KindName::IdentityStore) != ListState::Pending
            && (self.state(KindName::PermissionCatalog) != ListState::Pending || self.has_waited)
    }

    /// Returns whether the set of accounts is known; it is empty if the definition is gone.
    pub(super) fn know_accounts(&self) -> bool {
        self.state(KindName::Account) != ListState::Pending
    }

    /// Returns the kinds in a state, by name.
    pub(super) fn kinds_in(&self, state: ListState) -> Vec<&'static str> {
        let mut kinds: Vec<&str> =
            self.states.iter().filter(|(_, known)| **known == state).map(|(kind, _)| kind.as_str()).collect();
        kinds.sort_unstable();
        kinds
    }

    fn state(&self, kind: KindName) -> ListState {
        self.states.get(&kind).copied().unwrap_or(ListState::Pending)
    }
}

/// Sort of request to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    /// List and watch.
    Read,
    /// Write of a status.
    Status,
    /// Other writes: finalizers, records.
    Other,
}

/// Last refusal by the API server of each kind and sort of request: a process that lacks a right is not ready
/// (docs/decisions/0023-readiness.md).
#[derive(Default)]
pub(super) struct Refusals(BTreeMap<(KindName, Access), (Mono, String)>);

impl Refusals {
    /// Records the result of a request; `None` clears the refusal.
    pub(super) fn note(&mut self, kind: KindName, access: Access, refused: Option<String>, now: Mono) {
        match refused {
            Some(why) => self.0.insert((kind, access), (now, why)),
            None => self.0.remove(&(kind, access)),
        };
    }

    /// Like [`Self::note`], for the fault of a request, if any.
    pub(super) fn note_fault(&mut self, kind: KindName, access: Access, fault: Option<&ApiFault>, now: Mono) {
        self.note(kind, access, fault.and_then(|fault| fault.lacks_right.clone()), now);
    }

    /// Returns the message of a current refusal, if any.
    pub(super) fn first(&self, now: Mono) -> Option<&str> {
        self.0.values().find(|(at, _)| now.since(*at) < COUNTS).map(|(_, why)| why.as_str())
    }

    /// Drops refusals that were not repeated.
    pub(super) fn tidy(&mut self, now: Mono) {
        self.0.retain(|_, (at, _)| now.since(*at) < COUNTS);
    }
}
