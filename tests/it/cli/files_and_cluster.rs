//! Tests that files and a cluster with the same objects give the same answers.

use std::fs;

use super::roster;
use crate::support::{ControlPlane, apply_yaml, install_crds};

/// Each account, and what is asked of it.
const QUESTIONS: [(&str, &[&str]); 10] = [
    ("secondary-users/tidewater", &["Allowed payments", "Allowed api-keys", "Allowed search-calls"]),
    ("service-provider/northline", &["Edit account-bulk-statuses", "View product", "Delete product-users"]),
    ("partner-accounts/interlink", &["Allowed delete-services", "Allowed create-managed-account"]),
    ("partner-accounts/interlink-retail", &["Allowed manage-users", "Allowed create-managed-account"]),
    ("partner-accounts-logistics/interlink-logistics", &["Allowed manage-users", "Allowed own-details"]),
    ("developer-platform/acme", &["Edit settings", "View logs"]),
    ("developer-platform/acme-direct", &["Edit settings", "View pricing"]),
    ("field-operations/longhaul", &["Allowed create-roles", "Allowed generate-api-token"]),
    ("field-operations/meridian", &["Allowed generate-api-token", "Allowed manage-general-settings"]),
    ("field-operations/meridian-west", &["Allowed create-roles", "Allowed view-account-requests"]),
];

/// All manifests of `examples/` but those of other people's kinds, namespaces first.
fn examples() -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![format!("{}/examples", env!("CARGO_MANIFEST_DIR")).into()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir::<std::path::PathBuf>(folder).expect("a folder").map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.extend((!entry.ends_with("gitops")).then_some(entry));
            } else if entry.extension().is_some_and(|end| end == "yaml") {
                files.push(entry);
            }
        }
    }
    files.sort_by_key(|path| (!path.ends_with("00-namespace.yaml"), path.clone()));
    files.iter().map(|path| fs::read_to_string(path).expect("a manifest")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_a_cluster_give_equal_answers_for_all_portals() {
    let plane = ControlPlane::own("cli-same").await;
    let client = plane.client().await;
    install_crds(&client).await;
    // The controller's namespace, for the Secrets of stores.
    apply_yaml(&client, "default", "{apiVersion: v1, kind: Namespace, metadata: {name: roster-system}}").await;
    for yaml in examples() {
        apply_yaml(&client, "default", &yaml).await;
    }
    let kubeconfig = Some(plane.kubeconfig());
    let mut yes = 0;
    for (account, questions) in QUESTIONS {
        let mut all: Vec<String> = ["roles", "groups", "people"]
            .iter()
            // Of an account that waits for approval both refuse alike; the rows of people are what matters.
            .map(|rows| format!("matrix --account {account} --rows {rows} -o csv"))
            .collect();
        for question in questions {
            all.push(format!("who-can {question} --account {account} --all -o csv"));
        }
        for question in &all {
            let live = roster(kubeconfig, question).await;
            let files = roster(None, &format!("{question} -f examples")).await;
            assert_eq!(live, files, "{question}");
            assert!(live.0.lines().next().is_some_and(|line| line.contains(',')), "{question}: {}", live.0);
            yes += usize::from(live.1 == 0);
        }
    }
    assert!(yes > 30, "most questions have somebody who may: {yes}");
    // All namespaces at once, and what somebody's access comes from.
    for question in ["who-can Edit settings -o json", "who-can Allowed create-roles --all"] {
        assert_eq!(
            roster(kubeconfig, &format!("{question} -A")).await,
            roster(None, &format!("{question} -f examples")).await
        );
    }
    let explain = "explain ivan@tidewater.example --account secondary-users/tidewater -o json";
    assert_eq!(roster(kubeconfig, explain).await, roster(None, &format!("{explain} -f examples")).await);
}
