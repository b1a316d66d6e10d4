//! Tests every rule about who may change access, on one small catalog.

use std::sync::Arc;

use roster_core::{authority::Change, state::AccountAnnotations};

use super::change::{allows, apply, by, delete, edit, effects, membership, refuses};
use crate::support::World;

const OFFICE: &str = "
kind: PermissionCatalog
metadata: {name: office}
spec:
  sections:
  - {name: docs, levels: [None, View, Edit]}
  - {name: orders, levels: [None, Request, Approve]}
  - {name: people}
  - {name: archive, requires: [{from: Allowed, section: docs, level: View}]}
  restrictions: [{name: no-docs, caps: {docs: None}}]
  roles:
  - {name: head, allPermissions: true}
  - {name: clerk, permissions: {docs: Edit, people: Allowed}}
  - {name: buyer, permissions: {orders: Request}}
  - {name: keeper, permissions: {archive: Allowed}}
  - {name: reader, permissions: {docs: View}, overridable: true}
  administration:
  - {action: CreateMembers, section: people, level: Allowed}
  - {action: EditMembers, section: people, level: Allowed}
  - {action: DeleteMembers, section: people, level: Allowed}
  - {action: AssignRoles, section: people, level: Allowed}
  - {action: CreateGroups, section: people, level: Allowed}
  - {action: EditGroups, section: people, level: Allowed}
  - {action: DeleteGroups, section: people, level: Allowed}
  - {action: CreateRoles, section: people, level: Allowed}
  - {action: EditRoles, section: people, level: Allowed}
  - {action: DeleteRoles, section: people, level: Allowed}
  separation: [{sections: [{name: docs, level: Edit}, {name: orders, level: Approve}], maximum: 1, message: Four eyes.}]
---
kind: Account
metadata: {name: acme}
spec: {catalogRef: {name: office}}
";

fn office(members: &[(&str, &str)]) -> World {
    let mut world = World::of(OFFICE);
    for (name, rest) in members {
        world.add(&membership("default", "acme", name, rest));
    }
    world
}

fn member(name: &str, rest: &str) -> String {
    membership("default", "acme", name, rest)
}

const CLERK: &str = "roleRef: {name: clerk}";
const WHO: &str = "clara@acme.example";

#[test]
fn nobody_grants_what_they_do_not_hold_at_the_moment() {
    let world = office(&[("clara", CLERK), ("rob", "roleRef: {name: reader}")]);
    allows(&world, &apply(&world, &member("rob", CLERK)), WHO);
    let says = "this gives rob@acme.example orders: Request, and clara@acme.example may grant at most orders: None";
    refuses(&world, &apply(&world, &member("rob", "roleRef: {name: buyer}")), WHO, says);
    for away in ["suspended: true", "expiresAt: '2026-01-01T00:00:00Z'", "startsAt: '2027-01-01T00:00:00Z'"] {
        let world = office(&[("clara", &format!("{CLERK}, {away}")), ("rob", "roleRef: {name: reader}")]);
        refuses(&world, &apply(&world, &member("rob", CLERK)), WHO, "needs people: Allowed");
    }
}

#[test]
fn what_is_granted_counts_even_if_it_has_no_effect_yet() {
    let world = office(&[("clara", CLERK), ("hans", "roleRef: {name: head}"), ("rob", "roleRef: {name: reader}")]);
    for (dormant, who) in [
        // Suspended, not started, restricted, without its prerequisite.
        ("roleRef: {name: head}, suspended: true", "rob"),
        ("roleRef: {name: buyer}, startsAt: '2027-01-01T00:00:00Z'", "rob"),
        ("roleRef: {name: head}, restrictions: {apply: [no-docs]}", "rob"),
        ("roleRef: {name: keeper}", "nora"),
    ] {
        refuses(&world, &apply(&world, &member(who, dormant)), WHO, "this gives");
    }
    // Of a role nobody has, and one that does not exist yet.
    let role = "kind: Role\nmetadata: {name: x}\nspec: {accountRef: {name: acme}, permissions: {orders: Request}}";
    refuses(&world, &apply(&world, role), WHO, "this gives role custom:x orders: Request");
    let dangling = world.with(&member("rob", "roleRef: {kind: Role, name: x}"));
    refuses(&dangling, &apply(&dangling, role), WHO, "this gives rob@acme.example, role custom:x orders: Request");
}

