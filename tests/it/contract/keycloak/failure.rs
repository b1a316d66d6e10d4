//! Tests all classes of errors, provoked on a real server.

use std::time::{Duration, Instant};

use super::{Keycloak, ROLES, server::Server};
use crate::{
    contract::{
        postgres::{SecretsOf, proxy::Proxy, secret},
        world::{email, member, world},
    },
    support::Authority,
};
use reqwest::Method;
use roster::{
    model::Scope,
    store::{Connection, KeycloakLocation, NoSecrets, RedactedSecret, Store as _, StoreError, keycloak::KeycloakStore},
};
use serde_json::json;

async fn refusal(place: &KeycloakLocation) -> StoreError {
    KeycloakStore::open(place, &NoSecrets).await.map(drop).unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_login_is_denied() {
    let backend = Keycloak::fresh().await;
    let wrong =
        KeycloakLocation { client_secret: Connection::Inline(RedactedSecret::new("wrong-one")), ..backend.place() };
    let error = refusal(&wrong).await;
    assert!(
        matches!(&error, StoreError::Denied(message) if message.contains("logging in as client roster")),
        "{error}"
    );
    assert!(!error.to_string().contains("wrong-one"), "{error}");
    let nobody = KeycloakLocation { client_id: "nobody".to_owned(), ..backend.place() };
    assert!(matches!(refusal(&nobody).await, StoreError::Denied(_)));
    // Each of the roles is needed, and none besides.
    for missing in &ROLES[..3] {
        let roles: Vec<&str> = ROLES.into_iter().filter(|role| role != missing).collect();
        let backend = Keycloak::on(backend.server, &roles).await;
        let error = refusal(&backend.place()).await;
        assert!(
            matches!(&error, StoreError::Denied(message) if message.contains(&format!("lacks {missing} of"))),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn impossible_settings_are_invalid() {
    let backend = Keycloak::fresh().await;
    let place = backend.place();
    for (place, why) in [
        (KeycloakLocation { realm: "nothing".to_owned(), ..place.clone() }, "there is no realm \"nothing\""),
        (KeycloakLocation { realm: "master".to_owned(), ..place.clone() }, "the realm master"),
        (KeycloakLocation { url: "http://keycloak.example".to_owned(), ..place.clone() }, "must begin with https://"),
        (KeycloakLocation { url: "https://169.254.169.254".to_owned(), ..place.clone() }, "link-local"),
    ] {
        let error = refusal(&place).await;
        assert!(matches!(&error, StoreError::Invalid(message) if message.contains(why)), "{why}: {error}");
    }
    backend.send(Method::PUT, "", json!({"organizationsEnabled": false})).await;
    let error = refusal(&place).await;
    assert!(matches!(&error, StoreError::Invalid(message) if message.contains("organizations are off")), "{error}");
}

/// A wrong setting of a portal's client delays nobody's access.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_misconfigured_portal_client_is_reported() {
    let backend = Keycloak::fresh().await;
    backend.send(Method::POST, "/clients", json!({"clientId": "open", "fullScopeAllowed": true})).await;
    let portals = ["portal", "shop", "open"].map(str::to_owned).to_vec();
    let store = KeycloakStore::open(&KeycloakLocation { portals, ..backend.place() }, &NoSecrets).await.unwrap();
    let advice: Vec<String> = store.advice().iter().map(|(_, kind)| kind.to_string()).collect();
    assert!(advice.len() == 2 && advice[0].contains("there is no client \"shop\""), "{advice:?}");
    assert!(advice[1].contains("client \"open\"") && advice[1].contains("full scope"), "{advice:?}");
    let world = world("acme");
    world.converge(&store).await;
    world.assert_held(&world.observe(&store).await);
    // Other portals are a change of the store's spec, and the former ones may not ask any more.
    let store = backend.store().await;
    let plan = world.converge(&store).await;
    let causes: Vec<_> = plan.changes.iter().map(|change| change.cause).collect();
    assert_eq!((causes, plan.drift.len()), (vec![roster::plan::Cause::Spec], 0));
    let open = super::id(&backend.get("/clients?clientId=open").await[0]);
    let scopes = backend.get(&format!("/clients/{open}/optional-client-scopes")).await;
    assert!(!scopes.as_array().unwrap().iter().any(|scope| scope["name"] == "shop/acme"), "{scopes}");
    assert_eq!(world.plan(&store, Scope::Account).await.changes, []);
}

/// An entry of another owner with the account's name: reported once, and the same for everything that would be in the
/// account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_conflict_is_reported_with_its_cause() {
    let backend = Keycloak::fresh().await;
    let store = backend.store().await;
    backend.send(Method::POST, "/groups", json!({"name": "shop/acme"})).await;
    let world = world("acme");
    let plan = world.plan(&store, Scope::Account).await;
    let taken = "group \"shop/acme\" exists without the mark of this account";
    for outcome in world.apply(&store, &plan).await {
        assert!(matches!(&outcome, Err(StoreError::Conflict(why)) if why.contains(taken)), "{outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unverified_server_is_not_used() {
    let backend = Keycloak::fresh().await;
    let server = backend.server;
    let place = |ca| KeycloakLocation { url: server.https_url(), ca, ..backend.place() };
    let secrets = SecretsOf::default();
    secrets.set("right", &server.ca);
    secrets.set("other", &Authority::new().pem);
    secrets.set("none", "no certificate");
    let open = async |ca| KeycloakStore::open(&place(ca), &secrets).await.map(drop);
    open(Some(secret("right"))).await.unwrap();
    for ca in [None, Some(secret("other"))] {
        let error = open(ca).await.unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, StoreError::Unavailable(_)) && message.contains("certificate"), "{message}");
    }
    let error = open(Some(secret("none"))).await.unwrap_err();
    assert!(matches!(&error, StoreError::Invalid(message) if message.contains("caSecretRef")), "{error}");
}

/// The secret changes while the store is open: the store fails when its token expires, and opens with the new secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_secret_is_read_again() {
    let backend = Keycloak::fresh().await;
    backend.send(Method::PUT, "", json!({"accessTokenLifespan": 2})).await;
    let secrets = SecretsOf::default();
    secrets.set("client", "hush");
    let place = KeycloakLocation { client_secret: Connection::Secret(secret("client")), ..backend.place() };
    let store = KeycloakStore::open(&place, &secrets).await.unwrap();
    let client = super::id(&backend.get("/clients?clientId=roster").await[0]);
    backend.send(Method::PUT, &format!("/clients/{client}"), json!({"clientId": "roster", "secret": "another"})).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    let denied = loop {
        match store.accounts().await {
            Ok(_) => assert!(Instant::now() < deadline, "the former secret still works"),
            Err(error) => break error,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(matches!(denied, StoreError::Denied(_)), "{denied}");
    secrets.set("client", "another");
    KeycloakStore::open(&place, &secrets).await.unwrap().accounts().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_keycloak_is_unavailable_until_it_returns() {
    let backend = Keycloak::fresh().await;
    let proxy = Proxy::to(backend.server.port()).await;
    let place = KeycloakLocation { url: format!("http://127.0.0.1:{}", proxy.port()), ..backend.place() };
    let store = KeycloakStore::open(&place, &NoSecrets).await.unwrap();
    let mut world = world("acme");
    world.converge(&store).await;
    proxy.cut_after(0);
    world.members.insert(email("new@shop.example"), member(&[1, 1, 1]));
    let error = store.observe(world.key(), &Scope::Account, world.policy.now).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(matches!(refusal(&place).await, StoreError::Unavailable(_)));
    proxy.mend();
    world.converge(&store).await;
    world.assert_held(&world.observe(&store).await);
    // One that never answers is away, too, and soon.
    proxy.delay(Duration::from_secs(60));
    let started = Instant::now();
    let error = store.observe(world.key(), &Scope::Account, world.policy.now).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_roles_of_the_service_account_are_reported() {
    let server = Server::shared().await;
    let backend = Keycloak::on(server, &ROLES).await;
    backend.send(Method::PUT, "", json!({"accessTokenLifespan": 2})).await;
    let store = backend.store().await;
    let mut world = world("acme");
    world.converge(&store).await;
    let user = super::id(&backend.get("/users?exact=true&username=service-account-roster").await[0]);
    let management = super::id(&backend.get("/clients?clientId=realm-management").await[0]);
    let role = backend.get(&format!("/clients/{management}/roles/manage-users")).await;
    let path = format!("/users/{user}/role-mappings/clients/{management}");
    backend.send(Method::DELETE, &path, json!([role])).await;
    world.members.insert(email("new@shop.example"), member(&[1, 1, 1]));
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match store.observe(world.key(), &Scope::Account, world.policy.now).await.err() {
            Some(StoreError::Denied(_)) => break,
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
