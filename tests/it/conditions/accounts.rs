//! Tests faults of an Account or a PermissionCatalog: nobody gains anything, and no other account is affected.

use futures::future::join_all;
use serde_json::json;

use super::{Case, all_invalid};
use crate::{
    cli::cluster_commands::roster,
    support::{ControlPlane, Scene, find, view},
};

const CATALOG: &str = "
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: $it}
spec:
  sections: [{name: orders, levels: [None, View, Edit]}]
  roles: [{name: clerk, permissions: {orders: View}}]
---
";

/// An Account and its one member, of the same name.
fn account(name: &str, fields: &str) -> String {
    format!(
        "
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {{name: {name}}}
spec: {{{fields}}}
---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {{name: {name}}}
spec: {{accountRef: {{name: {name}}}, user: {{email: dana@acme.example}}, roleRef: {{name: clerk}}}}
---"
    )
}

#[tokio::test]
async fn an_invalid_account_and_its_members_report_the_error() {
    let scene = Scene::new("accounts").await;
    scene.apply(CATALOG).await;
    let other = "
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: $it-elsewhere}
spec:
  allowedNamespaces: {from: Selector, selector: {matchLabels: {tier: $it}}}
  sections: [{name: orders}]
---
apiVersion: roster.dev/v1alpha1
kind: IdentityStore
metadata: {name: $it-elsewhere}
spec:
  sqlite: {file: $it-elsewhere.db}
  allowedNamespaces: {from: Selector, selector: {matchLabels: {tier: $it}}}
---
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: $it-broken}
spec:
  sections: [{name: orders}]
  roles: [{name: clerk, permissions: {order: Allowed}}]
---
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: $it-owned}
spec:
  sections: [{name: orders}]
  roles: [{name: clerk}, {name: owner, heldBy: AccountOwner, allPermissions: true}]
  ownerRole: owner
---";
    let long = format!("owner: {{email: olga@{}.example}}", "a".repeat(64));
    let accounts = [
        other.to_owned(),
        account("good", "catalogRef: {name: $it}, storeRef: {name: $it}"),
        account("no-catalog", "catalogRef: {name: $it-gone}, storeRef: {name: $it}"),
        account("no-store", "catalogRef: {name: $it}, storeRef: {name: $it-gone}"),
        account("nothing", "catalogRef: {name: $it-gone}, storeRef: {name: $it-gone}"),
        account("catalog-elsewhere", "catalogRef: {name: $it-elsewhere}, storeRef: {name: $it}"),
        account("store-elsewhere", "catalogRef: {name: $it}, storeRef: {name: $it-elsewhere}"),
        account("broken", "catalogRef: {name: $it-broken}, storeRef: {name: $it}"),
        account("ownerless", "catalogRef: {name: $it-owned}, storeRef: {name: $it}"),
        account("no-address", &format!("catalogRef: {{name: $it-owned}}, storeRef: {{name: $it}}, {long}")),
    ];
    scene.apply(&accounts.concat()).await;
    let cases: [Case<'_>; 8] = [
        ("Account", "no-catalog", "CatalogNotFound", &["spec.catalogRef", "no PermissionCatalog \"$it-gone\""]),
        ("Account", "no-store", "StoreNotFound", &["spec.storeRef", "no IdentityStore \"$it-gone\""]),
        ("Account", "nothing", "CatalogNotFound", &["spec.catalogRef", "; StoreNotFound: spec.storeRef"]),
        (
            "Account",
            "catalog-elsewhere",
            "NamespaceNotAllowed",
            &["spec.catalogRef", "namespace \"$it\", which needs labels tier=$it"],
        ),
        (
            "Account",
            "store-elsewhere",
            "NamespaceNotAllowed",
            &["spec.storeRef", "namespace \"$it\", which needs labels tier=$it"],
        ),
        ("Account", "broken", "CatalogInvalid", &["\"$it-broken\" breaks its own rules", "roles[clerk].permissions"]),
        ("Account", "ownerless", "OwnerMissing", &["spec.owner", "owner role \"owner\""]),
        ("Account", "no-address", "AddressInvalid", &["spec.owner.email", "is no domain name"]),
    ];
    all_invalid(&scene, &cases).await;
    // An error of the account as a whole is reported on every object in it; only granted permissions are shown.
    for (_, name, reason, _) in &cases[..6] {
        scene.invalid("Membership", name, reason, &[&format!("account \"{name}\": ")]).await;
        let status = scene.get("Account", name).await.data["status"].clone();
        assert!(find(&status, "Synced").is_none_or(|synced| synced.status != "True"), "{name}: {status:#}");
        let seen = view(&scene.file(), &scene.account(name), "dana@acme.example").await;
        assert!(seen.is_empty(), "{name}: {seen:?}");
    }
    // An account without its owner is otherwise whole.
    scene.ready("Membership", "ownerless").await;
    scene.ready("Account", "good").await;
    scene.ready("Membership", "good").await;
    let seen = view(&scene.file(), &scene.account("good"), "dana@acme.example").await;
    assert_eq!(seen["orders"], "View");
    scene
        .invalid("PermissionCatalog", "$it-broken", "CatalogInvalid", &["spec.roles[clerk].permissions", "\"order\""])
        .await;

    // A namespace that gets the label is let in without any other event.
    let label = format!("tier={}", scene.name());
    ControlPlane::shared().await.kubectl_ok(&["label", "namespace", scene.name(), &label], None).await;
    scene.ready("Account", "store-elsewhere").await;
    scene.ready("Account", "catalog-elsewhere").await;
    scene.ready("Membership", "store-elsewhere").await;
}

