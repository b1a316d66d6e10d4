//! Tests the removal guard.

use crate::support::{PLAIN, Pass, crowd, email, membership, table};
use jiff::SignedDuration;
use roster_core::{
    api::Unmanaged,
    model::Scope,
    plan::{Existing, GuardState, Pause},
    resolve::MemberContent,
};

/// Returns `acme` with this number of viewers in the store.
fn viewers(count: usize) -> Pass {
    Pass::synced("acme", &(PLAIN.to_owned() + &crowd(count, "viewer")))
}

fn delete(pass: &mut Pass, from: usize, to: usize) {
    for number in from..to {
        let before = pass.world.members.len();
        pass.world.members.retain(|(_, name), _| *name != format!("m{number}"));
        assert_eq!(pass.world.members.len(), before - 1);
    }
}

fn later(pass: &mut Pass, seconds: i64) {
    pass.policy.now += SignedDuration::from_secs(seconds);
}

fn suspend(pass: &mut Pass, from: usize, to: usize) {
    for number in from..to {
        pass.world.add(&membership(&format!("m{number}"), "roleRef: {name: viewer}, suspended: true"));
    }
}

#[test]
fn it_fires_at_the_minimum_count_and_above_the_maximum_percentage() {
    for (members, removed, fires) in [
        (10, 4, false), // 40 %, but fewer than five
        (16, 5, true),  // 31 %
        (20, 5, false), // just 25 %
        (20, 6, true),
        (5, 5, true),
        (4, 4, false),
    ] {
        let mut pass = viewers(members);
        delete(&mut pass, 0, removed);
        let plan = pass.run();
        assert_eq!(plan.guarded.is_some(), fires, "{removed} of {members}");
        assert_eq!(pass.memory.members.len(), if fires { members } else { members - removed });
    }
}

#[test]
fn held_removals_are_not_applied_and_the_rest_is() {
    let mut pass = viewers(10);
    delete(&mut pass, 0, 6);
    suspend(&mut pass, 6, 7);
    pass.world.add(&membership("new", "roleRef: {name: editor}"));
    let plan = pass.run();
    assert_eq!(table(&plan), ["Revoke spec put member m6@acme.example", "Grant spec put member new@acme.example"]);
    let guarded = plan.guarded.clone().unwrap();
    assert_eq!(guarded.members.len(), 6);
    assert_eq!(
        guarded.why,
        "6 of 10 members would be removed or left without access within 10 minutes; the guard allows 25% or fewer than 5"
    );
    assert_eq!(Pass::holds(&pass.plan())["member m0@acme.example"], "Guarded");
}

#[test]
fn the_hash_from_the_message_approves_exactly_those_removals() {
    let mut pass = viewers(10);
    delete(&mut pass, 0, 6);
    let hash = pass.run().guarded.unwrap().hash;
    assert_eq!(hash.len(), 16);
    // Other removals have another hash.
    delete(&mut pass, 6, 7);
    pass.policy.guard.approved = vec![hash.clone()];
    let other = pass.run().guarded.unwrap().hash;
    assert_ne!(hash, other);
    pass.policy.guard.approved = vec![other];
    let plan = pass.run();
    assert!(plan.removes());
    assert_eq!((plan.guarded.clone(), plan.approved().count(), pass.memory.members.len()), (None, 7, 3));
    assert_eq!(pass.memory.removals, []);
    delete(&mut pass, 7, 9);
    assert_eq!(pass.run().guarded, None);
}

#[test]
fn an_approval_is_for_this_account_only() {
    let hash = |uid: &str| {
        let mut pass = viewers(10);
        pass.policy.mark.uid = uid.into();
        for existing in pass.memory.members.values_mut() {
            existing.mark = Some(pass.policy.mark.clone());
        }
        pass.memory.account.as_mut().unwrap().mark = Some(pass.policy.mark.clone());
        delete(&mut pass, 0, 6);
        pass.run().guarded.unwrap().hash
    };
    assert_eq!(hash("uid-1"), hash("uid-1"));
    assert_ne!(hash("uid-1"), hash("uid-2"));
}

