//! What is known of the watches: which kinds are listed, and which the API server refuses.

use std::{collections::BTreeMap, time::Duration};

use super::{ApiFault, Mono};
use crate::model::KindName;

/// How long a refusal counts that is not repeated: whatever is refused is tried again within half a minute.
const COUNTS: Duration = Duration::from_secs(45);

/// State of a kind's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListState {
    /// Not complete yet.
    Pending,
    /// Complete.
    Listed,
    /// The server does not know the kind.
    Absent,
}

/// Kinds without which nobody's access can be ended: who is a member of what, where, and until when.
const NEEDED: [KindName; 3] = [KindName::Account, KindName::Membership, KindName::IdentityStore];
/// Time for which the other kinds are waited for at the start.
const PATIENCE: Duration = Duration::from_secs(3);

/// The lists of all kinds.
pub(super) struct Lists {
    states: BTreeMap<KindName, ListState>,
    /// Time for which the other kinds are waited for once the needed ones are listed.
    patience: Duration,
    /// Since when the needed kinds are listed.
    needed: Option<Mono>,
    /// Whether the other kinds were waited for long enough since.
    has_waited: bool,
}

/// What can be done with what is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// Everything.
    All,
    /// Ends by somebody's word: a kind is missing that they do not need.
    OnlyEnds,
    /// Nothing: an object that is not there yet would read as gone.
    Nothing,
}

impl Default for Lists {
    fn default() -> Self {
        Self::new(PATIENCE)
    }
}

impl Lists {
    /// Knows of no list yet.
    pub(super) fn new(patience: Duration) -> Self {
        let states = KindName::ALL.into_iter().map(|kind| (kind, ListState::Pending)).collect();
        Self { states, patience, needed: None, has_waited: false }
    }

    /// Notes the state of a kind's list; returns whether it is new.
    pub(super) fn set(&mut self, kind: KindName, state: ListState, now: Mono) -> bool {
        let is_new = self.states.insert(kind, state) != Some(state);
        let has_needed = NEEDED.iter().all(|kind| self.state(*kind) == ListState::Listed);
        self.needed = has_needed.then(|| self.needed.unwrap_or(now));
        self.has_waited &= has_needed;
        is_new
    }

    /// Returns whether every watch has listed completely: an object that is not there yet would read as gone.
    pub(super) fn are_complete(&self) -> bool {
        self.states.values().all(|state| *state == ListState::Listed)
    }

    /// Returns what can be done now.
    pub(super) fn listed(&self, now: Mono) -> Listed {
        if self.are_complete() {
            return Listed::All;
        }
        let is_missing = self.states.values().any(|state| *state == ListState::Absent);
        match self.needed {
            Some(since) if is_missing || now.since(since) >= self.patience => Listed::OnlyEnds,
            _ => Listed::Nothing,
        }
    }

    /// Returns whether the kinds that revocations need are listed.
    pub(super) fn know_needed(&self) -> bool {
        self.needed.is_some()
    }

    /// Returns when the other kinds will have been waited for long enough.
    pub(super) fn next_due(&self) -> Option<Mono> {
        self.needed.filter(|_| !self.has_waited && !self.are_complete()).map(|since| since + self.patience)
    }

    /// Returns whether the other kinds have now been waited for long enough; once.
    pub(super) fn stop_waiting(&mut self, now: Mono) -> bool {
        let is_due = self.next_due().is_some_and(|due| due <= now);
        self.has_waited |= is_due;
        is_due
    }

    /// Returns whether the other kinds were waited for long enough, and are not all there.
    pub(super) fn are_late(&self) -> bool {
        self.has_waited && !self.are_complete()
    }

    /// Returns the kinds that are not listed.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let missing = self.states.iter().filter(|(_, state)| **state != ListState::Listed);
        missing.map(|(kind, _)| kind.as_str()).collect()
    }

    /// Returns whether accounts may be deleted. A deletion needs only the Account and its store; the other kinds may be
    /// gone already.
    pub(super) fn allow_deletion(&self) -> bool {
        // Which accounts a partner waits for, the labels of their namespaces tell; which roles must not lose their last
        // holder, the catalogs.
        self.state(KindName::Account) == ListState::Listed
            && self.state(KindName::Namespace) == ListState::Listed
            && self.state(KindName::IdentityStore) != ListState::Pending
            && (self.state(KindName::PermissionCatalog) != ListState::Pending || self.has_waited)
    }

    /// Returns whether it is known which accounts there are; none where their definition is gone.
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

/// What is done to objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    /// They are listed and watched.
    Read,
    /// Their status is written.
    Status,
    /// What else is written for them: finalizers, records.
    Other,
}

/// Refusals of the API server, the last of each sort: a process that lacks a right is not ready
/// (docs/decisions/0023-readiness.md).
#[derive(Default)]
pub(super) struct Refusals(BTreeMap<(KindName, Access), (Mono, String)>);

impl Refusals {
    /// Notes the outcome of something done to objects of a kind.
    pub(super) fn note(&mut self, kind: KindName, access: Access, refused: Option<String>, now: Mono) {
        match refused {
            Some(why) => self.0.insert((kind, access), (now, why)),
            None => self.0.remove(&(kind, access)),
        };
    }

    /// Like [`Self::note`], from a request that went well or did not.
    pub(super) fn note_fault(&mut self, kind: KindName, access: Access, fault: Option<&ApiFault>, now: Mono) {
        self.note(kind, access, fault.and_then(|fault| fault.lacks_right.clone()), now);
    }

    /// Returns what the API server says, if anything is refused.
    pub(super) fn first(&self, now: Mono) -> Option<&str> {
        self.0.values().find(|(at, _)| now.since(*at) < COUNTS).map(|(_, why)| why.as_str())
    }

    /// Forgets what was not repeated.
    pub(super) fn tidy(&mut self, now: Mono) {
        self.0.retain(|_, (at, _)| now.since(*at) < COUNTS);
    }
}
