//! Slices of a plan: what is applied at a time, so that a revocation never waits for a whole account.
//!
//! Before each slice a pass leaves out whoever was taken out of it, and looks whether it is to end early
//! ([`super::handle`]); then the rest of the account is planned again after what was in a hurry. What is done is done: the
//! marks in the store show it. The guard judges the whole plan, so all whom it counts, or lets pass since somebody approved
//! it, are in the first slice.

use std::{collections::BTreeSet, ops::Range};

use crate::{
    contract::{Outcome, StoreError},
    model::Email,
    plan::{Change, Content, ObjectKey, Plan},
};

/// Puts changes into the order of their slices, and returns those: each of `size` changes, but the first also has the account
/// itself and all who lose their access otherwise than by somebody's word. Ends by somebody's word follow, then all else in
/// the order of the plan; within a slice that order stays.
pub(super) fn cut(changes: &mut [Change], size: usize) -> Vec<Range<usize>> {
    let (all, size) = (changes.len(), size.max(1));
    if all <= size {
        return std::iter::once(0..all).collect();
    }
    changes.sort_by_key(turn);
    let together = changes.partition_point(|change| turn(change) == Turn::Together);
    let first = together.max(size);
    let slices: Vec<_> =
        std::iter::once(0..first).chain((first..all).step_by(size).map(|from| from..all.min(from + size))).collect();
    for slice in &slices {
        if let Some(changes) = changes.get_mut(slice.clone()) {
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

/// Leaves in a plan what was applied of it: so many changes, without those of whoever was left out, and what is to be said of
/// them.
pub(super) fn keep_done(plan: &mut Plan, done: usize, left_out: &BTreeSet<Email>) {
    let is_in = |object: &ObjectKey| object.person().is_none_or(|email| !left_out.contains(email));
    let ended_early = done < plan.changes.len();
    plan.changes.truncate(done);
    if !left_out.is_empty() {
        plan.changes.retain(|change| is_in(&change.object));
        plan.drift.retain(|drift| is_in(&drift.object));
    }
    if ended_early {
        let changed: BTreeSet<&ObjectKey> = plan.changes.iter().map(|change| &change.object).collect();
        plan.drift.retain(|drift| changed.contains(&drift.object));
        // The pass that goes on says what is held.
        plan.guarded = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::Layout,
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
        Change { object, put, cause: Cause::Spec, origin: None, phase, counted, approved: false, seen: None }
    }

    fn cut_of(mut changes: Vec<Change>, size: usize) -> Vec<Vec<String>> {
        let slices = cut(&mut changes, size);
        let name = |change: &Change| change.object.to_string().replace("member ", "");
        slices.into_iter().map(|slice| changes[slice].iter().map(name).collect()).collect()
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
    fn of_what_ended_early_only_what_was_done_is_left_and_nobody_who_was_left_out() {
        let changes: Vec<Change> = (0..4).map(|place| change(&format!("m{place}"), Phase::Grant, false)).collect();
        let mut plan = Plan::default();
        plan.changes = changes;
        keep_done(&mut plan, 3, &[Email::as_stored("m1")].into());
        let left: Vec<String> = plan.changes.iter().map(|change| change.object.to_string()).collect();
        assert_eq!(left, ["member m0", "member m2"]);
    }
}
