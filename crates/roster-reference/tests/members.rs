//! Tests rules of docs/concepts.md about single members: the five steps, addresses, duplicates, invitations.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::pedantic,
    clippy::cloned_ref_to_slice_refs,
    reason = "tests end by panicking, and their tables read better as they stand"
)]

mod support;

use roster_reference::{End, Kind, Statement, canonical};
use support::{
    add, ask, at,
    base::{base, membership, object, plain},
    levels, member, reasons, world,
};

const DANA: &str = "dana@acme.example";

#[test]
fn the_highest_level_of_role_groups_and_their_roles_counts() {
    let yaml = [
        object("UserGroup", "desk", "permissions: {users: Edit}, roleRefs: [{name: clerk}]"),
        membership("dana", "roleRef: {name: reader}, groupRefs: [{name: desk}]"),
    ];
    let member = member(&plain(&yaml.concat()), DANA);
    assert_eq!(levels(&member.levels), "billing=Allowed bulk=View users=Edit");
    assert_eq!(member.statement, Statement::Exactly);
    assert_eq!(member.granted, member.levels);
}

#[test]
fn the_owner_holds_the_owner_role_without_a_membership_and_is_not_capped() {
    let owner = member(&base(""), "olga@acme.example");
    assert!(owner.owner);
    assert_eq!(levels(&owner.levels), "billing=Allowed bulk=Edit chain=Allowed users=Delete");
}

#[test]
fn a_membership_for_the_owners_address_counts_for_nothing() {
    let yaml =
        object("Membership", "olga", "user: {email: Olga@ACME.example}, roleRef: {name: clerk}, suspended: true");
    let world = base(&yaml);
    assert_eq!(reasons(&world, Kind::Membership, "olga"), "OwnerIsMember");
    assert_eq!(member(&world, "olga@acme.example").statement, Statement::Exactly);
}

#[test]
fn an_invitation_for_the_owners_address_is_invalid() {
    let world = base(&object("Invitation", "olga", "email: olga@acme.example, roleRef: {name: clerk}"));
    assert_eq!(reasons(&world, Kind::Invitation, "olga"), "OwnerIsMember");
}

#[test]
fn restrictions_on_by_default_and_those_applied_cap() {
    let yaml = membership("dana", "roleRef: {name: admin}, restrictions: {apply: [no-billing]}");
    let member = member(&base(&yaml), DANA);
    // Without `users` nobody may edit `bulk`.
    assert_eq!(levels(&member.levels), "bulk=View");
    assert_eq!(levels(&member.granted), "billing=Allowed bulk=Edit chain=Allowed users=Delete");
}

#[test]
fn a_lifted_restriction_caps_no_more() {
    let yaml = membership("dana", "roleRef: {name: admin}, restrictions: {lift: [no-chain]}");
    let world = base(&yaml);
    assert_eq!(levels(&member(&world, DANA).levels), "billing=Allowed bulk=View");
    assert_eq!(reasons(&world, Kind::Membership, "dana"), "");
}

#[test]
fn lifting_that_needs_confirmation_counts_only_where_it_is_acknowledged() {
    let lift = "roleRef: {name: reader}, restrictions: {lift: [no-users]}";
    let world = base(&membership("dana", lift));
    assert_eq!(reasons(&world, Kind::Membership, "dana"), "ConfirmationMissing");
    assert_eq!(levels(&member(&world, DANA).levels), "bulk=View");
    let world = base(&membership("dana", &format!("{lift}, acknowledge: [no-users]")));
    assert_eq!(reasons(&world, Kind::Membership, "dana"), "");
    assert_eq!(levels(&member(&world, DANA).levels), "billing=Allowed bulk=Edit chain=Allowed users=Delete");
}

#[test]
fn equal_to_the_owner_other_restrictions_have_no_effect() {
    let rest = "roleRef: {name: reader}, restrictions: {lift: [no-users], apply: [no-billing, view-only]}, acknowledge: [no-users]";
    let member = member(&base(&membership("dana", rest)), DANA);
    assert_eq!(levels(&member.levels), "billing=Allowed bulk=Edit chain=Allowed users=Delete");
    assert_eq!(member.granted, member.levels);
}

#[test]
fn a_prerequisite_that_is_not_met_lowers_to_the_highest_level_whose_are_to_the_fixed_point() {
    let yaml = [
        object("UserGroup", "one", "permissions: {bulk: Edit, chain: Allowed}"),
        membership("dana", "groupRefs: [{name: one}]"),
    ];
    assert_eq!(levels(&member(&plain(&yaml.concat()), DANA).levels), "bulk=View");
    // Another group brings it.
    let yaml = [
        object("UserGroup", "one", "permissions: {bulk: Edit, chain: Allowed}"),
        object("UserGroup", "two", "permissions: {users: View}"),
        membership("dana", "groupRefs: [{name: one}, {name: two}]"),
    ];
    assert_eq!(levels(&member(&plain(&yaml.concat()), DANA).levels), "bulk=Edit chain=Allowed users=View");
}

