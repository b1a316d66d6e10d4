//! Tests several stores: a fault of one does not affect the others.

use std::{fs, time::Instant};

use serde_json::json;
use sqlx::Connection as _;

use super::{ADMIN, NONE, Site, VIEWER};
use crate::support::{ControlPlane, Controller, PATIENCE, eventually, wait_view};

/// Many more accounts in a store that does not work than are worked on at once.
const MANY: usize = 12;

#[tokio::test]
async fn a_broken_store_delays_nobody_else() {
    let site = Site::shared("stores-broken").await;
    let broken = format!("{}-broken", site.name());
    let place = site.file().path().with_file_name(format!("{broken}.db"));
    fs::create_dir(&place).unwrap();
    site.apply(
        "{apiVersion: roster.dev/v1alpha1, kind: IdentityStore, metadata: {name: $it-broken}, \
         spec: {sqlite: {file: $it-broken.db}}}",
    )
    .await;
    for number in 0..MANY {
        site.apply(&format!(
            "{{apiVersion: roster.dev/v1alpha1, kind: Account, metadata: {{name: broken-{number}}}, \
             spec: {{catalogRef: {{name: $it}}, storeRef: {{name: $it-broken}}}}}}"
        ))
        .await;
    }
    site.member_of("broken-0", "dana", "roleRef: {name: viewer}").await;
    let message = site.wait("Account", "broken-0", "Synced", "False StoreRejected").await;
    assert!(message.contains("not a file"), "{message}");
    site.wait("IdentityStore", &broken, "Ready", "False StoreRejected").await;
    site.wait("Membership", "broken-0-dana", "Synced", "False StoreRejected").await;
    site.store("").await;
    site.account("acme", "").await;
    site.member("eve", "viewer").await;
    site.members_ready(&["eve"]).await;
    site.view("eve", VIEWER).await;

    fs::remove_dir(&place).unwrap();
    for number in 0..MANY {
        site.ready("Account", &format!("broken-{number}")).await;
    }
    wait_view(place, site.key("broken-0"), "dana@acme.example".to_owned(), VIEWER).await;
    site.ready("IdentityStore", &broken).await;
    site.plane().kubectl_ok(&["delete", "--wait=false", "identitystore", &broken], None).await;
}

