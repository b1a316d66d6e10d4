//! `field-operations`: a permissions matrix with save and reset.

use roster_core::api::InvalidReason;

use super::{Portal, Table};

const MATRIX: &str = "
| permission              | category           | Superadmin | Account Holder | Admin | Supervisor | Auditor | customized roles  |
|-------------------------|--------------------|------------|----------------|-------|------------|---------|-------------------|
| manage-general-settings | Account            | ✓          | ✓              | ✓     | –          | –       | denied unless set |
| manage-device-control   | Account            | ✓          | ✓              | ✓     | –          | n/a     | denied unless set |
| create-roles            | Roles              | ✓          | ✓              | –     | –          | n/a     | n/a               |
| view-api-integration    | API integration    | ✓          | ✓              | ✓     | –          | –       | denied unless set |
| generate-api-token      | API integration    | ✓          | ✓              | –     | –          | n/a     | denied unless set |
| view-account-requests   | Federated accounts | ✓          | ✓              | ✓     | –          | –       | denied unless set |
| bill-account-requests   | Federated accounts | ✓          | ✓              | –     | n/a        | n/a     | n/a               |
";

/// Each permission that needs another, as the matrix says in brackets.
const NEEDS: [(&str, &str); 2] =
    [("generate-api-token", "view-api-integration"), ("bill-account-requests", "view-account-requests")];

const CUSTOM: &str = "customized roles";

/// On the defaults.
fn portal() -> Portal {
    Portal::of("field-operations", "field-operations/longhaul")
}

/// The matrix without the column `category`.
fn matrix() -> Table {
    let mut table = Table::parse(MATRIX);
    table.columns.remove(1);
    table.rows.iter_mut().for_each(|row| drop(row.remove(1)));
    table
}

/// Sets one cell of a column, by an override or in a custom role.
fn set(portal: &Portal, column: &str, permissions: &str) -> Portal {
    let kind = if column == CUSTOM { String::new() } else { format!("overrides: {},", portal.role(column)) };
    portal.with(&portal.object("Role", "cells", &format!("{kind} permissions: {{{permissions}}}")))
}

#[test]
fn each_role_has_the_permissions_of_its_column() {
    let portal = portal();
    portal.is_as_in(&matrix(), |column| match column {
        CUSTOM => set(&portal, CUSTOM, "").probe("roleRef: {kind: Role, name: cells}"),
        title => portal.holder(title),
    });
}

#[test]
fn permissions_are_in_their_categories() {
    let portal = portal();
    let sections = portal.spec().sections.iter();
    let categories: Vec<_> = sections.map(|s| [s.name.clone(), s.category.clone().unwrap()]).collect();
    let expected: Vec<_> = Table::parse(MATRIX).rows.iter().map(|row| [row[0].clone(), row[1].clone()]).collect();
    assert_eq!(categories, expected);
}

#[test]
fn every_cell_can_be_changed_in_an_account_but_for_those_that_are_not_applicable() {
    let portal = portal();
    for (section, column, cell) in matrix().cells() {
        let (now, then) = if cell == "✓" { ("Allowed", "Denied") } else { ("Denied", "Allowed") };
        let changed = set(&portal, column, &format!("{section}: {then}"));
        let role = &changed.world.definitions(changed.account).roles["cells"];
        let rank = role.ranks.as_slice()[changed.catalog().section(section).unwrap()];
        let (reason, level) = if cell == "n/a" { (Some(InvalidReason::NotApplicable), now) } else { (None, then) };
        assert_eq!(role.findings.reason(), reason, "{section} of {column}");
        assert_eq!(rank, u8::from(level == "Allowed"), "{section} of {column}");
        let changes: Vec<_> = role.changes_from_default.iter().map(|c| (&*c.section, &*c.default, &*c.now)).collect();
        let expected = if cell == "n/a" || column == CUSTOM { vec![] } else { vec![(section, now, then)] };
        assert_eq!(changes, expected, "{column}");
    }
}

