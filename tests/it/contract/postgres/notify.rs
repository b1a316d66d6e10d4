//! Tests that changes by others are announced, and Roster's own are not.

use std::time::Duration;

use super::{Postgres, SecretsOf, proxy::Proxy};
use crate::contract::{
    Backend as _,
    world::{email, member, members, world},
};
use futures::StreamExt as _;
use roster::{
    model::{AccountKey, Scope},
    store::{Store as _, postgres::PostgresStore},
};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn changes_by_other_sessions_are_announced_and_rosters_are_not() {
    let backend = Postgres::fresh().await;
    let store = backend.store().await;
    let mut changes = store.watch().await.unwrap().unwrap();
    let (mut acme, bolt) = (world("acme"), world("bolt"));
    acme.converge(&store).await;
    bolt.converge(&store).await;
    acme.members.insert(email("new@shop.example"), member(&[1, 0, 0]));
    acme.members.remove(&email("ben@shop.example"));
    acme.converge(&store).await;
    acme.converge_in(&store, members(&[&email("new@shop.example")])).await;
    let of_bolt = "account_id = (SELECT id FROM account_ids WHERE key = 'shop/bolt')";
    for (sql, accounts) in [
        (format!("UPDATE members SET ranks = '000' WHERE {of_bolt}"), &["shop/bolt"][..]),
        (format!("DELETE FROM members WHERE email = 'ben@shop.example' AND {of_bolt}"), &["shop/bolt"]),
        (format!("UPDATE roles SET title = 'x' WHERE {of_bolt}"), &["shop/bolt"]),
        (format!("UPDATE groups SET title = 'x' WHERE {of_bolt}"), &["shop/bolt"]),
        (format!("DELETE FROM marks WHERE kind = 'role' AND {of_bolt}"), &["shop/bolt"]),
        (
            "UPDATE accounts SET catalog = 'x' WHERE id = (SELECT id FROM account_ids WHERE key = 'shop/bolt')".into(),
            &["shop/bolt"],
        ),
        ("UPDATE members SET ranks = '001'".into(), &["shop/acme", "shop/bolt"]),
        ("UPDATE levels SET name = 'x' WHERE rank = 1".into(), &["shop/acme", "shop/bolt"]),
        ("TRUNCATE members".into(), &["shop/acme", "shop/bolt"]),
        (
            "INSERT INTO members (account_id, email, ranks) SELECT id, 'a@b.example', '111' FROM account_ids".into(),
            &["shop/acme", "shop/bolt"],
        ),
    ] {
        backend.run(&sql).await.unwrap();
        let mut heard = Vec::new();
        while heard.len() < accounts.len() {
            let key =
                tokio::time::timeout(SOON, changes.next()).await.unwrap_or_else(|_| panic!("not announced: {sql}"));
            heard.push(key.unwrap().to_string());
        }
        heard.sort();
        // Nothing else came before: what Roster wrote would have.
        assert_eq!(heard, accounts, "{sql}");
    }
    // A statement that changes no row of an account is not announced.
    backend.run("UPDATE members SET ranks = '002' WHERE email = 'nobody'").await.unwrap();
    backend.run(&format!("DELETE FROM members WHERE {of_bolt}")).await.unwrap();
    assert_eq!(tokio::time::timeout(SOON, changes.next()).await.unwrap(), Some(AccountKey::new("shop", "bolt")));
    assert!(!acme.plan(&store, Scope::Account).await.changes.is_empty());
}

#[tokio::test]
async fn a_lost_connection_ends_the_stream() {
    let backend = Postgres::fresh().await;
    let store = backend.store().await;
    let mut changes = store.watch().await.unwrap().unwrap();
    let cut = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{}'", backend.owner);
    backend.server.run(&cut).await.unwrap();
    assert_eq!(tokio::time::timeout(SOON, changes.next()).await.unwrap(), None);
    // And it can be listened to again.
    world("acme").converge(&*backend.open().await).await;
    let mut changes = store.watch().await.unwrap().unwrap();
    backend.run("DELETE FROM members").await.unwrap();
    assert_eq!(tokio::time::timeout(SOON, changes.next()).await.unwrap(), Some(AccountKey::new("shop", "acme")));
}

/// A connection that died without a word is no connection: whoever listens learns that something may have been missed.
#[tokio::test]
async fn a_silent_listener_ends() {
    let backend = Postgres::fresh().await;
    let proxy = Proxy::to(backend.server.port()).await;
    let place = backend.place_at(&backend.owner, proxy.port());
    let store = PostgresStore::open(&place, &SecretsOf::default()).await.unwrap();
    world("acme").converge(&store).await;
    let mut changes = store.watch().await.unwrap().unwrap();
    // It is quiet for longer than it is trusted, and still alive.
    let quiet = tokio::time::timeout(Duration::from_secs(12), changes.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    backend.run("UPDATE members SET ranks = '000'").await.unwrap();
    assert_eq!(tokio::time::timeout(SOON, changes.next()).await.unwrap().unwrap().to_string(), "shop/acme");
    proxy.delay(Duration::from_secs(600));
    assert_eq!(tokio::time::timeout(Duration::from_secs(30), changes.next()).await.unwrap(), None);
}
