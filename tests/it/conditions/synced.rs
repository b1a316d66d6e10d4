//! Tests every reason of `Synced` that an embedded store can cause. `lifecycle/stores` and
//! `lifecycle/operator` test stores that cannot be used.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{Scene, find};

const SCENE: &str = "
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: $it}
spec:
  sections: [{name: orders, levels: [None, View, Edit]}]
  roles: [{name: clerk, permissions: {orders: View}}]
---
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: acme}
spec: {catalogRef: {name: $it}, storeRef: {name: $it}}
---
apiVersion: roster.dev/v1alpha1
kind: Role
metadata: {name: night}
spec: {accountRef: {name: acme}, permissions: {orders: View}}
---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: dana}
spec: {accountRef: {name: acme}, user: {email: dana@acme.example}, roleRef: {name: clerk}}
---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: nora}
spec: {accountRef: {name: acme}, user: {email: nora@acme.example}, roleRef: {name: clerk}}
---
";

/// A Membership whose address is made of its name.
fn member(name: &str, role: &str) -> String {
    format!(
        "
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {{name: {name}}}
spec: {{accountRef: {{name: acme}}, user: {{email: {name}@acme.example}}, roleRef: {role}}}
---"
    )
}

/// Returns whether these kstatus conditions exist.
fn kstatus(status: &Value) -> (bool, bool) {
    (find(status, "Reconciling").is_some(), find(status, "Stalled").is_some())
}

async fn scene(prefix: &str) -> Scene {
    let scene = Scene::new(prefix).await;
    scene.apply(SCENE).await;
    scene.ready("Account", "acme").await;
    scene.ready("Membership", "dana").await;
    scene.ready("Membership", "nora").await;
    scene
}

#[tokio::test]
async fn written_objects_are_applied_and_existing_ones_in_sync() {
    let scene = scene("in-sync").await;
    for (kind, name) in [("Membership", "dana"), ("Role", "night"), ("Account", "acme")] {
        let status = scene.wait(kind, name, "Synced", "True Applied").await;
        assert_eq!(kstatus(&status), (false, false), "{status:#}");
    }
    let store = scene.wait("IdentityStore", "$it", "Synced", "True InSync").await;
    assert_eq!(store["capabilities"], json!(["Audit", "Fencing", "TimeWindows", "Transactions"]));
    // After its status is deleted, the pass finds the content in the store.
    let api = crate::support::api(&scene.client, "Membership", scene.name());
    let forget = kube::api::Patch::Merge(json!({"status": null}));
    api.patch_status("dana", &kube::api::PatchParams::default(), &forget).await.unwrap();
    let status = scene.wait("Membership", "dana", "Synced", "True InSync").await;
    assert_eq!(find(&status, "Ready").unwrap().status, "True");
}

#[tokio::test]
async fn drift_that_is_only_reported() {
    let scene = scene("drift-reported").await;
    let report = json!({"spec": {"accountDefaults": {"drift": {"policy": "Report"}}}});
    scene.patch("IdentityStore", "$it", report).await;
    scene.tamper("UPDATE members SET ranks = '2' WHERE email = 'dana@acme.example'").await;
    scene.check_now().await;
    let status = scene.wait("Membership", "dana", "Synced", "False DriftReported").await;
    let drifted = find(&status, "Drifted").expect("a Drifted condition");
    assert_eq!(drifted.status, "True");
    assert_eq!(drifted.message, "dana@acme.example has the level Edit in section orders, not View");
    assert_eq!(find(&status, "Ready").unwrap().reason, "DriftReported");
    assert_eq!(find(&status, "Valid").unwrap().status, "True");
    assert_eq!(status["drift"]["count"], 1);
    let account = scene.wait("Account", "acme", "Synced", "False DriftReported").await;
    assert_eq!(find(&account, "Ready").unwrap().status, "False");
    scene.ready("Membership", "nora").await;
    // Roster did not change it. Once the store is correct again, it is ready.
    scene.wait_view("dana@acme.example", "orders=Edit").await;
    scene.tamper("UPDATE members SET ranks = '1' WHERE email = 'dana@acme.example'").await;
    scene.check_now().await;
    scene.ready("Membership", "dana").await;
    scene.ready("Account", "acme").await;
}

#[tokio::test]
async fn content_of_others_is_not_adopted() {
    let scene = scene("not-owned").await;
    scene
        .tamper(
            "INSERT INTO members (account_id, email, ranks)
             SELECT id, 'eve@acme.example', '2' FROM account_ids WHERE key = '$it/acme'",
        )
        .await;
    scene.apply(&member("eve", "{name: clerk}")).await;
    let status = scene.wait("Membership", "eve", "Synced", "False NotOwned").await;
    let message = find(&status, "Synced").unwrap().message;
    for text in ["eve@acme.example exists in the store without the mark of this Account", "spec.adoption"] {
        assert!(message.contains(text), "{message}");
    }
    assert_eq!(find(&status, "Ready").unwrap().reason, "NotOwned");
    assert_eq!(kstatus(&status), (false, true), "{status:#}");
    assert_eq!(
        status.get("effectivePermissions"),
        None,
        "access given by others is not reported as Roster's: {status:#}"
    );
    scene.wait_view("eve@acme.example", "orders=Edit").await;
    scene.ready("Membership", "dana").await;
    scene.ready("Membership", "nora").await;
    // The platform team allows the adoption.
    scene.patch("IdentityStore", "$it", json!({"spec": {"adoption": "Always"}})).await;
    scene.ready("Membership", "eve").await;
    scene.wait_view("eve@acme.example", "orders=View").await;
}

