//! What the loop and a pass that runs tell each other.
//!
//! A pass over very many people takes long, and somebody's word that takes access away must not wait for it. So the loop
//! takes the people concerned out of the pass, which writes nothing of them from then on, and looks at them in another pass
//! beside it. Where that cannot be done, the pass is asked to end early (docs/decisions/0031-beside.md).

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{model::Email, plan::Change};

/// Handle of a pass that runs.
#[derive(Clone, Debug, Default)]
pub struct Handle(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    ends_early: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken_out: BTreeSet<Email>,
    writing: Writing,
    removals_are_settled: bool,
}

/// What a pass is writing.
#[derive(Debug, Default)]
enum Writing {
    #[default]
    Nothing,
    People(BTreeSet<Email>),
    /// The account, roles or groups, on which everybody's access depends.
    Definitions,
}

impl Handle {
    /// Asks the pass to end after the slice that it is applying.
    pub fn end_early(&self) {
        self.0.ends_early.store(true, Ordering::Relaxed);
    }

    /// Returns whether the pass is to end early.
    #[must_use]
    pub fn ends_early(&self) -> bool {
        self.0.ends_early.load(Ordering::Relaxed)
    }

    /// Takes people out of the pass, unless it is writing one of them, or definitions: then nobody is taken out.
    #[must_use]
    pub fn take_out(&self, people: &BTreeSet<Email>) -> bool {
        let mut state = self.state();
        let is_free = match &state.writing {
            Writing::Nothing => true,
            Writing::People(written) => written.is_disjoint(people),
            Writing::Definitions => false,
        };
        if is_free {
            state.taken_out.extend(people.iter().cloned());
        }
        is_free
    }

    /// Returns who was taken out of the pass.
    #[must_use]
    pub fn taken_out(&self) -> BTreeSet<Email> {
        self.state().taken_out.clone()
    }

    /// Notes that the pass writes these changes from now on, but for those of the people it returns: who was taken out.
    pub(super) fn begin_slice(&self, changes: &[Change]) -> BTreeSet<Email> {
        let mut state = self.state();
        let (mut left_out, mut written) = (BTreeSet::new(), Some(BTreeSet::new()));
        for change in changes {
            match (change.object.person(), &mut written) {
                (Some(email), _) if state.taken_out.contains(email) => drop(left_out.insert(email.clone())),
                (Some(email), Some(written)) => drop(written.insert(email.clone())),
                (Some(_), None) => {}
                (None, _) => written = None,
            }
        }
        state.writing = written.map_or(Writing::Definitions, Writing::People);
        left_out
    }

    /// Notes that the slice is written.
    pub(super) fn end_slice(&self) {
        self.state().writing = Writing::Nothing;
    }

    /// Notes that all removals of the pass are in the store, or that it makes none.
    pub(super) fn settle_removals(&self) {
        self.state().removals_are_settled = true;
    }

    /// Returns whether no more removals of the pass are to come: whoever observes after this counts all of them.
    pub(super) fn removals_are_settled(&self) -> bool {
        self.state().removals_are_settled
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever held it left it whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Cause, ObjectKey, Phase};

    fn change(object: ObjectKey) -> Change {
        Change::removal(object, Cause::Unwanted, Phase::Narrow)
    }

    fn email(name: &str) -> Email {
        Email::as_stored(&format!("{name}@acme.example"))
    }

    #[test]
    fn who_is_taken_out_is_not_written_and_who_is_being_written_is_not_taken_out() {
        let handle = Handle::default();
        assert!(handle.take_out(&[email("dana")].into()));
        let slice = ["dana", "eve"].map(|name| change(ObjectKey::Member(email(name))));
        assert_eq!(handle.begin_slice(&slice), [email("dana")].into());
        assert!(!handle.take_out(&[email("eve"), email("finn")].into()));
        assert!(handle.take_out(&[email("finn")].into()));
        handle.end_slice();
        assert!(handle.take_out(&[email("eve")].into()));
        assert_eq!(handle.taken_out(), ["dana", "eve", "finn"].map(email).into());
        handle.begin_slice(&[change(ObjectKey::Account)]);
        assert!(!handle.take_out(&[email("gus")].into()));
    }
}
