//! `service-provider`: rights come from groups, and prerequisites are checked for the user, across all groups.

use super::{Levels, Portal, Table};
use crate::support::advice;

/// The column `rule` of the portal's README is [`PREREQUISITES`] and [`ADVISORY`].
const LADDERS: &str = "
| section                         | levels                       |
|---------------------------------|------------------------------|
| account                         | Hide View Edit Create Delete |
| account-bulk-statuses           | Hide View Edit               |
| account-call-history            | Hide View                    |
| account-history                 | Hide View                    |
| ip-allowlist                    | Hide View Edit               |
| phone-number                    | Hide View                    |
| phone-number-inventory          | Hide View Edit               |
| phone-number-service-activation | Hide View Edit Create Delete |
| product                         | Hide View                    |
| product-calling-plan            | Hide View Edit Create Delete |
| product-groups                  | Hide View Edit Create Delete |
| product-users                   | Hide View Edit Create Delete |
| reports                         | Hide View                    |
| route-plan                      | Hide View Edit               |
| sip-credentials                 | Hide View Edit               |
";

/// Section that needs another one at View from level `from` on, and the level that is left without it.
const PREREQUISITES: &str = "
| section                         | from | needs                | left |
|---------------------------------|------|----------------------|------|
| account-bulk-statuses           | Edit | product-calling-plan | View |
| account-bulk-statuses           | Edit | product-groups       | View |
| account-bulk-statuses           | Edit | product-users        | View |
| phone-number-inventory          | View | phone-number         | Hide |
| phone-number-service-activation | View | phone-number         | Hide |
| account                         | View | product              | Hide |
| product-calling-plan            | View | product              | Hide |
| product-groups                  | View | product              | Hide |
| product-users                   | View | product              | Hide |
";

const ADVISORY: &str = "route-plan at Edit: A changed route can stop customers' calls.";

/// Levels of the four groups, as we interpret the document.
const GROUPS: &str = "
| section                         | admin  | customer-support | limited-support | view-only |
|---------------------------------|--------|------------------|-----------------|-----------|
| account                         | Delete | Create           | Edit            | View      |
| account-bulk-statuses           | Edit   | Edit             | View            | –         |
| account-call-history            | View   | View             | View            | View      |
| account-history                 | View   | View             | View            | View      |
| ip-allowlist                    | Edit   | View             | View            | –         |
| phone-number                    | View   | View             | View            | View      |
| phone-number-inventory          | Edit   | Edit             | View            | –         |
| phone-number-service-activation | Delete | Create           | View            | View      |
| product                         | View   | View             | View            | View      |
| product-calling-plan            | Delete | View             | View            | –         |
| product-groups                  | Delete | View             | View            | –         |
| product-users                   | Delete | View             | View            | –         |
| reports                         | View   | View             | View            | View      |
| route-plan                      | View   | View             | View            | –         |
| sip-credentials                 | Edit   | View             | View            | –         |
";

fn portal() -> Portal {
    Portal::of("service-provider", "service-provider/northline")
}

/// Returns the permissions of a person in these groups; a group is `section: level, …`.
fn in_groups(portal: &Portal, groups: &[String]) -> Levels {
    let mut portal = portal.at(portal.account);
    let mut names = Vec::new();
    for (place, cells) in groups.iter().enumerate() {
        portal =
            portal.with(&portal.object("UserGroup", &format!("group-{place}"), &format!("permissions: {{{cells}}}")));
        names.push(format!("{{name: group-{place}}}"));
    }
    portal.probe(&format!("groupRefs: [{}]", names.join(", ")))
}

/// Every section at its highest level, except one.
fn all_but(portal: &Portal, section: &str) -> String {
    let catalog = portal.catalog();
    let ladders = catalog.layout.ladders().iter().filter(|ladder| ladder.section != section);
    ladders
        .map(|ladder| format!("{}: {}", ladder.section, ladder.levels.last().unwrap()))
        .collect::<Vec<_>>()
        .join(", ")
}

#[test]
fn each_section_has_its_own_part_of_the_ladder() {
    let catalog = portal().catalog();
    let ladders = catalog.layout.ladders().iter();
    let ladders: Vec<Vec<String>> = ladders.map(|l| vec![l.section.to_string(), l.levels.join(" ")]).collect();
    assert_eq!(ladders, Table::parse(LADDERS).rows);
}

