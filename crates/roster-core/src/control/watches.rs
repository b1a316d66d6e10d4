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

/// The lists of all kinds.
pub(super) struct Lists(BTreeMap<KindName, ListState>);

impl Default for Lists {
    fn default() -> Self {
        Self(KindName::ALL.into_iter().map(|kind| (kind, ListState::Pending)).collect())
    }
}

impl Lists {
    /// Notes the state of a kind's list; returns whether it is new.
    pub(super) fn set(&mut self, kind: KindName, state: ListState) -> bool {
        self.0.insert(kind, state) != Some(state)
    }

    /// Returns whether every watch has listed completely: an object that is not there yet would read as gone.
    pub(super) fn are_complete(&self) -> bool {
        self.0.values().all(|state| *state == ListState::Listed)
    }

    /// Returns whether accounts may be deleted. A deletion needs only the Account and its store; the other kinds may be
    /// gone already.
    pub(super) fn allow_deletion(&self) -> bool {
        self.state(KindName::Account) == ListState::Listed && self.state(KindName::IdentityStore) != ListState::Pending
    }

    /// Returns whether it is known which accounts there are; none where their definition is gone.
    pub(super) fn know_accounts(&self) -> bool {
        self.state(KindName::Account) != ListState::Pending
    }

    /// Returns the kinds in a state, by name.
    pub(super) fn kinds_in(&self, state: ListState) -> Vec<&'static str> {
        let mut kinds: Vec<&str> =
            self.0.iter().filter(|(_, known)| **known == state).map(|(kind, _)| kind.as_str()).collect();
        kinds.sort_unstable();
        kinds
    }

    fn state(&self, kind: KindName) -> ListState {
        self.0.get(&kind).copied().unwrap_or(ListState::Pending)
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
