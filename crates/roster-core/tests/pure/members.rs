//! Tests how Memberships resolve, and every fault that they can have.

use roster_core::{api::InvalidReason, plan::Pause};

use crate::support::{PORTAL, Pass, World, advice, email, membership};

pub fn portal(objects: &[String]) -> World {
    World::of(&format!("{PORTAL}{}", objects.concat()))
}

/// Returns the access of one Membership `dana`.
fn dana(rest: &str) -> (World, String) {
    let world = portal(&[GROUPS.to_owned(), membership("dana", rest)]);
    let access = world.resolve("acme").access("dana@acme.example");
    (world, access)
}

const GROUPS: &str = "
---
kind: UserGroup
metadata: {name: key-masters}
spec: {accountRef: {name: acme}, permissions: {keys: Edit}}
---
kind: UserGroup
metadata: {name: readers}
spec: {accountRef: {name: acme}, permissions: {docs: View}}
";

#[test]
fn the_highest_level_of_role_and_groups_counts() {
    let (world, access) =
        dana("roleRef: {name: editor}, groupRefs: [{name: readers}], restrictions: {lift: [read-only]}");
    world.is_valid("acme", "membership dana");
    assert_eq!(access, "docs: Edit, billing: Allowed");
}

#[test]
fn default_restrictions_cap_unless_lifted_and_applied_ones_always_cap() {
    let (world, access) = dana("roleRef: {name: admin}, restrictions: {apply: [no-billing]}");
    assert_eq!(access, "docs: View");
    assert_eq!(world.resolve("acme").views["dana"].restrictions.to_vec(), ["no-billing", "not-equal", "read-only"]);
    let (world, access) = dana("roleRef: {name: admin}, restrictions: {lift: [read-only]}");
    assert_eq!(access, "docs: Delete, billing: Allowed");
    assert_eq!(world.resolve("acme").views["dana"].restrictions.to_vec(), ["not-equal"]);
}

#[test]
fn a_lift_that_makes_equal_to_the_owner_counts_once_confirmed() {
    let (world, access) =
        dana("roleRef: {name: editor}, restrictions: {lift: [not-equal], apply: [no-billing, few-keys]}");
    world.says(
        "acme",
        "membership dana",
        InvalidReason::ConfirmationMissing,
        r#"spec.restrictions.lift: lifting "not-equal" counts only with spec.acknowledge: [not-equal]"#,
    );
    assert_eq!(access, "docs: View");
    let (world, access) = dana(
        "roleRef: {name: editor}, restrictions: {lift: [not-equal], apply: [no-billing, few-keys]}, acknowledge: [not-equal]",
    );
    world.is_valid("acme", "membership dana");
    assert_eq!(access, "docs: Delete, billing: Allowed, keys: Edit");
    assert_eq!(access, world.resolve("acme").access("olga@acme.example"));
    assert_eq!(world.resolve("acme").views["dana"].restrictions.to_vec(), [""; 0]);
    assert_eq!(
        advice(&world.findings("acme", "membership dana")),
        [
            "lifting not-equal makes the user equal to the owner, so these have no effect: no-billing, few-keys",
            "docs at Delete: Gone is gone."
        ]
    );
}

#[test]
fn a_restriction_both_applied_and_lifted_is_applied() {
    let (_, access) = dana(
        "roleRef: {name: editor}, restrictions: {lift: [not-equal], apply: [not-equal]}, acknowledge: [not-equal]",
    );
    assert_eq!(access, "docs: View, billing: Allowed");
}

#[test]
fn an_unknown_restriction_keeps_at_most_what_is_there() {
    for rest in ["restrictions: {apply: [no-biling]}", "restrictions: {lift: [no-biling]}"] {
        let (world, access) = dana(&format!("roleRef: {{name: editor}}, {rest}"));
        world.says(
            "acme",
            "membership dana",
            InvalidReason::RestrictionNotFound,
            r#"spec.restrictions: the catalog has no restriction "no-biling"; did you mean "no-billing"?"#,
        );
        assert_eq!(access, "at most docs: View, billing: Allowed");
    }
}

#[test]
fn a_level_whose_prerequisite_another_group_brings_stays_and_without_it_drops() {
    let (_, access) = dana("groupRefs: [{name: key-masters}], restrictions: {lift: [not-equal, read-only]}");
    assert_eq!(access, "nothing", "capped by not-equal, which needs confirmation");
    let world = |groups: &str| {
        let rest = format!("groupRefs: {groups}");
        let mut world = portal(&[GROUPS.to_owned(), membership("dana", &rest)]);
        world.add(&PORTAL.split("---").next().unwrap().replace("appliedByDefault: true", "appliedByDefault: false"));
        world.resolve("acme").access("dana@acme.example")
    };
    assert_eq!(world("[{name: key-masters}]"), "keys: View");
    assert_eq!(world("[{name: key-masters}, {name: readers}]"), "docs: View, keys: Edit");
}