/// The store is created after the account that names it.
#[tokio::test]
async fn kubectl_shows_that_the_store_of_an_account_does_not_exist() {
    let scene = Scene::new("no-store").await;
    scene.apply(CATALOG).await;
    scene.apply(&account("acme", "catalogRef: {name: $it}, storeRef: {name: $it-late}")).await;
    let late = format!("{}-late", scene.name());
    scene.invalid("Membership", "acme", "StoreNotFound", &[&format!("no IdentityStore \"{late}\"")]).await;
    scene.invalid("Account", "acme", "StoreNotFound", &["spec.storeRef"]).await;
    let shown = async |what: &str| {
        let shown = ControlPlane::shared().await.kubectl_ok(&["get", "-n", scene.name(), what, "acme"], None).await;
        shown.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>().join(" ")
    };
    let accounts = shown("accounts").await;
    assert!(accounts.starts_with("NAME CATALOG STORE MEMBERS DRIFTED READY REASON AGE acme "), "{accounts}");
    assert!(accounts.contains(&format!("acme {} {late}", scene.name())), "{accounts}");
    assert!(accounts.contains(" False StoreNotFound "), "{accounts}");
    let members = shown("memberships").await;
    assert!(members.contains(" False StoreNotFound ") && !members.contains("Active"), "{members}");
    let (code, out, _) = roster(&["status", "-n", scene.name()]).await;
    assert!(code == 1 && out.contains("StoreNotFound") && out.contains(&late), "{out}");
    let (code, out, _) = roster(&["plan", "-n", scene.name()]).await;
    assert!(code != 0, "{out}");

    scene
        .apply("{apiVersion: roster.dev/v1alpha1, kind: IdentityStore, metadata: {name: $it-late}, spec: {sqlite: {file: $it-late.db}}}")
        .await;
    scene.ready("Account", "acme").await;
    scene.ready("Membership", "acme").await;
}