#[test]
fn the_order_of_sections_does_not_matter_to_prerequisites() {
    let catalog = |sections: &[&str]| {
        format!("---\nkind: PermissionCatalog\nmetadata: {{name: portal}}\nspec:\n  sections:\n{}", sections.concat())
    };
    let a = "  - {name: a, requires: [{from: Allowed, section: b, level: Allowed}]}\n";
    let b = "  - {name: b, requires: [{from: Allowed, section: c, level: Allowed}]}\n";
    let c = "  - {name: c}\n";
    let people = [
        object("UserGroup", "one", "permissions: {a: Allowed, b: Allowed}"),
        membership("dana", "groupRefs: [{name: one}]"),
    ];
    for sections in [[a, b, c], [c, b, a], [b, a, c]] {
        let world = base(&[catalog(&sections), people.concat()].concat());
        assert_eq!(levels(&member(&world, DANA).levels), "");
    }
}

#[test]
fn suspended_expired_and_not_started_have_no_access_and_keep_their_potential() {
    let end = |rest: &str| {
        let member = member(&plain(&membership("dana", &format!("roleRef: {{name: clerk}}, {rest}"))), DANA);
        assert_eq!(levels(&member.potential), "billing=Allowed");
        assert_eq!(levels(&member.levels).is_empty(), matches!(member.statement, Statement::Ended(_)));
        member.statement
    };
    assert_eq!(end("suspended: true"), Statement::Ended(End::Suspended));
    // The bounds: from `startsAt` on, until just before `expiresAt`.
    assert_eq!(end("expiresAt: 2026-11-23T12:00:00Z"), Statement::Ended(End::Expired));
    assert_eq!(end("expiresAt: 2026-11-23T12:00:01Z"), Statement::Exactly);
    assert_eq!(end("startsAt: 2026-11-23T12:00:01Z"), Statement::Ended(End::NotStarted));
    assert_eq!(end("startsAt: 2026-11-23T12:00:00Z"), Statement::Exactly);
}

#[test]
fn the_time_window_of_a_member_is_reported() {
    let rest = "roleRef: {name: clerk}, startsAt: 2026-11-01T00:00:00Z, expiresAt: 2026-12-01T00:00:00Z";
    let member = member(&plain(&membership("dana", rest)), DANA);
    assert_eq!(member.starts_at, Some(at("2026-11-01T00:00:00Z")));
    assert_eq!(member.expires_at, Some(at("2026-12-01T00:00:00Z")));
}

#[test]
fn a_blocked_person_has_no_access_including_the_owner() {
    let store = "---\nkind: IdentityStore\nmetadata: {name: default}\nspec: {sqlite: {file: a.db}, blocked: [{email: DANA@acme.example}, {email: olga@acme.example}]}\n";
    let world = plain(&[store, &membership("dana", "roleRef: {name: clerk}")].concat());
    assert_eq!(member(&world, DANA).statement, Statement::Ended(End::Blocked));
    assert_eq!(member(&world, "olga@acme.example").statement, Statement::Ended(End::Blocked));
}

#[test]
fn of_two_memberships_the_lower_level_of_each_section_and_the_shorter_time_count() {
    let twice = |one: &str, two: &str| {
        let object = |name: &str, email: &str, rest: &str| {
            object("Membership", name, &format!("user: {{email: {email}}}, {rest}"))
        };
        plain(&[object("one", "dana@acme.example", one), object("two", "Dana@Acme.Example", two)].concat())
    };
    let world = twice(
        "roleRef: {name: reader}, startsAt: 2026-11-01T00:00:00Z, expiresAt: 2026-12-01T00:00:00Z",
        "roleRef: {name: admin}, restrictions: {apply: [view-only]}, startsAt: 2026-11-02T00:00:00Z, expiresAt: 2026-12-02T00:00:00Z",
    );
    assert_eq!(reasons(&world, Kind::Membership, "one"), "DuplicateMembership");
    assert_eq!(reasons(&world, Kind::Membership, "two"), "DuplicateMembership");
    let both = member(&world, DANA);
    assert_eq!(levels(&both.levels), "bulk=View users=View");
    assert_eq!(both.starts_at, Some(at("2026-11-02T00:00:00Z")));
    assert_eq!(both.expires_at, Some(at("2026-12-01T00:00:00Z")));
    let world = twice("roleRef: {name: reader}", "roleRef: {name: admin}, suspended: true");
    assert_eq!(member(&world, DANA).statement, Statement::Ended(End::Suspended));
    assert_eq!(ask(&world, "acme/portal").holders.len(), 0);
}

