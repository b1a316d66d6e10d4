//! Records known differences between engine and model: each test has the engine's answer of today and the model's,
//! which is right. If a defect is fixed, its test fails, and the random comparison loses its exception.

use roster_core::{model::Email, plan::Observed, resolve::Access};
use roster_reference::{End, Kind, Statement, World};

use crate::{
    engine::{self, Resolved},
    support::{
        add,
        base::{BASE, base, membership, object, plain, with},
        member, now, reasons,
    },
};

const DANA: &str = "dana@acme.example";
const CLERK: &str = "roleRef: {name: clerk}";

fn resolve(world: &World) -> Resolved {
    engine::resolve(world, "acme", "portal")
}

fn access(resolved: &Resolved, address: &str) -> Option<Access> {
    Some(resolved.desired.members.get(&Email::parse(address).unwrap())?.access.clone())
}

/// The engine's statement about a member, and the levels.
fn engines(world: &World, address: &str) -> String {
    let resolved = resolve(world);
    let levels = |content: &roster_core::resolve::MemberContent| {
        let named = resolved.desired.layout.named(&content.ranks);
        named.map(|(section, level)| format!(" {section}={level}")).collect::<String>()
    };
    match access(&resolved, address) {
        None => "nobody".to_owned(),
        Some(Access::Exactly(content)) => format!("exactly{}", levels(&content)),
        Some(Access::AtMost(content)) => format!("at most{}", levels(&content)),
        Some(Access::Kept | Access::KeptWithin(_)) => "kept".to_owned(),
        Some(Access::Revoked(end)) => format!("ended: {}", end.as_str()),
    }
}

fn statement(world: &World, address: &str) -> Statement {
    member(world, address).statement
}

fn engines_reasons(world: &World, kind: Kind, name: &str) -> String {
    let resolved = resolve(world);
    let finding = match kind {
        Kind::Role => resolved.definitions.role_findings(&name.into()),
        Kind::Membership => resolved.views[name].findings.clone(),
        _ => resolved.invitations[name].clone(),
    };
    engine::reasons(&finding).into_iter().collect::<Vec<_>>().join(" ")
}

// Fixed (j): docs/concepts.md says that no selector picks a namespace whose labels are not known yet.
#[test]
fn a_namespace_whose_labels_are_not_known_is_not_admitted() {
    let selector = "{from: Selector, selector: {matchExpressions: [{key: tier, operator: NotIn, values: [iron]}]}}";
    let store = format!("allowedNamespaces: {selector}, sqlite: {{file: a.db}}");
    let mut world = with(&BASE.replace("sqlite: {file: roster.db}", &store), &membership("dana", CLERK));
    assert_eq!(engines(&world, DANA), "exactly billing=Allowed");
    assert_eq!(statement(&world, DANA), Statement::Exactly);
    world.namespaces.clear();
    assert_eq!(engines(&world, DANA), "kept");
    assert_eq!(statement(&world, DANA), Statement::Kept);
    assert_eq!(engines_reasons(&world, Kind::Membership, "dana"), "NamespaceNotAllowed");
}

// Fixed (k): docs/concepts.md says that with an unknown restriction, or a role whose override is invalid as a whole or
// in a part, a member keeps at most what the store holds, and a new one is not created.
#[test]
fn an_override_that_is_invalid_in_a_part_does_not_raise() {
    let cells = object("Role", "cells", "overrides: reader, permissions: {usesr: Hide}");
    let world = plain(&[cells, membership("dana", "roleRef: {name: reader}")].concat());
    assert_eq!(engines(&world, DANA), "at most users=View bulk=View");
    assert_eq!(statement(&world, DANA), Statement::AtMostHeld);
}

// Fixed (k).
#[test]
fn an_override_of_a_role_that_is_no_longer_overridable_does_not_raise() {
    let cells = object("Role", "cells", "overrides: clerk, permissions: {billing: Denied}");
    let world = plain(&[cells, membership("dana", CLERK)].concat());
    assert_eq!(engines(&world, DANA), "at most billing=Allowed");
    assert_eq!(statement(&world, DANA), Statement::AtMostHeld);
}