#[test]
fn it_counts_over_a_sliding_window() {
    let mut pass = viewers(20);
    for number in 0..5 {
        delete(&mut pass, number, number + 1);
        assert_eq!(pass.run().guarded, None);
        later(&mut pass, 60);
    }
    delete(&mut pass, 5, 6);
    assert!(pass.run().guarded.is_some(), "6 of the 20 there were, within five minutes");
    later(&mut pass, 299);
    assert!(pass.run().guarded.is_some());
    later(&mut pass, 1);
    let guarded = pass.run().guarded.unwrap();
    assert!(guarded.why.starts_with("5 of 19 members"), "the first is ten minutes ago: {}", guarded.why);
    later(&mut pass, 60);
    assert_eq!(pass.run().guarded, None, "four within ten minutes");
}

#[test]
fn a_member_left_without_access_counts_as_removed() {
    let mut pass = viewers(20);
    let strip = |pass: &mut Pass, number: usize| {
        pass.world.add(
            &membership(&format!("m{number}"), "displayName: no role, no access")
                .replace("displayName: no role, no access", "groupRefs: []"),
        )
    };
    for number in 0..5 {
        strip(&mut pass, number);
    }
    let plan = pass.run();
    assert!(plan.removes(), "to be left without access is to be removed");
    assert_eq!(table(&plan)[0], "Revoke spec put member m0@acme.example counted");
    // The held members are still in the store: one more is 6 of 20, not of 25. A pass over that member alone finds the same.
    strip(&mut pass, 5);
    let plan = pass.run_within(Scope::Members([email("m5@acme.example")].into()));
    assert_eq!(plan.guarded.unwrap().why.split_once(" would").unwrap().0, "6 of 20 members");
    assert_eq!(pass.access("m5@acme.example"), "docs: View");
}

#[test]
fn explicit_revocations_never_count_and_are_never_held() {
    let mut pass = viewers(10);
    suspend(&mut pass, 0, 10);
    let plan = pass.run();
    assert_eq!((table(&plan).len(), plan.guarded.clone()), (10, None));
    assert!(!plan.changes.iter().any(|change| change.counted));
    // The later removal of the suspended members does not count either.
    delete(&mut pass, 0, 10);
    let plan = pass.run();
    assert_eq!((plan.guarded, pass.memory.members.len()), (None, 0));

    let expired =
        |number: usize| membership(&format!("m{number}"), "roleRef: {name: viewer}, expiresAt: 1960-01-01T00:00:00Z");
    let mut pass = viewers(10);
    (0..10).for_each(|number| pass.world.add(&expired(number)));
    assert_eq!(pass.run().guarded, None);
    delete(&mut pass, 0, 10);
    assert_eq!((pass.run().guarded, pass.memory.members.len()), (None, 0));

    let mut pass = viewers(10);
    pass.world.add("kind: Account\nmetadata: {name: acme}\nspec: {catalogRef: {name: plain}, suspended: true}");
    assert_eq!(
        (pass.run().guarded, pass.access("m0@acme.example")),
        (None, "nothing ended: AccountSuspended".to_owned())
    );

    let mut pass = viewers(10);
    let blocked: Vec<String> = (0..10).map(|number| format!("{{email: m{number}@acme.example}}")).collect();
    pass.policy.paused = Some(Pause::Asked);
    pass.world
        .add(&format!("kind: IdentityStore\nmetadata: {{name: default}}\nspec: {{blocked: [{}]}}", blocked.join(", ")));
    assert_eq!((pass.run().guarded, pass.access("m9@acme.example")), (None, "nothing ended: Blocked".to_owned()));
}

