//! Tests faults of a Membership or an Invitation, and that the rest of the account is still reconciled.

use serde_json::json;

use super::{Case, all_invalid, all_views};
use crate::support::{Scene, find};

const CATALOG: &str = "
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: $it}
spec:
  sections:
  - {name: orders, levels: [None, View, Edit]}
  - {name: payments}
  - {name: reports, levels: [None, View]}
  restrictions:
  - {name: no-orders, caps: {orders: None}}
  - {name: managed, caps: {payments: Denied}, appliedByDefault: true, lifting: {needsConfirmation: true}}
  roles:
  - {name: owner, heldBy: AccountOwner, allPermissions: true}
  - {name: clerk, permissions: {orders: View}}
  - {name: manager, permissions: {orders: Edit, reports: View, payments: Allowed}}
  - {name: reseller, availableIn: [Partner], permissions: {reports: View}}
  ownerRole: owner
---
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: acme}
spec: {catalogRef: {name: $it}, storeRef: {name: $it}, owner: {email: olga@acme.example}}
---
apiVersion: roster.dev/v1alpha1
kind: UserGroup
metadata: {name: desk}
spec: {accountRef: {name: acme}, permissions: {reports: View}}
---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: nora}
spec: {accountRef: {name: acme}, user: {email: nora@acme.example}, roleRef: {name: clerk}}
";

/// A Membership of `acme` with an address made of its name, and these further fields.
fn member(name: &str, fields: &str) -> String {
    format!(
        "
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {{name: {name}}}
spec: {{accountRef: {{name: acme}}, user: {{email: {name}@acme.example}}, {fields}}}
---"
    )
}

