//! Tests the deletion of a namespace with everything in it.

use super::{
    NONE, Site, VIEWER,
    guard::{approve, hash},
};
use crate::support::{PATIENCE, eventually};

/// Waits until the site's namespace is gone.
pub async fn namespace_gone(site: &Site<'_>) {
    let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(site.client.clone());
    eventually(PATIENCE, &format!("namespace {} to be gone", site.name()), async || {
        namespaces.get_opt(site.name()).await.ok()?.is_none().then_some(())
    })
    .await;
}

/// Asks for the deletion of the site's namespace.
pub async fn delete_namespace(site: &Site<'_>) {
    site.plane().kubectl_ok(&["delete", "namespace", site.name(), "--wait=false"], None).await;
}

async fn acme(prefix: &str, policy: &str) -> Site<'static> {
    let site = Site::shared(prefix).await;
    site.store("").await;
    site.account("acme", &format!("deletionPolicy: {policy}")).await;
    let names = ["ann", "bob", "cid", "dan", "eva", "fay"];
    site.apply(
        "{apiVersion: roster.dev/v1alpha1, kind: Role, metadata: {name: staff}, spec: {accountRef: {name: acme}, \
         permissions: {orders: View}}}",
    )
    .await;
    for name in names {
        site.member_of("acme", name, "roleRef: {kind: Role, name: staff}").await;
    }
    site.members_ready(&names).await;
    site.ready("Account", "acme").await;
    site
}

#[tokio::test]
async fn with_orphan_the_store_is_unchanged() {
    let site = acme("namespace-orphan", "Orphan").await;
    let before = site.file().dump().await;
    delete_namespace(&site).await;
    namespace_gone(&site).await;
    assert_eq!(site.file().dump().await, before);
}

#[tokio::test]
async fn with_delete_everything_is_removed_with_the_account() {
    let site = acme("namespace-delete", "Delete").await;
    let length = site.file().audit_length().await;
    delete_namespace(&site).await;
    // Its objects are gone, and nobody has lost anything.
    site.gone("Membership", "fay").await;
    let first = hash(&site, "").await;
    for name in ["ann", "bob", "cid", "dan", "eva", "fay"] {
        site.view(name, VIEWER).await;
    }
    assert_eq!(site.file().audit_length().await, length);
    // Explicit revocations are applied nevertheless, and the set that is left to approve is then different.
    site.store("blocked: [{email: ann@acme.example}]").await;
    site.view("ann", NONE).await;
    approve(&site, &hash(&site, &first).await).await;
    namespace_gone(&site).await;
    let left = site.file().number("SELECT count(*) FROM account_ids").await;
    assert_eq!(left, 0);
    let audit = site.file().audit_since(length + 1).await;
    assert_eq!(audit.len(), 10, "six members, three roles, the account: {audit:#?}");
    // In any order of deletion, nobody was removed because an object was missing.
    assert!(audit.iter().all(|change| change.cause == "account-deleted"), "{audit:#?}");
}