#[test]
fn a_changed_matrix_is_that_accounts_own_and_is_reset_by_deleting_the_override() {
    let portal = portal();
    let mut changed = set(&portal, "Admin", "manage-general-settings: Denied, generate-api-token: Allowed");
    let supervisor = "overrides: supervisor, permissions: {manage-device-control: Allowed}";
    changed = changed.with(&changed.object("Role", "supervisor-cells", supervisor));
    let cells = |portal: &Portal| {
        let (admin, supervisor) = (portal.holder("Admin"), portal.holder("Supervisor"));
        [&admin["manage-general-settings"], &admin["generate-api-token"], &supervisor["manage-device-control"]]
            .map(|level| level == "Allowed")
    };
    assert_eq!(cells(&portal), [true, false, false]);
    assert_eq!(cells(&changed), [false, true, true]);
    assert_eq!(cells(&changed.at("field-operations/meridian-east")), [true, false, false], "another account");
    // One role, then the whole page.
    changed.world.roles.retain(|(_, name), _| name != "cells");
    assert_eq!(cells(&changed), [true, false, true]);
    changed.world.roles.clear();
    changed.is_as_in(&matrix(), |column| match column {
        CUSTOM => set(&changed, CUSTOM, "").probe("roleRef: {kind: Role, name: cells}"),
        title => changed.holder(title),
    });
}

#[test]
fn both_permissions_that_need_another_are_nothing_without_it() {
    let portal = portal();
    for (section, needs) in NEEDS {
        // Account Holder has both; Supervisor and custom roles cannot have the second.
        let without = set(&portal, "Account Holder", &format!("{needs}: Denied")).holder("Account Holder");
        assert_eq!((&*without[needs], &*without[section]), ("Denied", "Denied"));
        let given = set(&portal, "Admin", &format!("{section}: Allowed")).holder("Admin");
        assert_eq!((&*given[needs], &*given[section]), ("Allowed", "Allowed"));
    }
    let custom = |cells: &str| set(&portal, CUSTOM, cells).probe("roleRef: {kind: Role, name: cells}");
    assert_eq!(custom("generate-api-token: Allowed")["generate-api-token"], "Denied");
    let both = custom("generate-api-token: Allowed, view-api-integration: Allowed");
    assert_eq!(both["generate-api-token"], "Allowed");
    assert_eq!(portal.catalog().rules.len(), NEEDS.len());
}

#[test]
fn a_federated_account_comes_into_being_once_somebody_approves_it() {
    let waiting = portal().at("field-operations/meridian-west");
    assert_eq!(waiting.reason("account"), Some(InvalidReason::ApprovalPending));
    assert!(waiting.levels("hector@west.example").values().all(|level| level == "Denied"));
    let yaml = crate::support::read("examples/field-operations/account.yaml");
    let line = "    - {namespace: field-operations, name: meridian-east}\n";
    let approved = waiting.with(&yaml.replace(line, &(line.to_owned() + &line.replace("east", "west"))));
    assert_eq!(approved.reason("account"), None);
    let table = matrix();
    for row in &table.rows {
        let expected = super::level(&approved.catalog(), &row[0], &row[2]);
        assert_eq!(approved.levels("hector@west.example")[&row[0]], expected, "as any Account Holder: {}", row[0]);
    }
}

#[test]
fn only_superadmin_and_account_holder_change_the_matrix_and_requests_go_by_their_permissions() {
    let rules = portal().administration();
    for action in ["CreateRoles", "EditRoles", "DeleteRoles"] {
        assert!(rules.contains(&format!("{action}: superadmin, account-holder")), "{action}");
    }
    assert!(rules.contains(&"CreateManagedAccounts: view-account-requests at Allowed".to_owned()));
    assert!(rules.contains(&"ApproveAccounts: bill-account-requests at Allowed".to_owned()));
}

#[test]
fn the_advice_of_the_document_reaches_those_concerned() {
    let portal = portal();
    let advised = |section: &str| {
        let role = &set(&portal, "Supervisor", &format!("{section}: Allowed"));
        let definitions = role.world.definitions(role.account);
        definitions.roles["cells"]
            .findings
            .advice()
            .any(|advice| advice.to_string().starts_with(&format!("{section} at Allowed: ")))
    };
    let sections = portal.spec().sections.iter().map(|section| section.name.as_str());
    let warned: Vec<&str> = sections.filter(|section| advised(section)).collect();
    assert_eq!(warned, ["manage-general-settings", "create-roles", "view-api-integration", "generate-api-token"]);
    let message = portal.spec().roles[0].advice.as_ref().unwrap().message.clone().unwrap();
    for word in ["Review", "test the effective access", "keep the matrix documented"] {
        assert!(message.contains(word), "{word}");
    }
}
