//! Tests marks, drift, adoption and pauses: how a pass handles what it finds in the store.

use crate::support::{PLAIN, Pass, World, email, membership, table};
use jiff::SignedDuration;
use roster_core::{
    api::{Adoption, DriftPolicy, Unmanaged},
    evaluate::delete,
    model::Scope,
    plan::{Existing, Hold, Mark, ObjectKey, Pause},
    resolve::{MemberContent, RevocationReason},
};

const DANA: &str = "dana@acme.example";

fn dana() -> Pass {
    Pass::synced("acme", &(PLAIN.to_owned() + &membership("dana", "roleRef: {name: editor}")))
}

fn set(pass: &mut Pass, name: &str, rest: &str) {
    pass.world.add(&membership(name, rest));
}

fn catalog(pass: &mut Pass, change: impl Fn(String) -> String) {
    pass.world.add(&change(PLAIN.split("---").next().unwrap().to_owned()));
}

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

/// Returns a store with the content of an earlier Account of the same name.
fn left_behind(change: impl FnOnce(&mut Pass)) -> Pass {
    let mut pass = dana();
    pass.policy.mark.uid = "uid-2".into();
    change(&mut pass);
    pass
}

#[test]
fn content_of_an_earlier_account_is_adopted_as_the_store_requires() {
    let differs = |pass: &mut Pass| pass.memory.tamper(DANA, |content| content.ranks.as_mut_slice()[0] = 1);
    for (adoption, differs_too, expected, access) in [
        (Adoption::IfIdentical, false, 4, "docs: Edit, billing: Allowed"),
        (Adoption::IfIdentical, true, 3, "docs: View, billing: Allowed"),
        (Adoption::Always, true, 4, "docs: Edit, billing: Allowed"),
        (Adoption::Never, false, 0, "docs: Edit, billing: Allowed"),
    ] {
        let mut pass = left_behind(|pass| {
            if differs_too {
                differs(pass)
            }
        });
        pass.policy.adoption = adoption;
        let plan = pass.run();
        assert_eq!(table(&plan).len(), expected, "{adoption:?}: {:?}", table(&plan));
        assert!(table(&plan).iter().all(|line| line.contains(" adoption ")), "{:?}", table(&plan));
        assert_eq!(pass.access(DANA), access, "{adoption:?}");
        let member_held = plan.holds.get(&ObjectKey::Member(email(DANA)));
        assert_eq!(member_held.is_some(), adoption == Adoption::IfIdentical && differs_too);
        assert_eq!(plan.holds.contains_key(&ObjectKey::Account), adoption == Adoption::Never);
    }
}

#[test]
fn undeclared_content_of_an_earlier_account_is_unmanaged() {
    let mut pass = left_behind(|pass| pass.world.members.clear());
    let plan = pass.run();
    assert_eq!(plan.drift.len(), 1);
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
}

#[test]
fn content_of_another_cluster_is_never_changed() {
    for adoption in [Adoption::Always, Adoption::IfIdentical, Adoption::Never] {
        let mut pass = dana();
        pass.policy.adoption = adoption;
        pass.policy.unmanaged = Unmanaged::Remove;
        let foreign = Mark { cluster: "cluster-2".into(), ..pass.policy.mark.clone() };
        pass.memory.members.get_mut(&email(DANA)).unwrap().mark = Some(foreign.clone());
        set(&mut pass, "dana", "roleRef: {name: viewer}");
        assert_eq!(Pass::holds(&pass.run())["member dana@acme.example"], "NotOwned");
        pass.world.members.clear();
        assert_eq!(table(&pass.run()), [""; 0]);
        pass.memory.account.as_mut().unwrap().mark = Some(foreign);
        set(&mut pass, "eve", "roleRef: {name: viewer}");
        let plan = pass.run();
        assert_eq!((table(&plan).len(), Pass::holds(&plan)["account"].as_str()), (0, "NotOwned"));
        assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
    }
}