#[tokio::test]
async fn a_locked_store_is_waited_for_and_delays_nobody_else() {
    let site = Site::shared("stores-locked").await;
    site.store("").await;
    site.account("acme", "").await;
    site.member("dana", "viewer").await;
    site.members_ready(&["dana"]).await;
    site.apply(
        "{apiVersion: roster.dev/v1alpha1, kind: IdentityStore, metadata: {name: $it-free}, \
         spec: {sqlite: {file: $it-free.db}}}",
    )
    .await;
    let mut lock = site.file().connect().await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut lock).await.unwrap();
    site.member("eve", "viewer").await;
    site.apply(
        "
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: free}
spec: {catalogRef: {name: $it}, storeRef: {name: $it-free}}
",
    )
    .await;
    site.ready("Account", "free").await;
    let locked = site.get("Membership", "eve").await;
    assert!(!locked.data.to_string().contains(r#""Ready","status":"True""#), "{}", locked.data);
    let message = site.wait("Membership", "eve", "Synced", "False StoreUnavailable").await;
    assert!(message.contains("locked"), "{message}");
    site.wait("Account", "acme", "Synced", "False StoreUnavailable").await;
    site.wait("Account", "acme", "Reconciling", "True StoreUnavailable").await;
    // Who is not concerned says nothing.
    site.ready("Membership", "dana").await;
    sqlx::query("ROLLBACK").execute(&mut lock).await.unwrap();
    lock.close().await.unwrap();
    site.members_ready(&["eve"]).await;
    site.ready("Account", "acme").await;
    site.view("eve", VIEWER).await;
    site.plane().kubectl_ok(&["delete", "--wait=false", "identitystore", &format!("{}-free", site.name())], None).await;
}

/// In files the Account stands before its store as often as not. It must not wait for its next check, which is five
/// minutes away.
#[tokio::test]
async fn an_account_created_before_its_store_is_reconciled_with_it() {
    let site = Site::shared("stores-later").await;
    for number in 0..6 {
        let (account, store) = (format!("acme-{number}"), format!("{}-{number}", site.name()));
        site.apply(&format!(
            "{{apiVersion: roster.dev/v1alpha1, kind: Account, metadata: {{name: {account}}}, \
             spec: {{catalogRef: {{name: $it}}, storeRef: {{name: {store}}}}}}}"
        ))
        .await;
        site.wait("Account", &account, "Ready", "False StoreNotFound").await;
        site.store_as(&store, &format!("sqlite: {{file: {store}.db}}")).await;
        site.ready("Account", &account).await;
        site.delete("Account", &account).await;
        site.plane().kubectl_ok(&["delete", "--wait=false", "identitystore", &store], None).await;
    }
}

/// The id of the store that the IdentityStore knows.
async fn known(site: &Site<'_>) -> String {
    let what = "the store's id stands in an annotation";
    eventually(PATIENCE, what, async || {
        let store = site.get("IdentityStore", site.name()).await;
        store.metadata.annotations?.get("roster.dev/store-id").cloned()
    })
    .await
}

/// Waits until another store is found in the place of the known one; returns its id.
async fn replaced(site: &Site<'_>, by: &str) -> String {
    site.check("acme").await;
    site.wait("Account", "acme", "Synced", "False StoreReplaced").await;
    let message = site.wait("IdentityStore", site.name(), "Synced", "False StoreReplaced").await;
    assert!(message.contains(by), "{message}");
    let (_, id) = message.split_once("roster.dev/approve-store=").unwrap_or_else(|| panic!("an id: {message}"));
    assert!(message.contains(&format!("store {} was used so far", known(site).await)), "{message}");
    id.to_owned()
}

#[tokio::test]
async fn a_removed_or_replaced_file_is_written_again_after_approval() {
    let site = Site::shared("stores-file").await;
    site.store("").await;
    site.account("acme", "").await;
    site.members(&["dana", "eve"], "viewer").await;
    site.members_ready(&["dana", "eve"]).await;
    // Nothing happens in this one: its status follows the store all the same.
    site.account("beta", "").await;
    site.ready("Account", "beta").await;
    let first = known(&site).await;
    let note = site.event("IdentityStore", site.name(), "StoreUsed").await;
    assert!(note.starts_with(&format!("store {first} is used for the first time; it ")), "{note}");
    let file = site.file();
    let content = file.content().await;
    let old = file.path().with_extension("old");
    sqlx::query("VACUUM INTO ?").bind(old.to_str()).execute(&mut file.connect().await).await.unwrap();
    site.member("finn", "admin").await;
    site.members_ready(&["finn"]).await;
    let all = file.content().await;
    assert_ne!(all, content);

    let remove = || {
        for ending in ["", "-wal", "-shm"] {
            let path = format!("{}{ending}", file.path().display());
            fs::remove_file(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
    };
    let healed = async |what: &str| {
        eventually(PATIENCE, what, async || {
            (file.path().exists()
                && crate::support::try_view(file.path(), &site.key("acme"), "finn@acme.example")
                    .await
                    .is_ok_and(|view| !view.is_empty())
                && file.content().await == all)
                .then_some(())
        })
        .await;
        site.ready("IdentityStore", site.name()).await;
        site.ready("Account", "acme").await;
        site.members_ready(&["dana", "eve", "finn"]).await;
        file.verify().await;
    };
    let approve =
        async |id: &str| site.annotate("IdentityStore", site.name(), "roster.dev/approve-store", Some(id)).await;
    remove();
    let second = replaced(&site, "responds, which is empty").await;
    assert_ne!(second, first);
    site.wait("Account", "beta", "Synced", "False StoreReplaced").await;
    site.event("IdentityStore", site.name(), "StoreReplaced").await;
    // A new member waits, too.
    site.member("gail", "viewer").await;
    site.wait("Membership", "gail", "Synced", "False StoreReplaced").await;
    assert_eq!(file.content().await, Vec::<super::file::Line>::new(), "nothing is granted");
    site.delete("Membership", "gail").await;
    // Another id than that of the store that answers changes nothing.
    approve(&first).await;
    site.member("hal", "viewer").await;
    site.wait("Membership", "hal", "Synced", "False StoreReplaced").await;
    site.delete("Membership", "hal").await;
    assert_eq!(file.content().await, Vec::<super::file::Line>::new(), "that was another one's id");
    approve(&second).await;
    healed("a new file holds everything").await;
    assert_eq!(known(&site).await, second);
    // The approval is used up. An id that somebody removes is written again, whatever store responds.
    let annotations = site.get("IdentityStore", site.name()).await.metadata.annotations.unwrap_or_default();
    assert!(!annotations.contains_key("roster.dev/approve-store"), "{annotations:?}");
    site.annotate("IdentityStore", site.name(), "roster.dev/store-id", None).await;
    assert_eq!(known(&site).await, second);

    // The first file comes back as it was some time ago, as from a backup of that time: whoever lost access since loses
    // it in that one, too, and nobody gets any.
    remove();
    site.patch("Membership", "eve", json!({"spec": {"suspended": true}})).await;
    fs::rename(&old, file.path()).unwrap();
    assert_eq!(replaced(&site, "responds, which holds 2 accounts and 2 members").await, first);
    site.view("eve", NONE).await;
    site.view("dana", VIEWER).await;
    site.view("finn", "").await;
    site.patch("Membership", "eve", json!({"spec": {"suspended": false}})).await;
    approve(&first).await;
    healed("the copy is brought up to date").await;

    // Another store answers once more, and then the known one does again: nobody needs to approve that.
    let kept = file.path().with_extension("kept");
    sqlx::query("VACUUM INTO ?").bind(kept.to_str()).execute(&mut file.connect().await).await.unwrap();
    remove();
    let third = replaced(&site, "responds, which is empty").await;
    let (code, out, _) = crate::cli::cluster_commands::roster(&["status", "-n", site.name(), "-o", "json"]).await;
    let status: serde_json::Value = serde_json::from_str(&out).unwrap();
    let store = &status["stores"][0];
    let command =
        format!("kubectl annotate --overwrite identitystore {} roster.dev/approve-store={third}", site.name());
    assert_eq!((code, &store["storeId"], &store["approve"]), (1, &json!(third), &json!(command)), "{store:#}");
    let (_, out, _) = crate::cli::cluster_commands::roster(&["status", "-n", site.name()]).await;
    assert!(out.lines().any(|line| line.trim() == command), "{out}");
    remove();
    fs::rename(&kept, file.path()).unwrap();
    healed("the known store is used again").await;
    let back = format!("store {first} is back and used as before; it holds 2 accounts and 3 members");
    site.event_with("IdentityStore", site.name(), "StoreUsed", &back).await;
}

/// The store refuses one member again and again, so that it is tried more and more seldom. Another one of the account
/// is suspended meanwhile, and does not wait for the next attempt.
#[tokio::test]
async fn a_refused_member_delays_no_other_member() {
    let plane = ControlPlane::own("stores-refused").await;
    let folder = plane.data().join("stores");
    let mut roster = Controller::process(&plane, &folder).await;
    let site = Site::on(&plane, &folder, "stores-refused").await;
    site.store("").await;
    site.account("acme", "").await;
    site.members(&["bob", "eve"], "viewer").await;
    site.members_ready(&["bob", "eve"]).await;
    site.ready("Account", "acme").await;
    site.file()
        .tamper(
            "CREATE TRIGGER no_bob BEFORE UPDATE ON members WHEN NEW.email LIKE 'bob@%'
             BEGIN SELECT RAISE(ABORT, 'not bob'); END",
        )
        .await;
    site.member("bob", "admin").await;
    let text = site.wait("Membership", "bob", "Synced", "False StoreRejected").await;
    assert!(text.contains("not bob"), "{text}");
    roster.logged_after("pass failed", 3).await;
    let fourth = Instant::now();
    roster.logged_after("pass failed", 4).await;
    // The next attempt is further away than the last two were apart.
    let apart = fourth.elapsed();
    let started = Instant::now();
    site.patch("Membership", "eve", json!({"spec": {"suspended": true}})).await;
    site.view("eve", NONE).await;
    let took = started.elapsed();
    assert!(took < apart, "the suspension took {took:?}, and attempts are {apart:?} apart");
    site.file().tamper("DROP TRIGGER no_bob").await;
    site.view("bob", ADMIN).await;
    site.members_ready(&["bob"]).await;
}
