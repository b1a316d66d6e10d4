//! Tests the removal guard: many removals at once wait for approval.

use serde_json::json;

use super::{NONE, Site, VIEWER};
use crate::support::{PATIENCE, eventually_or, find};

pub const EIGHT: [&str; 8] = ["ann", "bob", "cid", "dan", "eva", "fay", "gus", "hal"];
const APPROVE: &str = "roster.dev/approve-removal";

/// Eight members whose access hangs on one role of the account's own.
pub async fn eight(prefix: &str, account: &str) -> Site<'static> {
    let site = Site::shared(prefix).await;
    site.store("").await;
    site.account("acme", account).await;
    role(&site).await;
    for name in EIGHT {
        site.member_of("acme", name, "roleRef: {kind: Role, name: staff}").await;
    }
    site.members_ready(&EIGHT).await;
    site
}

async fn role(site: &Site<'_>) {
    site.apply(
        "{apiVersion: roster.dev/v1alpha1, kind: Role, metadata: {name: staff}, spec: {accountRef: {name: acme}, \
         permissions: {orders: View}}}",
    )
    .await;
}

/// The hash that the Account's message asks for, once it is not `earlier`.
pub async fn hash(site: &Site<'_>, earlier: &str) -> String {
    eventually_or(PATIENCE, format!("a hash other than {earlier:?}"), async || {
        let status = site.status("Account", "acme").await;
        let synced = find(&status, "Synced").filter(|synced| synced.reason == "RemovalGuarded");
        let message = synced.map(|synced| synced.message).ok_or_else(|| format!("{status:#}"))?;
        let hash = message.split(&format!("{APPROVE}=")).nth(1).unwrap_or_else(|| panic!("{message}"));
        let hash = hash.split_whitespace().next().unwrap().to_owned();
        if hash == earlier { Err(message) } else { Ok(hash) }
    })
    .await
}

/// Approves the removals of this hash.
pub async fn approve(site: &Site<'_>, hash: &str) {
    site.annotate("Account", "acme", APPROVE, Some(hash)).await;
}

#[tokio::test]
async fn removals_of_many_wait_until_exactly_those_are_approved() {
    let site = eight("guard-many", "").await;
    let file = site.file();
    let before = file.content().await;
    site.delete("Role", "staff").await;
    let first = hash(&site, "").await;
    for name in EIGHT {
        site.wait("Membership", name, "Valid", "False RoleNotFound").await;
        site.view(name, VIEWER).await;
    }
    site.wait("Account", "acme", "Stalled", "True RemovalGuarded").await;
    let note = site.event("Account", "acme", "RemovalGuarded").await;
    assert!(note.contains(&first) && note.contains("8 of 8 members"), "{note}");

    // The rest is applied: somebody joins, and somebody is suspended.
    site.member("new", "viewer").await;
    site.ready("Membership", "new").await;
    site.patch("Membership", "ann", json!({"spec": {"suspended": true}})).await;
    site.view("ann", NONE).await;
    site.view("bob", VIEWER).await;

    // Ann is explicitly revoked, so the set of removals is different, and the first hash does not count.
    let second = hash(&site, &first).await;
    approve(&site, &first).await;
    site.check("acme").await;
    assert_eq!(hash(&site, &first).await, second);
    site.view("bob", VIEWER).await;

    // What healed meanwhile needs no approval.
    role(&site).await;
    site.members_ready(&EIGHT[1..]).await;
    let healed: Vec<_> = file.content().await.into_iter().filter(|line| line.contains("bob@")).collect();
    let bobs: Vec<_> = before.iter().filter(|line| line.contains("bob@")).cloned().collect();
    assert_eq!(healed, bobs);

    // The same set again has the same hash.
    site.delete("Role", "staff").await;
    assert_eq!(hash(&site, "").await, second);
    approve(&site, &second).await;
    for name in EIGHT {
        site.view(name, NONE).await;
    }
    site.wait("Account", "acme", "Synced", "True").await;
    site.view("new", VIEWER).await;
    file.verify().await;
}

#[tokio::test]
async fn few_removals_pass_until_they_become_many() {
    let site = eight("guard-few", "removalGuard: {maximumPercent: 25, minimumCount: 3}").await;
    for name in ["ann", "bob"] {
        site.delete("Membership", name).await;
        site.view(name, "").await;
    }
    site.ready("Account", "acme").await;
    // The third within ten minutes is one too many.
    site.delete("Membership", "cid").await;
    let hash = hash(&site, "").await;
    site.view("cid", VIEWER).await;
    approve(&site, &hash).await;
    site.view("cid", "").await;
    site.ready("Account", "acme").await;
}

#[tokio::test]
async fn the_last_holder_of_a_role_that_needs_one_stays() {
    let site = Site::shared("guard-last").await;
    site.apply(
        "
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: $it}
spec:
  sections: [{name: orders, levels: [Hide, View, Edit]}, {name: users}]
  roles:
  - {name: admin, permissions: {orders: Edit}, advice: {minimumHolders: 2}}
  - {name: viewer, permissions: {orders: View}}
",
    )
    .await;
    site.store("").await;
    site.account("acme", "").await;
    site.members(&["ann", "bob"], "admin").await;
    site.members(&["cid", "dan", "eva"], "viewer").await;
    site.members_ready(&["ann", "bob", "cid", "dan", "eva"]).await;
    // Fewer than advised is advice; none at all is not.
    site.delete("Membership", "ann").await;
    site.view("ann", "").await;
    site.wait("Account", "acme", "Advised", "True").await;
    site.delete("Membership", "bob").await;
    let message = site.wait("Account", "acme", "Synced", "False RemovalGuarded").await;
    assert!(message.contains("last holder") && message.contains("admin"), "{message}");
    site.view("bob", "orders=Edit users=Denied").await;
    // With another holder no approval is needed.
    site.member("dan", "admin").await;
    site.view("bob", "").await;
    site.ready("Account", "acme").await;
}

#[tokio::test]
async fn explicit_revocations_are_never_held() {
    let site = eight("guard-ends", "removalGuard: {maximumPercent: 1, minimumCount: 1}").await;
    let past = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(5);
    site.patch("Membership", "ann", json!({"spec": {"suspended": true}})).await;
    site.patch("Membership", "bob", json!({"spec": {"expiresAt": past.to_string()}})).await;
    site.store("blocked: [{email: cid@acme.example, reason: stolen laptop}]").await;
    for name in ["ann", "bob", "cid"] {
        site.view(name, NONE).await;
    }
    site.view("dan", VIEWER).await;
    site.wait("Account", "acme", "Synced", "True").await;
    // The objects of those may go, too: nobody loses anything by it.
    site.delete("Membership", "ann").await;
    site.view("ann", "").await;
    site.patch("Account", "acme", json!({"spec": {"suspended": true}})).await;
    for name in &EIGHT[1..] {
        site.view(name, NONE).await;
    }
    site.patch("Account", "acme", json!({"spec": {"suspended": false}})).await;
    site.view("dan", VIEWER).await;
    // The guard still applies.
    site.delete("Membership", "dan").await;
    hash(&site, "").await;
    site.view("dan", VIEWER).await;
    // So is it when the Account is deleted: those who went before count.
    site.delete("Account", "acme").await;
    let message = site.wait("Account", "acme", "Synced", "False RemovalGuarded").await;
    assert!(message.starts_with("the deletion of this Account is held back"), "{message}");
    let last = hash(&site, "").await;
    approve(&site, &last).await;
    site.gone("Account", "acme").await;
    assert_eq!(site.file().number("SELECT count(*) FROM members").await, 0);
}
