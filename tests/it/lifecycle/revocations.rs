//! Tests revocations and their reversal: suspension, time, the store's list of blocked people.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{ADMIN, NONE, Site, VIEWER};
use crate::support::{PATIENCE, eventually_or};

async fn acme(prefix: &str) -> Site<'static> {
    let site = Site::shared(prefix).await;
    site.store("").await;
    site.account("acme", "").await;
    site.members(&["dana", "eve"], "viewer").await;
    site.members_ready(&["dana", "eve"]).await;
    site
}

/// Waits for what the status of a membership says of orders.
async fn says(site: &Site<'_>, name: &str, wanted: Option<&str>) {
    eventually_or(PATIENCE, format!("{name}'s status to say orders: {wanted:?}"), async || {
        let status = site.status("Membership", name).await;
        let permissions = &status["effectivePermissions"];
        if permissions["orders"].as_str() == wanted { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn a_suspended_member_or_account_stays_without_access_until_resumed() {
    let site = acme("ends-suspended").await;
    let suspend = |suspended: bool| json!({"spec": {"suspended": suspended}});
    site.patch("Membership", "dana", suspend(true)).await;
    site.view("dana", NONE).await;
    says(&site, "dana", None).await;
    site.ready("Membership", "dana").await;
    site.view("eve", VIEWER).await;
    site.patch("Account", "acme", suspend(true)).await;
    site.view("eve", NONE).await;
    says(&site, "eve", None).await;
    site.patch("Account", "acme", suspend(false)).await;
    site.view("eve", VIEWER).await;
    site.view("dana", NONE).await;
    site.patch("Membership", "dana", suspend(false)).await;
    site.view("dana", VIEWER).await;
    says(&site, "dana", Some("View")).await;
}

#[tokio::test]
async fn time_begins_and_ends_access_without_any_event() {
    let site = acme("ends-time").await;
    let now = Timestamp::now();
    let (starts, expires) = (now + SignedDuration::from_secs(4), now + SignedDuration::from_secs(8));
    site.member_of("acme", "temp", &format!("roleRef: {{name: admin}}, startsAt: '{starts}', expiresAt: '{expires}'"))
        .await;
    site.ready("Membership", "temp").await;
    says(&site, "temp", None).await;
    site.view("temp", NONE).await;
    assert!(Timestamp::now() < starts, "too slow a machine for this test: it is to see who has not started yet");
    let generation = site.get("Membership", "temp").await.metadata.generation;
    let length = site.file().audit_length().await;

    site.view("temp", ADMIN).await;
    says(&site, "temp", Some("Edit")).await;
    let seen = Timestamp::now();
    // The API holds whole seconds.
    assert!(seen + SignedDuration::from_secs(1) >= starts, "{seen} is before {starts}");
    assert!(seen < expires, "{seen} is after {expires}");
    site.view("temp", NONE).await;
    says(&site, "temp", None).await;
    assert!(Timestamp::now() + SignedDuration::from_secs(1) >= expires);
    assert_eq!(site.get("Membership", "temp").await.metadata.generation, generation);
    let audit = site.file().audit_since(length).await;
    assert!(audit.iter().all(|change| change.name == "temp@acme.example"), "{audit:#?}");
    // More time is a change like any other.
    let later = (now + SignedDuration::from_hours(1)).to_string();
    site.patch("Membership", "temp", json!({"spec": {"expiresAt": later}})).await;
    site.view("temp", ADMIN).await;
}

#[tokio::test]
async fn a_blocked_person_loses_access_everywhere_at_once() {
    let site = Site::shared("ends-blocked").await;
    site.apply(
        "
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: $it-owned}
spec:
  sections: [{name: orders, levels: [Hide, View, Edit]}, {name: users}]
  roles: [{name: owner, allPermissions: true, heldBy: AccountOwner}, {name: viewer, permissions: {orders: View}}]
  ownerRole: owner
",
    )
    .await;
    site.store("").await;
    for account in ["acme", "globex"] {
        site.account(account, "").await;
        site.member_of(account, "dana", "roleRef: {name: admin}").await;
        site.member_of(account, "eve", "roleRef: {name: viewer}").await;
    }
    site.apply(
        "{apiVersion: roster.dev/v1alpha1, kind: Account, metadata: {name: initech}, spec: {catalogRef: {name: $it-owned}, \
         storeRef: {name: $it}, owner: {email: Dana@Acme.example}}}",
    )
    .await;
    let accounts = ["acme", "globex", "initech"];
    for account in accounts {
        site.view_of(account, "dana", ADMIN).await;
        site.ready("Account", account).await;
    }
    site.view("eve", VIEWER).await;
    site.view_of("globex", "eve", VIEWER).await;
    let length = site.file().audit_length().await;
    site.store("blocked: [{email: DANA@acme.example, reason: stolen laptop}]").await;
    for account in accounts {
        site.view_of(account, "dana", NONE).await;
    }
    says(&site, "dana", None).await;
    let audit = site.file().audit_since(length).await;
    assert_eq!(audit.len(), 3, "{audit:#?}");
    assert!(audit.iter().all(|change| change.name == "dana@acme.example"), "{audit:#?}");
    // Neither a spec nor the store gets around it.
    let renamed = json!({"spec": {"user": {"displayName": "Dana"}}});
    site.patch("Membership", "globex-dana", renamed).await;
    site.file().tamper("UPDATE members SET ended = NULL, ranks = '21' WHERE email LIKE 'dana@%'").await;
    for account in accounts {
        site.check(account).await;
        site.view_of(account, "dana", NONE).await;
    }
    site.store("").await;
    for account in accounts {
        site.view_of(account, "dana", ADMIN).await;
    }
    says(&site, "dana", Some("Edit")).await;
    site.plane()
        .kubectl_ok(&["delete", "--wait=false", "permissioncatalog", &format!("{}-owned", site.name())], None)
        .await;
}

/// An Account goes and leaves everybody their access. Who is blocked afterwards loses it there, too, and the block is said to
/// be in force; the others keep it.
#[tokio::test]
async fn a_block_reaches_an_orphaned_account() {
    let site = Site::shared("ends-left").await;
    site.store("").await;
    site.account("acme", "deletionPolicy: Orphan").await;
    site.members(&["dana", "eve"], "viewer").await;
    site.members_ready(&["dana", "eve"]).await;
    site.delete("Account", "acme").await;
    site.gone("Account", "acme").await;
    eventually_or(PATIENCE, "the account to be listed as left".to_owned(), async || {
        let status = site.status("IdentityStore", site.name()).await;
        if status["orphanedAccounts"] == json!([site.key("acme")]) { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    site.view("dana", VIEWER).await;
    let length = site.file().audit_length().await;
    site.store("blocked: [{email: dana@acme.example}]").await;
    site.view("dana", NONE).await;
    site.view("eve", VIEWER).await;
    let generation = site.get("IdentityStore", site.name()).await.metadata.generation;
    eventually_or(PATIENCE, "the block to be in force".to_owned(), async || {
        let status = site.status("IdentityStore", site.name()).await;
        if status["blockedInForce"].as_i64() == generation { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    let audit = site.file().audit_since(length).await;
    assert_eq!(audit.len(), 1, "{audit:#?}");
    assert!(audit[0].name == "dana@acme.example" && audit[0].origin.starts_with("IdentityStore "), "{audit:#?}");
}