#[tokio::test]
async fn an_invalid_membership_reports_the_error_and_others_are_ready() {
    let scene = Scene::new("members").await;
    scene.apply(CATALOG).await;
    let bad = [
        member("no-role", "roleRef: {name: clark}, groupRefs: [{name: desk}]"),
        member("other-kind", "roleRef: {kind: Role, name: clerk}"),
        member("no-group", "roleRef: {name: clerk}, groupRefs: [{name: desk}, {name: dusk}]"),
        member("no-restriction", "roleRef: {name: clerk}, restrictions: {apply: [no-order]}"),
        member("owners-role", "roleRef: {name: owner}"),
        member("partners-role", "roleRef: {name: reseller}, groupRefs: [{name: desk}]"),
        member("unconfirmed", "roleRef: {name: manager}, restrictions: {lift: [managed]}"),
        member("much", "roleRef: {name: clark}, groupRefs: [{name: dusk}], restrictions: {apply: [no-order]}"),
        format!(
            "
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {{name: no-account}}
spec: {{accountRef: {{name: acne}}, user: {{email: no-account@acme.example}}, roleRef: {{name: clerk}}}}
---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {{name: no-address}}
spec: {{accountRef: {{name: acme}}, user: {{email: eve@{}.example}}, roleRef: {{name: clerk}}}}
",
            "a".repeat(64)
        ),
    ];
    scene.apply(&bad.concat()).await;
    let of = "Membership";
    all_invalid(
        &scene,
        &[
            (of, "no-account", "AccountNotFound", &["spec.accountRef", "no Account \"acne\" in namespace \"$it\""]),
            (of, "no-role", "RoleNotFound", &["spec.roleRef", "no predefined role \"clark\""]),
            (of, "other-kind", "RoleNotFound", &["no Role \"clerk\"", "set kind: PredefinedRole"]),
            (of, "no-group", "GroupNotFound", &["spec.groupRefs", "no UserGroup \"dusk\""]),
            (of, "no-restriction", "RestrictionNotFound", &["spec.restrictions", "no restriction \"no-order\""]),
            (of, "owners-role", "RoleNotAvailable", &["spec.roleRef", "\"owner\" is held by the account's owner only"]),
            (of, "partners-role", "RoleNotAvailable", &["of type Partner, and this one is Standalone"]),
            (of, "unconfirmed", "ConfirmationMissing", &["spec.restrictions.lift", "with spec.acknowledge: [managed]"]),
            (of, "no-address", "AddressInvalid", &["spec.user.email", "is no domain name"]),
            // The first reason of the table, and a message that names all.
            (
                of,
                "much",
                "RoleNotFound",
                &[
                    "\"clark\"; did you mean \"clerk\"?; GroupNotFound: ",
                    "\"dusk\"; did you mean \"desk\"?; RestrictionNotFound: ",
                    "no-order",
                ],
            ),
        ],
    )
    .await;
    // An invalid part contributes nothing, and the rest counts.
    all_views(
        &scene,
        &[
            ("nora@acme.example", "orders=View payments=Denied reports=None"),
            ("no-role@acme.example", "orders=None payments=Denied reports=View"),
            ("other-kind@acme.example", "orders=None payments=Denied reports=None"),
            ("no-group@acme.example", "orders=View payments=Denied reports=View"),
            ("owners-role@acme.example", "orders=None payments=Denied reports=None"),
            ("partners-role@acme.example", "orders=None payments=Denied reports=View"),
            ("unconfirmed@acme.example", "orders=Edit payments=Denied reports=View"),
            // An unknown restriction could only take away: until it is known, nobody gets access.
            ("no-restriction@acme.example", ""),
            ("much@acme.example", ""),
        ],
    )
    .await;
    scene.ready("Membership", "nora").await;
    scene.ready("UserGroup", "desk").await;
    scene.ready("Account", "acme").await;
    // Once fixed, it counts at once.
    scene.patch("Membership", "unconfirmed", json!({"spec": {"acknowledge": ["managed"]}})).await;
    scene.patch("Membership", "no-restriction", json!({"spec": {"restrictions": {"apply": ["no-orders"]}}})).await;
    scene.ready("Membership", "unconfirmed").await;
    scene.ready("Membership", "no-restriction").await;
    all_views(
        &scene,
        &[
            ("unconfirmed@acme.example", "orders=Edit payments=Allowed reports=View"),
            ("no-restriction@acme.example", "orders=None payments=Denied reports=None"),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_unknown_restriction_keeps_a_member_at_what_it_holds() {
    let scene = Scene::new("at-most").await;
    scene.apply(CATALOG).await;
    scene.ready("Membership", "nora").await;
    scene.wait_view("nora@acme.example", "orders=View payments=Denied reports=None").await;
    let more = json!({"spec": {"roleRef": {"name": "manager"}, "restrictions": {"apply": ["no-order"]}}});
    scene.patch("Membership", "nora", more).await;
    let status = scene.invalid("Membership", "nora", "RestrictionNotFound", &["\"no-order\""]).await;
    assert_eq!(status["effectivePermissions"], json!({"orders": "View"}));
    scene.wait_view("nora@acme.example", "orders=View payments=Denied reports=None").await;
    scene.patch("Membership", "nora", json!({"spec": {"restrictions": null}})).await;
    let status = scene.ready("Membership", "nora").await;
    assert_eq!(status["effectivePermissions"], json!({"orders": "Edit", "reports": "View"}));
    assert_eq!(status["restrictions"], json!(["managed"]));
    scene.wait_view("nora@acme.example", "orders=Edit payments=Denied reports=View").await;
}

const STRICT: &str = "
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: $it-strict}
spec:
  sections: [{name: orders, levels: [None, View, Edit]}]
  roles: [{name: clerk, permissions: {orders: View}}]
  members: {role: Required, groups: Forbidden}
  customRoles: {allowed: false}
---
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: acme}
spec: {catalogRef: {name: $it-strict}, storeRef: {name: $it}}
---
apiVersion: roster.dev/v1alpha1
kind: UserGroup
metadata: {name: desk}
spec: {accountRef: {name: acme}, permissions: {orders: Edit}}
---
apiVersion: roster.dev/v1alpha1
kind: Role
metadata: {name: own}
spec: {accountRef: {name: acme}, permissions: {orders: Edit}}
---
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: $it-invited}
spec:
  sections: [{name: orders, levels: [None, View, Edit]}]
  roles: [{name: clerk, permissions: {orders: View}}]
  members: {direct: ByInvitationOnly}
  invitations: {requiresPlanFeature: committed-spend}
---
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: hobby}
spec: {catalogRef: {name: $it-invited}, storeRef: {name: $it}}
---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: direct}
spec: {accountRef: {name: hobby}, user: {email: direct@hobby.example}, roleRef: {name: clerk}}
---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: pretends}
spec: {accountRef: {name: hobby}, user: {email: p@hobby.example}, roleRef: {name: clerk}, invitationRef: {name: never}}
---
apiVersion: roster.dev/v1alpha1
kind: Invitation
metadata: {name: unpaid}
spec: {accountRef: {name: hobby}, email: new@hobby.example, roleRef: {name: clerk}}
";

