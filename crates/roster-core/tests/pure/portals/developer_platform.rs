//! `developer-platform`: five predefined roles and invitations.

use roster_core::api::{InvalidReason, OwnerChange};

use super::{Portal, Table};
use crate::support::{Pass, email};

const MATRIX: &str = "
| section          | Owner | Admin | Developer | Finance analyst | Support |
|------------------|-------|-------|-----------|-----------------|---------|
| phone-numbers    | Edit  | Edit  | Edit      | –               | View    |
| payments-billing | Edit  | Edit  | –         | Edit            | View    |
| logs             | View  | View  | View      | –               | View    |
| applications     | Edit  | Edit  | Edit      | –               | View    |
| settings         | Edit  | Edit  | Edit      | –               | Edit    |
| credentials      | Edit  | Edit  | Edit      | –               | –       |
| pricing          | View  | View  | –         | View            | –       |
";

const OWNER: &str = "dana@acme.example";

/// Account in which members are admitted by invitation only.
fn portal() -> Portal {
    Portal::of("developer-platform", "developer-platform/acme")
}

/// An invitation of `probe@probe.example`, and the Membership that accepting it made.
fn invited(portal: &Portal, role: &str) -> Portal {
    let invitation = format!("email: probe@probe.example, roleRef: {{name: {role}}}");
    let accepted = portal.object("Invitation", "probe", &invitation) + "status: {phase: Accepted}\n";
    portal.with(&accepted).probing(&format!("roleRef: {{name: {role}}}, invitationRef: {{name: probe}}"))
}

#[test]
fn each_role_has_the_permissions_of_its_column_whether_invited_or_entered_directly() {
    let (portal, direct) = (portal(), portal().at("developer-platform/acme-direct"));
    let table = Table::parse(MATRIX);
    direct.is_as_in(&table, |title| if title == "Owner" { direct.levels(OWNER) } else { direct.holder(title) });
    portal.is_as_in(&table, |title| match title {
        "Owner" => portal.levels(OWNER),
        title => invited(&portal, &portal.role(title)).levels("probe@probe.example"),
    });
    let titles: Vec<_> = portal.spec().roles.iter().map(|role| role.title.clone().unwrap()).collect();
    assert_eq!(titles, table.columns[1..]);
}

#[test]
fn every_other_user_has_exactly_one_role_and_no_group_and_no_account_adds_any() {
    for account in ["developer-platform/acme", "developer-platform/acme-direct"] {
        let portal = portal().at(account);
        let group = portal.with(&portal.object("UserGroup", "desk", "permissions: {logs: View}"));
        assert_eq!(group.reason("group desk"), Some(InvalidReason::GroupsForbidden));
        let role = portal.with(&portal.object("Role", "mine", "permissions: {logs: View}"));
        assert_eq!(role.reason("role mine"), Some(InvalidReason::RoleNotAvailable));
        for title in ["Owner", "Admin", "Developer", "Finance analyst", "Support"] {
            let cells = format!("overrides: {}, permissions: {{logs: None}}", portal.role(title));
            let cells = portal.with(&portal.object("Role", "mine", &cells));
            assert_eq!(cells.reason("role mine"), Some(InvalidReason::NotApplicable), "{title}");
        }
    }
    let direct = portal().at("developer-platform/acme-direct");
    assert_eq!(direct.refusal(""), Some(InvalidReason::RoleRequired));
    let grouped = direct.refusal("roleRef: {name: support}, groupRefs: [{name: desk}]");
    assert_eq!(grouped, Some(InvalidReason::GroupsForbidden));
}

