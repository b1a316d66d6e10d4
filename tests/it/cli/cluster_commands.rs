//! Tests `status`, `block`, `unblock` and `review` with the real controller.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{ControlPlane, PATIENCE, SYSTEM, Scene, eventually_or, find};

/// Runs `roster`, and returns exit code, standard output and standard error.
pub async fn roster(arguments: &[&str]) -> (i32, String, String) {
    roster_as(ControlPlane::shared().await.kubeconfig(), arguments).await
}

async fn roster_as(kubeconfig: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roster"));
    command.args(arguments).env("KUBECONFIG", kubeconfig).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("roster runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("not killed"), text(output.stdout), text(output.stderr))
}

const CATALOG: &str = "
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: $it}
spec:
  sections:
  - {name: orders, levels: [Hide, View, Edit]}
  - {name: users}
  roles:
  - {name: owner, heldBy: AccountOwner, allPermissions: true}
  - {name: admin, permissions: {orders: Edit}}
  - {name: viewer, permissions: {orders: View}}
  ownerRole: owner
  administration:
  - {action: EditMembers, roles: [owner, admin]}
---
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: acme}
spec: {catalogRef: {name: $it}, storeRef: {name: $it}, owner: {email: olga@acme.example}}
---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: ann}
spec: {accountRef: {name: acme}, user: {email: ann@acme.example}, roleRef: {name: admin}}
---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: bob}
spec: {accountRef: {name: acme}, user: {email: bob@acme.example}, roleRef: {name: viewer}}
";

const NONE: &str = "orders=Hide users=Denied";
const ALL: &str = "orders=Edit users=Allowed";

/// An account with an owner, an administrator and a viewer, all of it ready.
async fn scene(prefix: &str) -> Scene {
    let scene = Scene::new(prefix).await;
    scene.apply(CATALOG).await;
    for name in ["ann", "bob"] {
        scene.ready("Membership", name).await;
    }
    scene.ready("Account", "acme").await;
    scene.ready("IdentityStore", "$it").await;
    scene.ready("PermissionCatalog", "$it").await;
    scene
}

#[tokio::test]
async fn a_healthy_account_is_ready_and_an_unhealthy_one_says_why() {
    let scene = scene("cli-status").await;
    let (code, out, err) = roster(&["status", "-n", scene.name()]).await;
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    for text in ["leads since", &scene.account("acme"), "Everything is ready."] {
        assert!(out.contains(text), "no {text:?} in {out}");
    }
    assert!(!out.contains("Not ready"), "{out}");

    scene
        .apply(
            "{apiVersion: roster.dev/v1alpha1, kind: Membership, metadata: {name: eve}, spec: {accountRef: {name: acme}, \
             user: {email: eve@acme.example}, roleRef: {name: superwoman}}}",
        )
        .await;
    scene.invalid("Membership", "eve", "RoleNotFound", &["superwoman"]).await;
    let (code, out, _) = roster(&["status", "-n", scene.name()]).await;
    assert_eq!(code, 1, "{out}");
    assert!(out.contains(&format!("Membership {}/eve", scene.name())) || out.contains("RoleNotFound"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
    assert!(out.lines().count() <= 50, "more than a screen: {out}");
    let (_, after) = out.split_once("What to do").unwrap_or_else(|| panic!("{out}"));
    assert!(after.contains("RoleNotFound  apply the role, or correct its name"), "{out}");
    assert!(
        out.starts_with("Not everything is ready: 1 object not ready, the longest for "),
        "what matters first: {out}"
    );
    assert!(after.contains("\nAccess\n2 Active, 1 Invalid\n"), "{out}");
    let (code, out, _) = roster(&["status", "-n", scene.name(), "-o", "json"]).await;
    let status: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &status["apiVersion"]), (1, &json!("cli.roster.dev/v1")));
    let eve = &status["notReady"][0];
    assert_eq!(
        (&eve["kind"], &eve["name"], &eve["reason"]),
        (&json!("Membership"), &json!("eve"), &json!("RoleNotFound"))
    );
    assert!(eve["since"].is_string() && eve["remedy"].is_string(), "{eve:#}");
    let members = status["objects"].as_array().unwrap().iter().find(|kind| kind["kind"] == "Membership").unwrap();
    assert_eq!((&members["total"], &members["ready"]), (&json!(3), &json!(2)), "{status:#}");
    assert_eq!(status["stores"].as_array().unwrap().len(), 1, "only what the namespace uses: {status:#}");

    let (code, _, err) = roster(&["status", "--context", "nowhere"]).await;
    assert_eq!(code, 2, "{err}");
}

