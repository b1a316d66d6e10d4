//! Tests roles and groups of an account: custom roles, overrides, and every fault that they can have.

use roster_core::api::InvalidReason;

use crate::support::{PORTAL, World, advice, membership};

fn role(name: &str, rest: &str) -> String {
    format!("---\nkind: Role\nmetadata: {{name: {name}}}\nspec: {{accountRef: {{name: acme}}, {rest}}}\n")
}

fn group(name: &str, rest: &str) -> String {
    format!("---\nkind: UserGroup\nmetadata: {{name: {name}}}\nspec: {{accountRef: {{name: acme}}, {rest}}}\n")
}

fn portal(objects: &[String]) -> World {
    World::of(&format!("{PORTAL}{}", objects.concat()))
}

/// Returns the permissions that a role or group grants.
fn grants(world: &World, object: &str) -> String {
    let resolved = world.resolve("acme");
    let (kind, name) = object.split_once(' ').unwrap();
    let ranks = match kind {
        "role" => &resolved.definitions.roles[name].ranks,
        _ => &resolved.definitions.groups[name].ranks,
    };
    let named: Vec<String> = resolved.desired.layout.named(ranks).map(|(s, l)| format!("{s}: {l}")).collect();
    named.join(", ")
}

#[test]
fn an_override_changes_only_the_cells_it_names_and_deleting_it_resets_them() {
    let member = membership("dana", "roleRef: {name: editor}, restrictions: {lift: [read-only]}");
    let world = portal(&[role("editors-here", "overrides: editor, permissions: {docs: View}"), member.clone()]);
    world.is_valid("acme", "role editors-here");
    assert_eq!(world.resolve("acme").access("dana@acme.example"), "docs: View, billing: Allowed");
    let changes = &world.resolve("acme").definitions.roles["editors-here"].changes_from_default;
    assert_eq!(changes.len(), 1);
    assert_eq!((&*changes[0].section, &*changes[0].default, &*changes[0].now), ("docs", "Edit", "View"));
    assert_eq!(portal(&[member]).resolve("acme").access("dana@acme.example"), "docs: Edit, billing: Allowed");
}

#[test]
fn a_role_based_on_another_starts_from_its_effective_permissions() {
    let world = portal(&[
        role("editors-here", "overrides: editor, permissions: {docs: View}"),
        role("clerk", "basedOn: editor, permissions: {billing: Denied}"),
    ]);
    assert_eq!(grants(&world, "role clerk"), "docs: View");
}

#[test]
fn inherited_cells_that_custom_roles_cannot_have_are_left_out_with_advice() {
    let world = portal(&[role("boss", "basedOn: admin")]);
    world.is_valid("acme", "role boss");
    assert_eq!(grants(&world, "role boss"), "docs: Delete, billing: Allowed");
    let advice = advice(&world.findings("acme", "role boss"));
    assert_eq!(
        advice,
        [
            "role admin grants keys, which roles of an account cannot have; this role leaves it out",
            "docs at Delete: Gone is gone."
        ]
    );
}

#[test]
fn two_overrides_of_one_role_give_the_lower_level_in_each_section_and_both_are_name_taken() {
    let one = role("one", "overrides: editor, permissions: {docs: Delete, billing: Denied}");
    let two = role("two", "overrides: editor, permissions: {docs: View}");
    let member = membership("dana", "roleRef: {name: editor}, restrictions: {lift: [read-only]}");
    for objects in [[one.clone(), two.clone(), member.clone()], [member, two, one]] {
        let world = portal(&objects);
        for name in ["one", "two"] {
            world.says(
                "acme",
                &format!("role {name}"),
                InvalidReason::NameTaken,
                r#"spec.overrides: another Role overrides "editor", too; the lower levels count until one of them is deleted"#,
            );
        }
        assert_eq!(world.resolve("acme").access("dana@acme.example"), "docs: View");
    }
}

