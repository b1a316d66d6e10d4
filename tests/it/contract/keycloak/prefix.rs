//! Tests several Rosters in one realm: each has a prefix of its own, or none.

use roster::{
    model::{AccountKey, Scope},
    store::{KeycloakLocation, NoSecrets, Store as _, keycloak::KeycloakStore},
};

use super::{Keycloak, id};
use crate::contract::world::{NOW, World, email, world};

fn called(namespace: &str, name: &str) -> World {
    let mut world = world("acme");
    world.policy.mark.account = AccountKey::new(namespace, name);
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_without_prefix_ignores_accounts_with_a_prefix() {
    let backend = Keycloak::fresh().await;
    let place = KeycloakLocation { prefix: "prod.".to_owned(), ..backend.place() };
    let prefixed = KeycloakStore::open(&place, &NoSecrets).await.unwrap();
    let plain = backend.store().await;
    let (theirs, ours) = (called("shop", "acme"), called("prod", "shop.acme"));
    theirs.converge(&prefixed).await;
    let ann = email("ann@shop.example");
    let asked = std::slice::from_ref(&ann);
    assert_eq!(plain.accounts().await.unwrap(), []);
    assert_eq!(plain.keys().await.unwrap(), []);
    assert_eq!(plain.totals().await.unwrap().accounts, 0);
    assert_eq!(plain.with_access(asked, NOW).await.unwrap(), []);
    // Their organizations would have one alias.
    ours.converge(&plain).await;
    for (world, store) in [(&theirs, &prefixed), (&ours, &plain)] {
        world.assert_held(&world.observe(store).await);
        assert_eq!(world.plan(store, Scope::Account).await.changes, []);
        assert_eq!(store.accounts().await.unwrap(), [world.mark().clone()]);
        assert_eq!(store.with_access(asked, NOW).await.unwrap(), [(world.key().clone(), ann.clone())]);
    }
    let organizations = backend.get("/organizations").await;
    let organizations = organizations.as_array().unwrap();
    assert_eq!(organizations.len(), 2);
    assert_ne!(id(&organizations[0]), id(&organizations[1]));
}
