//! Tests rules of docs/concepts.md about predefined roles, overrides, custom roles and groups.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::pedantic,
    clippy::cloned_ref_to_slice_refs,
    reason = "tests end by panicking, and their tables read better as they stand"
)]

mod support;

use roster_reference::{Kind, Statement};
use support::{
    ask,
    base::{membership, object, plain},
    levels, member, reasons,
};

const DANA: &str = "dana@acme.example";

/// Levels and statement of dana, who holds a role.
#[track_caller]
fn held(role: &str, objects: &[String]) -> (String, Statement) {
    let member = member(&plain(&[membership("dana", &format!("roleRef: {role}")), objects.concat()].concat()), DANA);
    (levels(&member.levels), member.statement)
}

#[test]
fn an_override_changes_some_cells_and_its_absence_resets_them() {
    let cells = object("Role", "cells", "overrides: reader, permissions: {users: Edit, bulk: Hide}");
    assert_eq!(held("{name: reader}", &[cells]), ("users=Edit".to_owned(), Statement::Exactly));
    assert_eq!(held("{name: reader}", &[]), ("bulk=View users=View".to_owned(), Statement::Exactly));
}

#[test]
fn of_two_overrides_the_lower_level_of_each_section_counts() {
    let one = object("Role", "one", "overrides: reader, permissions: {users: Edit, bulk: Edit}");
    let two = object("Role", "two", "overrides: reader, permissions: {users: Hide, bulk: Edit}");
    assert_eq!(held("{name: reader}", &[one.clone(), two.clone()]), ("bulk=View".to_owned(), Statement::Exactly));
    let world = plain(&[one, two].concat());
    assert_eq!(reasons(&world, Kind::Role, "one"), "NameTaken");
    assert_eq!(reasons(&world, Kind::Role, "two"), "NameTaken");
}

#[test]
fn an_override_with_an_invalid_part_keeps_its_holders_at_most_at_what_they_hold() {
    let most = |levels: &str| (levels.to_owned(), Statement::AtMostHeld);
    let cells = |cells: &str| [object("Role", "cells", &format!("overrides: reader, permissions: {{{cells}}}"))];
    assert_eq!(held("{name: reader}", &cells("usesr: Hide, bulk: Hide")), most("users=View"));
    assert_eq!(held("{name: reader}", &cells("users: Owns")), most("bulk=View"));
    assert_eq!(held("{name: reader}", &cells("billing: Allowed")), most("bulk=View users=View"));
    assert_eq!(reasons(&plain(&cells("usesr: Hide")[0]), Kind::Role, "cells"), "UnknownSection");
    assert_eq!(reasons(&plain(&cells("users: Owns")[0]), Kind::Role, "cells"), "UnknownLevel");
    assert_eq!(reasons(&plain(&cells("billing: Allowed")[0]), Kind::Role, "cells"), "NotApplicable");
}

#[test]
fn an_override_of_a_role_that_is_not_overridable_concerns_its_holders() {
    let cells = object("Role", "cells", "overrides: clerk, permissions: {billing: Denied}");
    assert_eq!(held("{name: clerk}", &[cells.clone()]), ("billing=Allowed".to_owned(), Statement::AtMostHeld));
    // Also members who hold it by a group or a custom role, and nobody else.
    let group = object("UserGroup", "desk", "roleRefs: [{name: clerk}]");
    let role = object("Role", "night", "basedOn: clerk, permissions: {users: View}");
    let people = [
        membership("dana", "groupRefs: [{name: desk}]"),
        membership("dan", "roleRef: {kind: Role, name: night}"),
        membership("eve", "roleRef: {name: reader}"),
    ];
    let world = plain(&[cells, group, role, people.concat()].concat());
    assert_eq!(member(&world, DANA).statement, Statement::AtMostHeld);
    assert_eq!(member(&world, "dan@acme.example").statement, Statement::AtMostHeld);
    assert_eq!(member(&world, "eve@acme.example").statement, Statement::Exactly);
}

#[test]
fn an_override_of_an_unknown_role_leads_nowhere() {
    let world = plain(&object("Role", "cells", "overrides: readre, permissions: {users: View}"));
    assert_eq!(reasons(&world, Kind::Role, "cells"), "RoleNotFound");
}

#[test]
fn a_custom_role_starts_from_the_effective_predefined_one() {
    let cells = object("Role", "cells", "overrides: reader, permissions: {users: Edit}");
    let night = object("Role", "night", "basedOn: reader, permissions: {bulk: Hide, billing: Allowed}");
    let expected = ("billing=Allowed users=Edit".to_owned(), Statement::Exactly);
    assert_eq!(held("{kind: Role, name: night}", &[cells, night]), expected);
}

#[test]
fn a_cell_that_is_ignored_does_not_raise_what_a_role_starts_from() {
    let night = object("Role", "night", "basedOn: reader, permissions: {bluk: Hide}");
    let expected = ("bulk=View users=View".to_owned(), Statement::AtMostHeld);
    assert_eq!(held("{kind: Role, name: night}", &[night]), expected);
    let alone = object("Role", "alone", "permissions: {bluk: Hide, users: View}");
    assert_eq!(held("{kind: Role, name: alone}", &[alone]), ("users=View".to_owned(), Statement::Exactly));
}