#[tokio::test]
async fn without_rights_on_leases_status_says_so_and_reports_no_success() {
    let scene = scene("cli-unseen").await;
    let plane = ControlPlane::shared().await;
    let (user, role) = (format!("{}-tina", scene.name()), format!("{}-reader", scene.name()));
    let kinds = "permissioncatalogs,identitystores,accounts,accessroles,usergroups,memberships,invitations";
    let create = ["create", "clusterrole", &role, "--verb=get,list", &format!("--resource={kinds}")];
    plane.kubectl_ok(&create, None).await;
    let bind = ["create", "clusterrolebinding", &role, &format!("--clusterrole={role}"), &format!("--user={user}")];
    plane.kubectl_ok(&bind, None).await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, plane.kubeconfig_of(&user, &[]).await).unwrap();
    let (code, out, err) = roster_as(&kubeconfig, &["status", "-n", scene.name()]).await;
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("All visible objects are ready; the leader is unknown."), "{out}");
    let (code, out, _) = roster_as(&kubeconfig, &["status", "-n", scene.name(), "--store-namespace", SYSTEM]).await;
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("Not everything is ready: the leader is unknown.")
            && out.contains("cannot list resource \"leases\""),
        "{out}"
    );
    for kind in ["clusterrolebinding", "clusterrole"] {
        plane.kubectl_ok(&["delete", kind, &role], None).await;
    }
}

#[tokio::test]
async fn held_removals_come_with_their_approval() {
    let scene = scene("cli-guard").await;
    scene.apply("{apiVersion: roster.dev/v1alpha1, kind: Role, metadata: {name: staff}, spec: {accountRef: {name: acme}, permissions: {orders: View}}}").await;
    let names = ["cid", "dan", "eva", "fay", "gus", "hal"];
    for name in names {
        scene
            .apply(&format!(
                "{{apiVersion: roster.dev/v1alpha1, kind: Membership, metadata: {{name: {name}}}, spec: {{accountRef: \
                 {{name: acme}}, user: {{email: {name}@acme.example}}, roleRef: {{kind: Role, name: staff}}}}}}"
            ))
            .await;
    }
    for name in names {
        scene.ready("Membership", name).await;
    }
    scene.delete("Role", "staff").await;
    scene.wait("Account", "acme", "Synced", "False RemovalGuarded").await;
    // The objects say that they are gone; an answer from the objects alone warns that the store may differ.
    let (_, _, err) = roster(&["who-can", "Edit", "orders", "-n", scene.name()]).await;
    let note = format!("the store may differ: Account {} is RemovalGuarded", scene.account("acme"));
    assert!(err.contains(&note), "{err}");
    let (code, out, _) = roster(&["status", "-n", scene.name()]).await;
    assert_eq!(code, 1, "{out}");
    let command = format!("kubectl annotate -n {} acct acme --overwrite roster.dev/approve-removal=", scene.name());
    let hash = out.split(&command).nth(1).unwrap_or_else(|| panic!("{out}"));
    let hash = hash.split_whitespace().next().unwrap();
    scene.patch("Account", "acme", json!({"metadata": {"annotations": {"roster.dev/approve-removal": hash}}})).await;
    scene.wait("Account", "acme", "Synced", "True").await;
}

#[tokio::test]
async fn a_block_is_in_force_for_members_and_owners_when_it_says_so() {
    let scene = scene("cli-block").await;
    let store = ["--identity-store", scene.name()];
    let file = scene.file();
    for (email, had) in [("ann@acme.example", "orders=Edit users=Denied"), ("olga@acme.example", ALL)] {
        scene.wait_view(email, had).await;
        let asked = email.to_uppercase();
        let (code, out, err) = roster(&["block", &asked, "--reason", "laptop stolen", store[0], store[1]]).await;
        // Not waited for: it holds now.
        let none: Vec<String> =
            scene.view(email).await.iter().map(|(section, level)| format!("{section}={level}")).collect();
        assert_eq!(none.join(" "), NONE, "{out}{err}");
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.contains(&format!("{email} has no access in store {}", scene.name())), "{out}");
    }
    let blocked = scene.get("IdentityStore", "$it").await;
    let entry = json!({"email": "olga@acme.example", "reason": "laptop stolen"});
    assert_eq!(blocked.data["spec"]["blocked"][1], entry, "{:#}", blocked.data);
    let bob: Vec<String> = scene.view("bob@acme.example").await.into_values().collect();
    assert_eq!(bob, ["View", "Denied"]);

    // Again changes nothing.
    let (code, out, _) = roster(&["block", "ann@acme.example", "--reason", "again", store[0], store[1]]).await;
    assert!(code == 0 && out.contains("was blocked already"), "{out}");
    let again = scene.get("IdentityStore", "$it").await;
    assert_eq!(again.metadata.generation, blocked.metadata.generation);
    assert!(file.exists());

    for (email, has) in [("ann@acme.example", "orders=Edit users=Denied"), ("olga@acme.example", ALL)] {
        let (code, out, err) = roster(&["unblock", email, store[0], store[1]]).await;
        assert_eq!(code, 0, "{out}{err}");
        let seen: Vec<String> =
            scene.view(email).await.iter().map(|(section, level)| format!("{section}={level}")).collect();
        assert_eq!(seen.join(" "), has, "{out}");
    }
    let (code, out, _) = roster(&["unblock", "ann@acme.example", store[0], store[1]]).await;
    assert!(code == 0 && out.contains("was not blocked"), "{out}");
    let (code, _, err) =
        roster(&["block", "ann@acme.example", "--reason", "x", "--identity-store", "no-such-store"]).await;
    assert!(code == 2 && err.contains("there is no IdentityStore \"no-such-store\""), "{err}");
}

