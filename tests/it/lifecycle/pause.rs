//! Pause: grants and definitions wait, a revocation does not.

use serde_json::json;

use super::{ADMIN, NONE, Site, VIEWER};

#[tokio::test]
async fn a_paused_store_takes_no_grants_but_all_revocations() {
    let site = Site::shared("pause-store").await;
    site.store("").await;
    site.account("acme", "").await;
    site.members(&["dana", "eve", "finn", "gail"], "admin").await;
    site.members_ready(&["dana", "eve", "finn", "gail"]).await;
    let file = site.file();
    site.store("paused: true").await;
    site.wait("IdentityStore", site.name(), "Synced", "False Paused").await;

    site.member("new", "viewer").await;
    site.wait("Membership", "new", "Synced", "False Paused").await;
    site.patch("Account", "acme", json!({"spec": {"displayName": "Acme Inc"}})).await;
    site.wait("Account", "acme", "Synced", "False Paused").await;
    site.view("new", "").await;
    assert_eq!(file.rows("SELECT display_name FROM accounts").await, ["acme"]);

    site.patch("Membership", "dana", json!({"spec": {"suspended": true}})).await;
    site.view("dana", NONE).await;
    site.delete("Membership", "eve").await;
    site.view("eve", "").await;
    site.member("finn", "viewer").await;
    site.view("finn", VIEWER).await;
    // What comes back is a grant.
    site.patch("Membership", "dana", json!({"spec": {"suspended": false}})).await;
    site.wait("Membership", "dana", "Synced", "False Paused").await;
    // Nobody corrects anything either, unless it gives somebody what they must not have.
    file.set_ranks(&site.key("acme"), "gail", "10").await;
    site.check("acme").await;
    site.wait("Membership", "gail", "Synced", "False Paused").await;
    site.view("dana", NONE).await;
    site.view("gail", VIEWER).await;

    site.store("").await;
    site.members_ready(&["dana", "finn", "gail", "new"]).await;
    site.ready("Account", "acme").await;
    site.view("dana", ADMIN).await;
    site.view("gail", ADMIN).await;
    site.view("new", VIEWER).await;
    assert_eq!(file.rows("SELECT display_name FROM accounts").await, ["Acme Inc"]);
    site.ready("IdentityStore", site.name()).await;
    file.verify().await;
}

#[tokio::test]
async fn a_paused_account_leaves_its_neighbours_alone() {
    let site = Site::shared("pause-account").await;
    site.store("").await;
    for account in ["acme", "globex"] {
        site.account(account, "").await;
        site.ready("Account", account).await;
    }
    site.member("dana", "admin").await;
    site.members_ready(&["dana"]).await;
    site.annotate("Account", "acme", "roster.dev/paused", Some("true")).await;
    site.member("eve", "viewer").await;
    site.wait("Membership", "eve", "Synced", "False Paused").await;
    site.member_of("globex", "eve", "roleRef: {name: viewer}").await;
    site.view_of("globex", "eve", VIEWER).await;
    site.view("eve", "").await;
    site.delete("Membership", "dana").await;
    site.view("dana", "").await;
    site.annotate("Account", "acme", "roster.dev/paused", None).await;
    site.ready("Membership", "eve").await;
    site.view("eve", VIEWER).await;
}