#[test]
fn access_whose_time_is_over_is_not_held() {
    let until =
        |number: usize, rest: &str| membership(&format!("m{number}"), &format!("roleRef: {{name: viewer}}, {rest}"));
    let crowd: String = (0..10).map(|number| until(number, "expiresAt: 2030-01-01T00:00:00Z")).collect();
    let mut pass = Pass::synced("acme", &(PLAIN.to_owned() + &crowd));
    // The role grants nothing any more, so that the guard fires. One member would start after the current access expires.
    pass.world.add("kind: PermissionCatalog\nmetadata: {name: plain}\nspec: {sections: [{name: docs, levels: [None, View, Edit]}, {name: billing}], roles: [{name: viewer}]}");
    pass.world.add(&until(3, "startsAt: 2040-01-01T00:00:00Z"));
    assert_eq!(pass.run().guarded.map(|guarded| guarded.members.len()), Some(9));
    let allows_now = |pass: &Pass, name: &str| {
        let member = pass.memory.members[&email(name)].content.clone();
        member.is_some_and(|member| !member.ranks.is_none() && member.window.contains(pass.policy.now))
    };
    assert!(allows_now(&pass, "m2@acme.example"));
    assert!(!allows_now(&pass, "m3@acme.example"));
}

#[test]
fn losses_by_changed_or_deleted_definitions_count() {
    for change in [
        "kind: PermissionCatalog\nmetadata: {name: plain}\nspec: {sections: [{name: docs, levels: [None, View]}], roles: [{name: viewer}]}",
        "kind: PermissionCatalog\nmetadata: {name: plain}\nspec: {sections: [{name: docs, levels: [None, View]}]}",
        "kind: PermissionCatalog\nmetadata: {name: plain}\nspec: {sections: [{name: other}], roles: [{name: viewer, allPermissions: true}]}",
    ] {
        let mut pass = viewers(10);
        pass.world.add(change);
        let plan = pass.plan();
        if change.contains("allPermissions") {
            assert_eq!(plan.guarded, None, "what is lost in one section and had in another is no removal");
        } else {
            assert_eq!(plan.guarded.unwrap().members.len(), 10);
        }
    }
}

#[test]
fn a_held_change_of_layout_keeps_the_access_that_still_exists() {
    // The catalog loses the section in which viewers have their access, and nothing else gives them any.
    let mut pass = viewers(10);
    pass.world.add("kind: PermissionCatalog\nmetadata: {name: plain}\nspec: {sections: [{name: billing}, {name: docs, levels: [None, View, Edit]}], roles: [{name: viewer}]}");
    let plan = pass.plan();
    assert!(plan.guarded.is_some());
    pass.run();
    assert_eq!(pass.access("m3@acme.example"), "docs: View", "sections have moved, and nobody was rewritten");
}

#[test]
fn a_catalog_change_that_would_remove_all_access_is_held_as_a_whole() {
    let mut pass = viewers(10);
    pass.world.add(&membership("ed", "roleRef: {name: editor}"));
    pass.run();
    // docs is removed or renamed, so that viewers have nothing left.
    pass.world.add("kind: PermissionCatalog\nmetadata: {name: plain}\nspec: {sections: [{name: papers}, {name: billing}], roles: [{name: viewer}, {name: editor, allPermissions: true}]}");
    pass.world.add(&membership("new", "roleRef: {name: editor}"));
    delete(&mut pass, 0, 1);
    suspend(&mut pass, 1, 2);
    let plan = pass.run();
    let guarded = plan.guarded.clone().unwrap();
    assert_eq!(guarded.members.len(), 9, "the one deleted, too");
    assert_eq!(table(&plan), ["Revoke spec put member m1@acme.example"]);
    assert_eq!(pass.access("m0@acme.example"), "docs: View");
    assert_eq!(pass.access("m1@acme.example"), "nothing ended: Suspended");
    assert_eq!(pass.access("ed@acme.example"), "docs: Edit, billing: Allowed");
    let holds = Pass::holds(&pass.run());
    for object in ["account", "member m0@acme.example", "member m2@acme.example", "member new@acme.example"] {
        assert_eq!(holds[object], "Guarded", "{object}");
    }
    pass.policy.guard.approved = pass.run().guarded.map(|guarded| guarded.hash).into_iter().collect();
    let plan = pass.run();
    assert_eq!(plan.approved().count(), 9);
    assert_eq!(pass.access("ed@acme.example"), "papers: Allowed, billing: Allowed");
    assert_eq!(pass.access("m2@acme.example"), "nothing");
}