// Fixed (k), through groups and custom roles: each member whom the override concerns.
#[test]
fn an_invalid_override_affects_holders_by_a_group_or_a_custom_role() {
    let definitions = [
        object("Role", "cells", "overrides: reader, permissions: {usesr: Hide}"),
        object("Role", "night", "basedOn: reader, permissions: {}"),
        object("UserGroup", "desk", "roleRefs: [{name: reader}]"),
    ];
    for rest in ["roleRef: {kind: Role, name: night}", "groupRefs: [{name: desk}]"] {
        let world = plain(&[definitions.concat(), membership("dana", rest)].concat());
        assert_eq!(engines(&world, DANA), "at most users=View bulk=View");
        assert_eq!(statement(&world, DANA), Statement::AtMostHeld);
    }
}

// Fixed (k), of a custom role that lowers what it starts from: docs/concepts.md says that nothing invalid widens
// access.
#[test]
fn a_custom_role_with_a_misspelt_section_does_not_raise_what_it_is_based_on() {
    let night = object("Role", "night", "basedOn: reader, permissions: {usesr: Hide}");
    let world = plain(&[night, membership("dana", "roleRef: {kind: Role, name: night}")].concat());
    assert_eq!(engines(&world, DANA), "at most users=View bulk=View");
    assert_eq!(statement(&world, DANA), Statement::AtMostHeld);
}

// Fixed (u): docs/concepts.md says that such an account keeps what is there, and that deletion, suspension, expiry and
// blocking still take effect.
#[test]
fn an_owner_without_owner_role_is_a_member_while_the_account_is_unresolvable() {
    let without = BASE.replace("  ownerRole: owner\n", "").replace("grantsOwnerAccess: true, ", "");
    let olga = "olga@acme.example";
    let unresolved = |rest: &str| {
        let mut world = with(&without, &object("Membership", "olga", &format!("user: {{email: {olga}}}, {rest}")));
        world.stores.clear();
        world
    };
    let suspended = unresolved("suspended: true");
    assert_eq!(engines(&suspended, olga), "ended: Suspended");
    assert_eq!(statement(&suspended, olga), Statement::Ended(End::Suspended));
    let expired = unresolved("expiresAt: 2020-01-01T00:00:00Z");
    assert!(matches!(access(&resolve(&expired), olga), Some(Access::KeptWithin(window)) if window.is_over(now())));
    assert_eq!(statement(&expired, olga), Statement::Ended(End::Expired));
    let mut deleted = unresolved("");
    deleted.memberships.clear();
    assert_eq!(engines(&deleted, olga), "nobody");
    assert!(!deleted.account("acme", "portal", now()).unwrap().members.contains_key(olga));
    // Without the catalog it is unknown whether it has an owner role: a Membership counts, and the owner stays.
    let mut suspended = suspended;
    suspended.catalogs.clear();
    assert_eq!(engines(&suspended, olga), "ended: Suspended");
    assert_eq!(statement(&suspended, olga), Statement::Ended(End::Suspended));
    deleted.catalogs.clear();
    assert_eq!(engines(&deleted, olga), "kept");
    assert_eq!(statement(&deleted, olga), Statement::Kept);
}

// Fixed (v): docs/runbook.md "NameTaken" is said of a Role named like a predefined role.
#[test]
fn an_override_named_like_a_predefined_role_is_taken() {
    let reader = object("Role", "reader", "overrides: reader, permissions: {users: Hide}");
    let world = plain(&[reader, membership("dana", "roleRef: {name: reader}")].concat());
    assert_eq!(engines_reasons(&world, Kind::Role, "reader"), "NameTaken");
    assert_eq!(reasons(&world, Kind::Role, "reader"), "NameTaken");
    assert_eq!(engines(&world, DANA), "at most users=View bulk=View");
    assert_eq!(statement(&world, DANA), Statement::AtMostHeld);
}

// Difference 1: docs/concepts.md "Invitations": a withdrawn Invitation is to end its access even while the account
// does not resolve.
#[test]
fn a_withdrawn_invitation_revokes_nothing_while_the_account_is_unresolvable() {
    let mut world = base(&membership("dana", "roleRef: {name: clerk}, invitationRef: {name: gone}"));
    world.stores.clear();
    assert_eq!(engines(&world, DANA), "kept");
    assert_eq!(statement(&world, DANA), Statement::Ended(End::InvitationGone));
}

