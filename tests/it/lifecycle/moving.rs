//! Tests moving an account to another store, step by step as in docs/operations/moving.md.

use serde_json::json;

use super::file::StoreFile;
use super::{ADMIN, NONE, Site, VIEWER};
use crate::support::{PATIENCE, eventually_or};

/// The statements of the document that take what was left behind out of the former store.
fn cleaning(key: &str) -> String {
    let document = include_str!("../../../docs/operations/moving.md");
    let (_, rest) = document.split_once("<!-- test: cleaning -->\n```sql\n").expect("the statements are there");
    let (sql, _) = rest.split_once("```").expect("a block that ends");
    assert!(sql.contains("'NAMESPACE/NAME'"), "{sql}");
    sql.replace("NAMESPACE/NAME", key)
}

#[tokio::test]
async fn an_account_moves_to_another_store_and_nobody_gains_or_loses_anything() {
    let site = Site::shared("moving").await;
    let target = format!("{}-new", site.name());
    site.store("").await;
    site.apply(
        "{apiVersion: roster.dev/v1alpha1, kind: IdentityStore, metadata: {name: $it-new}, \
         spec: {sqlite: {file: $it-new.db}}}",
    )
    .await;
    site.account("acme", "").await;
    site.account("globex", "").await;
    site.members(&["dana", "eve", "finn"], "admin").await;
    site.member_of("globex", "zoe", "roleRef: {name: viewer}").await;
    site.patch("Membership", "finn", json!({"spec": {"suspended": true}})).await;
    site.members_ready(&["dana", "eve", "finn", "globex-zoe"]).await;
    let (old, new) = (site.file(), StoreFile::new(site.file().path().with_file_name(format!("{target}.db"))));
    let key = site.key("acme");
    let view = format!("SELECT * FROM effective_permissions WHERE account = '{key}' ORDER BY 2, 3");
    let before = old.rows(&view).await;
    assert!(!before.is_empty());

    // The reference itself cannot be changed, so nobody moves an account by accident.
    let patch = format!(r#"{{"spec":{{"storeRef":{{"name":"{target}"}}}}}}"#);
    let args = ["patch", "account.roster.dev/acme", "-n", site.name(), "--type=merge", "-p", &patch];
    let refused = site.plane().kubectl(&args, None).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("storeRef cannot be changed"), "{refused:?}");

    // Leave the content in the store, release the account, and take it over in the other store.
    site.patch("Account", "acme", json!({"spec": {"deletionPolicy": "Orphan"}})).await;
    site.ready("Account", "acme").await;
    site.delete("Account", "acme").await;
    site.gone("Account", "acme").await;
    assert_eq!(old.rows(&view).await, before, "whoever reads the former store finds what was there");
    site.apply(
        "{apiVersion: roster.dev/v1alpha1, kind: Account, metadata: {name: acme}, \
         spec: {catalogRef: {name: $it}, storeRef: {name: $it-new}}}",
    )
    .await;
    site.members_ready(&["dana", "eve", "finn"]).await;
    site.ready("Account", "acme").await;
    assert_eq!(new.rows(&view).await, before, "the new store says the same");
    assert_eq!(old.rows(&view).await, before);

    // From now on the new one is kept, and what was left behind is listed.
    site.member("dana", "viewer").await;
    let path = new.path().to_owned();
    crate::support::wait_view(path, key.clone(), "dana@acme.example".to_owned(), VIEWER).await;
    site.view("dana", ADMIN).await;
    eventually_or(PATIENCE, "the orphan is listed".to_owned(), async || {
        let status = site.status("IdentityStore", site.name()).await;
        if status["orphanedAccounts"] == json!([key]) { Ok(()) } else { Err(status.to_string()) }
    })
    .await;

    // What was left behind goes, and nothing else.
    let other = format!("SELECT * FROM effective_permissions WHERE account <> '{key}' ORDER BY 1, 2, 3");
    let neighbour = old.rows(&other).await;
    assert!(!neighbour.is_empty());
    old.tamper(&cleaning(&key)).await;
    assert_eq!(old.rows(&view).await, Vec::<String>::new());
    assert_eq!(old.rows(&other).await, neighbour);
    old.verify().await;
    site.check("globex").await;
    site.ready("Account", "globex").await;
    eventually_or(PATIENCE, "no orphan is listed".to_owned(), async || {
        // Numbers of a store are brought up to date when something of it changes.
        site.annotate("Account", "globex", "roster.dev/reconcile-at", Some(&jiff::Timestamp::now().to_string())).await;
        let status = site.status("IdentityStore", site.name()).await;
        if status.get("orphanedAccounts").is_none_or(|orphans| *orphans == json!([])) {
            Ok(())
        } else {
            Err(status.to_string())
        }
    })
    .await;
    site.view_of("globex", "zoe", VIEWER).await;
    let path = new.path().to_owned();
    crate::support::wait_view(path, key, "finn@acme.example".to_owned(), NONE).await;
    new.verify().await;
    site.plane().kubectl_ok(&["delete", "--wait=false", "identitystore", &target], None).await;
}