#[test]
fn the_last_holder_of_a_role_with_minimum_holders_stays() {
    let catalog = PLAIN.replace(
        "{name: viewer, permissions: {docs: View}}",
        "{name: viewer, permissions: {docs: View}, advice: {minimumHolders: 1}}",
    );
    let mut pass =
        Pass::synced("acme", &(catalog + &crowd(2, "viewer") + &membership("ed", "roleRef: {name: editor}")));
    delete(&mut pass, 0, 1);
    assert_eq!(pass.run().guarded, None);
    later(&mut pass, 3_600);
    delete(&mut pass, 1, 2);
    let plan = pass.run();
    assert_eq!(plan.guarded.unwrap().why, "the last holder of role viewer would be removed");
    assert_eq!(pass.access("m1@acme.example"), "docs: View");
    pass.world.add(&membership("next", "roleRef: {name: viewer}"));
    assert_eq!(pass.run().guarded, None);
    assert_eq!(pass.access("m1@acme.example"), "nobody");
}

#[test]
fn an_ineffective_holder_of_a_role_does_not_count() {
    let catalog = PLAIN.replace(
        "{name: viewer, permissions: {docs: View}}",
        "{name: viewer, permissions: {docs: View}, advice: {minimumHolders: 1}}",
    );
    let twice = "---\nkind: Membership\nmetadata: {name: NAME}\nspec: {accountRef: {name: acme}, user: {email: twin@acme.example}, roleRef: {name: viewer}}\n";
    let others = [
        membership("other", "roleRef: {name: viewer}, suspended: true"),
        membership("other", "roleRef: {name: viewer}, expiresAt: 1960-01-01T00:00:00Z"),
        membership("other", "roleRef: {name: viewer}, startsAt: 2100-01-01T00:00:00Z"),
        membership("other", "roleRef: {name: viewer}, invitationRef: {name: gone}"),
        ["one", "two"].map(|name| twice.replace("NAME", name)).concat(),
        membership("other", "roleRef: {name: viewer}")
            + "---\nkind: IdentityStore\nmetadata: {name: default}\nspec: {blocked: [{email: other@acme.example}]}\n",
    ];
    for other in others {
        let mut pass = Pass::synced("acme", &(catalog.clone() + &crowd(1, "viewer") + &other));
        delete(&mut pass, 0, 1);
        // A pass over one member asks for the whole account, too.
        for scope in [Scope::Account, Scope::Members([email("m0@acme.example")].into())] {
            let guarded = pass.run_within(scope).guarded;
            assert_eq!(guarded.expect(&other).why, "the last holder of role viewer would be removed", "{other}");
        }
        assert_eq!(pass.access("m0@acme.example"), "docs: View");
    }
}

#[test]
fn an_effective_holder_allows_the_removal_of_another() {
    let catalog = PLAIN.replace(
        "{name: viewer, permissions: {docs: View}}",
        "{name: viewer, permissions: {docs: View}, advice: {minimumHolders: 1}}",
    );
    let mut pass = Pass::synced("acme", &(catalog + &crowd(2, "viewer")));
    delete(&mut pass, 0, 1);
    assert_eq!(pass.run_within(Scope::Members([email("m0@acme.example")].into())).guarded, None);
    assert_eq!(pass.access("m0@acme.example"), "nobody");
}

#[test]
fn drift_corrections_do_not_count_but_removals_of_undeclared_members_do() {
    let mut pass = viewers(10);
    for number in 0..8 {
        let end = |content: &mut MemberContent| content.ranks = [2, 1].into_iter().collect();
        pass.memory.tamper(&format!("m{number}@acme.example"), end);
    }
    assert_eq!(pass.run().guarded, None);
    pass.policy.unmanaged = Unmanaged::Remove;
    for number in 0..8 {
        let content = MemberContent { ranks: [2, 1].into_iter().collect(), ..MemberContent::default() };
        let existing = Existing { content: Some(content), mark: None, fingerprint: None };
        pass.memory.members.insert(email(&format!("x{number}@acme.example")), existing);
    }
    assert_eq!(pass.run().guarded.unwrap().members.len(), 8);
}

