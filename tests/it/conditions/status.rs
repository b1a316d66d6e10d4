//! Tests the promises about status itself: it is written only on change, corrected if others write it, and usable with
//! `kubectl`.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::support::{ControlPlane, PATIENCE, Scene, api, eventually_or};

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
kind: UserGroup
metadata: {name: big}
spec: {accountRef: {name: acme}, permissions: {orders: View}}
---
apiVersion: roster.dev/v1alpha1
kind: UserGroup
metadata: {name: small}
spec: {accountRef: {name: acme}, permissions: {orders: View}}
---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: dana}
spec: {accountRef: {name: acme}, user: {email: dana@acme.example}, groupRefs: [{name: big}, {name: small}]}
---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: nora}
spec: {accountRef: {name: acme}, user: {email: nora@acme.example}, roleRef: {name: clerk}, groupRefs: [{name: big}]}
";

const OBJECTS: [(&str, &str); 6] = [
    ("Account", "acme"),
    ("Role", "night"),
    ("UserGroup", "big"),
    ("UserGroup", "small"),
    ("Membership", "dana"),
    ("Membership", "nora"),
];

async fn scene(prefix: &str) -> Scene {
    let scene = Scene::new(prefix).await;
    scene.apply(SCENE).await;
    for (kind, name) in OBJECTS {
        scene.ready(kind, name).await;
    }
    wait_for_members(&scene, "big", 2).await;
    wait_for_members(&scene, "small", 1).await;
    scene
}

/// The number of members follows without haste.
async fn wait_for_members(scene: &Scene, group: &str, members: i64) {
    eventually_or(PATIENCE, format!("group {group} to have {members} members"), async || {
        let status = scene.get("UserGroup", group).await.data["status"].clone();
        if status["members"] == members { Ok(()) } else { Err(format!("{status:#}")) }
    })
    .await;
}

#[tokio::test]
async fn a_check_that_finds_nothing_writes_nothing() {
    let scene = scene("no-writes").await;
    let versions = async || {
        let mut versions = Vec::new();
        for (kind, name) in OBJECTS.into_iter().filter(|(kind, name)| *kind != "Account" && *name != "nora") {
            versions.push((kind, name, scene.get(kind, name).await.metadata.resource_version));
        }
        versions
    };
    let before = versions().await;
    // A check has run as soon as it has corrected the one member that was tampered with.
    for _ in 0..3 {
        scene.tamper("UPDATE members SET ranks = '2' WHERE email = 'nora@acme.example'").await;
        scene.check_now().await;
        scene.wait_view("nora@acme.example", "orders=View").await;
    }
    scene.wait("Membership", "nora", "Drifted", "False Corrected").await;
    assert_eq!(versions().await, before);
}

#[tokio::test]
async fn an_overwritten_status_is_corrected() {
    let scene = scene("overwritten").await;
    let overwritten = [
        json!({"status": {"effectivePermissions": {"orders": "Edit"}, "restrictions": ["none"]}}),
        json!({"status": {"observedGeneration": 99}}),
        json!({"status": {"conditions": [{
            "type": "Ready", "status": "False", "reason": "Mallory", "message": "was here",
            "lastTransitionTime": "2020-01-01T00:00:00Z",
        }]}}),
        json!({"status": null}),
    ];
    for (kind, name) in OBJECTS {
        let right = plain(&scene, kind, name).await;
        for wrong in &overwritten {
            let api = api(&scene.client, kind, scene.name());
            api.patch_status(name, &PatchParams::default(), &Patch::Merge(wrong)).await.unwrap();
            eventually_or(PATIENCE, format!("the status of {kind} {name} to be right after {wrong}"), async || {
                let now = plain(&scene, kind, name).await;
                if now == right { Ok(()) } else { Err(format!("{now:#} instead of {right:#}")) }
            })
            .await;
        }
    }
}

