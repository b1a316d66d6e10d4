//! Tests the deletion of an account: the removal guard judges it as the removal of all members at once.

use std::collections::BTreeSet;

use crate::support::{PLAIN, Pass, crowd, email, membership, table};
use jiff::SignedDuration;
use roster_core::{
    evaluate::{
        Context, DeletionDecision, Judged, Prepared, judge, judge_deletion, plan_revocations_and_removals, prepare,
    },
    model::Scope,
    plan::{Existing, Guarded, Observed, Plan},
    resolve::MemberContent,
    state::SnapshotSource as _,
};

fn judged<T>(pass: &Pass, judge_it: impl Fn(&Prepared, &Judged, &Observed, &Context<'_>) -> T) -> T {
    let (key, index) = (crate::support::World::key(&pass.account), pass.world.index());
    let (snapshot, members) = (index.snapshot(&key).unwrap(), index.members(&key, &Scope::Account).unwrap());
    let approved = &pass.policy.guard.approved;
    let context = Context { approved, ..Context::new(pass.policy.mark.clone(), pass.policy.now) };
    let (prepared, observed) = (prepare(&snapshot), pass.memory.observe(&Scope::Account, pass.policy.now));
    judge_it(&prepared, &judge(&prepared, &members, &context), &observed, &context)
}

fn deletion(pass: &Pass) -> DeletionDecision {
    judged(pass, |prepared, judged, observed, context| {
        judge_deletion(prepared, judged, observed, context, &BTreeSet::new())
    })
}

/// Returns the removals that the guard holds.
fn held(pass: &Pass) -> Option<Guarded> {
    match deletion(pass) {
        DeletionDecision::Held(guarded) => Some(guarded),
        DeletionDecision::Removes(_) => None,
        DeletionDecision::Replaced => panic!("the store has no id here"),
    }
}

/// Returns the plan while the deletion waits.
fn meanwhile(pass: &Pass) -> Plan {
    judged(pass, plan_revocations_and_removals)
}

fn viewers(count: usize) -> Pass {
    Pass::synced("acme", &(PLAIN.to_owned() + &crowd(count, "viewer")))
}

fn without(mut pass: Pass, count: usize) -> Pass {
    for place in 0..count {
        pass.world.members.retain(|(_, name), _| *name != format!("m{place}"));
    }
    pass
}

#[test]
fn a_deletion_of_five_people_is_held_until_it_is_approved() {
    let mut pass = viewers(5);
    let guarded = held(&pass).unwrap();
    assert_eq!(guarded.members.len(), 5);
    assert_eq!(
        guarded.why,
        "5 of 5 members would be removed or left without access within 10 minutes; the guard allows 25% or fewer than 5"
    );
    pass.policy.guard.approved = vec![guarded.hash];
    let DeletionDecision::Removes(plan) = deletion(&pass) else { panic!("it was approved") };
    assert_eq!(plan.changes.len(), 8, "{:?}", table(&plan));
    // The approval does not cover another set of people.
    pass.world.add(&membership("new", "roleRef: {name: viewer}"));
    pass.run();
    assert_eq!(held(&pass).unwrap().members.len(), 6);
}

#[test]
fn a_deletion_of_four_people_is_held_only_after_earlier_removals() {
    let pass = viewers(4);
    assert_eq!(held(&pass), None);
    let mut pass = without(viewers(8), 4);
    pass.run();
    assert_eq!(pass.memory.members.len(), 4);
    assert_eq!(held(&pass).unwrap().members.len(), 4);
    pass.policy.now += SignedDuration::from_secs(601);
    assert_eq!(held(&pass), None);
}

#[test]
fn the_last_holder_of_a_role_with_minimum_holders_is_held() {
    let catalog = PLAIN.replace(
        "{name: viewer, permissions: {docs: View}}",
        "{name: viewer, permissions: {docs: View}, advice: {minimumHolders: 1}}",
    );
    let pass = Pass::synced("acme", &(catalog + &crowd(1, "viewer")));
    assert_eq!(held(&pass).unwrap().why, "the last holder of role viewer would be removed");
}

#[test]
fn explicitly_revoked_members_do_not_hold_a_deletion() {
    let mut pass = viewers(6);
    pass.world.add(&membership("m0", "roleRef: {name: viewer}, suspended: true"));
    pass.run();
    pass.world.add("kind: IdentityStore\nmetadata: {name: default}\nspec: {blocked: [{email: m1@acme.example}]}");
    // The suspension is in the store already; the block is not.
    assert_eq!(held(&pass), None);
    let mut pass = viewers(6);
    pass.world.add("kind: Account\nmetadata: {name: acme}\nspec: {catalogRef: {name: plain}, suspended: true}");
    assert_eq!(held(&pass), None);
}

#[test]
fn undeclared_members_count_in_a_deletion() {
    let mut pass = viewers(4);
    let content = pass.memory.members[&email("m0@acme.example")].content.clone();
    pass.memory.members.insert(email("x@acme.example"), Existing { content, mark: None, fingerprint: None });
    assert_eq!(held(&pass).unwrap().members.len(), 5);
    let ended =
        MemberContent { ended: Some(roster_core::resolve::RevocationReason::Suspended), ..MemberContent::default() };
    let existing = Existing { content: Some(ended), mark: None, fingerprint: None };
    pass.memory.members.insert(email("x@acme.example"), existing);
    assert_eq!(held(&pass), None);
}

#[test]
fn a_waiting_deletion_allows_revocations_and_single_removals_but_no_grants() {
    let mut pass = without(viewers(8), 1);
    pass.world.add(&membership("m1", "roleRef: {name: viewer}, suspended: true"));
    pass.world.add(&membership("m2", "roleRef: {name: editor}"));
    pass.world.add(&membership("new", "roleRef: {name: viewer}"));
    let plan = meanwhile(&pass);
    assert_eq!(
        table(&plan),
        ["Revoke spec put member m1@acme.example", "Revoke unwanted remove member m0@acme.example counted"]
    );
    // A prune is held, but an explicit revocation is not.
    let mut pass = without(viewers(8), 6);
    pass.world.add(&membership("m7", "roleRef: {name: viewer}, suspended: true"));
    let plan = meanwhile(&pass);
    assert_eq!(table(&plan), ["Revoke spec put member m7@acme.example"]);
    assert_eq!(plan.guarded.unwrap().members.len(), 6);
}

#[test]
fn a_waiting_deletion_keeps_the_owner_and_undeclared_members() {
    let catalog = PLAIN.split("---").next().unwrap().replace(
        "  - {name: editor",
        "  - {name: owner, allPermissions: true, heldBy: AccountOwner}\n  - {name: editor",
    ) + "  ownerRole: owner\n---\nkind: Account\nmetadata: {name: acme}\nspec: {catalogRef: {name: plain}, owner: {email: olga@acme.example}}\n";
    let mut pass = Pass::synced("acme", &catalog);
    let content = pass.memory.members[&email("olga@acme.example")].content.clone();
    pass.memory.members.insert(email("x@acme.example"), Existing { content, mark: None, fingerprint: None });
    // Also if the catalog is missing.
    pass.world.catalogs.clear();
    assert_eq!(table(&meanwhile(&pass)), [""; 0]);
}