#[test]
fn longer_access_and_an_end_that_is_lifted_are_grants() {
    let times = "expiresAt: '2026-12-31T00:00:00Z'";
    for (before, after) in [
        ("roleRef: {name: buyer}, suspended: true", "roleRef: {name: buyer}"),
        ("roleRef: {name: buyer}, expiresAt: '2026-12-31T00:00:00Z'", "roleRef: {name: buyer}"),
        ("roleRef: {name: buyer}, startsAt: '2026-12-31T00:00:00Z'", "roleRef: {name: buyer}"),
    ] {
        let world = office(&[("clara", CLERK), ("ben", before)]);
        refuses(&world, &apply(&world, &member("ben", after)), WHO, "this gives ben@acme.example orders: Request");
    }
    // The duplicate is all that suspends them.
    let mut world = office(&[("clara", CLERK), ("ben", "roleRef: {name: buyer}")]);
    world.add(
        &member("ben", "roleRef: {name: buyer}")
            .replace("name: ben,", "name: twin,")
            .replace("roleRef", "suspended: true, roleRef"),
    );
    let removed = delete(&world, "acme", "membership", "twin");
    refuses(&world, &removed, WHO, "this gives ben@acme.example orders: Request");
    // Shorter is no grant, but of somebody who holds more.
    let world = office(&[("clara", CLERK), ("ben", "roleRef: {name: buyer}"), ("rob", "roleRef: {name: reader}")]);
    allows(&world, &apply(&world, &member("rob", &format!("roleRef: {{name: reader}}, {times}"))), WHO);
    let says = "spec: ben@acme.example holds more than clara@acme.example (orders: Request)";
    let shorter = apply(&world, &member("ben", &format!("roleRef: {{name: buyer}}, {times}")));
    refuses(&world, &shorter, WHO, says);
    assert!(!by(&world, &shorter, WHO).is_held(), "a revocation is never held");
}

#[test]
fn a_pipeline_grants_up_to_its_roles_and_its_revocations_are_never_refused() {
    let world = office(&[("clara", CLERK), ("hans", "roleRef: {name: head}")]);
    let comes = |role: &str| apply(&world, &member("new", &format!("roleRef: {{name: {role}}}")));
    allows(&world, &comes("clerk"), "pipeline clerk");
    allows(&world, &comes("buyer"), "pipeline clerk buyer");
    refuses(
        &world,
        &comes("buyer"),
        "pipeline clerk",
        "this gives new@acme.example orders: Request, and the pipeline may grant at most",
    );
    assert!(by(&world, &comes("buyer"), "pipeline clerk").is_held());
    allows(&world, &delete(&world, "acme", "membership", "hans"), "pipeline");
    let catalog = OFFICE.split("---").next().unwrap().replace("Four eyes.", "Two pairs of eyes.");
    let catalog = apply(&world, &catalog);
    refuses(&world, &catalog, "pipeline head", "spec: only an administrator may change this");
    allows(&world, &catalog, "administrator");
    // What a role is by default counts, not what an account makes of it.
    let raised = world.with("kind: Role\nmetadata: {name: r}\nspec: {accountRef: {name: acme}, overrides: reader, permissions: {orders: Approve}}");
    let reader = apply(&raised, &member("new", "roleRef: {name: reader}"));
    refuses(&raised, &reader, "pipeline reader", "this gives new@acme.example orders: Approve");
}

#[test]
fn what_is_kept_apart_is_kept_apart_for_everybody() {
    let world = office(&[("hans", "groupRefs: [{name: desk}]"), ("clara", CLERK)])
        .with("kind: UserGroup\nmetadata: {name: desk}\nspec: {accountRef: {name: acme}, permissions: {docs: View}}");
    let role = "kind: Role\nmetadata: {name: buyer-in-chief}\nspec: {accountRef: {name: acme}, permissions: {orders: Approve}}";
    let world = world
        .with(role)
        .with(&member("hans", "roleRef: {kind: Role, name: buyer-in-chief}, groupRefs: [{name: desk}]"));
    let group = apply(
        &world,
        "kind: UserGroup\nmetadata: {name: desk}\nspec: {accountRef: {name: acme}, permissions: {docs: Edit}}",
    );
    let says = "spec: hans@acme.example would hold docs: Edit, orders: Approve, and one person may hold at most 1 of these: Four eyes";
    refuses(&world, &group, "administrator", says);
    allows(&world, &apply(&world, &member("clara", "roleRef: {name: reader}")), "administrator");
}

#[test]
fn what_cannot_be_judged_is_held_unless_it_takes_away() {
    let world = office(&[("clara", CLERK)]);
    let stray =
        "kind: Membership\nmetadata: {name: x}\nspec: {accountRef: {name: nowhere}, user: {email: x@acme.example}}";
    refuses(
        &world,
        &apply(&world, stray),
        WHO,
        "spec.accountRef: account default/nowhere does not exist; apply the Account first",
    );
    refuses(&world, &apply(&world, stray), "pipeline clerk", "does not exist");
    let mut broken = world.clone();
    broken.catalogs.clear();
    let suspended = apply(&broken, &member("clara", &format!("{CLERK}, suspended: true")));
    allows(&broken, &suspended, "pipeline");
    refuses(&broken, &apply(&broken, &member("clara", "roleRef: {name: head}")), "pipeline head", "does not resolve");
}

