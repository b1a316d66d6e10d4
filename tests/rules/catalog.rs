//! Tests the rules of PermissionCatalog.

use super::table::{Accepted, Refused, Table};

const BASE: &str = "
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: rules}
spec:
  sections: [{name: settings}]
";

/// One section with these fields.
fn section(fields: &str) -> &'static str {
    format!("spec: {{sections: [{{name: route-plan, {fields}}}]}}").leak()
}

#[tokio::test]
async fn sections_have_a_name_and_a_ladder() {
    let repeated = "levels must not repeat";
    Table::new(BASE)
        .await
        .on_create(&[
            ("", Accepted),
            ("spec: {sections: []}", Refused("spec.sections in body should have at least 1 items")),
            ("spec: {sections: null}", Refused("spec.sections: Required value")),
            ("spec: {sections: [{name: a}, {name: a}]}", Refused("Duplicate value: {\"name\":\"a\"}")),
            ("spec: {sections: [{name: Route plan}]}", Refused("spec.sections[0].name: Invalid value … must be")),
            (section("title: Plan 路線, category: Routing, levels: [Hide, View, Edit]"), Accepted),
            (section("levels: [Denied]"), Refused("levels in body should have at least 2 items")),
            (section("levels: [Hide, View, Hide]"), Refused(repeated)),
            // Case tells levels apart.
            (section("levels: [hide, Hide]"), Accepted),
            (section("levels: ['', View]"), Refused("levels[0] in body should be at least 1 chars long")),
            (section("levels: [Hide, View all]"), Refused("levels[1]: Invalid value … must be")),
            (section("levels: [Hide, true]"), Refused("levels[1] in body must be of type string")),
        ])
        .await;
}

#[tokio::test]
async fn prerequisites_and_advisories_name_levels_of_their_section() {
    let from = "requires.from must be a level of this section above the first";
    let above = "advisories.above must be a level of this section below the last";
    Table::new(BASE)
        .await
        .on_create(&[
            (section("levels: [Hide, View, Edit], requires: [{from: View, section: b, level: X}]"), Accepted),
            (section("requires: [{from: Allowed, section: b, level: X}]"), Accepted),
            (section("levels: [Hide, View], requires: [{from: Hide, section: b, level: X}]"), Refused(from)),
            (section("levels: [Hide, View], requires: [{from: Edit, section: b, level: X}]"), Refused(from)),
            (section("requires: [{from: Denied, section: b, level: X}]"), Refused(from)),
            (section("requires: [{from: Allowed, section: b}]"), Refused("requires[0].level: Required value")),
            (
                section("requires: [{from: Allowed, section: route-plan, level: X}]"),
                Refused("requires.section must be another section"),
            ),
            (
                section("requires: [{from: Allowed, section: b, level: X}, {from: Allowed, section: b, level: Y}]"),
                Refused("Duplicate value: {\"from\":\"Allowed\",\"section\":\"b\"}"),
            ),
            (
                section(
                    "levels: [A, B, C], requires: [{from: B, section: b, level: X}, {from: C, section: b, level: Y}]",
                ),
                Accepted,
            ),
            (section("levels: [Hide, View, Edit], advisories: [{above: View, message: Mind.}]"), Accepted),
            (section("advisories: [{above: Denied, message: Mind.}]"), Accepted),
            (section("levels: [Hide, View], advisories: [{above: View, message: Mind.}]"), Refused(above)),
            (section("levels: [Hide, View], advisories: [{above: Edit, message: Mind.}]"), Refused(above)),
            (section("advisories: [{above: Allowed, message: Mind.}]"), Refused(above)),
            (section("advisories: [{above: Denied}]"), Refused("advisories[0].message: Required value")),
        ])
        .await;
}

#[tokio::test]
async fn restrictions_cap_something() {
    Table::new(BASE)
        .await
        .on_create(&[
            ("spec: {restrictions: [{name: a, title: No a, caps: {settings: Denied}}]}", Accepted),
            ("spec: {restrictions: [{name: a}]}", Refused("spec.restrictions[0].caps: Required value")),
            ("spec: {restrictions: [{name: a, caps: {}}]}", Refused("should have at least 1 properties")),
            ("spec: {restrictions: [{name: a, caps: {A: X}}]}", Refused("each key must be the name of a section")),
            (
                "spec: {restrictions: [{name: A, caps: {a: X}}]}",
                Refused("spec.restrictions[0].name: Invalid value … must be"),
            ),
            (
                "spec: {restrictions: [{name: a, caps: {a: X}}, {name: a, caps: {a: X}}]}",
                Refused("Duplicate value: {\"name\":\"a\"}"),
            ),
        ])
        .await;
}