#[test]
fn dangling_references_add_nothing_and_are_reported() {
    let readers = "groupRefs: [{name: readers}]";
    for (rest, reason, message) in [
        (
            "roleRef: {name: editro}",
            InvalidReason::RoleNotFound,
            r#"spec.roleRef: the catalog has no predefined role "editro"; did you mean "editor"?"#,
        ),
        (
            "roleRef: {kind: Role, name: editor}",
            InvalidReason::RoleNotFound,
            r#"spec.roleRef: this account has no Role "editor"; for the predefined role, set kind: PredefinedRole"#,
        ),
        (
            "roleRef: {name: owner}",
            InvalidReason::RoleNotAvailable,
            r#"spec.roleRef: role "owner" is held by the account's owner only"#,
        ),
        (
            "roleRef: {name: partner-only}",
            InvalidReason::RoleNotAvailable,
            r#"spec.roleRef: role "partner-only" is available in accounts of type Partner, Managed, and this one is Standalone"#,
        ),
    ] {
        let (world, access) = dana(&format!("{rest}, {readers}"));
        world.says("acme", "membership dana", reason, message);
        assert_eq!(access, "docs: View", "{rest}");
    }
    let (world, access) = dana("roleRef: {name: editor}, groupRefs: [{name: writers}, {name: readers}]");
    world.says(
        "acme",
        "membership dana",
        InvalidReason::GroupNotFound,
        r#"spec.groupRefs: this account has no UserGroup "writers""#,
    );
    assert_eq!(access, "docs: View, billing: Allowed");
}

#[test]
fn roles_and_groups_of_another_account_do_not_exist() {
    let world = portal(&[
        "---\nkind: UserGroup\nmetadata: {name: readers}\nspec: {accountRef: {name: other}, permissions: {docs: View}}\n".to_owned(),
        membership("dana", "groupRefs: [{name: readers}]"),
    ]);
    assert_eq!(world.findings("acme", "membership dana").reason(), Some(InvalidReason::GroupNotFound));
}

/// Returns a catalog with these rules, account `acme` and one Membership `dana`.
pub fn ruled(rules: &str, rest: &str) -> World {
    World::of(&format!(
        "
kind: PermissionCatalog
metadata: {{name: portal}}
spec:
  sections: [{{name: docs}}]
  roles:
  - {{name: reader, permissions: {{docs: Allowed}}}}
  - {{name: partner-reader, permissions: {{docs: Allowed}}, availableIn: [Partner]}}
  {rules}
---
kind: Account
metadata: {{name: acme}}
spec: {{catalogRef: {{name: portal}}}}
---
kind: UserGroup
metadata: {{name: readers}}
spec: {{accountRef: {{name: acme}}, permissions: {{docs: Allowed}}}}
{}",
        membership("dana", rest)
    ))
}

#[test]
fn the_catalogs_rules_for_members_hold() {
    let world = ruled("members: {role: Required}", "groupRefs: [{name: readers}]");
    world.says(
        "acme",
        "membership dana",
        InvalidReason::RoleRequired,
        "spec.roleRef: the catalog requires every member to have a role; set spec.roleRef",
    );
    let world = ruled("members: {groups: Forbidden}", "groupRefs: [{name: readers}]");
    world.says(
        "acme",
        "membership dana",
        InvalidReason::GroupsForbidden,
        "spec.groupRefs: the catalog forbids groups; give the user a role instead",
    );
    world.says(
        "acme",
        "group readers",
        InvalidReason::GroupsForbidden,
        "the catalog forbids groups (spec.members.groups)",
    );
    let resolved = world.resolve("acme");
    assert_eq!(resolved.access("dana@acme.example"), "nothing");
    let roster_core::resolve::Access::Exactly(content) = &resolved.desired.members[&email("dana@acme.example")].access
    else {
        panic!()
    };
    assert!(content.groups.is_empty(), "a group that does not count is not shown as held");
}

#[test]
fn the_default_role_applies_to_members_without_role_if_available() {
    let world = ruled("defaultRole: reader", "suspended: false");
    world.is_valid("acme", "membership dana");
    assert_eq!(world.resolve("acme").access("dana@acme.example"), "docs: Allowed");
    let world = ruled("defaultRole: partner-reader", "suspended: false");
    world.says(
        "acme",
        "membership dana",
        InvalidReason::RoleNotAvailable,
        r#"spec.roleRef: the catalog's default role "partner-reader" is available in accounts of type Partner, and this one is Standalone; name another role"#,
    );
    assert_eq!(world.resolve("acme").access("dana@acme.example"), "nothing");
}

