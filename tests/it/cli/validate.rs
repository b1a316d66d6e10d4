//! Tests that `roster validate` on a cluster reports the same as for the same objects in files, without places.

use std::process::Command;

use crate::support::{ControlPlane, Namespace, apply_yaml, install_crds};

const OBJECTS: &str = "
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: acme}
spec: {catalogRef: {name: nowhere-to-be-found}, storeRef: {name: nowhere-to-be-found}}
---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: lost}
spec: {accountRef: {name: acne}, user: {email: lost@acme.example}}
";

/// Nothing to check is no proof that all is well: it is probably the wrong namespace or context.
#[tokio::test]
async fn an_empty_namespace_is_an_error() {
    let plane = ControlPlane::shared().await;
    install_crds(&plane.client().await).await;
    let namespace = Namespace::new(plane, "validate-empty").await;
    for command in ["validate", "plan", "drift"] {
        let output = Command::new(env!("CARGO_BIN_EXE_roster"))
            .args([command, "-n", namespace.name()])
            .env("KUBECONFIG", plane.kubeconfig())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{command}: {text}");
        let what = if command == "validate" { "objects of Roster" } else { "Account" };
        let says = format!("namespace {} has no {what}; are -n and --context right?", namespace.name());
        assert!(text.contains(&says), "{command}: {text}");
    }
}

#[tokio::test]
async fn the_objects_of_a_namespace_are_validated() {
    let plane = ControlPlane::shared().await;
    let client = plane.client().await;
    install_crds(&client).await;
    let namespace = Namespace::new(plane, "validate").await;
    apply_yaml(&client, namespace.name(), OBJECTS).await;
    let output = Command::new(env!("CARGO_BIN_EXE_roster"))
        .args(["validate", "-n", namespace.name(), "-o", "json"])
        .env("KUBECONFIG", plane.kubeconfig())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = |object: &str| -> Vec<&str> {
        let findings = printed["findings"].as_array().unwrap().iter();
        let own = findings.filter(|one| {
            one["object"]["name"] == object && one["object"]["namespace"] == namespace.name() && one["file"].is_null()
        });
        own.map(|one| one["reason"].as_str().unwrap()).collect()
    };
    assert_eq!(found("acme"), ["CatalogNotFound", "StoreNotFound"]);
    assert_eq!(found("lost"), ["AccountNotFound"]);
}
