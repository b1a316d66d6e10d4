//! Tests drift: how a pass handles a store that differs from what Roster last applied.

use crate::support::{DANA, PLAIN, Pass, World, change_catalog, dana, email, membership, set, table};
use roster_core::{
    api::{DriftPolicy, Unmanaged},
    model::Scope,
    plan::{Existing, Hold, ObjectKey, Pause},
    resolve::MemberContent,
};

#[test]
fn a_second_pass_changes_nothing() {
    let mut pass = Pass::new("acme", World::of(&(PLAIN.to_owned() + &membership("dana", "roleRef: {name: editor}"))));
    let plan = pass.run();
    assert_eq!(
        table(&plan),
        [
            "Define spec put account",
            "Define spec put role editor",
            "Define spec put role viewer",
            "Grant spec put member dana@acme.example"
        ]
    );
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
    assert_eq!(table(&pass.run()), [""; 0]);
}

#[test]
fn revocations_come_first_and_deletions_of_definitions_last() {
    let mut pass = dana();
    let clerk =
        "---\nkind: Role\nmetadata: {name: clerk}\nspec: {accountRef: {name: acme}, permissions: {docs: View}}\n";
    pass.world.add(clerk);
    pass.run();
    pass.world.roles.clear();
    set(&mut pass, "dana", "roleRef: {name: viewer}");
    set(&mut pass, "eve", "roleRef: {name: viewer}");
    pass.world.add("---\nkind: UserGroup\nmetadata: {name: desk}\nspec: {accountRef: {name: acme}}\n");
    assert_eq!(
        table(&pass.run()),
        [
            "Revoke spec put member dana@acme.example",
            "Define spec put group desk",
            "Grant spec put member eve@acme.example",
            "Delete unwanted remove role custom:clerk",
        ]
    );
}

#[test]
fn drift_is_corrected_or_reported_and_spec_changes_are_always_applied() {
    for policy in [DriftPolicy::Correct, DriftPolicy::Report] {
        let mut pass = dana();
        pass.policy.drift = policy;
        pass.memory.tamper(DANA, |content| content.ranks.as_mut_slice()[1] = 0);
        let plan = pass.run();
        let corrected = policy == DriftPolicy::Correct;
        let entry = &plan.drift[0].entries[0];
        assert_eq!((plan.drift.len(), plan.drift[0].corrected), (1, corrected));
        assert_eq!((&*entry.object, &*entry.field), ("member dana@acme.example", "permissions.billing"));
        assert_eq!((&*entry.desired, &*entry.observed), ("Allowed", "Denied"));
        if corrected {
            assert_eq!(table(&plan), ["Grant drift put member dana@acme.example"]);
        } else {
            assert_eq!(plan.holds[&ObjectKey::Member(email(DANA))], Hold::DriftReported);
            let kept = plan.kept[&email(DANA)].as_ref().unwrap();
            assert_eq!(kept.ranks.as_slice(), [2, 0], "what is kept is what is there");
        }
        set(&mut pass, "dana", "roleRef: {name: viewer}");
        let plan = pass.run();
        assert_eq!(plan.drift, []);
        assert_eq!(table(&plan), ["Revoke spec put member dana@acme.example"]);
    }
}

#[test]
fn content_removed_from_the_store_by_others_is_drift() {
    let mut pass = dana();
    // A store with separate marks observes that only the mark is left.
    pass.memory.members.get_mut(&email(DANA)).unwrap().content = None;
    let plan = pass.run();
    assert_eq!(plan.drift[0].entries[0].observed, "(absent)");
    assert_eq!(table(&plan), ["Grant drift put member dana@acme.example"]);
}

#[test]
fn ranks_of_the_wrong_number_are_drift_and_no_panic() {
    for ranks in [vec![], vec![2], vec![2, 1, 1, 1], vec![2, 200]] {
        for paused in [false, true] {
            let mut pass = dana();
            pass.policy.paused = paused.then_some(Pause::Asked);
            pass.memory.tamper(DANA, |content| content.ranks = ranks.iter().copied().collect());
            assert_eq!(pass.run().drift.len(), 1);
        }
    }
}

#[test]
fn explicitly_revoked_access_is_not_restored_by_a_write_to_the_store() {
    for (rest, end) in [
        ("roleRef: {name: editor}, suspended: true", "nothing ended: Suspended"),
        (
            "roleRef: {name: editor}, expiresAt: 1969-01-01T00:00:00Z",
            "docs: Edit, billing: Allowed within …..1969-01-01T00:00:00Z",
        ),
    ] {
        let mut pass = dana();
        pass.policy.drift = DriftPolicy::Report;
        set(&mut pass, "dana", rest);
        pass.run();
        pass.memory.tamper(DANA, |content| {
            content.ended = None;
            content.window.expires_at = None;
            content.ranks = [2, 1].into_iter().collect();
        });
        let plan = pass.run();
        assert!(plan.drift[0].corrected);
        assert_eq!(pass.access(DANA), end);
    }
}

#[test]
fn undeclared_members_are_reported_removed_or_ignored() {
    let stranger = |pass: &mut Pass| {
        let content = MemberContent { ranks: [2, 1].into_iter().collect(), ..MemberContent::default() };
        let existing = Existing { content: Some(content), mark: None, fingerprint: None };
        pass.memory.members.insert(email("mallory@acme.example"), existing);
    };
    for (unmanaged, corrected, access) in [
        (Unmanaged::Report, Some(false), "docs: Edit, billing: Allowed"),
        (Unmanaged::Remove, Some(true), "nobody"),
        (Unmanaged::Ignore, None, "docs: Edit, billing: Allowed"),
    ] {
        let mut pass = dana();
        stranger(&mut pass);
        pass.policy.unmanaged = unmanaged;
        let plan = pass.run();
        assert_eq!(plan.drift.first().map(|drift| drift.corrected), corrected);
        assert_eq!(pass.access("mallory@acme.example"), access);
        assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
    }
    // A pass over some members does not judge undeclared members.
    let mut pass = dana();
    stranger(&mut pass);
    pass.policy.unmanaged = Unmanaged::Remove;
    assert_eq!(table(&pass.run_within(Scope::Members([email("mallory@acme.example")].into()))), [""; 0]);
}