// Difference 2: docs/concepts.md "Status": the engine looks for no more faults of an object that counts for nothing as
// a whole; the model names all.
#[test]
fn of_an_object_that_is_invalid_as_a_whole_one_reason_is_named() {
    let world = plain(&object("Role", "clerk", "basedOn: nobody, permissions: {usesr: Hide}"));
    assert_eq!(engines_reasons(&world, Kind::Role, "clerk"), "NameTaken");
    assert_eq!(reasons(&world, Kind::Role, "clerk"), "NameTaken RoleNotFound UnknownSection");
    let world = plain(&object("Role", "cells", "overrides: clerk, permissions: {usesr: Hide}"));
    assert_eq!(engines_reasons(&world, Kind::Role, "cells"), "NotApplicable");
    assert_eq!(reasons(&world, Kind::Role, "cells"), "NotApplicable UnknownSection");
    let olga = object("Membership", "olga", "user: {email: olga@acme.example}, roleRef: {name: nobody}");
    let world = plain(&olga);
    assert_eq!(engines_reasons(&world, Kind::Membership, "olga"), "OwnerIsMember");
    assert_eq!(reasons(&world, Kind::Membership, "olga"), "OwnerIsMember RoleNotFound");
    let mut world =
        plain(&["one", "two"].map(|name| object("Membership", name, "user: {email: d@acme.example}")).concat());
    world.stores.clear();
    assert_eq!(engines_reasons(&world, Kind::Membership, "one"), "StoreNotFound");
    assert_eq!(reasons(&world, Kind::Membership, "one"), "DuplicateMembership StoreNotFound");
}

// Difference 3: docs/concepts.md "Invitations": an Invitation is to have the field `acknowledge`, as a Membership has;
// the type has none yet, and the engine takes every lifting in an Invitation as confirmed.
#[test]
fn an_invitation_that_lifts_is_taken_as_confirmed() {
    let world = base(&object("Invitation", "i", "email: dana@acme.example, restrictions: {lift: [no-users]}"));
    assert_eq!(engines_reasons(&world, Kind::Invitation, "i"), "");
    assert_eq!(reasons(&world, Kind::Invitation, "i"), "ConfirmationMissing");
}

// Fixed (m): docs/concepts.md "Marks, drift, removal": only somebody who is not suspended, expired, blocked, not
// started, duplicate or being deleted holds a role in effect.
#[test]
fn a_suspended_member_is_no_holder_of_a_guarded_role() {
    let eve = membership("eve", "roleRef: {name: admin}, suspended: true");
    let world = plain(&[membership("dana", "roleRef: {name: admin}"), eve].concat());
    let mut without_dana = world.clone();
    without_dana.memberships.remove(&("acme".to_owned(), "dana".to_owned()));
    let holders = |world: &World| world.account("acme", "portal", now()).unwrap().holders;
    assert_eq!(holders(&world)["admin"].len(), 1);
    assert!(!holders(&without_dana).contains_key("admin"));
    let observed = Observed::of(&resolve(&world).desired, &engine::mark("acme", "portal"));
    let made = engine::plan(&without_dana, &observed, now());
    assert_eq!(made.guarded.unwrap().why, "the last holder of role admin would be removed");
}

/// Dana's Membership names an accepted Invitation.
fn invited(email: &str, rest: &str) -> World {
    let invitation = object("Invitation", "welcome", &format!("email: {email}, roleRef: {{name: clerk}}"));
    let mut world = plain("");
    add(&mut world, &invitation);
    add(&mut world, &membership("dana", &format!("{rest}, invitationRef: {{name: welcome}}")));
    world.accepted.insert(("acme".to_owned(), "welcome".to_owned()));
    world
}

// Fixed: docs/concepts.md "Invitations": a Membership that names somebody else's Invitation grants nothing.
#[test]
fn an_invitation_for_another_person_has_no_effect() {
    let world = invited("eve@acme.example", CLERK);
    assert_eq!(engines(&world, DANA), "at most");
    assert_eq!(statement(&world, DANA), Statement::Ended(End::InvitationGone));
}

// Difference 6: docs/concepts.md "Invitations": role, groups and restrictions of such a Membership are to come from the
// Invitation.
#[test]
fn an_invited_member_has_the_role_of_the_membership_instead_of_the_invitations() {
    let world = invited(DANA, "roleRef: {name: reader}");
    assert_eq!(engines(&world, DANA), "exactly users=View bulk=View");
    assert_eq!(crate::support::levels(&member(&world, DANA).levels), "billing=Allowed");
}