#[test]
fn an_unknown_role_group_section_or_level_adds_nothing_and_the_rest_counts() {
    let yaml = [
        object("UserGroup", "desk", "permissions: {users: View, nowhere: View, bulk: Own}, roleRefs: [{name: nobody}]"),
        membership("dana", "roleRef: {name: nobody}, groupRefs: [{name: desk}, {name: none}]"),
    ];
    let world = plain(&yaml.concat());
    assert_eq!(reasons(&world, Kind::UserGroup, "desk"), "RoleNotFound UnknownLevel UnknownSection");
    assert_eq!(reasons(&world, Kind::Membership, "dana"), "GroupNotFound RoleNotFound");
    let member = member(&world, DANA);
    assert_eq!((levels(&member.levels).as_str(), member.statement), ("users=View", Statement::Exactly));
}

#[test]
fn the_kinds_of_roles_do_not_fall_through_to_each_other() {
    let yaml = [
        object("Role", "night", "permissions: {users: View}"),
        membership("dana", "roleRef: {name: night}"),
        membership("dan", "roleRef: {kind: Role, name: clerk}"),
    ];
    let world = plain(&yaml.concat());
    assert_eq!(reasons(&world, Kind::Membership, "dana"), "RoleNotFound");
    assert_eq!(reasons(&world, Kind::Membership, "dan"), "RoleNotFound");
}

#[test]
fn with_an_unknown_restriction_a_member_keeps_at_most_what_the_store_holds() {
    let world = plain(&membership("dana", "roleRef: {name: clerk}, restrictions: {apply: [no-bilging]}"));
    let dana = member(&world, DANA);
    assert_eq!((levels(&dana.levels).as_str(), dana.statement), ("billing=Allowed", Statement::AtMostHeld));
    assert_eq!(reasons(&world, Kind::Membership, "dana"), "RestrictionNotFound");
    // Suspension counts before that.
    let world =
        plain(&membership("dana", "roleRef: {name: clerk}, suspended: true, restrictions: {apply: [no-bilging]}"));
    let dana = member(&world, DANA);
    assert_eq!((dana.statement, dana.at_most_held), (Statement::Ended(End::Suspended), true));
}

#[test]
fn an_unknown_restriction_that_is_lifted_counts_like_one_that_is_applied() {
    let world = plain(&membership("dana", "roleRef: {name: clerk}, restrictions: {lift: [no-bilging]}"));
    assert_eq!(reasons(&world, Kind::Membership, "dana"), "RestrictionNotFound");
    assert_eq!(member(&world, DANA).statement, Statement::AtMostHeld);
    // Also for a member who is equal to the owner.
    let rest = "restrictions: {lift: [no-users, no-bilging]}, acknowledge: [no-users]";
    let dana = member(&base(&membership("dana", rest)), DANA);
    assert_eq!((dana.statement, dana.levels.len()), (Statement::AtMostHeld, 4));
}

#[test]
fn an_invalid_override_does_not_affect_members_equal_to_the_owner() {
    let cells = object("Role", "cells", "overrides: reader, permissions: {usesr: Hide}");
    let rest = "roleRef: {name: reader}, restrictions: {lift: [no-users]}, acknowledge: [no-users]";
    assert_eq!(member(&base(&[cells, membership("dana", rest)].concat()), DANA).statement, Statement::Exactly);
}

#[test]
fn addresses_are_compared_in_one_canonical_form() {
    assert_eq!(canonical("Dana.X@Bücher.Example").as_deref(), Some("dana.x@xn--bcher-kva.example"));
    assert_eq!(canonical("dana@xn--bcher-kva.EXAMPLE"), canonical("Dana@BÜCHER.example"));
    for none in [
        "dana",
        "@acme.example",
        "dana@",
        "dána@acme.example",
        "dana@acme_x.example",
        "dana@a..b",
        "dana@xn--a.example",
    ] {
        assert_eq!(canonical(none), None, "{none}");
    }
    let long = format!("dana@{}.example", ["a".repeat(63).as_str(); 4].join("."));
    assert_eq!(canonical(&long), None);
}

#[test]
fn a_membership_with_an_invalid_address_has_no_effect() {
    let world = plain(&object("Membership", "odd", "user: {email: dana@xn--a.example}, roleRef: {name: clerk}"));
    assert_eq!(reasons(&world, Kind::Membership, "odd"), "AddressInvalid");
    assert_eq!(ask(&world, "acme/portal").members.len(), 1);
}

