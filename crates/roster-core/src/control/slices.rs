//! Slices of a plan: what is applied at a time, so that a revocation never waits for a whole account.
//!
//! Before each slice a pass leaves out whoever was taken out of it, and looks whether it is to end early
//! ([`super::handle`]); then the rest of the account is planned again after what was in a hurry. What is done is done: the
//! marks in the store show it. The guard judges the whole plan, so all whom it counts, or lets pass since somebody approved
//! it, are in the first slice.

use std::collections::BTreeSet;

use crate::{
    contract::{Outcome, StoreError},
    model::Email,
    plan::{Change, Content, ObjectKey, Plan},
};

/// Cuts the changes of a plan into slices: each of `size` changes, but the first also has the account itself and all who
/// lose their access otherwise than by somebody's word. Ends by somebody's word follow, then all else in the order of the
/// plan; within a slice that order stays.
pub(super) fn cut(mut changes: Vec<Change>, size: usize) -> Vec<Vec<Change>> {
    let size = size.max(1);
    if changes.len() <= size {
        return vec![changes];
    }
    changes.sort_by_key(turn);
    let together = changes.partition_point(|change| turn(change) == Turn::Together);
    let mut rest = changes.into_iter();
    let mut slices: Vec<Vec<Change>> = vec![rest.by_ref().take(together.max(size)).collect()];
    while rest.len() > 0 {
        slices.push(rest.by_ref().take(size).collect());
    }
    for slice in &mut slices {
        slice.sort_by_key(|change| change.phase);
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

/// Drops what a plan says of drift that was not gone into: of whoever was taken out, and, where the pass ended early, of all
/// that was not applied.
pub(super) fn keep_done(plan: &mut Plan, taken_out: &BTreeSet<Email>, ended_early: bool) {
    let is_out = |object: &ObjectKey| matches!(object, ObjectKey::Member(email) if taken_out.contains(email));
    plan.drift.retain(|drift| !is_out(&drift.object));
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

    fn cut_of(changes: Vec<Change>, size: usize) -> Vec<Vec<String>> {
        let name = |change: &Change| change.object.to_string().replace("member ", "");
        cut(changes, size).iter().map(|slice| slice.iter().map(name).collect()).collect()
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
}