#[test]
fn a_role_named_like_a_predefined_one_is_taken_and_gives_nothing() {
    let world = plain(&object("Role", "clerk", "permissions: {users: View}"));
    assert_eq!(reasons(&world, Kind::Role, "clerk"), "NameTaken");
    let clerk = object("Role", "clerk", "permissions: {users: View}");
    assert_eq!(held("{kind: Role, name: clerk}", &[clerk]).0, "");
}

#[test]
fn an_override_named_like_a_predefined_role_is_taken_and_concerns_the_holders_of_what_it_overrides() {
    let reader = object("Role", "reader", "overrides: reader, permissions: {users: Hide}");
    assert_eq!(reasons(&plain(&reader), Kind::Role, "reader"), "NameTaken");
    assert_eq!(held("{name: reader}", &[reader]), ("bulk=View users=View".to_owned(), Statement::AtMostHeld));
}

#[test]
fn the_message_names_all_reasons_of_a_role() {
    let role = object("Role", "clerk", "basedOn: nobody, permissions: {usesr: Hide, bulk: Own}");
    assert_eq!(reasons(&plain(&role), Kind::Role, "clerk"), "NameTaken RoleNotFound UnknownLevel UnknownSection");
    let cells = object("Role", "cells", "overrides: clerk, permissions: {usesr: Hide}");
    assert_eq!(reasons(&plain(&cells), Kind::Role, "cells"), "NotApplicable UnknownSection");
}

#[test]
fn a_role_that_is_invalid_as_a_whole_is_not_available_and_an_override_is_no_role_to_hold() {
    let roles = [
        object("Role", "clerk", "permissions: {users: View}"),
        object("Role", "cells", "overrides: reader, permissions: {users: Hide}"),
        membership("dana", "roleRef: {kind: Role, name: clerk}"),
        membership("dan", "roleRef: {kind: Role, name: cells}"),
    ];
    let world = plain(&roles.concat());
    assert_eq!(reasons(&world, Kind::Membership, "dana"), "RoleNotAvailable");
    assert_eq!(reasons(&world, Kind::Membership, "dan"), "RoleNotFound");
}

#[test]
fn only_the_owner_holds_an_owner_only_role() {
    let world = plain(&membership("dana", "roleRef: {name: owner}"));
    assert_eq!(reasons(&world, Kind::Membership, "dana"), "RoleNotAvailable");
    assert_eq!(levels(&member(&world, DANA).levels), "");
    let night = object("Role", "night", "basedOn: owner, permissions: {users: View}");
    assert_eq!(reasons(&plain(&night), Kind::Role, "night"), "RoleNotAvailable");
    assert_eq!(held("{kind: Role, name: night}", &[night]).0, "users=View");
}

#[test]
fn a_role_is_available_in_some_types_of_account_only() {
    let world = plain(
        &[
            membership("dana", "roleRef: {name: partner-admin}"),
            object("UserGroup", "desk", "roleRefs: [{name: partner-admin}]"),
        ]
        .concat(),
    );
    assert_eq!(reasons(&world, Kind::Membership, "dana"), "RoleNotAvailable");
    assert_eq!(reasons(&world, Kind::UserGroup, "desk"), "RoleNotAvailable");
    assert_eq!(levels(&member(&world, DANA).levels), "");
    let partner = "---\nkind: Account\nmetadata: {name: portal}\nspec: {catalogRef: {name: portal}, partner: true, owner: {email: olga@acme.example}}\n";
    assert_eq!(held("{name: partner-admin}", &[partner.to_owned()]).0, "users=Delete");
}

#[test]
fn a_catalog_may_allow_no_custom_roles_and_name_sections_they_cannot_have() {
    let catalog = |rules: &str| {
        format!(
            "---\nkind: PermissionCatalog\nmetadata: {{name: portal}}\nspec:\n  sections: [{{name: a}}, {{name: b}}]\n  roles: [{{name: all, allPermissions: true}}]\n  customRoles: {rules}\n"
        )
    };
    let role = object("Role", "night", "basedOn: all, permissions: {b: Allowed}");
    let no = catalog("{allowed: false}");
    assert_eq!(held("{kind: Role, name: night}", &[no.clone(), role.clone()]).0, "");
    assert_eq!(reasons(&plain(&[no, role.clone()].concat()), Kind::Role, "night"), "RoleNotAvailable");
    let some = catalog("{notApplicable: [b]}");
    assert_eq!(held("{kind: Role, name: night}", &[some.clone(), role.clone()]).0, "a=Allowed");
    assert_eq!(reasons(&plain(&[some, role].concat()), Kind::Role, "night"), "NotApplicable");
}

#[test]
fn holders_in_effect_are_neither_ended_nor_duplicate_nor_being_deleted() {
    let deleted = "---\nkind: Membership\nmetadata: {name: del, deletionTimestamp: 2026-11-23T11:00:00Z}\nspec: {accountRef: {name: portal}, user: {email: del@acme.example}, roleRef: {name: admin}}\n";
    let twice = ["one", "two"]
        .map(|name| object("Membership", name, "user: {email: twice@acme.example}, roleRef: {name: admin}"));
    let yaml = [
        membership("dana", "roleRef: {name: admin}"),
        membership("eve", "roleRef: {name: admin}, suspended: true"),
        membership("reader", "roleRef: {name: reader}"),
        deleted.to_owned(),
        twice.concat(),
    ];
    let holders = ask(&plain(&yaml.concat()), "acme/portal").holders;
    assert_eq!(holders.into_iter().collect::<Vec<_>>(), [("admin".to_owned(), [DANA.to_owned()].into())]);
}