#[tokio::test]
async fn predefined_roles_grant_all_or_what_they_list() {
    let holders = "maximumHolders must not be below minimumHolders";
    Table::new(BASE)
        .await
        .on_create(&[
            ("spec: {roles: [{name: none}]}", Accepted),
            ("spec: {roles: [{name: some, permissions: {a: X}, notApplicable: [b]}]}", Accepted),
            ("spec: {roles: [{name: all, allPermissions: true}]}", Accepted),
            ("spec: {roles: [{name: all, allPermissions: true, permissions: {}}]}", Accepted),
            (
                "spec: {roles: [{name: all, allPermissions: true, permissions: {a: X}}]}",
                Refused("set either allPermissions or permissions, not both"),
            ),
            ("spec: {roles: [{name: a}, {name: a}]}", Refused("Duplicate value: {\"name\":\"a\"}")),
            ("spec: {roles: [{name: a, permissions: {A: X}}]}", Refused("each key must be the name of a section")),
            ("spec: {roles: [{name: a, notApplicable: [b, b]}]}", Refused("notApplicable[1]: Duplicate value: \"b\"")),
            ("spec: {roles: [{name: a, availableIn: [Standalone, Partner, Managed]}]}", Accepted),
            ("spec: {roles: [{name: a, availableIn: [Managed, Managed]}]}", Refused("Duplicate value: \"Managed\"")),
            ("spec: {roles: [{name: a, heldBy: Nobody}]}", Refused("Unsupported value: \"Nobody\"")),
            ("spec: {roles: [{name: a, advice: {minimumHolders: 2, maximumHolders: 2}}]}", Accepted),
            ("spec: {roles: [{name: a, advice: {minimumHolders: 2}}]}", Accepted),
            ("spec: {roles: [{name: a, advice: {maximumHolders: 2, message: Few.}}]}", Accepted),
            ("spec: {roles: [{name: a, advice: {minimumHolders: 3, maximumHolders: 2}}]}", Refused(holders)),
        ])
        .await;
}

#[tokio::test]
async fn separation_names_roles_or_sections() {
    let either = "set either roles or sections";
    Table::new(BASE)
        .await
        .on_create(&[
            ("spec: {separation: [{roles: [a, b], maximum: 1, message: Four eyes.}]}", Accepted),
            ("spec: {separation: [{sections: [{name: a, level: X}, {name: b, level: Y}], maximum: 1}]}", Accepted),
            ("spec: {separation: [{roles: [a, b]}]}", Refused("spec.separation[0].maximum: Required value")),
            ("spec: {separation: [{roles: [a, b], maximum: 0}]}", Refused("should be greater than or equal to 1")),
            ("spec: {separation: [{maximum: 1}]}", Refused(either)),
            ("spec: {separation: [{roles: [a], sections: [{name: a, level: X}], maximum: 1}]}", Refused(either)),
            ("spec: {separation: [{roles: [a, a], maximum: 1}]}", Refused("Duplicate value: \"a\"")),
            ("spec: {separation: [{sections: [{name: a}], maximum: 1}]}", Refused("level: Required value")),
        ])
        .await;
}

#[tokio::test]
async fn administration_asks_for_a_level_or_for_roles() {
    let either = "set either section and level, or roles";
    Table::new(BASE)
        .await
        .on_create(&[
            ("spec: {administration: [{action: Invite, section: a, level: X}]}", Accepted),
            ("spec: {administration: [{action: Invite, roles: [a, b]}]}", Accepted),
            ("spec: {administration: [{action: Invite}]}", Refused(either)),
            ("spec: {administration: [{action: Invite, section: a}]}", Refused(either)),
            ("spec: {administration: [{action: Invite, level: X}]}", Refused(either)),
            ("spec: {administration: [{action: Invite, roles: []}]}", Refused(either)),
            ("spec: {administration: [{action: Invite, level: X, roles: [a]}]}", Refused(either)),
            ("spec: {administration: [{action: Invite, section: a, level: X, roles: [a]}]}", Refused(either)),
            ("spec: {administration: [{action: Invite, roles: [a, a]}]}", Refused("roles[1]: Duplicate value: \"a\"")),
            ("spec: {administration: [{action: Dance, roles: [a]}]}", Refused("Unsupported value: \"Dance\"")),
            (
                "spec: {administration: [{action: Invite, roles: [a]}, {action: Invite, roles: [b]}]}",
                Refused("Duplicate value: {\"action\":\"Invite\"}"),
            ),
        ])
        .await;
}

#[tokio::test]
async fn the_rest_of_a_catalog_is_bounded() {
    Table::new(BASE)
        .await
        .on_create(&[
            ("spec: {ownerRole: owner, ownerChange: ByPlatform, defaultRole: secondary}", Accepted),
            ("spec: {ownerRole: Owner}", Refused("spec.ownerRole: Invalid value … must be")),
            ("spec: {ownerChange: Always}", Refused("Unsupported value: \"Always\"")),
            ("spec: {members: {role: Required, groups: Forbidden, direct: ByInvitationOnly}}", Accepted),
            ("spec: {members: {role: Maybe}}", Refused("Unsupported value: \"Maybe\"")),
            ("spec: {customRoles: {allowed: false, notApplicable: [a]}}", Accepted),
            ("spec: {customRoles: {notApplicable: [a, a]}}", Refused("Duplicate value: \"a\"")),
            ("spec: {invitations: {requiresPlanFeature: committed-spend, expireAfter: 720h}}", Accepted),
            ("spec: {invitations: {expireAfter: 721h}}", Refused("must be between 1s and 720h (30 days)")),
            ("spec: {allowedNamespaces: {from: Selector}}", Refused("selector must be set with from: Selector")),
        ])
        .await;
}