#[test]
fn a_role_named_like_a_predefined_one_adds_nothing_and_its_holders_are_warned() {
    let world = portal(&[
        role("editor", "permissions: {docs: Delete}"),
        membership("dana", "roleRef: {kind: Role, name: editor}"),
        membership("eve", "roleRef: {name: editor}"),
    ]);
    world.says(
        "acme",
        "role editor",
        InvalidReason::NameTaken,
        r#"metadata.name: "editor" is a predefined role; choose another name, or set spec.overrides"#,
    );
    world.says(
        "acme",
        "membership dana",
        InvalidReason::RoleNotAvailable,
        r#"spec.roleRef: Role "editor" is invalid (NameTaken) and grants nothing; see its status for the error"#,
    );
    assert_eq!(world.resolve("acme").access("dana@acme.example"), "nothing");
    // The predefined role of that name is a different role.
    world.is_valid("acme", "membership eve");
    assert_eq!(world.resolve("acme").access("eve@acme.example"), "docs: View, billing: Allowed");
}

#[test]
fn an_override_named_like_a_predefined_role_changes_nothing_and_raises_nobody() {
    for name in ["editor", "admin"] {
        let world = portal(&[
            role(name, "overrides: editor, permissions: {billing: Denied}"),
            membership("dana", "roleRef: {name: editor}, restrictions: {lift: [read-only]}"),
        ]);
        let text = format!(r#"metadata.name: "{name}" is a predefined role; choose another name for the override"#);
        world.says("acme", &format!("role {name}"), InvalidReason::NameTaken, &text);
        assert_eq!(world.resolve("acme").access("dana@acme.example"), "at most docs: Edit, billing: Allowed");
    }
}

#[test]
fn a_role_that_is_not_overridable_stays_as_it_is() {
    let world = portal(&[
        role("admins-here", "overrides: admin, permissions: {docs: None}"),
        membership("dana", "roleRef: {name: admin}, restrictions: {lift: [read-only]}"),
    ]);
    world.says(
        "acme",
        "role admins-here",
        InvalidReason::NotApplicable,
        r#"spec.overrides: predefined role "admin" is not overridable; the catalog can set overridable: true for it"#,
    );
    assert_eq!(world.resolve("acme").access("dana@acme.example"), "at most docs: Delete, billing: Allowed");
}

#[test]
fn unknown_parts_of_a_role_add_nothing_and_the_rest_counts() {
    let world = portal(&[
        role("a", "permissions: {dox: View, docs: View}"),
        role("b", "permissions: {docs: Veiw, billing: Allowed}"),
        role("c", "permissions: {keys: Edit, billing: Allowed}"),
        role("d", "basedOn: editro, permissions: {docs: View}"),
        role("e", "overrides: editro, permissions: {docs: View}"),
        role("f", "overrides: editor, permissions: {keys: View, docs: View}"),
        role("g", "basedOn: owner, permissions: {docs: View}"),
        role("h", "basedOn: partner-only, permissions: {docs: View}"),
    ]);
    for (name, reason, message, granted) in [
        ("a", InvalidReason::UnknownSection, r#"spec.permissions: the catalog has no section "dox""#, "docs: View"),
        (
            "b",
            InvalidReason::UnknownLevel,
            r#"spec.permissions: section "docs" has no level "Veiw"; it has None, View, Edit, Delete; did you mean "View"?"#,
            "billing: Allowed",
        ),
        (
            "c",
            InvalidReason::NotApplicable,
            r#"spec.permissions: section "keys" cannot be configured for this role; leave it out"#,
            "billing: Allowed",
        ),
        (
            "d",
            InvalidReason::RoleNotFound,
            r#"spec.basedOn: the catalog has no predefined role "editro"; did you mean "editor"?"#,
            "docs: View",
        ),
        (
            "e",
            InvalidReason::RoleNotFound,
            r#"spec.overrides: the catalog has no predefined role "editro"; did you mean "editor"?"#,
            "",
        ),
        (
            "f",
            InvalidReason::NotApplicable,
            r#"spec.permissions: section "keys" cannot be configured for this role; leave it out"#,
            "docs: View, billing: Allowed",
        ),
        (
            "g",
            InvalidReason::RoleNotAvailable,
            r#"spec.basedOn: role "owner" is held by the account's owner only"#,
            "docs: View",
        ),
        (
            "h",
            InvalidReason::RoleNotAvailable,
            r#"spec.basedOn: role "partner-only" is available in accounts of type Partner, Managed, and this one is Standalone"#,
            "docs: View",
        ),
    ] {
        let object = format!("role {name}");
        world.says("acme", &object, reason, message);
        assert_eq!(grants(&world, &object), granted, "{name}");
    }
}

#[test]
fn an_unknown_level_is_the_first_one_also_in_an_override() {
    let world = portal(&[role("here", "overrides: editor, permissions: {docs: Veiw}")]);
    assert_eq!(grants(&world, "role here"), "billing: Allowed");
}

#[test]
fn where_accounts_may_add_no_roles_they_may_still_override() {
    let mut world = portal(&[
        role("extra", "permissions: {docs: View}"),
        role("here", "overrides: editor, permissions: {docs: View}"),
        membership("dana", "roleRef: {kind: Role, name: extra}"),
    ]);
    world.add(&PORTAL.split("---").next().unwrap().replace("customRoles: {", "customRoles: {allowed: false, "));
    world.says(
        "acme",
        "role extra",
        InvalidReason::RoleNotAvailable,
        "the catalog does not allow accounts to add roles (spec.customRoles.allowed is false)",
    );
    world.is_valid("acme", "role here");
    assert_eq!(world.resolve("acme").access("dana@acme.example"), "nothing");
}

#[test]
fn a_group_carries_its_own_levels_and_those_of_its_roles() {
    let world = portal(&[
        role("clerk", "permissions: {billing: Allowed}"),
        group("desk", "permissions: {docs: View}, roleRefs: [{kind: Role, name: clerk}, {name: editor}]"),
    ]);
    world.is_valid("acme", "group desk");
    assert_eq!(grants(&world, "group desk"), "docs: Edit, billing: Allowed");
}

#[test]
fn a_group_says_which_of_its_roles_cannot_count() {
    let world = portal(&[
        role("here", "overrides: editor, permissions: {docs: View}"),
        group("a", "permissions: {docs: View}, roleRefs: [{name: clerk}]"),
        group("b", "permissions: {docs: View}, roleRefs: [{kind: Role, name: editor}]"),
        group("c", "permissions: {docs: View}, roleRefs: [{name: owner}]"),
        group("d", "permissions: {docs: View}, roleRefs: [{kind: Role, name: here}]"),
        group("e", "permissions: {docs: View}, roleRefs: [{name: here}]"),
    ]);
    for (name, reason, message) in [
        ("a", InvalidReason::RoleNotFound, r#"spec.roleRefs: the catalog has no predefined role "clerk""#),
        (
            "b",
            InvalidReason::RoleNotFound,
            r#"spec.roleRefs: this account has no Role "editor"; for the predefined role, set kind: PredefinedRole"#,
        ),
        ("c", InvalidReason::RoleNotAvailable, r#"spec.roleRefs: role "owner" is held by the account's owner only"#),
        (
            "d",
            InvalidReason::RoleNotFound,
            r#"spec.roleRefs: Role "here" overrides "editor"; name the predefined role "editor" instead"#,
        ),
        (
            "e",
            InvalidReason::RoleNotFound,
            r#"spec.roleRefs: the catalog has no predefined role "here"; for the Role object, set kind: Role"#,
        ),
    ] {
        let object = format!("group {name}");
        world.says("acme", &object, reason, message);
        assert_eq!(grants(&world, &object), "docs: View");
    }
}

#[test]
fn a_role_or_group_that_cannot_stand_alone_is_advised_and_valid() {
    let world = portal(&[group("key-masters", "permissions: {keys: Edit}")]);
    world.is_valid("acme", "group key-masters");
    assert_eq!(
        advice(&world.findings("acme", "group key-masters")),
        ["keys at Edit needs docs at View or above, which another role or group must grant; without it a user gets \
          View"]
    );
}

#[test]
fn the_first_reason_that_applies_is_shown_and_the_message_names_all() {
    let world = portal(&[role("a", "basedOn: nobody, permissions: {docs: Veiw, dox: View}")]);
    world.says(
        "acme",
        "role a",
        InvalidReason::RoleNotFound,
        r#"spec.basedOn: the catalog has no predefined role "nobody"; UnknownSection: spec.permissions: the catalog has no section "dox"; UnknownLevel: spec.permissions: section "docs" has no level "Veiw"; it has None, View, Edit, Delete; did you mean "View"?"#,
    );
}
