//! Tests faults of a Role or a UserGroup: its holders keep the valid part.

use serde_json::json;

use super::{Case, all_invalid, all_views};
use crate::support::{Scene, find};

const SCENE: &str = "
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: $it}
spec:
  sections:
  - {name: orders, levels: [None, View, Edit]}
  - {name: payments}
  - name: reports
    levels: [None, View]
    advisories: [{above: None, message: Reports show prices.}]
  roles:
  - {name: owner, heldBy: AccountOwner, allPermissions: true}
  - {name: clerk, permissions: {orders: View}}
  - {name: manager, overridable: true, notApplicable: [payments], permissions: {orders: Edit, reports: View}}
  ownerRole: owner
  customRoles: {allowed: true, notApplicable: [payments]}
---
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: acme}
spec: {catalogRef: {name: $it}, storeRef: {name: $it}, owner: {email: olga@acme.example}}
---
";

fn definition(kind: &str, name: &str, fields: &str) -> String {
    format!(
        "
apiVersion: roster.dev/v1alpha1
kind: {kind}
metadata: {{name: {name}}}
spec: {{accountRef: {{name: acme}}, {fields}}}
---"
    )
}

fn member(name: &str, fields: &str) -> String {
    definition("Membership", name, &format!("user: {{email: {name}@acme.example}}, {fields}"))
}

#[tokio::test]
async fn an_invalid_part_of_a_role_or_group_is_reported_and_the_rest_counts() {
    let scene = Scene::new("definitions").await;
    scene.apply(SCENE).await;
    let bad = [
        definition("Role", "good", "permissions: {reports: View}"),
        definition("Role", "half", "permissions: {order: Edit, orders: Edit}"),
        definition("Role", "typo", "permissions: {orders: Viev, reports: View}"),
        definition("Role", "pays", "permissions: {payments: Allowed, orders: View}"),
        definition("Role", "clerk", "permissions: {orders: Edit}"),
        definition("Role", "over-owner", "overrides: owner, permissions: {orders: View}"),
        definition("Role", "over-nobody", "overrides: nobody, permissions: {orders: View}"),
        definition("Role", "from-nobody", "basedOn: nobody, permissions: {orders: View}"),
        definition("Role", "from-owner", "basedOn: owner, permissions: {orders: View}"),
        definition("UserGroup", "half", "permissions: {order: Edit, reports: View}"),
        definition("UserGroup", "typo", "permissions: {orders: Viev, reports: View}"),
        definition("UserGroup", "lost", "permissions: {reports: View}, roleRefs: [{kind: Role, name: gone}]"),
        definition("Role", "nowhere", "permissions: {orders: View}").replace("acme", "acne"),
        definition("UserGroup", "nowhere", "permissions: {orders: View}").replace("acme", "acne"),
        member("gus", "roleRef: {kind: Role, name: good}"),
        member("hal", "roleRef: {kind: Role, name: half}, groupRefs: [{name: half}]"),
        member("tim", "roleRef: {kind: Role, name: typo}"),
        member("pam", "roleRef: {kind: Role, name: pays}"),
        member("cleo", "roleRef: {kind: Role, name: clerk}"),
        member("carl", "roleRef: {name: clerk}"),
        member("oscar", "roleRef: {kind: Role, name: from-owner}, groupRefs: [{name: lost}]"),
        member("nobody", "roleRef: {kind: Role, name: over-owner}"),
    ];
    scene.apply(&bad.concat()).await;
    let cases: [Case<'_>; 15] = [
        ("Role", "half", "UnknownSection", &["spec.permissions", "no section \"order\""]),
        ("Role", "typo", "UnknownLevel", &["section \"orders\" has no level \"Viev\"; it has None, View, Edit"]),
        ("Role", "pays", "NotApplicable", &["\"payments\" cannot be configured for this role; leave it out"]),
        ("Role", "clerk", "NameTaken", &["metadata.name", "choose another name, or set spec.overrides"]),
        (
            "Role",
            "over-owner",
            "NotApplicable",
            &["spec.overrides", "\"owner\" is not overridable; the catalog can set overridable: true for it"],
        ),
        ("Role", "over-nobody", "RoleNotFound", &["spec.overrides", "no predefined role \"nobody\""]),
        ("Role", "from-nobody", "RoleNotFound", &["spec.basedOn", "no predefined role \"nobody\""]),
        ("Role", "from-owner", "RoleNotAvailable", &["spec.basedOn", "held by the account's owner only"]),
        ("Role", "nowhere", "AccountNotFound", &["spec.accountRef", "\"acne\""]),
        ("UserGroup", "half", "UnknownSection", &["spec.permissions", "no section \"order\""]),
        ("UserGroup", "typo", "UnknownLevel", &["no level \"Viev\"; it has None, View, Edit"]),
        ("UserGroup", "lost", "RoleNotFound", &["spec.roleRefs", "no Role \"gone\""]),
        ("UserGroup", "nowhere", "AccountNotFound", &["spec.accountRef", "\"acne\""]),
        ("Membership", "cleo", "RoleNotAvailable", &["Role \"clerk\" is invalid (NameTaken) and grants nothing"]),
        ("Membership", "nobody", "RoleNotFound", &["name the predefined role \"owner\" instead"]),
    ];
    all_invalid(&scene, &cases).await;
    all_views(
        &scene,
        &[
            ("gus@acme.example", "orders=None payments=Denied reports=View"),
            ("hal@acme.example", "orders=Edit payments=Denied reports=View"),
            // An unknown level is the first one.
            ("tim@acme.example", "orders=None payments=Denied reports=View"),
            ("pam@acme.example", "orders=View payments=Denied reports=None"),
            ("cleo@acme.example", "orders=None payments=Denied reports=None"),
            ("carl@acme.example", "orders=View payments=Denied reports=None"),
            ("oscar@acme.example", "orders=View payments=Denied reports=View"),
            ("nobody@acme.example", "orders=None payments=Denied reports=None"),
        ],
    )
    .await;
    // A member is not to blame for the role, nor the account for either.
    for name in ["gus", "hal", "tim", "pam", "carl", "oscar"] {
        scene.ready("Membership", name).await;
    }
    scene.ready("Account", "acme").await;
    let good = scene.wait("Role", "good", "Ready", "True").await;
    assert_eq!(good["permissions"]["reports"], "View", "{good:#}");
    let advised = find(&good, "Advised").expect("the catalog has advice on reports");
    assert!(advised.message.contains("reports at View: Reports show prices."), "{advised:?}");
    let pays = scene.get("Role", "pays").await;
    assert_ne!(pays.data["status"]["permissions"]["payments"], "Allowed");
    // A role that the store does not have must not claim to be in sync there.
    for name in ["clerk", "nowhere"] {
        let status = scene.get("Role", name).await.data["status"].clone();
        assert!(find(&status, "Synced").is_none_or(|synced| synced.status != "True"), "{name}: {status:#}");
    }
}