#[tokio::test]
async fn a_block_that_is_not_in_force_is_not_reported() {
    let scene = scene("cli-unheld").await;
    // A member whom another cluster admitted: the controller leaves the row in any case.
    for sql in [
        "INSERT INTO owners (cluster, account, uid) VALUES ('elsewhere', '$it/acme', 'other')",
        "INSERT INTO marks (account_id, kind, name, owner_id, fingerprint) SELECT account_ids.id, 'member', \
         'mallory@evil.example', owners.id, zeroblob(16) FROM account_ids, owners WHERE owners.cluster = 'elsewhere'",
        "INSERT INTO members (account_id, email, ranks) SELECT id, 'mallory@evil.example', '20' FROM account_ids",
    ] {
        assert_eq!(scene.tamper(sql).await, 1, "{sql}");
    }
    let block = ["block", "mallory@evil.example", "--reason", "x", "--timeout", "1s", "--identity-store", scene.name()];
    let (code, out, err) = roster(&block).await;
    assert_eq!(code, 1, "{out}{err}");
    eventually_or(PATIENCE, "the status to name the account".to_owned(), async || {
        let store = scene.get("IdentityStore", "$it").await;
        let status = &store.data["status"];
        let named = status["blockedWithAccess"][0] == format!("{} mallory@evil.example", scene.account("acme"));
        if named && status["blockedInForce"].is_null() { Ok(()) } else { Err(format!("{status:#}")) }
    })
    .await;
    let (code, out, _) = roster(&["status", "-n", scene.name()]).await;
    assert!(code == 1 && out.contains("not in force"), "{out}");
    scene.tamper("DELETE FROM members WHERE email = 'mallory@evil.example'").await;
    let mut longer = block;
    longer[5] = "60s";
    scene.patch("IdentityStore", "$it", json!({"spec": {"accountDefaults": {"drift": {"checkEvery": "10m"}}}})).await;
    let (code, out, err) = roster(&longer).await;
    assert_eq!(code, 0, "{out}{err}");
}

#[tokio::test]
async fn a_review_of_a_cluster_reads_its_store() {
    let scene = scene("cli-review").await;
    scene.patch("Membership", "bob", json!({"spec": {"suspended": true}})).await;
    scene.wait_view("bob@acme.example", NONE).await;
    let sql = "INSERT INTO members (account_id, email, ranks) SELECT id, 'mallory@evil.example', '20' FROM account_ids";
    assert_eq!(scene.tamper(sql).await, 1);
    let file = scene.file();
    let review = ["review", "-n", scene.name(), "--store", file.to_str().unwrap(), "--since", "1h", "-o", "json"];
    let (code, out, err) = roster(&review).await;
    assert_eq!(code, 0, "{out}{err}");
    let review: Value = serde_json::from_str(&out).expect("JSON");
    let account = &review["accounts"][0];
    assert_eq!(account["account"], scene.account("acme"));
    assert_eq!(account["undeclared"][0]["email"], "mallory@evil.example", "{account:#}");
    let bob = &account["ended"][0];
    assert_eq!((&bob["email"], &bob["reason"]), (&json!("bob@acme.example"), &json!("Suspended")));
    assert!(bob["since"].is_string(), "by the audit: {bob:#}");
    let strong: Vec<&str> =
        account["strongest"].as_array().unwrap().iter().filter_map(|one| one["email"].as_str()).collect();
    // As the store grants it, also to people whom no object declares.
    assert_eq!(strong, ["olga@acme.example", "ann@acme.example", "mallory@evil.example"]);
    let changes = account["changes"].as_array().unwrap();
    let last = changes.last().expect("changes");
    assert_eq!((&last["object"], &last["why"]), (&json!("bob@acme.example"), &json!("spec: Membership bob@2")));
    // A store that is not at the expected place is reported.
    let (code, out, _) = roster(&["review", "-n", scene.name(), "--store", "/nonexistent/roster.db"]).await;
    assert!(code == 1 && out.contains("Stores not read"), "{out}");
    let ready = scene.get("Account", "acme").await;
    assert!(find(&ready.data["status"], "Ready").is_some());
}
