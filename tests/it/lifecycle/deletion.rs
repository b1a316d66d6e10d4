//! Tests the deletion of an Account, and of the store and catalog that it uses.

use serde_json::json;

use super::{
    NONE, Site, VIEWER,
    guard::{EIGHT, approve, eight, hash},
};

#[tokio::test]
async fn a_deleted_account_is_emptied_and_releases_store_and_catalog() {
    let site = Site::shared("delete-all").await;
    site.store("").await;
    site.account("acme", "").await;
    site.members(&["dana", "eve"], "viewer").await;
    site.members_ready(&["dana", "eve"]).await;
    let (it, file) = (site.name().to_owned(), site.file());

    // While they are in use, they stay, and remain in effect.
    for kind in ["IdentityStore", "PermissionCatalog"] {
        site.delete(kind, &it).await;
        let message = site.wait(kind, &it, "Ready", "False InUse").await;
        assert!(message.starts_with("deletion waits: 1 account "), "{message}");
    }
    site.member("finn", "viewer").await;
    site.view("finn", VIEWER).await;

    let length = file.audit_length().await;
    site.delete("Account", "acme").await;
    site.gone("Account", "acme").await;
    for table in ["account_ids", "accounts", "roles", "members", "marks", "layouts"] {
        assert_eq!(file.number(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
    let audit = file.audit_since(length).await;
    assert_eq!(audit.len(), 6, "three members, two roles, the account: {audit:#?}");
    assert!(audit.iter().all(|change| change.cause == "account-deleted" && change.after.is_null()), "{audit:#?}");
    file.verify().await;
    site.gone("IdentityStore", &it).await;
    site.gone("PermissionCatalog", &it).await;
    // The members' objects are nobody's to delete; they say what they miss.
    site.wait("Membership", "dana", "Valid", "False AccountNotFound").await;
}

#[tokio::test]
async fn the_deletion_of_many_waits_for_approval_and_revocations_do_not() {
    let site = eight("delete-held", "").await;
    let length = site.file().audit_length().await;
    site.delete("Account", "acme").await;
    let first = hash(&site, "").await;
    let note = site.event("Account", "acme", "RemovalGuarded").await;
    assert!(note.contains(&first) && note.contains("deletionPolicy to Orphan"), "{note}");
    assert_eq!(site.file().audit_length().await, length);
    // Each Membership counts for as long as its namespace stays: one is suspended, one is deleted.
    site.patch("Membership", "ann", json!({"spec": {"suspended": true}})).await;
    site.view("ann", NONE).await;
    site.delete("Membership", "bob").await;
    site.view("bob", "").await;
    // Nobody gains anything, and of a prune no more go than ever do unasked.
    site.member("new", "viewer").await;
    site.wait("Membership", "new", "Ready", "False RemovalGuarded").await;
    for name in &EIGHT[2..] {
        site.delete("Membership", name).await;
        site.gone("Membership", name).await;
    }
    // The former approval is none for those who are left.
    approve(&site, &first).await;
    site.patch("Account", "acme", json!({"spec": {"displayName": "Acme, once"}})).await;
    let message = site.wait("Account", "acme", "Synced", "False RemovalGuarded").await;
    assert!(message.starts_with("the deletion of this Account is held back"), "{message}");
    for name in &EIGHT[5..] {
        site.view(name, VIEWER).await;
    }
    site.view("new", "").await;
    approve(&site, &hash(&site, &first).await).await;
    site.gone("Account", "acme").await;
    assert_eq!(site.file().number("SELECT count(*) FROM members").await, 0);
}

#[tokio::test]
async fn an_account_with_held_deletion_can_be_orphaned_and_restored() {
    let site = eight("delete-orphan", "").await;
    site.delete("Account", "acme").await;
    hash(&site, "").await;
    let before = site.file().content().await;
    site.patch("Account", "acme", json!({"spec": {"deletionPolicy": "Orphan"}})).await;
    site.gone("Account", "acme").await;
    assert_eq!(site.file().content().await, before);
    // Applied again, the Account takes over what it finds.
    site.account("acme", "").await;
    site.members_ready(&EIGHT).await;
    assert_eq!(site.file().content().await, before);
}

#[tokio::test]
async fn an_account_is_deleted_even_without_store_and_catalog() {
    let site = Site::shared("delete-missing").await;
    // One never had any.
    site.account("never", "").await;
    site.apply(
        "{apiVersion: roster.dev/v1alpha1, kind: Account, metadata: {name: nowhere}, \
         spec: {catalogRef: {name: no-such-catalog}, storeRef: {name: no-such-store}}}",
    )
    .await;
    site.wait("Account", "never", "Valid", "False StoreNotFound").await;
    site.wait("Account", "nowhere", "Valid", "False CatalogNotFound").await;
    for name in ["never", "nowhere"] {
        site.delete("Account", name).await;
        site.gone("Account", name).await;
    }
    // One has lost them: somebody took the finalizers away.
    site.store("").await;
    site.account("acme", "").await;
    site.member("dana", "viewer").await;
    site.members_ready(&["dana"]).await;
    let (it, before) = (site.name().to_owned(), site.file().dump().await);
    for kind in ["PermissionCatalog", "IdentityStore"] {
        site.delete(kind, &it).await;
        site.wait(kind, &it, "Ready", "False InUse").await;
        site.patch(kind, &it, json!({"metadata": {"finalizers": null}})).await;
        site.gone(kind, &it).await;
    }
    site.wait("Account", "acme", "Valid", "False CatalogNotFound").await;
    site.view("dana", VIEWER).await;
    assert_eq!(site.file().dump().await, before, "what does not resolve keeps what is there");
    site.delete("Account", "acme").await;
    site.gone("Account", "acme").await;
}

#[tokio::test]
async fn a_catalog_that_is_missing_does_not_keep_members_in_the_store() {
    let site = Site::shared("delete-uncatalogued").await;
    site.store("").await;
    site.account("acme", "").await;
    site.member("dana", "viewer").await;
    site.members_ready(&["dana"]).await;
    let it = site.name().to_owned();
    site.delete("PermissionCatalog", &it).await;
    site.wait("PermissionCatalog", &it, "Ready", "False InUse").await;
    site.patch("PermissionCatalog", &it, json!({"metadata": {"finalizers": null}})).await;
    site.wait("Account", "acme", "Valid", "False CatalogNotFound").await;
    site.delete("Account", "acme").await;
    site.gone("Account", "acme").await;
    assert_eq!(site.file().number("SELECT count(*) FROM members").await, 0);
}
