//! Tests that lists are read to their end.

use roster::model::Email;
use serde_json::{Value, json};

use super::{Keycloak, proxy::Proxy};
use crate::contract::world::world;
use reqwest::Method;

/// Keycloak takes users that a federation no longer knows out of a page, after it has cut the page off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_page_is_not_the_last() {
    let backend = Keycloak::fresh().await;
    let (proxy, store) = Proxy::store(&backend).await;
    let world = world("acme");
    world.converge(&store).await;
    let address = |number: usize| format!("user-{number:03}@shop.example");
    let user = |number| {
        json!({
            "username": address(number), "email": address(number), "enabled": true,
            "clientRoles": {(world.key().to_string()): ["users:View"]},
        })
    };
    let users: Vec<Value> = (0..205).map(user).collect();
    backend.send(Method::POST, "/partialImport", json!({"ifResourceExists": "FAIL", "users": users})).await;
    proxy.change(|_, path, answer| {
        if path.ends_with("/components") {
            *answer = json!([{"id": "ldap", "providerId": "ldap"}]);
        }
        if path.ends_with("/users")
            && path.contains("/roles/")
            && let Some(page) = answer.as_array_mut().filter(|page| page.len() == 100)
        {
            page.remove(50);
        }
    });
    let seen = world.observe(&store).await;
    let missed: Vec<String> =
        (0..205).map(address).filter(|one| !seen.members.contains_key(&Email::as_stored(one))).collect();
    assert!(missed.len() <= 2, "{missed:?}");
}