/// A small catalog with rules for members.
fn ruled(members: &str, people: &str) -> roster_reference::World {
    let catalog = format!(
        "---\nkind: PermissionCatalog\nmetadata: {{name: portal}}\nspec:\n  sections: [{{name: a}}, {{name: b}}]\n  roles: [{{name: r, permissions: {{a: Allowed}}}}]\n  {members}\n"
    );
    let group = object("UserGroup", "g", "permissions: {b: Allowed}");
    base(&[&catalog, &group, people].concat())
}

#[test]
fn a_catalog_may_require_a_role() {
    let world = ruled("members: {role: Required}", &membership("dana", "groupRefs: [{name: g}]"));
    assert_eq!(reasons(&world, Kind::Membership, "dana"), "RoleRequired");
    // An invalid part contributes nothing, the rest counts.
    assert_eq!(levels(&member(&world, DANA).levels), "b=Allowed");
    let world = ruled("members: {role: Required}\n  defaultRole: r", &membership("dana", "groupRefs: [{name: g}]"));
    assert_eq!(levels(&member(&world, DANA).levels), "a=Allowed b=Allowed");
}

#[test]
fn a_catalog_may_forbid_groups() {
    let world =
        ruled("members: {groups: Forbidden}", &membership("dana", "roleRef: {name: r}, groupRefs: [{name: g}]"));
    assert_eq!(reasons(&world, Kind::Membership, "dana"), "GroupsForbidden");
    assert_eq!(levels(&member(&world, DANA).levels), "a=Allowed");
    assert_eq!(reasons(&world, Kind::UserGroup, "g"), "GroupsForbidden");
}

#[test]
fn a_catalog_may_admit_members_by_invitation_only() {
    let rules = "members: {direct: ByInvitationOnly}";
    let world = ruled(rules, &membership("dana", "roleRef: {name: r}"));
    assert_eq!(reasons(&world, Kind::Membership, "dana"), "InvitationRequired");
    assert_eq!(levels(&member(&world, DANA).potential), "");
    let invited = [
        object("Invitation", "welcome", "email: dana@acme.example, roleRef: {name: r}"),
        membership("dana", "invitationRef: {name: welcome}"),
    ];
    let mut world = ruled(rules, &invited.concat());
    assert_eq!(member(&world, DANA).statement, Statement::Ended(End::InvitationGone));
    world.accepted.insert(("acme".to_owned(), "welcome".to_owned()));
    assert_eq!(reasons(&world, Kind::Membership, "dana"), "");
    assert_eq!(levels(&member(&world, DANA).levels), "a=Allowed");
}

#[test]
fn an_invitation_counts_only_if_it_is_accepted_live_and_for_this_person() {
    let invite = |email: &str, metadata: &str| {
        let yaml = [
            format!(
                "---\nkind: Invitation\nmetadata: {{name: welcome{metadata}}}\nspec: {{accountRef: {{name: portal}}, email: {email}, roleRef: {{name: clerk}}}}\n"
            ),
            membership("dana", "roleRef: {name: admin}, invitationRef: {name: welcome}"),
        ];
        let mut world = plain(&yaml.concat());
        world.accepted.insert(("acme".to_owned(), "welcome".to_owned()));
        world
    };
    // Role, groups and restrictions are the Invitation's.
    assert_eq!(levels(&member(&invite("DANA@acme.example", ""), DANA).levels), "billing=Allowed");
    let gone = Statement::Ended(End::InvitationGone);
    let world = invite("eve@acme.example", "");
    assert_eq!(
        (member(&world, DANA).statement, reasons(&world, Kind::Membership, "dana").as_str()),
        (gone, "InvitationRequired")
    );
    let world = invite("dana@acme.example", ", deletionTimestamp: 2026-11-23T11:00:00Z");
    assert_eq!(member(&world, DANA).statement, gone);
    let mut world = invite("dana@acme.example", "");
    world.invitations.clear();
    assert_eq!(member(&world, DANA).statement, gone);
}

#[test]
fn an_invitation_needs_the_feature_of_the_plan() {
    let invitation = object("Invitation", "i", "email: dana@acme.example, roleRef: {name: r}");
    let world = ruled("invitations: {requiresPlanFeature: spend}", &invitation);
    assert_eq!(reasons(&world, Kind::Invitation, "i"), "PlanNotEligible");
    let account = object("Account", "portal", "")
        .replace("accountRef: {name: portal}", "catalogRef: {name: portal}, plan: {features: [spend]}");
    let mut world = world;
    add(&mut world, &account);
    assert_eq!(reasons(&world, Kind::Invitation, "i"), "");
}

#[test]
fn objects_of_a_missing_account_report_it() {
    let world = world(&[membership("dana", ""), object("Role", "r", "permissions: {}")].concat());
    assert_eq!(reasons(&world, Kind::Membership, "dana"), "AccountNotFound");
    assert_eq!(reasons(&world, Kind::Role, "r"), "AccountNotFound");
}
