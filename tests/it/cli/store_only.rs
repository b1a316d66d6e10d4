//! Tests that questions which only the store can answer are answered no, unless the store is asked.

use super::roster;
use crate::support::{ControlPlane, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn access_known_only_to_the_store_is_no_unless_the_store_is_read() {
    let scene = Scene::new("cli-held").await;
    let catalog = |admitted: &str| {
        format!(
            "{{apiVersion: roster.dev/v1alpha1, kind: PermissionCatalog, metadata: {{name: $it}}, spec: \
             {{sections: [{{name: orders, levels: [None, View, Edit]}}], allowedNamespaces: {admitted}, \
             roles: [{{name: clerk, permissions: {{orders: View}}}}]}}}}"
        )
    };
    scene.apply(&catalog("{from: All}")).await;
    scene
        .apply(
            "apiVersion: roster.dev/v1alpha1\nkind: Account\nmetadata: {name: acme}\n\
             spec: {catalogRef: {name: $it}, storeRef: {name: $it}}\n---\n\
             apiVersion: roster.dev/v1alpha1\nkind: Membership\nmetadata: {name: dana}\n\
             spec: {accountRef: {name: acme}, user: {email: dana@acme.example}, roleRef: {name: clerk}}\n",
        )
        .await;
    scene.wait_view("dana@acme.example", "orders=View").await;
    let kubeconfig = ControlPlane::shared().await.kubeconfig();
    let can = async |level: &str, more: &str| {
        let account = scene.account("acme");
        roster(Some(kubeconfig), &format!("can-i {level} orders --as dana@acme.example --account {account} {more}"))
            .await
    };
    assert_eq!(can("View", "").await, ("yes\n".to_owned(), 0));

    // Nobody admits it any more: the account keeps what its store holds.
    scene.apply(&catalog("{from: Selector, selector: {matchLabels: {nobody: has-it}}}")).await;
    let (printed, code) = can("View", "").await;
    assert_eq!(code, 1, "{printed}");
    assert!(
        printed.starts_with("no\n")
            && printed.contains("only the store has this information")
            && printed.contains("does not admit"),
        "{printed}"
    );
    let store = format!("--store {}", scene.file().display());
    assert_eq!(can("View", &store).await, ("yes\n".to_owned(), 0));
    let (printed, code) = can("Edit", &store).await;
    assert_eq!(
        (printed.starts_with("no\ndana@acme.example has only View of orders, as "), code),
        (true, 1),
        "{printed}"
    );

    // Explicit revocations are applied nevertheless.
    scene.patch("Membership", "dana", serde_json::json!({"spec": {"suspended": true}})).await;
    scene.wait_view("dana@acme.example", "orders=None").await;
    let (printed, code) = can("View", &store).await;
    assert_eq!((printed.as_str(), code), ("no\ndana@acme.example is suspended by Membership dana\n", 1));
}