#[test]
fn a_level_whose_prerequisite_nothing_brings_drops_and_another_group_may_bring_it() {
    let portal = portal();
    let catalog = portal.catalog();
    let table = Table::parse(PREREQUISITES);
    for row in &table.rows {
        let [section, from, needs, left] = row.as_slice() else { unreachable!() };
        let without = all_but(&portal, needs);
        assert_eq!(&in_groups(&portal, &[without.clone()])[section], left, "{section} without {needs}");
        let highest = super::level(&catalog, section, "✓");
        assert_eq!(
            in_groups(&portal, &[without, all_but(&portal, section)])[section],
            highest,
            "{section} with {needs}"
        );
        // Below that level nothing is needed.
        let rank = catalog.rank(catalog.section(section).unwrap(), from).unwrap();
        let below = catalog.level(catalog.section(section).unwrap(), rank - 1);
        assert_eq!(in_groups(&portal, &[format!("{section}: {below}")])[section], below, "{section} below {from}");
    }
    assert_eq!(catalog.rules.len(), table.rows.len(), "no section has any other rule");
}

#[test]
fn a_hidden_product_conceals_accounts_and_all_products_and_what_builds_on_them() {
    let portal = portal();
    let levels = in_groups(&portal, &[all_but(&portal, "product")]);
    let hidden: Vec<&str> = levels.iter().filter(|(_, level)| *level == "Hide").map(|(s, _)| s.as_str()).collect();
    assert_eq!(hidden, ["account", "product", "product-calling-plan", "product-groups", "product-users"]);
    assert_eq!(levels["account-bulk-statuses"], "View");
}

#[test]
fn each_group_has_the_levels_of_the_table() {
    let portal = portal();
    portal.is_as_in(&Table::parse(GROUPS), |group| portal.probe(&format!("groupRefs: [{{name: {group}}}]")));
}

#[test]
fn the_groups_are_what_the_document_describes() {
    let portal = portal();
    let catalog = portal.catalog();
    let may = |group: &str| portal.probe(&format!("groupRefs: [{{name: {group}}}]"));
    let top = |section: &str| super::level(&catalog, section, "✓");
    for (section, level) in may("admin") {
        assert_eq!(level, if section == "route-plan" { "View".to_owned() } else { top(&section) }, "admin: {section}");
    }
    let support = may("customer-support");
    assert_eq!(support["account"], "Create");
    assert_eq!(support["phone-number-service-activation"], "Create");
    assert_eq!((&*support["product-calling-plan"], &*support["product-groups"]), ("View", "View"));
    for (section, level) in may("limited-support") {
        assert_eq!(level, if section == "account" { "Edit" } else { "View" }, "limited-support: {section}");
    }
    let view_only = may("view-only");
    assert!(view_only.values().all(|level| level == "Hide" || level == "View"));
    assert_eq!((&*view_only["account"], &*view_only["reports"]), ("View", "View"));
}

#[test]
fn a_route_plan_above_view_is_advised_and_nothing_else_is() {
    let portal = portal();
    let resolved = portal.world.resolve(portal.account);
    let advised = |groups: &[&str]| {
        let all = resolved.definitions.groups.iter().filter(|(_, group)| group.findings.advice().next().is_some());
        let names: Vec<&str> = all.map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, groups);
    };
    // The other two groups need another group.
    advised(&["activation-desk", "bulk-statuses", "routing"]);
    assert_eq!(advice(&resolved.definitions.groups["routing"].findings), [ADVISORY]);
    assert_eq!(advice(&resolved.views["nils"].findings), [ADVISORY], "whoever holds it gets the advice, too");
    assert_eq!(portal.levels("nils@northline.example")["route-plan"], "Edit", "advice never blocks");
}

#[test]
fn managing_groups_and_users_needs_their_section_at_the_level_of_that_action() {
    let mut rules = portal().administration();
    rules.sort();
    let expected = [("Groups", "product-groups"), ("Members", "product-users")].map(|(what, section)| {
        ["Create", "Delete", "Edit"].map(|action| format!("{action}{what}: {section} at {action}"))
    });
    let mut expected = expected.concat();
    // Putting somebody into a group changes the user.
    expected.push("AssignRoles: product-users at Edit".to_owned());
    expected.sort();
    assert_eq!(rules, expected);
}

#[test]
fn there_is_no_owner_and_there_are_no_roles() {
    let portal = portal();
    assert_eq!((portal.catalog().owner_role, portal.catalog().roles.len()), (None, 0));
    assert_eq!(portal.world.resolve(portal.account).definitions.owner, None);
}
