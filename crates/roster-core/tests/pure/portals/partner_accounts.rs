//! `partner-accounts`: a partner with managed accounts.

use std::collections::HashMap;

use super::{Portal, Table};
use crate::support::advice;
use roster_core::{api::InvalidReason, model::RoleName};

const MATRIX: &str = "
| action                 | Company Admin | Technical Admin | Technical Contact | Finance | Financial Contact | Read Only |
|------------------------|---------------|-----------------|-------------------|---------|-------------------|-----------|
| create-managed-account | ✓             | –               | –                 | –       | –                 | –         |
| onboard-managed-users  | ✓             | –               | –                 | –       | –                 | –         |
| create-services        | ✓             | ✓               | –                 | ✓       | –                 | –         |
| delete-services        | ✓             | –               | –                 | ✓       | –                 | –         |
| design-services        | ✓             | ✓               | ✓                 | ✓       | ✓                 | ✓         |
| update-services        | ✓             | ✓               | ✓                 | –       | –                 | –         |
| view-services          | ✓             | ✓               | ✓                 | ✓       | ✓                 | ✓         |
| lock-services          | ✓             | –               | –                 | –       | –                 | –         |
| service-keys           | ✓             | ✓               | –                 | ✓       | –                 | –         |
| view-usage             | ✓             | ✓               | ✓                 | ✓       | ✓                 | ✓         |
| manage-users           | ✓             | –               | –                 | –       | –                 | –         |
| own-details            | ✓             | ✓               | ✓                 | ✓       | ✓                 | ✓         |
";

/// Types of account in which a role can be held. Company Admin is two roles, one for each type that has one.
const AVAILABLE: &str = "
| role                  | Partner | Managed | Standalone |
|-----------------------|---------|---------|------------|
| company-admin         | ✓       | –       | –          |
| managed-company-admin | –       | ✓       | –          |
| technical-admin       | ✓       | ✓       | ✓          |
| technical-contact     | ✓       | ✓       | ✓          |
| finance               | ✓       | ✓       | ✓          |
| financial-contact     | ✓       | ✓       | ✓          |
| read-only             | ✓       | ✓       | ✓          |
";

const MANAGED: [&str; 2] = ["partner-accounts/interlink-retail", "partner-accounts-logistics/interlink-logistics"];

fn partner() -> Portal {
    Portal::of("partner-accounts", "partner-accounts/interlink")
}

#[test]
fn each_role_has_the_permissions_of_its_column() {
    let partner = partner();
    partner.is_as_in(&Table::parse(MATRIX), |title| partner.holder(title));
}

#[test]
fn in_a_managed_account_all_is_the_same_but_for_the_two_rights_of_the_partner() {
    let partners_own = ["create-managed-account", "onboard-managed-users"];
    let mut table = Table::parse(MATRIX);
    for row in table.rows.iter_mut().filter(|row| partners_own.contains(&row[0].as_str())) {
        row[1..].fill("–".to_owned());
    }
    for account in MANAGED {
        let managed = partner().at(account);
        managed.is_as_in(&table, |title| match title {
            "Company Admin" => managed.probe("roleRef: {name: managed-company-admin}"),
            title => managed.holder(title),
        });
    }
}

#[test]
fn the_roles_of_a_title_are_held_where_the_account_is_of_their_type() {
    let partner = partner();
    let standalone = "kind: Account\nmetadata: {name: alone, namespace: partner-accounts}\n\
                      spec: {catalogRef: {name: partner-accounts}}";
    let partner = partner.with(standalone);
    for (role, kind, cell) in Table::parse(AVAILABLE).cells() {
        let account = match kind {
            "Partner" => partner.at("partner-accounts/interlink"),
            "Managed" => partner.at(MANAGED[0]),
            _ => partner.at("partner-accounts/alone"),
        };
        let refusal = account.refusal(&format!("roleRef: {{name: {role}}}"));
        assert_eq!(refusal, (cell == "–").then_some(InvalidReason::RoleNotAvailable), "{role} in {kind}");
    }
    assert_eq!(Table::parse(AVAILABLE).rows.len(), partner.spec().roles.len());
}