#[test]
fn moved_sections_change_nobodys_access() {
    let mut pass = dana();
    change_catalog(&mut pass, |catalog| {
        catalog.replace(
            "- {name: docs, levels: [None, View, Edit]}\n  - {name: billing}",
            "- {name: billing}\n  - {name: docs, levels: [None, View, Comment, Edit]}",
        )
    });
    let plan = pass.run();
    assert_eq!(pass.access(DANA), "billing: Allowed, docs: Edit");
    assert!(!plan.changes.iter().any(|change| change.counted));
}

#[test]
fn a_layout_changed_in_the_store_is_drift_and_members_keep_their_access() {
    for policy in [DriftPolicy::Correct, DriftPolicy::Report] {
        let mut pass = dana();
        pass.policy.drift = policy;
        let world = World::of(&PLAIN.replace("[None, View, Edit]", "[None, Edit]"));
        let other = world.resolve("acme").desired.layout;
        let before = pass.memory.members[&email(DANA)].clone();
        pass.memory.account.as_mut().unwrap().content.as_mut().unwrap().layout = other;
        let plan = pass.run();
        assert_eq!(plan.drift.iter().map(|drift| drift.object.to_string()).collect::<Vec<_>>(), ["account"]);
        // While a changed layout is only reported, nobody is granted anything in it.
        set(&mut pass, "eve", "roleRef: {name: viewer}");
        set(&mut pass, "fay", "roleRef: {name: editor}, suspended: true");
        pass.run();
        let expected = if policy == DriftPolicy::Correct { "docs: View" } else { "nobody" };
        assert_eq!(pass.access("eve@acme.example"), expected);
        let existing = &pass.memory.members[&email(DANA)];
        assert_eq!(existing.content, before.content, "{policy:?}: nobody changed her");
    }
}

#[test]
fn at_most_what_is_there_never_widens_and_creates_nobody() {
    let mut pass = dana();
    set(&mut pass, "dana", "roleRef: {name: viewer}");
    pass.run();
    set(&mut pass, "dana", "roleRef: {name: editor}, restrictions: {apply: [unknown]}");
    set(&mut pass, "eve", "roleRef: {name: editor}, restrictions: {apply: [unknown]}");
    pass.run();
    assert_eq!((pass.access(DANA).as_str(), pass.access("eve@acme.example").as_str()), ("docs: View", "nobody"));
    // A reduction is applied even then, and stays.
    pass.world.add(
        "---\nkind: Role\nmetadata: {name: bills}\nspec: {accountRef: {name: acme}, permissions: {billing: Allowed}}\n",
    );
    set(&mut pass, "dana", "roleRef: {kind: Role, name: bills}, restrictions: {apply: [unknown]}");
    pass.run();
    assert_eq!(pass.access(DANA), "nothing");
    set(&mut pass, "dana", "roleRef: {name: editor}");
    pass.run();
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
}

#[test]
fn an_unresolvable_account_keeps_members_and_allows_removals() {
    let mut pass = dana();
    for name in ["eve", "fay", "gil"] {
        set(&mut pass, name, "roleRef: {name: editor}");
    }
    pass.run();
    pass.world.catalogs.clear();
    pass.world.members.retain(|(_, name), _| name != "eve");
    set(&mut pass, "fay", "roleRef: {name: editor}, suspended: true");
    set(&mut pass, "gil", "roleRef: {name: editor}, expiresAt: 2030-01-01T00:00:00Z");
    set(&mut pass, "new", "roleRef: {name: editor}");
    let plan = pass.run();
    assert_eq!(
        table(&plan),
        [
            "Revoke spec put member fay@acme.example",
            "Revoke spec put member gil@acme.example",
            "Revoke unwanted remove member eve@acme.example counted",
        ]
    );
    let all = "docs: Edit, billing: Allowed";
    assert_eq!(pass.access(DANA), all);
    assert_eq!(pass.access("fay@acme.example"), "nothing ended: Suspended");
    assert_eq!(pass.access("gil@acme.example"), format!("{all} within …..2030-01-01T00:00:00Z"));
    assert_eq!(pass.access("new@acme.example"), "nobody");
    // A withdrawn revocation takes effect when the account resolves again.
    set(&mut pass, "gil", "roleRef: {name: editor}, expiresAt: 2031-01-01T00:00:00Z");
    set(&mut pass, "fay", "roleRef: {name: editor}");
    assert_eq!(table(&pass.run()), [""; 0]);
}

#[test]
fn a_pass_over_some_members_asks_for_the_whole_account_where_it_must() {
    let mut pass = dana();
    set(&mut pass, "eve", "roleRef: {name: viewer}");
    let scope = Scope::Members([email("eve@acme.example")].into());
    assert_eq!(table(&pass.run_within(scope.clone())), ["Grant spec put member eve@acme.example"]);
    change_catalog(&mut pass, |catalog| catalog.replace("- {name: billing}", "- {name: billing}\n  - {name: new}"));
    let plan = pass.run_within(scope);
    assert!(table(&plan).contains(&"Define spec put account".to_owned()), "{:?}", table(&plan));
}