#[test]
fn a_pause_delays_grants_and_never_revocations() {
    let mut pass = dana();
    pass.policy.paused = Some(Pause::Asked);
    // Fewer permissions, and nothing new.
    let half = "kind: Role\nmetadata: {name: half}\nspec: {accountRef: {name: acme}, permissions: {docs: View, billing: Allowed}}";
    pass.world.add(half);
    set(&mut pass, "dana", "roleRef: {kind: Role, name: half}");
    set(&mut pass, "eve", "roleRef: {name: viewer}");
    let plan = pass.run();
    assert_eq!(table(&plan), ["Revoke spec put member dana@acme.example"]);
    assert_eq!(pass.access(DANA), "docs: View, billing: Allowed");
    assert_eq!(Pass::holds(&plan).keys().collect::<Vec<_>>(), ["member eve@acme.example", "role custom:half"]);
    // Of a change that revokes and grants, only the revocation is applied.
    pass.world
        .add("---\nkind: Role\nmetadata: {name: clerk}\nspec: {accountRef: {name: acme}, permissions: {docs: Edit}}\n");
    set(&mut pass, "dana", "roleRef: {kind: Role, name: clerk}");
    pass.run();
    assert_eq!(pass.access(DANA), "docs: View");
    set(&mut pass, "dana", "roleRef: {name: editor}, suspended: true");
    pass.run();
    assert_eq!(pass.access(DANA), "nothing ended: Suspended");
    set(&mut pass, "dana", "roleRef: {name: editor}");
    pass.run();
    assert_eq!(pass.access(DANA), "nothing ended: Suspended", "given back only after the pause");
    pass.policy.paused = None;
    pass.run();
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
}

/// Found by the simulator (seed 56): a waiting change removed the end time from the store, and in a store that does not
/// evaluate time windows the access continued.
#[test]
fn access_kept_by_a_pause_still_expires_in_a_store_without_a_clock() {
    let mut pass = dana();
    pass.world.add(
        "kind: IdentityStore\nmetadata: {name: default}\nspec: {keycloak: {url: 'https://keycloak.example', realm: acme, \
         clientId: roster, clientSecretRef: {name: keys, key: secret}}}",
    );
    assert!(!pass.world.stores["default"].spec.holds_windows());
    set(&mut pass, "dana", "roleRef: {name: editor}, expiresAt: \"1970-01-01T01:00:00Z\"");
    pass.run();
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed within …..1970-01-01T01:00:00Z");
    pass.policy.paused = Some(Pause::Asked);
    set(&mut pass, "dana", "roleRef: {name: editor}");
    assert_eq!(table(&pass.run()), [""; 0], "that would be longer");
    pass.policy.now += SignedDuration::from_hours(1);
    assert_eq!(Pass::holds(&pass.run())["member dana@acme.example"], "Paused");
    assert_eq!(pass.access(DANA), "nothing within …..1970-01-01T01:00:00Z");
    pass.policy.paused = None;
    pass.run();
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
}

#[test]
fn drift_that_a_pause_leaves_half_corrected_is_still_drift() {
    let mut pass = dana();
    set(&mut pass, "dana", "roleRef: {name: viewer}");
    pass.run();
    pass.memory.tamper(DANA, |content| content.ranks = [0, 1].into_iter().collect());
    pass.policy.paused = Some(Pause::Asked);
    for _ in 0..2 {
        let plan = pass.run();
        assert_eq!((plan.drift.len(), plan.drift[0].corrected), (1, false));
        assert_eq!(pass.access(DANA), "nothing", "billing goes, docs wait");
    }
    pass.policy.paused = None;
    let plan = pass.run();
    assert_eq!(table(&plan), ["Grant drift put member dana@acme.example"]);
    assert_eq!(pass.access(DANA), "docs: View");
}

#[test]
fn during_a_pause_a_catalog_change_waits_but_its_revocations_within_a_section_do_not() {
    let mut pass = dana();
    set(&mut pass, "eve", "roleRef: {name: viewer}");
    pass.run();
    pass.policy.paused = Some(Pause::Asked);
    // billing is removed, Edit is renamed to Write, editors get a new section, and viewers lose docs.
    catalog(&mut pass, |catalog| {
        catalog
            .replace("- {name: billing}", "- {name: new}")
            .replace("billing: Allowed", "new: Allowed")
            .replace("Edit", "Write")
            .replace("{docs: View}", "{new: Allowed}")
    });
    set(&mut pass, "fay", "roleRef: {name: editor}");
    let plan = pass.run();
    assert_eq!(table(&plan), ["Revoke spec put member eve@acme.example counted"]);
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed", "names that are gone are still there in the store");
    assert_eq!(pass.access("eve@acme.example"), "nothing");
    assert!(["account", "role editor", "member fay@acme.example"].iter().all(|o| Pass::holds(&plan)[*o] == "Paused"));
    set(&mut pass, "dana", "roleRef: {name: editor}, suspended: true");
    pass.run();
    assert_eq!(pass.access(DANA), "nothing ended: Suspended");
    set(&mut pass, "dana", "roleRef: {name: editor}");
    pass.policy.paused = None;
    pass.run();
    assert_eq!(pass.access(DANA), "docs: Write, new: Allowed");
    assert_eq!(pass.access("eve@acme.example"), "new: Allowed");
}

