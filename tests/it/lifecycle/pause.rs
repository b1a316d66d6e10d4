//! Tests pauses: grants and definitions wait, a revocation does not.

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
async fn a_paused_account_does_not_affect_others() {
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

#[tokio::test]
async fn a_paused_store_pauses_all_its_accounts_and_no_others() {
    let site = Site::shared("pause-fleet").await;
    site.store("").await;
    site.apply(
        "{apiVersion: roster.dev/v1alpha1, kind: IdentityStore, metadata: {name: $it-far}, \
         spec: {sqlite: {file: $it-far.db}}}",
    )
    .await;
    let accounts = ["acme", "globex", "initech"];
    for account in accounts {
        site.account(account, "").await;
        site.apply(&role(account, "View")).await;
        for name in ["dana", "eve", "finn"] {
            site.member_of(account, name, &format!("roleRef: {{kind: Role, name: staff-{account}}}")).await;
        }
        site.member_of(account, "gail", "roleRef: {name: admin}").await;
    }
    site.apply(
        "{apiVersion: roster.dev/v1alpha1, kind: Account, metadata: {name: far}, \
         spec: {catalogRef: {name: $it}, storeRef: {name: $it-far}}}",
    )
    .await;
    let object = |account: &str, name: &str| if account == "acme" { name.into() } else { format!("{account}-{name}") };
    for account in accounts {
        for name in ["dana", "eve", "finn", "gail"] {
            site.ready("Membership", &object(account, name)).await;
        }
    }
    site.ready("Account", "far").await;
    site.store("paused: true").await;
    site.wait("IdentityStore", site.name(), "Synced", "False Paused").await;

    // Definitions wait: a role of the account's own, and the catalog that all of them share.
    for account in accounts {
        site.apply(&role(account, "Edit")).await;
    }
    let wider =
        super::site::CATALOG.replace("permissions: {orders: View}", "permissions: {orders: View, users: Allowed}");
    site.apply(&wider).await;
    for account in accounts {
        site.member_of(account, "new", "roleRef: {name: viewer}").await;
        site.wait("Role", &format!("staff-{account}"), "Synced", "False Paused").await;
        site.wait("Membership", &object(account, "new"), "Synced", "False Paused").await;
        site.wait("Account", account, "Synced", "False Paused").await;
        site.view_of(account, "new", "").await;
        site.view_of(account, "dana", VIEWER).await;
    }
    // Revocations of every kind do not wait.
    for account in accounts {
        site.patch("Membership", &object(account, "dana"), json!({"spec": {"suspended": true}})).await;
        site.delete("Membership", &object(account, "eve")).await;
        site.member_of(account, "gail", "roleRef: {name: viewer}").await;
    }
    for account in accounts {
        site.view_of(account, "dana", NONE).await;
        site.view_of(account, "eve", "").await;
        // Of what the new catalog says, only what takes away.
        site.view_of(account, "gail", "orders=View users=Allowed").await;
        site.view_of(account, "finn", VIEWER).await;
    }
    // The other store's account continues, with the new catalog.
    site.member_of("far", "new", "roleRef: {name: viewer}").await;
    site.ready("Membership", "far-new").await;
    let far = site.file().path().with_file_name(format!("{}-far.db", site.name()));
    let wanted = "orders=View users=Allowed";
    crate::support::wait_view(far, site.key("far"), "new@acme.example".to_owned(), wanted).await;

    site.store("").await;
    for account in accounts {
        site.view_of(account, "finn", "orders=Edit users=Denied").await;
        site.view_of(account, "new", wanted).await;
        site.ready("Account", account).await;
    }
    site.file().verify().await;
    site.plane().kubectl_ok(&["delete", "--wait=false", "identitystore", &format!("{}-far", site.name())], None).await;
}

/// A role of an account's own.
fn role(account: &str, orders: &str) -> String {
    format!(
        "{{apiVersion: roster.dev/v1alpha1, kind: Role, metadata: {{name: staff-{account}}}, \
         spec: {{accountRef: {{name: {account}}}, permissions: {{orders: {orders}}}}}}}"
    )
}