#[test]
fn the_owner_is_whoever_the_account_says_and_can_never_be_changed() {
    let direct = portal().at("developer-platform/acme-direct");
    assert_eq!(direct.spec().owner_change, OwnerChange::Never);
    assert_eq!(direct.refusal("roleRef: {name: owner}"), Some(InvalidReason::RoleNotAvailable));
    let again = format!("user: {{email: {OWNER}}}, roleRef: {{name: support}}");
    let again = direct.with(&direct.object("Membership", "dana", &again));
    assert_eq!(again.reason("membership dana"), Some(InvalidReason::OwnerIsMember));
    assert_eq!(again.levels(OWNER), direct.levels(OWNER));

    let mut pass = Pass::new(direct.account, direct.world.clone());
    pass.run();
    let before = pass.access(OWNER);
    pass.world.add(
        "kind: Account\nmetadata: {name: acme-direct, namespace: developer-platform}\n\
         spec: {catalogRef: {name: developer-platform-direct}, owner: {email: eve@acme.example}}",
    );
    let plan = pass.run();
    assert_eq!(plan.owner_kept, Some(email(OWNER)));
    assert_eq!((pass.access(OWNER), pass.access("eve@acme.example")), (before, "nobody".to_owned()));
}

#[test]
fn users_come_in_by_invitation_only() {
    let portal = portal();
    assert_eq!(portal.refusal("roleRef: {name: developer}"), Some(InvalidReason::InvitationRequired));
    let uninvited = portal.probing("roleRef: {name: developer}");
    assert_eq!(uninvited.world.resolve(uninvited.account).access("probe@probe.example"), "at most nothing");
    for name in ["acme-aisha", "acme-dmitri", "acme-farah", "acme-sven"] {
        assert_eq!(portal.reason(&format!("invitation {name}")), None, "{name}");
    }
}

#[test]
fn an_invited_user_has_the_role_which_may_change_and_loses_all_with_the_invitation() {
    let portal = portal();
    let developer = invited(&portal, "developer");
    assert_eq!(developer.reason("membership probe"), None);
    let support = invited(&developer, "support").levels("probe@probe.example");
    assert_eq!((&*support["phone-numbers"], &*support["settings"]), ("View", "Edit"));

    let mut pass = Pass::new(portal.account, developer.world);
    pass.run();
    pass.world.invitations.retain(|(_, name), _| name != "probe");
    pass.run();
    assert_eq!(pass.access("probe@probe.example"), "nothing");
}

#[test]
fn without_a_plan_with_committed_spend_an_invitation_is_refused_and_says_why() {
    let portal = portal();
    let (hobby, invitation) = ("developer-platform/hobby", "invitation hobby-mika");
    portal.world.says(
        hobby,
        invitation,
        InvalidReason::PlanNotEligible,
        r#"invitations need the plan feature "committed-spend", which account "hobby" does not have"#,
    );
    let account = "kind: Account\nmetadata: {name: hobby, namespace: developer-platform}\n\
                   spec: {catalogRef: {name: developer-platform}, owner: {email: lee@hobby.example}, \
                   plan: {name: growth, features: [committed-spend]}}";
    portal.world.with(account).is_valid(hobby, invitation);
}

#[test]
fn a_user_may_be_a_member_of_any_number_of_accounts() {
    let portal = portal();
    let (own, other) = (portal.at("developer-platform/hobby"), portal.at("developer-platform/acme-direct"));
    assert_eq!(own.levels("lee@hobby.example")["payments-billing"], "Edit", "owner there");
    assert_eq!(other.levels("lee@hobby.example")["payments-billing"], "None", "developer here");
}

#[test]
fn owner_and_admin_may_invite() {
    for action in ["Invite", "AssignRoles", "EditMembers", "DeleteMembers"] {
        assert!(portal().administration().contains(&format!("{action}: owner, admin")), "{action}");
    }
}

#[test]
fn the_catalog_for_users_entered_directly_differs_in_nothing_else() {
    let (invited, direct) = (portal(), portal().at("developer-platform/acme-direct"));
    let mut same = direct.spec().clone();
    same.members.direct = invited.spec().members.direct;
    same.administration.retain(|rule| format!("{:?}", rule.action) != "CreateMembers");
    assert_eq!(&same, invited.spec());
}
