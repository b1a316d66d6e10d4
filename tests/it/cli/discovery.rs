//! Tests how commands find a cluster, a namespace and a store by themselves, and what they report as missing.

use std::time::Duration;

use super::roster;
use crate::support::{ControlPlane, PATIENCE, apply_yaml, eventually_or, install_crds};

const OBJECTS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
apiVersion: roster.dev/v1alpha1
kind: IdentityStore
metadata: {name: default}
spec: {sqlite: {file: roster.db}}
---
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: portal}
spec:
  sections: [{name: orders, levels: [None, View, Edit]}]
  roles: [{name: clerk, permissions: {orders: View}}]
---
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: acme, namespace: shop}
spec: {catalogRef: {name: portal}}
---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: dana, namespace: shop}
spec: {accountRef: {name: acme}, user: {email: dana@acme.example}, roleRef: {name: clerk}}
";

/// No controller runs: the objects are all there is.
#[tokio::test(flavor = "multi_thread")]
async fn the_only_namespace_with_accounts_is_found_and_missing_kinds_are_named() {
    let plane = ControlPlane::own("cli-alone").await;
    let client = plane.client().await;
    install_crds(&client).await;
    apply_yaml(&client, "shop", OBJECTS).await;
    let ask = async |question: &str| roster(Some(plane.kubeconfig()), question).await;
    // The context's namespace is `default`, and has none.
    let (printed, code) = ask("review --sqlite-dir nowhere").await;
    assert!(code == 0 && printed.contains("shop/acme") && printed.contains("namespace shop"), "{printed}");
    let (printed, code) = ask("who-can View orders -o name").await;
    assert_eq!((printed.as_str(), code), ("dana@acme.example\n", 0));
    let (printed, code) = ask("explain dana@acme.example -o name").await;
    assert_eq!((printed.as_str(), code), ("shop/acme\n", 0));

    let (printed, code) = ask("block danna@acme.example --reason typo --timeout 1s").await;
    assert!(code == 1 && printed.contains("no controller has processed it"), "{printed}");

    let definitions: kube::Api<kube::core::DynamicObject> = kube::Api::all_with(
        client.clone(),
        &kube::core::ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk(
            "apiextensions.k8s.io",
            "v1",
            "CustomResourceDefinition",
        )),
    );
    definitions.delete("memberships.roster.dev", &kube::api::DeleteParams::default()).await.expect("deleted");
    eventually_or(PATIENCE, "the definition to go".to_owned(), async || {
        let left = definitions.get_opt("memberships.roster.dev").await.expect("asked");
        if left.is_none() { Ok(()) } else { Err("it is still there".to_owned()) }
    })
    .await;
    let started = std::time::Instant::now();
    let (printed, code) = ask("block dana@acme.example --reason stolen --timeout 10m").await;
    assert!(code == 1 && printed.contains("The cluster does not have memberships"), "{printed}");
    assert!(started.elapsed() < Duration::from_secs(60), "not waited for");
}