#[test]
fn nothing_but_one_predefined_role_gives_anybody_anything() {
    for account in MANAGED {
        let managed = partner().at(account);
        let everything = "permissions: {create-managed-account: Allowed, onboard-managed-users: Allowed}";
        let role = managed.with(&managed.object("Role", "mine", everything));
        assert_eq!(role.reason("role mine"), Some(InvalidReason::RoleNotAvailable));
        let group = managed.with(&managed.object("UserGroup", "mine", everything));
        assert_eq!(group.reason("group mine"), Some(InvalidReason::GroupsForbidden));
        let cells = format!("overrides: managed-company-admin, {everything}");
        let cells = managed.with(&managed.object("Role", "mine", &cells));
        assert_eq!(cells.reason("role mine"), Some(InvalidReason::NotApplicable));
        assert_eq!(cells.probe("roleRef: {name: managed-company-admin}")["onboard-managed-users"], "Denied");
        assert!(cells.is_held_at_most("roleRef: {name: managed-company-admin}"));
        assert_eq!(managed.refusal(""), Some(InvalidReason::RoleRequired));
    }
    assert_eq!(partner().catalog().owner_role, None, "there is no owner");
}

#[test]
fn what_concerns_managed_accounts_is_for_the_partners_company_admin() {
    let partner = partner();
    let rules = partner.administration();
    for rule in [
        "CreateManagedAccounts: create-managed-account at Allowed",
        "OnboardManagedUsers: onboard-managed-users at Allowed",
        "AssignManagedRoles: company-admin",
        "EditMembers: manage-users at Allowed",
        "EditOwnDetails: own-details at Allowed",
    ] {
        assert!(rules.iter().any(|has| has == rule), "{rule}");
    }
    // By the matrix, the partner's Company Admin holds these sections, and everybody holds own-details.
}

#[test]
fn a_parent_admits_labelled_namespaces_and_its_own_catalog_only() {
    let partner = partner();
    let child = |namespace: &str, catalog: &str, labels: &str| {
        let objects = format!(
            "kind: Namespace\nmetadata: {{name: {namespace}, labels: {{{labels}}}}}\n---\n\
             kind: PermissionCatalog\nmetadata: {{name: other}}\nspec: {{sections: [{{name: a}}]}}\n---\n\
             kind: Account\nmetadata: {{name: child, namespace: {namespace}}}\n\
             spec: {{catalogRef: {{name: {catalog}}}, parentRef: {{name: interlink, namespace: partner-accounts}}}}"
        );
        partner.with(&objects).world.findings(&format!("{namespace}/child"), "account").reason()
    };
    let label = "roster.dev/partner: interlink";
    assert_eq!(child("elsewhere", "partner-accounts", label), None);
    assert_eq!(child("elsewhere", "partner-accounts", ""), Some(InvalidReason::ParentNotAllowed));
    assert_eq!(child("elsewhere", "other", label), Some(InvalidReason::ParentNotAllowed));
}

#[test]
fn there_is_advice_on_how_many_hold_a_role_and_on_what_two_of_them_can_do() {
    let two = "Have at least two Company Admins, so that one can stand in for the other, and no more than are needed.";
    let partner = partner();
    let definitions = partner.world.definitions(partner.account);
    let advised = |company_admins: u64, others: &[&str]| {
        let others = others.iter().map(|name| (RoleName::predefined(name), 1));
        let holders: HashMap<_, _> = others.chain([(RoleName::predefined("company-admin"), company_admins)]).collect();
        advice(&definitions.holder_advice(&holders))
    };
    assert_eq!(advised(1, &[]), [format!("role company-admin has 1 holder, and should have at least 2: {two}")]);
    assert_eq!(advised(2, &["technical-admin", "technical-contact", "financial-contact"]), [""; 0]);
    assert_eq!(advised(6, &[]), [format!("role company-admin has 6 holders, and should have at most 5: {two}")]);
    assert_eq!(
        advised(2, &["finance", "read-only"]),
        [
            "role finance: Finance users should understand what it means to delete or approve services.",
            "role read-only: Read Only still sees service details, which can be sensitive.",
        ]
    );
}
