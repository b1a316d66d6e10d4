//! Slices of a plan, each applied at once, so that a revocation never waits for a whole account. `reconcile` cuts the
//! plan and applies slice by slice.
//!
//! Before each slice a pass drops the members withdrawn from it, and checks whether it must end early
//! ([`super::handle`]). Then the rest of the account is planned again after the urgent work. Applied changes stay:
//! the marks in the store show them. The guard judges the whole plan, so all removals that it counts or that were
//! approved are in the first slice.

use std::{collections::BTreeSet, ops::Range};

use crate::{
    contract::{Outcome, StoreError},
    model::Email,
    plan::{Change, Content, ObjectKey, Plan},
};

/// Sorts changes into slices of `size` and returns their ranges. The first slice also has the account and every
/// removal that the guard counts, whatever its size. Explicit revocations follow, then the rest in the order of the
/// plan. Within a slice that order stays.
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

/// Sort key of a change.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// Belongs in the first slice: the guard's decision must not be made again in parts, and all later slices use the
    /// account's new sections.
    Together,
    /// Explicit revocation.
    RevocationReason,
    Rest,
}

fn turn(change: &Change) -> Turn {
    match (&change.object, &change.put) {
        _ if change.counted || change.approved => Turn::Together,
        (ObjectKey::Account, Some(_)) => Turn::Together,
        (ObjectKey::Member(_), Some((Content::Member(content), _))) if content.ended.is_some() => {
            Turn::RevocationReason
        }
        _ => Turn::Rest,
    }
}

/// Returns the error if the store refused the account itself: without it no other change has an effect.
pub(super) fn refused(changes: &[Change], outcomes: &[Outcome]) -> Option<StoreError> {
    let account = changes.iter().position(|change| change.object == ObjectKey::Account && change.put.is_some())?;
    outcomes.get(account)?.as_ref().err().cloned()
}

/// Reduces a plan to its applied part: the first `done` changes, without those of the members left out, and only the
/// drift that belongs to them.
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
        // The next pass reports what is held.
        plan.guarded = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::Layout,
        plan::{Cause, Fingerprint, Phase},
        resolve::{AccountContent, MemberContent, RevocationReason},
    };

    /// Creates a change of the account, a revocation of a member's access, or a member's removal.
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
                let content = MemberContent { ended: Some(RevocationReason::Suspended), ..MemberContent::default() };
                Some(Content::Member(Box::new(content)))
            }
            _ => None,
        };
        let object = match name {
            "account" => ObjectKey::Account,
            name => ObjectKey::Member(Email::as_stored(name)),
        };
        let put = content.map(|content| (content, Fingerprint::new([0; 16])));
        Change { object, put, cause: Cause::Spec, origin: None, phase, counted, approved: false, expected: None }
    }

    fn cut_of(mut changes: Vec<Change>, size: usize) -> Vec<Vec<String>> {
        let slices = cut(&mut changes, size);
        let name = |change: &Change| change.object.to_string().replace("member ", "");
        slices.into_iter().map(|slice| changes[slice].iter().map(name).collect()).collect()
    }

    #[test]
    fn guarded_removals_go_in_one_slice_then_revocations_then_the_rest() {
        let changes = vec![
            change("a", Phase::Revoke, false),
            change("b", Phase::Revoke, true),
            change("end-c", Phase::Revoke, false),
            change("d", Phase::Revoke, true),
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
    fn other_changes_keep_their_order_in_slices_of_equal_size() {
        let changes: Vec<Change> = (0..7).map(|number| change(&format!("m{number}"), Phase::Grant, false)).collect();
        assert_eq!(cut_of(changes, 3), [vec!["m0", "m1", "m2"], vec!["m3", "m4", "m5"], vec!["m6"]]);
    }

    #[test]
    fn an_interrupted_plan_keeps_only_applied_changes_without_withdrawn_members() {
        let changes: Vec<Change> = (0..4).map(|number| change(&format!("m{number}"), Phase::Grant, false)).collect();
        let mut plan = Plan::default();
        plan.changes = changes;
        keep_done(&mut plan, 3, &[Email::as_stored("m1")].into());
        let left: Vec<String> = plan.changes.iter().map(|change| change.object.to_string()).collect();
        assert_eq!(left, ["member m0", "member m2"]);
    }
}