#[tokio::test]
async fn every_refusal_by_a_parent_has_the_same_message() {
    let scene = Scene::new("parents").await;
    scene.apply(CATALOG).await;
    let parent = |name: &str, fields: &str| {
        account(name, &format!("catalogRef: {{name: $it}}, storeRef: {{name: $it}}, {fields}"))
    };
    let child = |name: &str, parent: &str| {
        let fields = format!("catalogRef: {{name: $it}}, storeRef: {{name: $it}}, parentRef: {{name: {parent}}}");
        account(name, &fields)
    };
    let selector = "allowedNamespaces: {from: Selector, selector: {matchLabels: {nobody: has}}}";
    let accounts = [
        parent("admits", "partner: true, managedAccounts: {}"),
        parent("asks", "partner: true, managedAccounts: {needApproval: true}"),
        parent("no-partner", "partner: false"),
        parent("manages-none", "partner: true"),
        parent("elsewhere", &format!("partner: true, managedAccounts: {{{selector}}}")),
        parent("other-catalog", "partner: true, managedAccounts: {catalogs: [some-other]}"),
        child("of-admits", "admits"),
        child("of-asks", "asks"),
        child("of-no-partner", "no-partner"),
        child("of-manages-none", "manages-none"),
        child("of-elsewhere", "elsewhere"),
        child("of-other-catalog", "other-catalog"),
        child("of-of-admits", "of-admits"),
        child("of-nobody", "nobody"),
    ];
    scene.apply(&accounts.concat()).await;
    let refused = ["no-partner", "manages-none", "elsewhere", "other-catalog", "of-admits", "nobody"];
    let messages = refused.map(async |parent| {
        let name = format!("of-{parent}");
        let status = scene.invalid("Account", &name, "ParentNotAllowed", &["spec.parentRef", "partner account"]).await;
        scene.invalid("Membership", &name, "ParentNotAllowed", &[]).await;
        assert!(view(&scene.file(), &scene.account(&name), "dana@acme.example").await.is_empty(), "{name}");
        let message = find(&status, "Valid").unwrap().message;
        message.replacen(&scene.account(parent), "the parent", 1)
    });
    let messages = join_all(messages).await;
    assert!(
        messages.iter().all(|message| *message == messages[0]),
        "something about the parent is revealed: {messages:#?}"
    );
    scene.ready("Account", "of-admits").await;
    scene.ready("Membership", "of-admits").await;

    let says: &[&str] =
        &["waits for approval", "Account $it/asks must list this account in spec.managedAccounts.approved"];
    scene.invalid("Account", "of-asks", "ApprovalPending", says).await;
    scene.invalid("Membership", "of-asks", "ApprovalPending", says).await;
    let seen = view(&scene.file(), &scene.account("of-asks"), "dana@acme.example").await;
    assert!(seen.values().all(|level| level == "None"), "{seen:?}");
    let approved = json!([{"namespace": scene.name(), "name": "of-asks"}]);
    scene.patch("Account", "asks", json!({"spec": {"managedAccounts": {"approved": approved}}})).await;
    scene.ready("Account", "of-asks").await;
    scene.ready("Membership", "of-asks").await;
    let seen = view(&scene.file(), &scene.account("of-asks"), "dana@acme.example").await;
    assert_eq!(seen["orders"], "View");
}

#[tokio::test]
async fn an_owner_who_may_not_change_stays() {
    let scene = Scene::new("owner-stays").await;
    scene
        .apply(
            "
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: $it}
spec:
  sections: [{name: orders}]
  roles: [{name: owner, heldBy: AccountOwner, allPermissions: true}, {name: clerk}]
  ownerRole: owner
  ownerChange: Never
---
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: acme}
spec: {catalogRef: {name: $it}, storeRef: {name: $it}, owner: {email: olga@acme.example}}
---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: nora}
spec: {accountRef: {name: acme}, user: {email: nora@acme.example}, roleRef: {name: clerk}}
",
        )
        .await;
    scene.ready("Account", "acme").await;
    scene.wait_view("olga@acme.example", "orders=Allowed").await;
    scene.wait_view("nora@acme.example", "orders=Denied").await;
    scene.patch("Account", "acme", json!({"spec": {"owner": {"email": "nora@acme.example"}}})).await;
    let says: &[&str] = &["spec.owner.email", "olga@acme.example stays the owner in the store", "ownerChange: Never"];
    scene.invalid("Account", "acme", "OwnerImmutable", says).await;
    // Commands that answer from the objects say that the store has another owner.
    let ask = ["explain", "nora@acme.example", "--account", "acme", "-n", scene.name()];
    let (_, _, note) = roster(&ask).await;
    let note = note.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(note.contains("is OwnerImmutable (another owner stays in the store)"), "{note}");
    scene.wait_view("olga@acme.example", "orders=Allowed").await;
    scene.wait_view("nora@acme.example", "orders=Denied").await;
    scene.patch("PermissionCatalog", "$it", json!({"spec": {"ownerChange": "ByPlatform"}})).await;
    scene.ready("Account", "acme").await;
    scene.wait_view("olga@acme.example", "").await;
    scene.wait_view("nora@acme.example", "orders=Allowed").await;
}