/// A status without its times and without what tells a first pass from a later one.
async fn plain(scene: &Scene, kind: &str, name: &str) -> Value {
    let mut status = scene.get(kind, name).await.data["status"].clone();
    let Some(fields) = status.as_object_mut() else { return status };
    fields.remove("lastCheckedTime");
    for condition in fields.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        if condition["reason"] == "InSync" {
            condition["reason"] = "Applied".into();
        }
        condition.as_object_mut().unwrap().remove("lastTransitionTime");
    }
    status
}

#[tokio::test]
async fn a_new_object_does_not_read_as_current() {
    let scene = Scene::new("default-status").await;
    let applied = scene.apply(SCENE).await;
    for object in applied {
        // As the server answers the request that created it: nobody can have looked yet.
        assert_eq!(object.data["status"], json!({"observedGeneration": -1}), "{:?}", object.metadata.name);
    }
    for (kind, name) in OBJECTS {
        let status = scene.ready(kind, name).await;
        assert_eq!(status["observedGeneration"], 1, "{kind} {name}");
    }
    scene.patch("Membership", "nora", json!({"spec": {"user": {"displayName": "Nora"}}})).await;
    assert_eq!(scene.ready("Membership", "nora").await["observedGeneration"], 2);
}

#[tokio::test]
async fn kubectl_shows_sorts_and_waits() {
    let scene = scene("kubectl").await;
    let plane = ControlPlane::shared().await;
    let kubectl = async |args: &str| {
        let args: Vec<&str> = args.split(' ').chain(["-n", scene.name()]).collect();
        plane.kubectl_ok(&args, None).await
    };
    // Columns by what they are called, since their width depends on what is in them.
    let shown = kubectl("get roster").await;
    let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    let row =
        |name: &str| rows.iter().find(|row| row.first() == Some(&name)).unwrap_or_else(|| panic!("{name}: {shown}"));
    assert_eq!(row("account.roster.dev/acme")[1..6], [scene.name(), scene.name(), "2", "True", "Ready"], "{shown}");
    assert_eq!(row("usergroup.roster.dev/big")[1..5], ["acme", "2", "True", "Ready"], "{shown}");
    assert_eq!(row("role.roster.dev/night")[1..5], ["acme", "0", "True", "Ready"], "{shown}");
    let nora = ["acme", "nora@acme.example", "Active", "True", "Ready"];
    assert_eq!(row("membership.roster.dev/nora")[1..6], nora, "{shown}");

    let headers = [
        ("acct", "NAME CATALOG STORE MEMBERS DRIFTED READY REASON AGE"),
        ("arole", "NAME ACCOUNT OVERRIDES MEMBERS READY REASON AGE"),
        ("ugrp", "NAME ACCOUNT MEMBERS READY REASON AGE"),
        ("mship", "NAME ACCOUNT USER ACCESS EXPIRES READY REASON AGE"),
        ("pcat", "NAME ACCOUNTS UPDATED READY REASON AGE"),
        ("idstore", "NAME FILE ACCOUNTS MEMBERS READY REASON AGE"),
    ];
    for (kind, header) in headers {
        let shown = kubectl(&format!("get {kind}")).await;
        let words: Vec<&str> = shown.lines().next().unwrap().split_whitespace().collect();
        assert_eq!(words.join(" "), header);
    }
    let sorted = kubectl("get ugrp --sort-by=.status.members --no-headers").await;
    let names: Vec<&str> = sorted.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["small", "big"], "{sorted}");

    let waited = kubectl("wait --for=condition=Ready --timeout=30s membership/nora usergroup/big account/acme").await;
    assert_eq!(waited.matches("condition met").count(), 3, "{waited}");
    scene.patch("Membership", "nora", json!({"spec": {"roleRef": {"name": "clark"}}})).await;
    let reason = "wait --for=jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}=RoleNotFound --timeout=30s membership/nora";
    kubectl(reason).await;
    kubectl("wait --for=condition=Ready=false --timeout=30s membership/nora").await;
}