#[tokio::test]
async fn of_two_overrides_the_lower_level_counts_until_one_goes() {
    let scene = Scene::new("overrides").await;
    scene.apply(SCENE).await;
    let both = [
        definition("Role", "less-orders", "overrides: manager, permissions: {orders: View}"),
        definition("Role", "no-reports", "overrides: manager, permissions: {reports: None}"),
        member("mia", "roleRef: {name: manager}"),
    ];
    scene.apply(&both.concat()).await;
    let says: &[&str] = &["spec.overrides", "another Role overrides \"manager\", too; the lower levels count"];
    all_invalid(&scene, &[("Role", "less-orders", "NameTaken", says), ("Role", "no-reports", "NameTaken", says)]).await;
    scene.wait_view("mia@acme.example", "orders=View payments=Denied reports=None").await;
    scene.ready("Membership", "mia").await;
    scene.delete("Role", "no-reports").await;
    let status = scene.ready("Role", "less-orders").await;
    assert_eq!(status["changesFromDefault"], json!([{"section": "orders", "default": "Edit", "now": "View"}]));
    scene.wait_view("mia@acme.example", "orders=View payments=Denied reports=View").await;
    // The last one gone, the role is what the catalog says.
    scene.delete("Role", "less-orders").await;
    scene.wait_view("mia@acme.example", "orders=Edit payments=Denied reports=View").await;
}