#[tokio::test]
async fn the_catalogs_rules_for_members_are_kept() {
    let scene = Scene::new("rules-for-members").await;
    scene.apply(STRICT).await;
    let members = [
        member("nora", "roleRef: {name: clerk}"),
        member("bare", "suspended: false"),
        member("grouped", "roleRef: {name: clerk}, groupRefs: [{name: desk}]"),
        member("own", "roleRef: {kind: Role, name: own}"),
    ];
    scene.apply(&members.concat()).await;
    let cases: [Case<'_>; 8] = [
        ("Membership", "bare", "RoleRequired", &["spec.roleRef", "requires every member to have a role"]),
        ("Membership", "grouped", "GroupsForbidden", &["spec.groupRefs", "give the user a role instead"]),
        ("Membership", "own", "RoleNotAvailable", &["spec.roleRef", "Role \"own\" is invalid (RoleNotAvailable)"]),
        ("Membership", "direct", "InvitationRequired", &["by invitation only; create an Invitation instead"]),
        ("Membership", "pretends", "InvitationRequired", &["spec.invitationRef", "no accepted Invitation \"never\""]),
        ("UserGroup", "desk", "GroupsForbidden", &["the catalog forbids groups (spec.members.groups)"]),
        ("Role", "own", "RoleNotAvailable", &["spec.customRoles.allowed is false"]),
        ("Invitation", "unpaid", "PlanNotEligible", &["\"committed-spend\"", "account \"hobby\""]),
    ];
    all_invalid(&scene, &cases).await;
    scene.ready("Membership", "nora").await;
    scene.ready("Account", "acme").await;
    scene.ready("Account", "hobby").await;
    all_views(
        &scene,
        &[
            ("nora@acme.example", "orders=View"),
            ("bare@acme.example", "orders=None"),
            ("grouped@acme.example", "orders=View"),
            ("own@acme.example", "orders=None"),
        ],
    )
    .await;
    for email in ["direct@hobby.example", "p@hobby.example"] {
        let seen = crate::support::view(&scene.file(), &scene.account("hobby"), email).await;
        assert!(seen.values().all(|level| level == "None"), "{email}: {seen:?}");
    }
}

#[tokio::test]
async fn an_invitation_is_checked_as_a_membership_is() {
    let scene = Scene::new("invitations").await;
    scene.apply(CATALOG).await;
    let invitation = |name: &str, account: &str, email: &str, role: &str| {
        format!(
            "
apiVersion: roster.dev/v1alpha1
kind: Invitation
metadata: {{name: {name}}}
spec: {{accountRef: {{name: {account}}}, email: \"{email}\", roleRef: {{name: {role}}}}}
---"
        )
    };
    let invitations = [
        invitation("good", "acme", "new@acme.example", "clerk"),
        invitation("no-account", "acne", "new@acme.example", "clerk"),
        invitation("no-role", "acme", "new@acme.example", "clark"),
        invitation("owners-role", "acme", "new@acme.example", "owner"),
        invitation("owner", "acme", "OLGA@ACME.example", "clerk"),
        invitation("no-address", "acme", &format!("new@{}.example", "a".repeat(64)), "clerk"),
    ];
    scene.apply(&invitations.concat()).await;
    let of = "Invitation";
    all_invalid(
        &scene,
        &[
            (of, "no-account", "AccountNotFound", &["spec.accountRef", "\"acne\""]),
            (of, "no-role", "RoleNotFound", &["spec.roleRef", "\"clark\""]),
            (of, "owners-role", "RoleNotAvailable", &["held by the account's owner only"]),
            (of, "owner", "OwnerIsMember", &["spec.email", "olga@acme.example is the account's owner"]),
            (of, "no-address", "AddressInvalid", &["spec.email", "is no domain name"]),
        ],
    )
    .await;
    let status = scene.wait(of, "good", "Valid", "True Resolved").await;
    assert_eq!(status["phase"], "Pending");
    // Nobody is invited by it, and no waiting helps.
    let stalled = find(&status, "Stalled").expect("Stalled");
    assert_eq!(stalled.reason, "NotDelivered", "{status:#}");
    assert_eq!(find(&status, "Reconciling"), None);
    // It grants nothing before it is accepted.
    scene.ready("Membership", "nora").await;
    assert!(scene.view("new@acme.example").await.is_empty());
    let account = scene.ready("Account", "acme").await;
    assert_eq!(account["members"], 2, "{account:#}");
}
