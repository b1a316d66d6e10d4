//! Tests the removal guard and the last holder of a role, by the rules of docs/concepts.md.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::pedantic,
    clippy::cloned_ref_to_slice_refs,
    reason = "tests end by panicking, and their tables read better as they stand"
)]

use std::collections::{BTreeMap, BTreeSet};

use roster_reference::{End, GuardQuestion, guard_fires};

fn people(count: usize) -> BTreeSet<String> {
    (0..count).map(|number| format!("p{number:02}@acme.example")).collect()
}

/// A question in which so many have access, and so many of them lose it.
fn losing(before: usize, lost: usize) -> GuardQuestion {
    let before: BTreeMap<String, bool> = people(before).into_iter().map(|member| (member, true)).collect();
    let after = before.keys().map(|member| (member.clone(), true)).skip(lost).collect();
    let members = before.len();
    GuardQuestion { before, after, members, maximum_percent: 25, minimum_count: 5, ..GuardQuestion::default() }
}

#[test]
fn it_fires_at_the_minimum_count_and_above_the_maximum_percent() {
    assert!(!guard_fires(&losing(8, 4)), "fewer than five");
    assert!(!guard_fires(&losing(20, 5)), "a quarter is not more than a quarter");
    assert!(guard_fires(&losing(19, 5)));
    assert!(guard_fires(&losing(5, 5)));
    assert!(!guard_fires(&losing(5, 0)));
}

#[test]
fn removals_of_the_last_ten_minutes_count_too() {
    // With four before, one of fifteen is the fifth of nineteen.
    assert!(!guard_fires(&losing(15, 1)));
    assert!(guard_fires(&GuardQuestion { recent: 4, members: 19, ..losing(15, 1) }));
    assert!(!guard_fires(&GuardQuestion { recent: 4, members: 20, ..losing(16, 1) }), "five of twenty are a quarter");
}

#[test]
fn explicit_revocations_never_count() {
    let question = losing(10, 6);
    assert!(guard_fires(&question));
    let explicit = people(2);
    assert!(!guard_fires(&GuardQuestion { explicit, ..question }));
    assert!(
        [End::Blocked, End::Suspended, End::Expired, End::NotApproved, End::AccountSuspended]
            .iter()
            .all(|end| end.is_explicit())
    );
    assert!(!End::InvitationGone.is_explicit());
}

#[test]
fn the_last_effective_holder_is_removed_only_with_approval() {
    let holders = |count: usize| BTreeMap::from([("admin".to_owned(), people(count))]);
    let one = GuardQuestion { holders_before: holders(1), ..losing(10, 1) };
    assert!(guard_fires(&one));
    let another = BTreeMap::from([("admin".to_owned(), BTreeSet::from(["p09@acme.example".to_owned()]))]);
    assert!(!guard_fires(&GuardQuestion { holders_after: another, ..one.clone() }));
    // Both at once.
    assert!(guard_fires(&GuardQuestion { holders_before: holders(2), ..losing(10, 2) }));
    // Another member is removed, and the last holder was suspended: neither counts.
    let suspended = GuardQuestion { explicit: people(1), ..one };
    assert!(!guard_fires(&suspended));
}

#[test]
fn a_member_left_without_access_counts_like_a_removed_one() {
    let mut question = losing(10, 0);
    question.after = question.before.keys().enumerate().map(|(place, member)| (member.clone(), place > 4)).collect();
    assert_eq!(question.lost(), people(5));
    assert!(guard_fires(&question));
    // Somebody who had no access before loses none.
    question.before.insert("p00@acme.example".to_owned(), false);
    assert_eq!(question.lost().len(), 4);
}
