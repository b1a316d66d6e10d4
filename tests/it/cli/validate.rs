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
