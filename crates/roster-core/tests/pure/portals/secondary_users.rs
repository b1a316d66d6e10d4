//! `secondary-users`: one primary user; the access of the others is restricted individually.

use roster_core::api::InvalidReason;

use super::{Portal, Table};
use crate::support::advice;

/// Columns: the primary user, a secondary user, one under each restriction, and one for whom the restriction on
/// secondary users is lifted.
const WHO_MAY: &str = "
| section             | primary | secondary | numbers | payments | searching | applications | lift unconfirmed | lifted |
|---------------------|---------|-----------|---------|----------|-----------|--------------|------------------|--------|
| numbers             | ✓       | ✓         | –       | ✓        | ✓         | ✓            | ✓                | ✓      |
| payments            | ✓       | ✓         | ✓       | –        | ✓         | ✓            | ✓                | ✓      |
| payment-history     | ✓       | ✓         | ✓       | ✓        | ✓         | ✓            | ✓                | ✓      |
| search-messages     | ✓       | ✓         | ✓       | ✓        | –         | ✓            | ✓                | ✓      |
| search-calls        | ✓       | ✓         | ✓       | ✓        | –         | ✓            | ✓                | ✓      |
| search-api-requests | ✓       | ✓         | ✓       | ✓        | –         | ✓            | ✓                | ✓      |
| applications        | ✓       | ✓         | ✓       | ✓        | ✓         | –            | ✓                | ✓      |
| secondary-users     | ✓       | –         | –       | –        | –         | –            | –                | ✓      |
| api-keys            | ✓       | –         | –       | –        | –         | –            | –                | ✓      |
";

const PRIMARY: &str = "petra@tidewater.example";
const LIFT: &str = "lift: [secondary-user-management]";
const CONFIRM: &str = "acknowledge: [secondary-user-management]";

fn portal() -> Portal {
    Portal::of("secondary-users", "secondary-users/tidewater")
}

#[test]
fn each_user_has_the_permissions_of_the_document() {
    let portal = portal();
    portal.is_as_in(&Table::parse(WHO_MAY), |column| match column {
        "primary" => portal.levels(PRIMARY),
        "secondary" => portal.probe(""),
        "lift unconfirmed" => portal.probe(&format!("restrictions: {{{LIFT}}}")),
        "lifted" => portal.probe(&format!("restrictions: {{{LIFT}}}, {CONFIRM}")),
        restriction => portal.probe(&format!("restrictions: {{apply: [{restriction}]}}")),
    });
}

#[test]
fn the_restrictions_are_off_unless_applied_but_for_the_one_on_secondary_users() {
    let portal = portal();
    let by_default = |restriction: &&roster_core::api::Restriction| restriction.applied_by_default;
    let names: Vec<&str> = portal.spec().restrictions.iter().filter(by_default).map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["secondary-user-management"]);
    assert_eq!(portal.spec().restrictions.len(), 5, "one each for numbers, payments, searching, applications; and it");
    let resolved = portal.world.resolve(portal.account);
    assert_eq!(resolved.views["sam"].restrictions.to_vec(), names);
}

#[test]
fn it_is_on_for_existing_users_too_and_each_is_opted_in_one_at_a_time() {
    // Here a group grants both of them permissions that only the primary user has by default.
    let portal = portal();
    let managers = portal.object("UserGroup", "managers", "permissions: {secondary-users: Allowed, api-keys: Allowed}");
    let portal = portal.with(&managers).with(&portal.object(
        "Membership",
        "other",
        "user: {email: other@probe.example}, groupRefs: [{name: managers}]",
    ));
    let both = |portal: &Portal, rest: &str| {
        let portal = portal.probing(&format!("groupRefs: [{{name: managers}}], {rest}"));
        ["probe@probe.example", "other@probe.example"].map(|address| {
            let levels = portal.levels(address);
            (levels["secondary-users"].clone(), levels["api-keys"].clone())
        })
    };
    let (yes, no) = ("Allowed".to_owned(), "Denied".to_owned());
    let (all, none) = ((yes.clone(), yes), (no.clone(), no));
    let catalog = crate::support::read("examples/secondary-users/catalog.yaml");
    let before = portal.with(&catalog.replace("appliedByDefault: true", "appliedByDefault: false"));
    assert_eq!(both(&before, ""), [all.clone(), all.clone()]);
    let after = before.with(&catalog);
    assert_eq!(both(&after, ""), [none.clone(), none.clone()]);
    assert_eq!(both(&after, &format!("restrictions: {{{LIFT}}}, {CONFIRM}")), [all, none]);
}

