//! Shared state of the loop and a running pass. The loop creates a [`Handle`] for each pass (`start`), and
//! `reconcile` reads it between slices.
//!
//! A pass over very many members takes long, and an explicit revocation must not wait for it. So the loop withdraws
//! the members concerned from the pass, which writes none of their changes from then on, and reconciles them in a
//! parallel pass. If that is impossible, the loop asks the pass to end early (docs/decisions/0031-parallel-passes.md).

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{model::Email, plan::Change};

/// Handle of a running pass. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Handle(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    ends_early: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    withdrawn: BTreeSet<Email>,
    writing: Writing,
    removals_are_applied: bool,
}

/// Content that a pass is writing now.
#[derive(Debug, Default)]
enum Writing {
    #[default]
    Nothing,
    People(BTreeSet<Email>),
    /// The account, roles or groups, on which all members' access depends.
    Definitions,
}

impl Handle {
    /// Asks the pass to end after the current slice.
    pub fn end_early(&self) {
        self.0.ends_early.store(true, Ordering::Relaxed);
    }

    /// Returns whether the pass was asked to end early.
    #[must_use]
    pub fn ends_early(&self) -> bool {
        self.0.ends_early.load(Ordering::Relaxed)
    }

    /// Withdraws people from the pass and returns `true`. Withdraws none and returns `false` if the pass is writing
    /// one of them, or definitions.
    #[must_use]
    pub fn withdraw(&self, people: &BTreeSet<Email>) -> bool {
        let mut state = self.state();
        let is_free = match &state.writing {
            Writing::Nothing => true,
            Writing::People(written) => written.is_disjoint(people),
            Writing::Definitions => false,
        };
        if is_free {
            state.withdrawn.extend(people.iter().cloned());
        }
        is_free
    }

    /// Returns the people who were withdrawn from the pass.
    #[must_use]
    pub fn withdrawn(&self) -> BTreeSet<Email> {
        self.state().withdrawn.clone()
    }

    /// Begins a slice. Returns the members withdrawn from the pass, whose changes the caller must drop.
    pub(super) fn begin_slice(&self, changes: &[Change]) -> BTreeSet<Email> {
        let mut state = self.state();
        let (mut left_out, mut written) = (BTreeSet::new(), Some(BTreeSet::new()));
        for change in changes {
            match (change.object.person(), &mut written) {
                (Some(email), _) if state.withdrawn.contains(email) => drop(left_out.insert(email.clone())),
                (Some(email), Some(written)) => drop(written.insert(email.clone())),
                (Some(_), None) => {}
                (None, _) => written = None,
            }
        }
        state.writing = written.map_or(Writing::Definitions, Writing::People);
        left_out
    }

    /// Records that the slice is written.
    pub(super) fn end_slice(&self) {
        self.state().writing = Writing::Nothing;
    }

    /// Records that all removals of the pass are in the store, or that it makes none.
    pub(super) fn set_removals_applied(&self) {
        self.state().removals_are_applied = true;
    }

    /// Returns whether the pass makes no more removals: an observation after this counts all of them.
    pub(super) fn removals_are_applied(&self) -> bool {
        self.state().removals_are_applied
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics between two writes of the state, so it is consistent.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Cause, ObjectKey, Phase};

    fn change(object: ObjectKey) -> Change {
        Change::removal(object, Cause::Unwanted, Phase::Revoke)
    }

    fn email(name: &str) -> Email {
        Email::as_stored(&format!("{name}@acme.example"))
    }

    #[test]
    fn a_withdrawn_member_is_not_written_and_a_member_being_written_is_not_withdrawn() {
        let handle = Handle::default();
        assert!(handle.withdraw(&[email("dana")].into()));
        let slice = ["dana", "eve"].map(|name| change(ObjectKey::Member(email(name))));
        assert_eq!(handle.begin_slice(&slice), [email("dana")].into());
        assert!(!handle.withdraw(&[email("eve"), email("finn")].into()));
        assert!(handle.withdraw(&[email("finn")].into()));
        handle.end_slice();
        assert!(handle.withdraw(&[email("eve")].into()));
        assert_eq!(handle.withdrawn(), ["dana", "eve", "finn"].map(email).into());
        handle.begin_slice(&[change(ObjectKey::Account)]);
        assert!(!handle.withdraw(&[email("gus")].into()));
    }
}
