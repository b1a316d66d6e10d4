//! Tests entries that are in the store already and are not Roster's.

use serde_json::json;

use super::{ADMIN, Site, VIEWER};
use crate::support::{PATIENCE, eventually_or};

#[tokio::test]
async fn unmarked_content_is_adopted_never_if_identical_or_always() {
    let site = Site::shared("adopt-unmarked").await;
    site.store("adoption: Never").await;
    site.account("acme", "").await;
    site.ready("Account", "acme").await;
    let (file, key) = (site.file(), site.key("acme"));
    file.insert_member(&key, "same", "viewer", "10").await;
    file.insert_member(&key, "other", "viewer", "21").await;
    let there = [file.member(&key, "same").await, file.member(&key, "other").await];
    let length = file.audit_length().await;
    site.members(&["same", "other"], "viewer").await;
    for name in ["same", "other"] {
        site.wait("Membership", name, "Synced", "False NotOwned").await;
        site.wait("Membership", name, "Stalled", "True NotOwned").await;
        let status = site.status("Membership", name).await;
        assert!(status.get("effectivePermissions").is_none(), "what is not ours is not vouched for: {status:#}");
    }
    assert_eq!(file.audit_length().await, length);

    site.store("adoption: IfIdentical").await;
    site.ready("Membership", "same").await;
    site.wait("Membership", "other", "Synced", "False NotOwned").await;
    assert_eq!([file.member(&key, "same").await, file.member(&key, "other").await], there);
    let audit = file.audit_since(length).await;
    assert_eq!(audit.len(), 1, "{audit:#?}");
    assert_eq!((audit[0].name.as_str(), audit[0].cause.as_str()), ("same@acme.example", "adoption"));

    site.store("adoption: Always").await;
    site.ready("Membership", "other").await;
    site.view("other", VIEWER).await;
    // From now on it is ours, and goes with its object.
    site.delete("Membership", "same").await;
    site.view("same", "").await;
}

#[tokio::test]
async fn a_recreated_account_adopts_identical_content() {
    let site = Site::shared("adopt-again").await;
    site.store("").await;
    site.account("acme", "deletionPolicy: Orphan").await;
    site.members(&["dana", "eve"], "viewer").await;
    site.members_ready(&["dana", "eve"]).await;
    site.ready("Account", "acme").await;
    let file = site.file();
    let before = file.dump().await;
    site.delete("Account", "acme").await;
    site.gone("Account", "acme").await;
    let orphans = async |wanted: serde_json::Value| {
        eventually_or(PATIENCE, format!("orphaned accounts {wanted}"), async || {
            let status = site.status("IdentityStore", site.name()).await;
            let found = status.get("orphanedAccounts").cloned().unwrap_or(json!([]));
            if found == wanted { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
    };
    orphans(json!([site.key("acme")])).await;
    site.wait("Membership", "dana", "Valid", "False AccountNotFound").await;
    assert_eq!(file.dump().await, before, "nothing at all may happen to what is orphaned");

    // Somebody else changes a row meanwhile.
    file.set_ranks(&site.key("acme"), "eve", "21").await;
    site.account("acme", "deletionPolicy: Orphan").await;
    site.ready("Membership", "dana").await;
    site.wait("Membership", "eve", "Synced", "False NotOwned").await;
    site.view("eve", ADMIN).await;
    let length = i64::try_from(before.iter().filter(|line| line.starts_with("audit")).count()).unwrap();
    let audit = file.audit_since(length).await;
    assert!(audit.iter().all(|change| change.cause == "adoption" && change.before == change.after), "{audit:#?}");
    orphans(json!([])).await;

    // Entries that were corrected by hand are as they should be.
    file.set_ranks(&site.key("acme"), "eve", "10").await;
    site.check("acme").await;
    site.ready("Membership", "eve").await;
    file.verify().await;
}
