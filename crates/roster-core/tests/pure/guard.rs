//! Tests the removal guard.

use crate::support::{PLAIN, Pass, crowd, email, membership, table};
use jiff::SignedDuration;
use roster_core::{
    api::Unmanaged,
    model::Scope,
    plan::{Existing, GuardState, Pause},
    resolve::MemberContent,
};

/// `acme` with that many viewers in the store.
fn viewers(count: usize) -> Pass {
    Pass::synced("acme", &(PLAIN.to_owned() + &crowd(count, "viewer")))
}

fn delete(pass: &mut Pass, from: usize, to: usize) {
    for place in from..to {
        let before = pass.world.members.len();
        pass.world.members.retain(|(_, name), _| *name != format!("m{place}"));
        assert_eq!(pass.world.members.len(), before - 1);
    }
}

fn later(pass: &mut Pass, seconds: i64) {
    pass.policy.now += SignedDuration::from_secs(seconds);
}

fn suspend(pass: &mut Pass, from: usize, to: usize) {
    for place in from..to {
        pass.world.add(&membership(&format!("m{place}"), "roleRef: {name: viewer}, suspended: true"));
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
fn none_of_them_is_removed_and_the_rest_is_applied() {
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
fn the_hash_from_the_message_lets_exactly_those_pass_and_they_do_not_count() {
    let mut pass = viewers(10);
    delete(&mut pass, 0, 6);
    let hash = pass.run().guarded.unwrap().hash;
    assert_eq!(hash.len(), 16);
    // Other removals by then: another hash.
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
        for seen in pass.memory.members.values_mut() {
            seen.mark = Some(pass.policy.mark.clone());
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
    for place in 0..5 {
        delete(&mut pass, place, place + 1);
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
fn who_is_left_without_access_counts_and_stays_in_the_number_there_are() {
    let mut pass = viewers(20);
    let strip = |pass: &mut Pass, place: usize| {
        pass.world.add(
            &membership(&format!("m{place}"), "displayName: no role, no access")
                .replace("displayName: no role, no access", "groupRefs: []"),
        )
    };
    for place in 0..5 {
        strip(&mut pass, place);
    }
    let plan = pass.run();
    assert!(plan.removes(), "to be left without access is to be removed");
    assert_eq!(table(&plan)[0], "Revoke spec put member m0@acme.example counted");
    // They are still there: one more is 6 of 20, not of 25. A pass over that one alone sees so, too.
    strip(&mut pass, 5);
    let plan = pass.run_within(Scope::Members([email("m5@acme.example")].into()));
    assert_eq!(plan.guarded.unwrap().why.split_once(" would").unwrap().0, "6 of 20 members");
    assert_eq!(pass.access("m5@acme.example"), "docs: View");
}

#[test]
fn explicit_ends_never_count_and_are_never_held_back() {
    let mut pass = viewers(10);
    suspend(&mut pass, 0, 10);
    let plan = pass.run();
    assert_eq!((table(&plan).len(), plan.guarded.clone()), (10, None));
    assert!(!plan.changes.iter().any(|change| change.counted));
    // Nor does it count when the suspended then go.
    delete(&mut pass, 0, 10);
    let plan = pass.run();
    assert_eq!((plan.guarded, pass.memory.members.len()), (None, 0));

    let expired =
        |place: usize| membership(&format!("m{place}"), "roleRef: {name: viewer}, expiresAt: 1960-01-01T00:00:00Z");
    let mut pass = viewers(10);
    (0..10).for_each(|place| pass.world.add(&expired(place)));
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
    let blocked: Vec<String> = (0..10).map(|place| format!("{{email: m{place}@acme.example}}")).collect();
    pass.policy.paused = Some(Pause::Asked);
    pass.world
        .add(&format!("kind: IdentityStore\nmetadata: {{name: default}}\nspec: {{blocked: [{}]}}", blocked.join(", ")));
    assert_eq!((pass.run().guarded, pass.access("m9@acme.example")), (None, "nothing ended: Blocked".to_owned()));
}

#[test]
fn whose_time_leaves_nothing_of_what_they_have_is_not_held_back() {
    let until =
        |place: usize, rest: &str| membership(&format!("m{place}"), &format!("roleRef: {{name: viewer}}, {rest}"));
    let crowd: String = (0..10).map(|place| until(place, "expiresAt: 2030-01-01T00:00:00Z")).collect();
    let mut pass = Pass::synced("acme", &(PLAIN.to_owned() + &crowd));
    // The role gives nothing any more, so that the guard fires; and one of them is to begin after what they have has expired.
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
fn definitions_that_change_or_vanish_count() {
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
fn a_guarded_change_of_layout_keeps_what_can_be_kept() {
    // The catalog loses the section in which viewers have their access, and nothing else gives them any.
    let mut pass = viewers(10);
    pass.world.add("kind: PermissionCatalog\nmetadata: {name: plain}\nspec: {sections: [{name: billing}, {name: docs, levels: [None, View, Edit]}], roles: [{name: viewer}]}");
    let plan = pass.plan();
    assert!(plan.guarded.is_some());
    pass.run();
    assert_eq!(pass.access("m3@acme.example"), "docs: View", "sections have moved, and nobody was rewritten");
}

#[test]
fn a_catalog_in_which_nobodys_access_exists_any_more_waits_as_a_whole() {
    let mut pass = viewers(10);
    pass.world.add(&membership("ed", "roleRef: {name: editor}"));
    pass.run();
    // docs is gone, or only renamed; viewers have nothing left, or had it in a section that is gone.
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
fn whoever_does_not_hold_the_role_in_effect_is_no_holder() {
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
fn who_holds_the_role_in_effect_lets_another_holder_go() {
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
fn a_correction_of_drift_is_no_removal_but_strangers_are_counted() {
    let mut pass = viewers(10);
    for place in 0..8 {
        let end = |content: &mut MemberContent| content.ranks = [2, 1].into_iter().collect();
        pass.memory.tamper(&format!("m{place}@acme.example"), end);
    }
    assert_eq!(pass.run().guarded, None);
    pass.policy.unmanaged = Unmanaged::Remove;
    for place in 0..8 {
        let content = MemberContent { ranks: [2, 1].into_iter().collect(), ..MemberContent::default() };
        let seen = Existing { content: Some(content), mark: None, fingerprint: None };
        pass.memory.members.insert(email(&format!("x{place}@acme.example")), seen);
    }
    assert_eq!(pass.run().guarded.unwrap().members.len(), 8);
}

#[test]
fn a_plan_without_its_removals_takes_nobodys_access() {
    let mut pass = viewers(30);
    delete(&mut pass, 0, 3);
    pass.world.add(&membership("m5", "groupRefs: []"));
    suspend(&mut pass, 6, 7);
    let mut plan = pass.plan();
    assert!(plan.removes());
    plan.drop_removals();
    assert_eq!(table(&plan), ["Revoke spec put member m6@acme.example"]);
}

// Found by a property: the owner who stays is kept as they are, and no change named them when a layout left nothing of it.
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
    // Four more are five of five within ten minutes.
    pass.world.add(&third);
    assert_eq!(pass.run().guarded.unwrap().members.len(), 4);
    assert_eq!(pass.memory.access("m0@acme.example"), "s1: Edit");
}

#[test]
fn what_is_held_since_it_is_many_stays_held_and_the_last_holder_does_not() {
    let mut pass = viewers(12);
    delete(&mut pass, 0, 8);
    assert!(pass.run().guarded.unwrap().are_many);
    // Two of them are there again; the others are few by now, and what went before is long ago.
    pass.policy.guard.holding = GuardState::HoldsMany;
    for place in 0..5 {
        pass.world.add(&membership(&format!("m{place}"), "roleRef: {name: viewer}"));
    }
    later(&mut pass, 3_600);
    let guarded = pass.run().guarded.unwrap();
    assert_eq!(guarded.members.len(), 3);
    assert_eq!(guarded.why, "3 of 12 members are still to be removed or left without access");
    // Somebody approves them, or nobody is to go any more.
    let mut approved = pass.clone();
    approved.policy.guard.approved = vec![guarded.hash];
    assert_eq!(approved.run().approved().count(), 3);
    for place in 5..8 {
        pass.world.add(&membership(&format!("m{place}"), "roleRef: {name: viewer}"));
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