#[test]
fn moved_sections_change_nobodys_access() {
    let mut pass = dana();
    catalog(&mut pass, |catalog| {
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
    catalog(&mut pass, |catalog| catalog.replace("- {name: billing}", "- {name: billing}\n  - {name: new}"));
    let plan = pass.run_within(scope);
    assert!(table(&plan).contains(&"Define spec put account".to_owned()), "{:?}", table(&plan));
}

#[test]
fn a_deleted_account_takes_its_container_with_it_but_nothing_of_another_cluster() {
    let mut pass = dana();
    let stranger = Existing { content: Some(MemberContent::default()), mark: None, fingerprint: None };
    pass.memory.members.insert(email("x@acme.example"), stranger);
    let observed = |pass: &Pass| pass.memory.observe(&Scope::Account, pass.policy.now);
    let plan = delete(&observed(&pass), &pass.policy.mark);
    assert_eq!(
        table(&plan),
        [
            "Revoke account-deleted remove member dana@acme.example",
            "Revoke account-deleted remove member x@acme.example",
            "Delete account-deleted remove role editor",
            "Delete account-deleted remove role viewer",
            "Delete account-deleted remove account",
        ]
    );
    let foreign = Mark { cluster: "cluster-2".into(), ..pass.policy.mark.clone() };
    pass.memory.members.get_mut(&email("x@acme.example")).unwrap().mark = Some(foreign.clone());
    let left = table(&delete(&observed(&pass), &pass.policy.mark));
    assert!(!left.iter().any(|line| line.contains("x@") || line.contains("remove account")), "{left:?}");
    assert_eq!(table(&delete(&observed(&pass), &foreign)), ["Revoke account-deleted remove member x@acme.example"]);
    // An Account with another UID has no content there.
    let later = Mark { uid: "uid-9".into(), ..pass.policy.mark.clone() };
    assert_eq!(table(&delete(&observed(&pass), &later)), [""; 0]);
}

#[test]
fn the_reason_of_a_revocation_can_change() {
    let mut pass = dana();
    set(&mut pass, "dana", "roleRef: {name: editor}, suspended: true");
    pass.run();
    pass.world.add("kind: IdentityStore\nmetadata: {name: default}\nspec: {blocked: [{email: dana@acme.example}]}");
    pass.run();
    let content = pass.memory.members[&email(DANA)].content.as_ref().unwrap();
    assert_eq!(content.ended, Some(RevocationReason::Blocked));
}

/// Runs a pass over `dana` with a changed Membership after `damage` was done to the store.
fn suspended_after(rest: &str, adoption: Adoption, damage: impl Fn(&mut Pass)) -> Pass {
    let mut pass = dana();
    (pass.policy.adoption, pass.policy.now) = (adoption, "2026-01-01T00:00:00Z".parse().unwrap());
    damage(&mut pass);
    set(&mut pass, "dana", rest);
    pass.run();
    pass
}

#[test]
fn a_revocation_works_if_the_mark_of_the_member_is_lost() {
    let unmark = |pass: &mut Pass| {
        let existing = pass.memory.members.get_mut(&email(DANA)).unwrap();
        (existing.mark, existing.fingerprint) = (None, None);
    };
    for adoption in [Adoption::Never, Adoption::IfIdentical, Adoption::Always] {
        for rest in ["suspended: true", "expiresAt: 2020-01-01T00:00:00Z"] {
            let pass = suspended_after(&format!("roleRef: {{name: editor}}, {rest}"), adoption, unmark);
            let content = pass.memory.members[&email(DANA)].content.as_ref().unwrap();
            let is_over = content.ended.is_some() || content.window.is_over(pass.policy.now);
            assert!(is_over, "{adoption:?}, {rest}: {content:?}");
        }
    }
    // The adoption policy decides about grants.
    let pass = suspended_after("roleRef: {name: viewer}", Adoption::Never, unmark);
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
    // Content with the mark of another cluster is not changed.
    let pass = suspended_after("roleRef: {name: editor}, suspended: true", Adoption::Always, |pass| {
        let mark = Mark { cluster: "cluster-2".into(), ..pass.policy.mark.clone() };
        pass.memory.members.get_mut(&email(DANA)).unwrap().mark = Some(mark);
    });
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
}

#[test]
fn a_revocation_works_if_the_mark_of_the_account_is_lost() {
    let unmark = |pass: &mut Pass| {
        let existing = pass.memory.account.as_mut().unwrap();
        (existing.mark, existing.fingerprint) = (None, None);
        existing.content.as_mut().unwrap().display_name = "Somebody else's".into();
    };
    let pass = suspended_after("roleRef: {name: editor}, suspended: true", Adoption::IfIdentical, unmark);
    assert_eq!(pass.memory.members[&email(DANA)].content.as_ref().unwrap().ended, Some(RevocationReason::Suspended));
    assert_eq!(pass.memory.account.as_ref().unwrap().mark, None);
    assert_eq!(pass.plan().holds.get(&ObjectKey::Account), Some(&Hold::NotOwned));
    // No other change is made in the account.
    let pass = suspended_after("roleRef: {name: viewer}", Adoption::IfIdentical, unmark);
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
}

#[test]
fn a_block_applies_to_undeclared_members() {
    for unmanaged in [Unmanaged::Ignore, Unmanaged::Report, Unmanaged::Remove] {
        let mut pass = dana();
        pass.policy.unmanaged = unmanaged;
        let content = pass.memory.members[&email(DANA)].content.clone();
        let stranger = Existing { content, mark: None, fingerprint: None };
        for name in ["x@acme.example", "y@acme.example"] {
            pass.memory.members.insert(email(name), stranger.clone());
        }
        pass.world.add("kind: IdentityStore\nmetadata: {name: default}\nspec: {blocked: [{email: x@acme.example}]}");
        // Also in a pass over this person only, and if the objects cannot be trusted.
        let ends = pass.revocations();
        assert_eq!(table(&ends), ["Revoke adoption put member x@acme.example"]);
        let plan = pass.run_within(Scope::Members([email("x@acme.example")].into()));
        assert_eq!(table(&plan), ["Revoke unmanaged remove member x@acme.example"]);
        assert_eq!(pass.access("x@acme.example"), "nobody");
        assert_eq!(pass.access("y@acme.example"), "docs: Edit, billing: Allowed");
    }
}

#[test]
fn an_account_recreated_after_orphan_applies_revocations_made_meanwhile() {
    let mut pass = Pass::synced(
        "acme",
        &(PLAIN.to_owned()
            + &membership("dana", "roleRef: {name: editor}")
            + &membership("eve", "roleRef: {name: editor}")),
    );
    pass.policy.mark.uid = "uid-9".into();
    set(&mut pass, "dana", "roleRef: {name: editor}, suspended: true");
    pass.world.add("kind: IdentityStore\nmetadata: {name: default}\nspec: {blocked: [{email: eve@acme.example}]}");
    pass.run();
    for (name, end) in [("dana", RevocationReason::Suspended), ("eve", RevocationReason::Blocked)] {
        let content = pass.memory.members[&email(&format!("{name}@acme.example"))].content.as_ref().unwrap();
        assert_eq!(content.ended, Some(end), "{name}");
    }
}

const OWNED: &str = "
kind: PermissionCatalog
metadata: {name: owned}
spec:
  sections: [{name: docs, levels: [None, View, Edit]}]
  roles: [{name: owner, allPermissions: true, heldBy: AccountOwner}]
  ownerRole: owner
---
kind: Account
metadata: {name: acme}
spec: {catalogRef: {name: owned}, owner: {email: olga@acme.example}}
";

#[test]
fn a_kept_owner_is_blocked_even_if_the_mark_is_lost() {
    let mut pass = Pass::synced("acme", OWNED);
    pass.world.add(
        "kind: Account\nmetadata: {name: acme}\nspec: {catalogRef: {name: owned}, owner: {email: nina@acme.example}}",
    );
    let olga = email("olga@acme.example");
    (pass.memory.members.get_mut(&olga).unwrap()).mark = None;
    pass.run();
    assert_eq!(pass.access("olga@acme.example"), "docs: Edit");
    pass.world.add("kind: IdentityStore\nmetadata: {name: default}\nspec: {blocked: [{email: olga@acme.example}]}");
    pass.run();
    assert_eq!(pass.memory.members[&olga].content.as_ref().unwrap().ended, Some(RevocationReason::Blocked));
}

#[test]
fn an_owner_stays_if_the_field_is_cleared_while_the_catalog_is_missing() {
    let mut pass = Pass::synced("acme", OWNED);
    pass.world.catalogs.clear();
    pass.memory.account.as_mut().unwrap().content.as_mut().unwrap().owner = None;
    assert_eq!(table(&pass.run()), [""; 0]);
    assert_eq!(pass.access("olga@acme.example"), "docs: Edit");
}