#[test]
fn lifting_it_needs_a_confirmation() {
    let portal = portal();
    assert_eq!(portal.refusal(&format!("restrictions: {{{LIFT}}}")), Some(InvalidReason::ConfirmationMissing));
    assert_eq!(portal.refusal(&format!("restrictions: {{{LIFT}}}, {CONFIRM}")), None);
}

#[test]
fn once_it_is_lifted_the_user_is_equal_to_the_primary_user_and_no_other_restriction_has_an_effect() {
    let portal = portal();
    let others = "apply: [numbers, payments, searching, applications]";
    let lifted =
        portal.probing(&format!("restrictions: {{{others}, {LIFT}}}, {CONFIRM}, roleRef: {{name: groups-only}}"));
    assert_eq!(lifted.levels("probe@probe.example"), portal.levels(PRIMARY));
    let resolved = lifted.world.resolve(lifted.account);
    assert_eq!(resolved.views["probe"].restrictions.to_vec(), [""; 0], "none is in force");
    assert_eq!(
        advice(&resolved.views["probe"].findings),
        ["lifting secondary-user-management makes the user equal to the owner, so these have no effect: \
             numbers, payments, searching, applications"]
    );
    assert_eq!(resolved.views["probe"].findings.reason(), None);
}

#[test]
fn permissions_come_from_groups_next_to_those_of_the_user_in_one_account() {
    let portal = portal();
    let (finance, team) = ("{name: finance}", "{name: integration-team}");
    let table = Table::parse(
        "
| section             | direct | group | both | two groups | group, restricted |
| numbers             | ✓      | –     | ✓    | –          | –                 |
| payments            | ✓      | ✓     | ✓    | ✓          | –                 |
| payment-history     | ✓      | ✓     | ✓    | ✓          | ✓                 |
| search-messages     | ✓      | –     | ✓    | –          | –                 |
| search-calls        | ✓      | –     | ✓    | –          | –                 |
| search-api-requests | ✓      | –     | ✓    | ✓          | –                 |
| applications        | ✓      | –     | ✓    | ✓          | –                 |
| secondary-users     | –      | –     | –    | –          | –                 |
| api-keys            | –      | –     | –    | –          | –                 |
",
    );
    portal.is_as_in(&table, |column| match column {
        "direct" => portal.probe(""),
        "group" => portal.probe(&format!("roleRef: {{name: groups-only}}, groupRefs: [{finance}]")),
        "both" => portal.probe(&format!("groupRefs: [{team}]")),
        "two groups" => portal.probe(&format!("roleRef: {{name: groups-only}}, groupRefs: [{finance}, {team}]")),
        _ => portal.probe(&format!(
            "roleRef: {{name: groups-only}}, groupRefs: [{finance}], restrictions: {{apply: [payments]}}"
        )),
    });
}

#[test]
fn there_is_one_primary_user_for_each_account_and_nobody_else_becomes_one() {
    let portal = portal();
    assert_eq!(portal.refusal("roleRef: {name: primary}"), Some(InvalidReason::RoleNotAvailable));
    let again =
        portal.object("Membership", "petra", &format!("user: {{email: {PRIMARY}}}, roleRef: {{name: groups-only}}"));
    let again = portal.with(&again);
    assert_eq!(again.reason("membership petra"), Some(InvalidReason::OwnerIsMember));
    assert_eq!(again.levels(PRIMARY), portal.levels(PRIMARY));
}

#[test]
fn whoever_may_manage_secondary_users_administers_the_account() {
    assert!(portal().administration().iter().all(|rule| rule.ends_with(": secondary-users at Allowed")));
}