#[test]
fn a_role_that_lets_people_administer_is_given_by_whoever_may_do_as_much() {
    let mut world = office(&[("clara", CLERK), ("rob", "roleRef: {name: reader}"), ("hans", "roleRef: {name: head}")]);
    let rule = "  - {action: EditRoles, section: people, level: Allowed}";
    let steward = OFFICE.replace(rule, "  - {action: EditRoles, roles: [steward, head]}").replace(
        "  - {name: buyer,",
        "  - {name: steward, permissions: {docs: View}}\n  - {name: chief, allPermissions: true, heldBy: AccountOwner}\n  - {name: buyer,",
    );
    world.add(&steward);
    let says = "this gives rob@acme.example the role steward, by which the catalog lets people administer";
    refuses(&world, &apply(&world, &member("rob", "roleRef: {name: steward}")), WHO, says);
    allows(&world, &apply(&world, &member("rob", "roleRef: {name: steward}")), "hans@acme.example");
    refuses(&world, &apply(&world, &member("clara", "roleRef: {name: steward}")), WHO, "cannot raise their own access");
    // By a group, and by a reference that grants nothing.
    let world = world.with(&member("clara", &format!("{CLERK}, groupRefs: [{{name: desk}}]")));
    let group =
        |rest: &str| format!("kind: UserGroup\nmetadata: {{name: desk}}\nspec: {{accountRef: {{name: acme}}, {rest}}}");
    let world = world.with(&group("permissions: {docs: View}"));
    refuses(&world, &apply(&world, &group("roleRefs: [{name: steward}]")), WHO, "this gives");
    let owners = apply(&world, &group("permissions: {docs: View}, roleRefs: [{name: chief}]"));
    refuses(&world, &owners, WHO, "spec.roleRefs: ");
    assert!(
        by(&world, &owners, "pipeline clerk").is_held(),
        "it would grant something as soon as the role may be held"
    );
}

#[test]
fn what_does_not_exist_yet_is_promised_to_nobody() {
    let world = office(&[("clara", CLERK), ("rob", "roleRef: {name: reader}")]);
    for (rest, says) in [
        ("roleRef: {name: reader}, groupRefs: [{name: finance}]", "spec.groupRefs: "),
        ("roleRef: {kind: Role, name: future}", "spec.roleRef: "),
        ("roleRef: {name: future}", "spec.roleRef: "),
    ] {
        let change = apply(&world, &member("rob", rest));
        refuses(&world, &change, WHO, says);
        allows(&world, &change, "administrator");
    }
    let role = "kind: Role\nmetadata: {name: r}\nspec: {accountRef: {name: acme}, permissions: {future: Edit}}";
    refuses(&world, &apply(&world, role), WHO, "spec.permissions: ");
}

#[test]
fn an_account_that_is_deleted_and_made_again_is_no_way_round() {
    let world = office(&[("clara", CLERK)]);
    let account =
        |rest: &str| format!("kind: Account\nmetadata: {{name: new}}\nspec: {{catalogRef: {{name: office}}{rest}}}");
    allows(&world, &apply(&world, &account("")), "pipeline");
    for (rest, field) in [
        (", owner: {email: mallory@acme.example}", "spec.owner"),
        (", storeRef: {name: other}", "spec.storeRef"),
        (", parentRef: {name: acme}", "spec.parentRef"),
        (", partner: true", "spec.partner"),
    ] {
        refuses(&world, &apply(&world, &account(rest)), "pipeline", &format!("{field}: only an administrator"));
    }
    let planted = world
        .with("kind: Membership\nmetadata: {name: x}\nspec: {accountRef: {name: new}, user: {email: x@acme.example}}");
    refuses(&planted, &apply(&planted, &account("")), "pipeline", "objects of account default/new exist already");
    let key = World::key("acme");
    let facts = Arc::new((world.accounts[&key].as_ref().clone(), AccountAnnotations::default()));
    let gone = Change::Account(key, edit(Some(facts), None));
    refuses(&world, &gone, "pipeline", "metadata: only an administrator may change this");
    assert_eq!(effects(&by(&world, &gone, "administrator")), ["clara@acme.example loses docs: Edit, people: Allowed"]);
}

#[test]
fn an_administrator_is_told_what_a_catalog_does() {
    let world = office(&[("clara", CLERK), ("rob", "roleRef: {name: reader}")]);
    let more = OFFICE
        .split("---")
        .next()
        .unwrap()
        .replace("{name: reader, permissions: {docs: View}", "{name: reader, permissions: {docs: Edit}");
    let verdict = by(&world, &apply(&world, &more), "administrator");
    assert_eq!(effects(&verdict), ["rob@acme.example gains docs: Edit"]);
    let same = apply(&world, OFFICE.split("---").next().unwrap());
    assert!(by(&world, &same, WHO).is_allowed(), "nothing changes");
}