#[tokio::test]
async fn an_account_of_another_cluster_is_never_touched() {
    let scene = scene("foreign").await;
    scene.tamper("UPDATE owners SET cluster = 'elsewhere' WHERE account = '$it/acme'").await;
    scene.patch("Membership", "dana", json!({"spec": {"suspended": true}})).await;
    let status = scene.wait("Membership", "dana", "Synced", "False NotOwned").await;
    assert_eq!(kstatus(&status), (false, true), "{status:#}");
    let account = scene.wait("Account", "acme", "Synced", "False NotOwned").await;
    assert_eq!(kstatus(&account), (false, true), "{account:#}");
    scene.wait_view("dana@acme.example", "orders=View").await;
    let cluster = cluster_id(&scene).await;
    scene.tamper(&format!("UPDATE owners SET cluster = '{cluster}' WHERE account = '$it/acme'")).await;
    scene.check_now().await;
    scene.ready("Account", "acme").await;
    scene.ready("Membership", "dana").await;
    scene.wait_view("dana@acme.example", "orders=None").await;
}

async fn cluster_id(scene: &Scene) -> String {
    let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(scene.client.clone());
    namespaces.get("kube-system").await.unwrap().metadata.uid.unwrap()
}

#[tokio::test]
async fn too_many_removals_wait_for_approval() {
    let scene = scene("guarded").await;
    let names: Vec<String> = (0..6).map(|number| format!("night-{number}")).collect();
    let members: String = names.iter().map(|name| member(name, "{kind: Role, name: night}")).collect();
    scene.apply(&members).await;
    join_all(names.iter().map(|name| scene.ready("Membership", name))).await;
    // Six of eight would have no access any more.
    scene.patch("Role", "night", json!({"spec": {"permissions": {"orders": "None"}}})).await;
    let account = scene.wait("Account", "acme", "Synced", "False RemovalGuarded").await;
    assert_eq!(kstatus(&account), (false, true), "{account:#}");
    let message = find(&account, "Synced").unwrap().message;
    let text = "6 removals are held back (night-0@acme.example, ";
    assert!(message.contains(text), "{message}");
    let marker = "set the annotation roster.dev/approve-removal=";
    let hash = message.split(marker).nth(1).unwrap_or_else(|| panic!("no {marker}: {message}"));
    let hash = hash.split_whitespace().next().unwrap();
    for name in &names {
        let status = scene.wait("Membership", name, "Synced", "False RemovalGuarded").await;
        assert_eq!(kstatus(&status), (false, true), "{status:#}");
        assert_eq!(status["effectivePermissions"], json!({"orders": "View"}), "{status:#}");
        scene.wait_view(&format!("{name}@acme.example"), "orders=View").await;
    }
    // The rest is applied.
    scene.ready("Membership", "dana").await;
    scene.apply(&member("new", "{name: clerk}")).await;
    scene.ready("Membership", "new").await;
    let approve = json!({"metadata": {"annotations": {"roster.dev/approve-removal": hash}}});
    scene.patch("Account", "acme", approve).await;
    join_all(names.iter().map(|name| scene.ready("Membership", name))).await;
    scene.ready("Account", "acme").await;
    scene.wait_view("night-0@acme.example", "orders=None").await;
}

#[tokio::test]
async fn while_paused_grants_wait_and_revocations_do_not() {
    let scene = scene("paused").await;
    let pause = |paused: &str| json!({"metadata": {"annotations": {"roster.dev/paused": paused}}});
    scene.patch("Account", "acme", pause("true")).await;
    scene.patch("Membership", "nora", json!({"spec": {"suspended": true}})).await;
    scene.apply(&member("new", "{name: clerk}")).await;
    let status = scene.wait("Membership", "new", "Synced", "False Paused").await;
    assert_eq!(find(&status, "Ready").unwrap().reason, "Paused");
    assert_eq!(kstatus(&status), (false, false), "{status:#}");
    assert!(find(&status, "Synced").unwrap().message.contains("only revocations are applied"), "{status:#}");
    scene.wait_view("nora@acme.example", "orders=None").await;
    scene.wait_view("new@acme.example", "").await;
    scene.ready("Membership", "dana").await;
    scene.patch("Account", "acme", pause("false")).await;
    scene.ready("Membership", "new").await;
    scene.ready("Membership", "nora").await;
    scene.wait_view("new@acme.example", "orders=View").await;

    scene.patch("IdentityStore", "$it", json!({"spec": {"paused": true}})).await;
    scene.wait("IdentityStore", "$it", "Synced", "False Paused").await;
    scene.patch("Membership", "dana", json!({"spec": {"roleRef": {"kind": "Role", "name": "nowhere"}}})).await;
    scene.invalid("Membership", "dana", "RoleNotFound", &["\"nowhere\""]).await;
    scene.wait_view("dana@acme.example", "orders=None").await;
    scene.patch("IdentityStore", "$it", json!({"spec": {"paused": false}})).await;
    scene.ready("IdentityStore", "$it").await;
}
