//! Tests entry points that no scenario uses: revoking without objects, and settings of the context.

use crate::support::{PLAIN, Pass, World, crowd, email, mark, membership, table};
use jiff::Timestamp;
use roster_core::{
    api::{AccountDrift, Adoption, Unmanaged},
    evaluate::{Context, Revocation, evaluate, prepare, revoke_only},
    model::{AccountKey, Email, Scope},
    plan::{Cause, Existing, Hold, Mark, ObjectKey, Plan},
    resolve::{MemberContent, Origin, RevocationReason},
    state::SnapshotSource as _,
};

const DANA: &str = "dana@acme.example";
const EVE: &str = "eve@acme.example";

fn pass() -> Pass {
    let members = ["dana", "eve"].map(|name| membership(name, "roleRef: {name: editor}"));
    Pass::synced("acme", &(PLAIN.to_owned() + &members.concat()))
}

fn block() -> Revocation {
    Revocation { end: RevocationReason::Blocked, origin: Origin::new("block:", "lost laptop".into(), 0) }
}

fn context(pass: &Pass) -> Context<'static> {
    Context::new(pass.policy.mark.clone(), pass.policy.now)
}

fn revoked(pass: &Pass, people: &[&str], context: &Context<'_>) -> Plan {
    let revocations: Vec<(Email, Revocation)> = people.iter().map(|who| (email(who), block())).collect();
    revoke_only(&pass.memory.observe(&Scope::Account, pass.policy.now), &revocations, context)
}

#[test]
fn a_revocation_needs_no_objects_and_changes_nobody_else() {
    let mut pass = pass();
    let plan = revoked(&pass, &[DANA, "nobody@acme.example"], &context(&pass));
    assert_eq!(table(&plan), ["Revoke spec put member dana@acme.example"]);
    assert_eq!(plan.changes[0].origin, Some(block().origin));
    assert!(!plan.changes[0].counted && plan.guarded.is_none());
    let mark = pass.policy.mark.clone();
    pass.memory.apply(&plan, &mark, pass.policy.now);
    assert_eq!(
        (pass.access(DANA), pass.access(EVE)),
        ("nothing ended: Blocked".to_owned(), "docs: Edit, billing: Allowed".to_owned())
    );
    assert_eq!(revoked(&pass, &[DANA], &context(&pass)).changes, [], "it has ended already");
}

#[test]
fn an_undeclared_member_is_revoked_if_the_context_adopts() {
    let mut pass = pass();
    let content = MemberContent { ranks: [2, 1].into_iter().collect(), ..MemberContent::default() };
    let existing = Existing { content: Some(content), mark: None, fingerprint: None };
    pass.memory.members.insert(email("stranger@acme.example"), existing);
    let plan = revoked(&pass, &["stranger@acme.example"], &context(&pass));
    assert_eq!(plan.changes, []);
    assert_eq!(plan.holds[&ObjectKey::Member(email("stranger@acme.example"))], Hold::NotOwned);
    let adopts = Context { adoption: Some(Adoption::Always), ..context(&pass) };
    let plan = revoked(&pass, &["stranger@acme.example"], &adopts);
    assert_eq!(plan.changes.iter().map(|change| change.cause).collect::<Vec<_>>(), [Cause::Adoption]);
}

#[test]
fn the_account_of_another_cluster_is_not_touched() {
    let pass = pass();
    let other = Mark { cluster: "cluster-2".into(), ..pass.policy.mark.clone() };
    let plan = revoked(&pass, &[DANA], &Context::new(other, pass.policy.now));
    assert_eq!(plan.changes, []);
    assert_eq!(plan.holds[&ObjectKey::Account], Hold::NotOwned);
    let nothing = revoke_only(&Default::default(), &[(email(DANA), block())], &context(&pass));
    assert_eq!(nothing.changes, []);
}

#[test]
fn only_revocations_are_planned() {
    let mut pass = Pass::synced("acme", &(PLAIN.to_owned() + &crowd(10, "viewer")));
    let account = World::key("acme");
    // m0 is suspended, m1 expires, m2's Membership is deleted, m3 gets more, and a new member is added.
    for (name, spec) in [
        ("m0", "roleRef: {name: viewer}, suspended: true"),
        ("m1", "roleRef: {name: viewer}, expiresAt: 1969-01-01T00:00:00Z"),
        ("m3", "roleRef: {name: editor}"),
        ("new", "roleRef: {name: editor}"),
    ] {
        pass.world.add(&membership(name, spec));
    }
    pass.world.members.retain(|(_, name), _| name != "m2");
    let plan = pass.revocations();
    assert_eq!(
        table(&plan),
        ["Revoke spec put member m0@acme.example", "Revoke spec put member m1@acme.example"],
        "who is not named stays, and nobody gains anything"
    );
    assert!(!plan.removes() && !plan.raises() && plan.guarded.is_none());
    // The account is suspended: all members lose access, also undeclared ones.
    std::sync::Arc::make_mut(pass.world.accounts.get_mut(&account).unwrap()).spec.suspended = true;
    let plan = pass.revocations();
    assert_eq!(plan.changes.len(), 10, "{:?}", table(&plan));
    let mark = pass.policy.mark.clone();
    pass.memory.apply(&plan, &mark, pass.policy.now);
    assert_eq!(pass.access("m2@acme.example"), "nothing ended: AccountSuspended");
    assert_eq!(pass.access("new@acme.example"), "nobody");
    assert_eq!(pass.revocations().changes, [], "they have ended already");
}