#[test]
fn two_memberships_of_one_user_give_the_lower_level_and_the_shorter_time() {
    let other = "---\nkind: Membership\nmetadata: {name: a-second}\nspec: {accountRef: {name: acme}, user: {email: DANA@Acme.Example}, roleRef: {name: admin}, restrictions: {lift: [read-only], apply: [no-billing]}, expiresAt: 2030-01-01T00:00:00Z}\n";
    let world = portal(&[
        membership(
            "dana",
            "roleRef: {name: editor}, restrictions: {lift: [read-only]}, startsAt: 2029-01-01T00:00:00Z",
        ),
        other.to_owned(),
    ]);
    for (name, others) in [("dana", "a-second"), ("a-second", "dana")] {
        world.says(
            "acme",
            &format!("membership {name}"),
            InvalidReason::DuplicateMembership,
            &format!(
                "spec.user.email: dana@acme.example has more than one Membership in this account (also {others}); the \
                 lower level counts in each section"
            ),
        );
    }
    assert_eq!(
        world.resolve("acme").access("dana@acme.example"),
        "docs: Edit within 2029-01-01T00:00:00Z..2030-01-01T00:00:00Z"
    );
}

#[test]
fn the_owner_needs_no_membership_and_none_counts_in_whatever_letters() {
    let theirs = "---\nkind: Membership\nmetadata: {name: olga}\nspec: {accountRef: {name: acme}, user: {email: Olga@ACME.example}, roleRef: {name: editor}, suspended: true}\n";
    let world = portal(&[theirs.to_owned()]);
    world.says(
        "acme",
        "membership olga",
        InvalidReason::OwnerIsMember,
        "spec.user.email: olga@acme.example is the account's owner, who has the owner role and needs no Membership; delete this one",
    );
    assert_eq!(world.resolve("acme").access("olga@acme.example"), "docs: Delete, billing: Allowed, keys: Edit");
}

#[test]
fn where_the_catalog_has_no_owner_role_the_owners_membership_counts() {
    let world = ruled("members: {}", "roleRef: {name: reader}").with(
        "kind: Account\nmetadata: {name: acme}\nspec: {catalogRef: {name: portal}, owner: {email: dana@acme.example}}",
    );
    world.is_valid("acme", "account");
    assert_eq!(
        advice(&world.findings("acme", "account")),
        ["spec.owner: the catalog has no ownerRole, so the owner gets no access"]
    );
    world.is_valid("acme", "membership dana");
    assert_eq!(world.resolve("acme").access("dana@acme.example"), "docs: Allowed");
}

#[test]
fn suspension_and_blocking_revoke_access_but_the_membership_stays_valid() {
    let (world, access) = dana("roleRef: {name: editor}, suspended: true");
    world.is_valid("acme", "membership dana");
    assert_eq!(access, "nothing ended: Suspended");
    let block = "kind: IdentityStore\nmetadata: {name: default}\nspec: {blocked: [{email: Dana@Acme.example}, {email: OLGA@acme.example}, {email: nonsense}]}";
    let resolved = dana("roleRef: {name: editor}").0.with(block).resolve("acme");
    assert_eq!(resolved.access("dana@acme.example"), "nothing ended: Blocked");
    assert_eq!(resolved.access("olga@acme.example"), "nothing ended: Blocked");
}

#[test]
fn start_and_expiry_are_a_window_in_whole_seconds_never_longer_than_written() {
    let (_, access) =
        dana("roleRef: {name: editor}, startsAt: 2030-01-01T00:00:00.2Z, expiresAt: 2030-02-01T00:00:00.8Z");
    assert_eq!(access, "docs: View, billing: Allowed within 2030-01-01T00:00:01Z..2030-02-01T00:00:00Z");
}

#[test]
fn a_member_above_a_level_the_catalog_warns_of_is_advised() {
    let (world, _) = dana("roleRef: {name: admin}, restrictions: {lift: [read-only]}");
    assert_eq!(advice(&world.findings("acme", "membership dana")), ["docs at Delete: Gone is gone."]);
    let (world, _) = dana("roleRef: {name: admin}");
    assert_eq!(advice(&world.findings("acme", "membership dana")), [""; 0], "a restriction keeps the level below");
}

#[test]
fn an_invalid_address_has_no_effect() {
    let world = portal(&[
        "---\nkind: Membership\nmetadata: {name: x}\nspec: {accountRef: {name: acme}, user: {email: x@bad..example}}\n"
            .to_owned(),
    ]);
    world.says(
        "acme",
        "membership x",
        InvalidReason::AddressInvalid,
        r#"spec.user.email: "x@bad..example" is not an address: "bad..example" is no domain name"#,
    );
}

// Found by the reference model: others wrote levels into the row of a suspended member. A Membership that keeps at most
// the stored access must not grant them.
#[test]
fn revoked_access_is_an_upper_limit_of_nothing() {
    let member = |rest: &str| membership("dana", &format!("roleRef: {{name: editor}}, {rest}"));
    for paused in [false, true] {
        let mut pass = Pass::synced("acme", &(PORTAL.to_owned() + &member("suspended: true")));
        pass.memory.tamper("dana@acme.example", |content| content.ranks = [1, 1, 0].into_iter().collect());
        pass.world.add(&member("restrictions: {apply: [no-biling]}"));
        pass.policy.paused = paused.then_some(Pause::Asked);
        pass.run();
        let held = pass.memory.members[&email("dana@acme.example")].content.clone().unwrap();
        assert!(held.ended.is_some() || held.ranks.is_none(), "{held:?}");
    }
}
