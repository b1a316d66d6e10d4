//! Slices of a plan: what is applied at a time, so that a revocation never waits for a whole account.
//!
//! Between two slices a pass looks whether somebody's word arrived that takes access away. If so it ends there; that goes
//! first, and the rest of the account is planned again after it. What is done is done: the marks in the store show it. The
//! guard judges the whole plan, so all whom it counts, or lets pass since somebody approved it, are in the first slice.

use std::{
    collections::BTreeSet,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    contract::{Outcome, StoreError},
    plan::{Change, Content, ObjectKey, Plan},
};

/// Asks a pass to end after the slice that it is applying.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks for it.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns whether somebody asked for it.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Puts the changes of a plan into the order of their slices, and returns those: each of `size` changes, but the first also
/// has the account itself and all who lose their access otherwise than by somebody's word. Ends by somebody's word follow,
/// then all else in the order of the plan; within a slice that order stays.
pub(super) fn cut(plan: &mut Plan, size: usize) -> Vec<Range<usize>> {
    let (all, size) = (plan.changes.len(), size.max(1));
    if all <= size {
        return std::iter::once(0..all).collect();
    }
    plan.changes.sort_by_key(turn);
    let together = plan.changes.partition_point(|change| turn(change) == Turn::Together);
    let first = together.max(size);
    let slices: Vec<_> =
        std::iter::once(0..first).chain((first..all).step_by(size).map(|from| from..all.min(from + size))).collect();
    for slice in &slices {
        if let Some(changes) = plan.changes.get_mut(slice.clone()) {
            changes.sort_by_key(|change| change.phase);
        }
    }
    slices
}

/// When a change has its turn.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// In the first slice: what the guard has judged must not be judged again in parts, and every slice is of the account's
    /// new sections.
    Together,
    /// Ends by somebody's word.
    End,
    Rest,
}

fn turn(change: &Change) -> Turn {
    match (&change.object, &change.put) {
        _ if change.counted || change.approved => Turn::Together,
        (ObjectKey::Account, Some(_)) => Turn::Together,
        (ObjectKey::Member(_), Some((Content::Member(content), _))) if content.ended.is_some() => Turn::End,
        _ => Turn::Rest,
    }
}

/// Returns why the store refused the account itself: nothing is in force without it.
pub(super) fn refused(changes: &[Change], outcomes: &[Outcome]) -> Option<StoreError> {
    let account = changes.iter().position(|change| change.object == ObjectKey::Account && change.put.is_some())?;
    outcomes.get(account)?.as_ref().err().cloned()
}

/// Leaves in a plan what was applied of it: so many changes, and what is to be said of them.
pub(super) fn keep_done(plan: &mut Plan, done: usize) {
    plan.changes.truncate(done);
    let changed: BTreeSet<&ObjectKey> = plan.changes.iter().map(|change| &change.object).collect();
    plan.drift.retain(|drift| changed.contains(&drift.object));
    // The pass that goes on says what is held.
    plan.guarded = None;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Email, Layout},
        plan::{Cause, Fingerprint, Phase},
        resolve::{AccountContent, End, MemberContent},
    };

    /// A change of the account, or the end of a member's access, or its removal.
    fn change(name: &str, phase: Phase, counted: bool) -> Change {
        let content = match name {
            "account" => Some(Content::Account(AccountContent {
                display_name: "Acme".into(),
                catalog: "portal".into(),
                layout: Layout::default(),
                owner: None,
                parent: None,
                anomalies: Box::default(),
            })),
            name if name.starts_with("end") => {
                let content = MemberContent { ended: Some(End::Suspended), ..MemberContent::default() };
                Some(Content::Member(Box::new(content)))
            }
            _ => None,
        };
        let object = match name {
            "account" => ObjectKey::Account,
            name => ObjectKey::Member(Email::as_stored(name)),
        };
        let put = content.map(|content| (content, Fingerprint([0; 16])));
        Change { object, put, cause: Cause::Spec, origin: None, phase, counted, approved: false }
    }

    fn cut_of(changes: Vec<Change>, size: usize) -> Vec<Vec<String>> {
        let mut plan = Plan::default();
        plan.changes = changes;
        let slices = cut(&mut plan, size);
        let name = |change: &Change| change.object.to_string().replace("member ", "");
        slices.into_iter().map(|slice| plan.changes[slice].iter().map(name).collect()).collect()
    }

    #[test]
    fn what_the_guard_judged_goes_together_then_ends_then_the_rest() {
        let changes = vec![
            change("a", Phase::Narrow, false),
            change("b", Phase::Narrow, true),
            change("end-c", Phase::Narrow, false),
            change("d", Phase::Narrow, true),
            change("account", Phase::Define, false),
            change("e", Phase::Grant, true),
            change("f", Phase::Grant, false),
        ];
        assert_eq!(cut_of(changes.clone(), 2), [vec!["b", "d", "account", "e"], vec!["end-c", "a"], vec!["f"]]);
        assert_eq!(cut_of(changes.clone(), 5), [vec!["b", "d", "end-c", "account", "e"], vec!["a", "f"]]);
        assert_eq!(cut_of(changes, 7).len(), 1);
        assert_eq!(cut_of(Vec::new(), 7), [Vec::<String>::new()]);
    }

    #[test]
    fn without_any_such_each_has_its_size_and_the_order_stays() {
        let changes: Vec<Change> = (0..7).map(|place| change(&format!("m{place}"), Phase::Grant, false)).collect();
        assert_eq!(cut_of(changes, 3), [vec!["m0", "m1", "m2"], vec!["m3", "m4", "m5"], vec!["m6"]]);
    }

    #[test]
    fn of_what_was_broken_off_only_what_was_done_is_left() {
        let changes: Vec<Change> = (0..4).map(|place| change(&format!("m{place}"), Phase::Grant, false)).collect();
        let mut plan = Plan::default();
        plan.changes = changes;
        keep_done(&mut plan, 3);
        assert_eq!(plan.changes.len(), 3);
    }
}