#[test]
fn a_member_who_loses_and_gains_counts_as_gaining() {
    let mut pass = pass();
    pass.world.add(&membership("dana", "roleRef: {name: viewer}"));
    pass.run();
    assert_eq!(pass.access(DANA), "docs: View");
    let role =
        "---\nkind: Role\nmetadata: {name: bills}\nspec: {accountRef: {name: acme}, permissions: {billing: Allowed}}\n";
    pass.world.add(role);
    pass.run();
    pass.world.add(&membership("dana", "roleRef: {kind: Role, name: bills}"));
    let plan = pass.plan();
    assert_eq!(table(&plan), ["Revoke spec put member dana@acme.example"]);
    assert!(plan.raises(), "billing is more than there was");
    pass.world.add(&membership("dana", "roleRef: {kind: Role, name: bills}, suspended: true"));
    assert!(!pass.plan().raises());
}

#[test]
fn a_context_approves_removals_or_only_reports() {
    let mut pass = Pass::synced("acme", &(PLAIN.to_owned() + &crowd(10, "viewer")));
    pass.world.members.clear();
    let (key, index) = (AccountKey::new("default", "acme"), pass.world.index());
    let (prepared, members) = (prepare(&index.snapshot(&key).unwrap()), index.members(&key, &Scope::Account).unwrap());
    pass.memory.tamper("m3@acme.example", |content| content.ended = Some(RevocationReason::Suspended));
    let observed = pass.memory.observe(&Scope::Account, pass.policy.now);
    let plan = |context: &Context<'_>| evaluate(&prepared, &members, &observed, context).plan;
    let guarded = plan(&context(&pass)).guarded.unwrap();
    assert_eq!(guarded.members.len(), 9, "m3 has no access any more");
    let approved = [guarded.hash];
    assert!(plan(&Context { approved: &approved, ..context(&pass) }).guarded.is_none());

    let world = World::of(&(PLAIN.to_owned() + &crowd(10, "viewer")));
    let index = world.index();
    let members = index.members(&key, &Scope::Account).unwrap();
    let reports = Context { only_reporting: true, ..Context::new(mark(&key), Timestamp::UNIX_EPOCH) };
    let plan = evaluate(&prepare(&index.snapshot(&key).unwrap()), &members, &observed, &reports).plan;
    assert_eq!((plan.changes.len(), plan.drift.len()), (0, 1));
    assert!(!plan.drift[0].corrected);
}

#[test]
fn the_removal_of_an_undeclared_member_names_the_object_that_asks_for_it() {
    let (key, stranger) = (AccountKey::new("default", "acme"), email("stranger@acme.example"));
    let removed_by = |of_store, of_account| {
        let mut pass = pass();
        let content = MemberContent { ranks: [2, 1].into_iter().collect(), ..MemberContent::default() };
        let existing = Existing { content: Some(content), mark: None, fingerprint: None };
        pass.memory.members.insert(stranger.clone(), existing);
        let account = std::sync::Arc::make_mut(pass.world.accounts.get_mut(&key).unwrap());
        account.spec.drift = Some(AccountDrift { unmanaged: of_account, ..AccountDrift::default() });
        let store = std::sync::Arc::make_mut(pass.world.stores.values_mut().next().unwrap());
        store.spec.account_defaults.drift.unmanaged = of_store;
        let index = pass.world.index();
        let (prepared, members) =
            (prepare(&index.snapshot(&key).unwrap()), index.members(&key, &Scope::Account).unwrap());
        let observed = pass.memory.observe(&Scope::Account, pass.policy.now);
        let plan = evaluate(&prepared, &members, &observed, &context(&pass)).plan;
        let removed = plan.changes.into_iter().find(|change| change.object.person() == Some(&stranger))?;
        Some((removed.cause, removed.origin?.kind))
    };
    let (remove, report) = (Unmanaged::Remove, Unmanaged::Report);
    assert_eq!(removed_by(report, Some(remove)), Some((Cause::Unmanaged, "Account")));
    assert_eq!(removed_by(remove, Some(remove)), Some((Cause::Unmanaged, "IdentityStore")));
    assert_eq!(removed_by(remove, Some(report)), Some((Cause::Unmanaged, "IdentityStore")));
    assert_eq!(removed_by(report, None), None);
}
