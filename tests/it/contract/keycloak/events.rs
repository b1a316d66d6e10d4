//! Tests that changes by others are announced, and Roster's own are not.

use std::time::Duration;

use futures::StreamExt as _;
use reqwest::Method;
use roster::{model::AccountKey, store::Store};
use serde_json::{Value, json};

use super::{Keycloak, ROLES, id, server::Server};
use crate::contract::world::{email, world};

async fn announced(stream: &mut (impl futures::Stream<Item = AccountKey> + Unpin)) -> Option<AccountKey> {
    tokio::time::timeout(Duration::from_secs(15), stream.next()).await.expect("something is announced")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_by_others_are_announced_and_rosters_are_not() {
    let backend = Keycloak::fresh().await;
    let store = backend.store().await;
    let (mut acme, mut zeta) = (world("acme"), world("zeta"));
    acme.converge(&store).await;
    zeta.converge(&store).await;
    let mut stream = store.watch().await.unwrap().unwrap();
    let ann = email("ann@shop.example");
    let user = id(&backend.user(&ann).await);
    let client = backend.client(acme.key()).await;
    for number in 0..5 {
        // Roster changes only zeta, so that its events would differ from those of others.
        zeta.account.display_name = format!("Number {number}").as_str().into();
        zeta.converge(&store).await;
        let organization = backend.organization(acme.key()).await;
        let desk = id(&backend.group(acme.key(), "group:desk").await);
        let role = backend.role(acme.key(), "orders:Edit").await;
        let mappings = format!("/users/{user}/role-mappings/clients/{client}");
        let (method, path, body) = match number {
            0 => (Method::DELETE, mappings, json!([role])),
            1 => (Method::DELETE, format!("/organizations/{organization}/members/{user}"), Value::Null),
            2 => (Method::DELETE, format!("/clients/{client}/roles/users:Edit"), Value::Null),
            3 => (Method::PUT, format!("/groups/{desk}"), json!({"name": "group:desk"})),
            _ => (Method::PUT, format!("/clients/{client}"), json!({"clientId": "shop/acme", "name": "Changed"})),
        };
        backend.send(method, &path, body).await;
        assert_eq!(announced(&mut stream).await.as_ref(), Some(acme.key()), "{number}");
        acme.converge(&store).await;
    }
    // A user who is gone was anybody's: everything is to be looked at.
    acme.members.remove(&email("nobody@shop.example"));
    backend.send(Method::DELETE, &format!("/users/{user}"), Value::Null).await;
    while let Some(account) = announced(&mut stream).await {
        assert_eq!(&account, acme.key(), "ours is not announced");
    }
    acme.converge(&store).await;
    acme.assert_held(&acme.observe(&store).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_admin_events_nothing_is_announced_and_all_else_works() {
    let server = Server::shared().await;
    let backend = Keycloak::on(server, &ROLES[..3]).await;
    let store = backend.store().await;
    assert!(!store.capabilities().notifications && store.watch().await.unwrap().is_none());
    let world = world("acme");
    world.converge(&store).await;
    world.assert_held(&world.observe(&store).await);
}