#[test]
fn a_plan_without_removals_takes_nobodys_access() {
    let mut pass = viewers(30);
    delete(&mut pass, 0, 3);
    pass.world.add(&membership("m5", "groupRefs: []"));
    suspend(&mut pass, 6, 7);
    let mut plan = pass.plan();
    assert!(plan.removes());
    plan.drop_removals();
    assert_eq!(table(&plan), ["Revoke spec put member m6@acme.example"]);
}

// Found by a property test: a kept owner was not counted when a new layout removed all their access.
#[test]
fn an_owner_who_stays_counts_when_the_layout_leaves_nothing_of_their_access() {
    let catalog = |sections: &str, r0: &str| {
        format!(
            "kind: PermissionCatalog\nmetadata: {{name: plain}}\nspec: {{ownerRole: owner, ownerChange: Never, sections: [{sections}], \
             roles: [{{name: r0, {r0}}}, {{name: owner, allPermissions: true, heldBy: AccountOwner}}]}}\n"
        )
    };
    let account = |owner: &str| {
        format!("---\nkind: Account\nmetadata: {{name: acme}}\nspec: {{catalogRef: {{name: plain}}{owner}}}\n")
    };
    let (first, second, third) = (
        catalog("{name: s0, levels: [None, Create]}", "permissions: {}"),
        catalog("{name: s1, levels: [None, Edit]}, {name: s0, levels: [None, Delete]}", "permissions: {s1: Edit}"),
        catalog("{name: s0, levels: [None, Delete]}", "permissions: {}"),
    );
    let members = crowd(4, "r0");
    let mut pass = Pass::synced("acme", &(first + &account(", owner: {email: olga@acme.example}") + &members));
    pass.world.add(&account(""));
    pass.run();
    assert_eq!(pass.memory.access("olga@acme.example"), "s0: Create");
    pass.world.add(&second);
    let plan = pass.run();
    assert!(table(&plan).contains(&"Grant spec put member olga@acme.example counted".to_owned()), "{:?}", table(&plan));
    assert_eq!(pass.memory.access("olga@acme.example"), "nothing");
    // Four more removals make five of five within ten minutes.
    pass.world.add(&third);
    assert_eq!(pass.run().guarded.unwrap().members.len(), 4);
    assert_eq!(pass.memory.access("m0@acme.example"), "s1: Edit");
}

#[test]
fn removals_held_for_their_number_stay_held_and_the_last_holder_does_not() {
    let mut pass = viewers(12);
    delete(&mut pass, 0, 8);
    assert!(pass.run().guarded.unwrap().are_many);
    // Two of them are back, so few removals are left, and the earlier ones are long ago.
    pass.policy.guard.holding = GuardState::HoldsMany;
    for number in 0..5 {
        pass.world.add(&membership(&format!("m{number}"), "roleRef: {name: viewer}"));
    }
    later(&mut pass, 3_600);
    let guarded = pass.run().guarded.unwrap();
    assert_eq!(guarded.members.len(), 3);
    assert_eq!(guarded.why, "3 of 12 members are still to be removed or left without access");
    // They are approved, or no removal is left.
    let mut approved = pass.clone();
    approved.policy.guard.approved = vec![guarded.hash];
    assert_eq!(approved.run().approved().count(), 3);
    for number in 5..8 {
        pass.world.add(&membership(&format!("m{number}"), "roleRef: {name: viewer}"));
    }
    assert_eq!(pass.run().guarded, None);
    let catalog = PLAIN.replace(
        "{name: viewer, permissions: {docs: View}}",
        "{name: viewer, permissions: {docs: View}, advice: {minimumHolders: 1}}",
    );
    let mut pass = Pass::synced("acme", &(catalog + &crowd(1, "viewer")));
    delete(&mut pass, 0, 1);
    assert!(!pass.run().guarded.unwrap().are_many);
}
