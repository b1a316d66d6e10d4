//! Tests which existing users may become members, and what happens to users when members are removed.

use super::{Keycloak, id};
use crate::contract::{
    Backend as _,
    world::{World, email, member, member_key, members, world},
};
use reqwest::Method;
use roster::{
    model::{Email, Scope},
    plan::ObjectKey,
    store::StoreError,
};
use serde_json::{Value, json};

const DANA: &str = "dana@shop.example";

impl Keycloak<'_> {
    async fn make_user(&self, email: &str, verified: bool) -> String {
        let user = json!({
            "username": email, "email": email, "emailVerified": verified, "enabled": true,
            "firstName": "Dana", "lastName": "Own",
        });
        self.send(Method::POST, "/users", user).await
    }

    async fn user_by_id(&self, id: &str) -> Value {
        self.get(&format!("/users/{id}")).await
    }
}

/// An account with one member more.
fn with(world: &World, who: &Email) -> World {
    let mut world = world.clone();
    world.members.insert(who.clone(), member(&[1, 0, 0]));
    world
}

/// Tries to create one more member, and returns the error about that one. The others are created.
async fn refused(backend: &Keycloak<'_>, who: &Email) -> String {
    let store = backend.open().await;
    let world = with(&world("acme"), who);
    let plan = world.plan(&*store, Scope::Account).await;
    let outcomes = world.apply(&*store, &plan).await;
    let mut message = String::new();
    for (change, outcome) in plan.changes.iter().zip(outcomes) {
        match outcome {
            Err(StoreError::Invalid(why)) if change.object == member_key(who) => message = why,
            Ok(()) if change.object != member_key(who) => {}
            other => panic!("{}: {other:?}", change.object),
        }
    }
    assert!(!world.observe(&*store).await.members.contains_key(who), "nothing of it is there");
    message
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unverified_address_identifies_nobody() {
    let backend = Keycloak::fresh().await;
    backend.make_user(DANA, false).await;
    let message = refused(&backend, &email(DANA)).await;
    assert!(message.starts_with("IdentityUnverified") && message.contains(DANA), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_realm_administrator_is_no_member() {
    let backend = Keycloak::fresh().await;
    let user = backend.make_user(DANA, true).await;
    let management = id(&backend.get("/clients?clientId=realm-management").await[0]);
    let role = backend.get(&format!("/clients/{management}/roles/view-users")).await;
    // By a group, so that it is inherited.
    let group = backend.send(Method::POST, "/groups", json!({"name": "staff"})).await;
    backend.send(Method::POST, &format!("/groups/{group}/role-mappings/clients/{management}"), json!([role])).await;
    backend.send(Method::PUT, &format!("/users/{user}/groups/{group}"), Value::Null).await;
    let message = refused(&backend, &email(DANA)).await;
    assert!(message.contains("administers it") && message.contains(DANA), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verified_user_is_pinned_and_not_changed() {
    let backend = Keycloak::fresh().await;
    let dana = email(DANA);
    let user = backend.make_user(DANA, true).await;
    backend.send(Method::PUT, &format!("/users/{user}"), json!({"email": DANA, "enabled": false})).await;
    let before = backend.user_by_id(&user).await;
    let store = backend.open().await;
    let one = with(&world("acme"), &dana);
    one.converge(&*store).await;
    one.assert_held(&one.observe(&*store).await);
    // Their address in the realm changes: they are who they were, also for another account.
    let mut moved = backend.user_by_id(&user).await;
    assert_eq!(moved["enabled"], false);
    moved["email"] = json!("elsewhere@shop.example");
    backend.send(Method::PUT, &format!("/users/{user}"), moved).await;
    one.assert_held(&one.observe(&*store).await);
    let scoped = store.observe(one.key(), &members(&[&dana]), super::super::world::NOW).await.unwrap();
    assert_eq!(scoped.members.len(), 1);
    let mut two = with(&world("zeta"), &dana);
    two.converge(&*store).await;
    two.assert_held(&two.observe(&*store).await);
    // The user who has that address now is a different person.
    two.members.insert(email("elsewhere@shop.example"), member(&[1, 0, 0]));
    let plan = two.plan(&*store, Scope::Account).await;
    let outcomes = two.apply(&*store, &plan).await;
    assert!(
        matches!(outcomes.as_slice(), [Err(StoreError::Invalid(why))] if why.contains("IdentityPinned")),
        "{outcomes:?}"
    );
    two.members.remove(&email("elsewhere@shop.example"));
    for mut world in [one, two] {
        world.members.remove(&dana);
        world.converge(&*store).await;
    }
    // Nothing of Roster is left on them, and nothing else has changed.
    let mut after = backend.user_by_id(&user).await;
    after["email"] = json!(DANA);
    // Logging them out leaves the time of it.
    after["notBefore"] = before["notBefore"].clone();
    assert_eq!(after, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_created_by_roster_is_deleted_with_the_last_account() {
    let backend = Keycloak::fresh().await;
    let store = backend.open().await;
    let (mut one, mut two) = (world("acme"), world("zeta"));
    one.converge(&*store).await;
    two.converge(&*store).await;
    let ann = email("ann@shop.example");
    let user = id(&backend.user(&ann).await);
    one.members.remove(&ann);
    one.converge(&*store).await;
    one.assert_held(&one.observe(&*store).await);
    two.assert_held(&two.observe(&*store).await);
    assert_eq!(id(&backend.user(&ann).await), user);
    two.members.remove(&ann);
    two.converge(&*store).await;
    assert_eq!(backend.user(&ann).await, Value::Null);
}

/// A user whom Roster once created has become an administrator.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_who_became_administrator_is_removed_but_not_deleted() {
    let backend = Keycloak::fresh().await;
    let store = backend.open().await;
    let mut world = world("acme");
    world.converge(&*store).await;
    let ann = email("ann@shop.example");
    let user = id(&backend.user(&ann).await);
    let management = id(&backend.get("/clients?clientId=realm-management").await[0]);
    let role = backend.get(&format!("/clients/{management}/roles/view-users")).await;
    backend.send(Method::POST, &format!("/users/{user}/role-mappings/clients/{management}"), json!([role])).await;
    world.members.remove(&ann);
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
    let held = backend.get(&format!("/users/{user}/role-mappings")).await;
    assert_eq!(held["clientMappings"].as_object().unwrap().keys().collect::<Vec<_>>(), ["realm-management"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_that_does_not_fit_into_keycloak_is_reported() {
    let backend = Keycloak::fresh().await;
    let store = backend.open().await;
    let long = email(&format!("{}@shop.example", "a".repeat(65)));
    let world = with(&world("acme"), &long);
    let plan = world.plan(&*store, Scope::Account).await;
    let outcomes = world.apply(&*store, &plan).await;
    for (change, outcome) in plan.changes.iter().zip(outcomes) {
        match &change.object {
            ObjectKey::Member(who) if *who == long => {
                assert!(matches!(&outcome, Err(StoreError::Unsupported(why)) if why.contains("64")), "{outcome:?}");
            }
            object => assert_eq!(outcome, Ok(()), "{object}"),
        }
    }
}

/// Keycloak keeps the domain of an address as it was typed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_an_internationalized_domain_is_found_by_every_spelling() {
    let backend = Keycloak::fresh().await;
    let store = backend.open().await;
    let typed = "ann@b\u{fc}cher.example";
    let who = email(typed);
    assert_eq!(who.as_str(), "ann@xn--bcher-kva.example");
    let made = json!({"username": "ann-b", "email": typed, "emailVerified": true, "enabled": true});
    let user = backend.send(Method::POST, "/users", made).await;
    let mut world = world("acme");
    world.converge(&*store).await;
    backend.grant(&user, world.key(), "orders:Edit").await;
    let with = store.with_access(std::slice::from_ref(&who), super::super::world::NOW).await.unwrap();
    assert_eq!(with, [(world.key().clone(), who.clone())]);
    backend.revoke_all(&user, world.key()).await;
    let count = backend.get("/users/count").await;
    world.members.insert(who.clone(), member(&[1, 0, 0]));
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
    assert_eq!(backend.get("/users/count").await, count, "nobody was made besides");
    assert_ne!(backend.held(&user).await, Value::Null);
    let scope = members(&[&who]);
    let seen = store.observe(world.key(), &scope, super::super::world::NOW).await.unwrap();
    assert_eq!(seen.members.len(), 1);
    world.members.remove(&who);
    world.converge_in(&*store, scope).await;
    assert_eq!(backend.held(&user).await, Value::Null);
}

/// Their access is not theirs to keep while nobody knows whether they are the member.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adopted_user_loses_excess_access_first() {
    let backend = Keycloak::fresh().await;
    let store = backend.open().await;
    let dana = email(DANA);
    let mut world = world("acme");
    world.policy.adoption = roster::api::Adoption::Always;
    world.converge(&*store).await;
    let user = backend.make_user(DANA, false).await;
    let path = format!("/organizations/{}/members", backend.organization(world.key()).await);
    backend.send(Method::POST, &path, json!(user)).await;
    for role in ["orders:Edit", "payments:Allowed"] {
        backend.grant(&user, world.key(), role).await;
    }
    world.members.insert(dana.clone(), member(&[1, 1, 0]));
    let plan = world.plan(&*store, Scope::Account).await;
    let outcomes = world.apply(&*store, &plan).await;
    let refused = |why: &String| why.starts_with("IdentityUnverified");
    assert!(matches!(outcomes.as_slice(), [Err(StoreError::Invalid(why))] if refused(why)), "{outcomes:?}");
    let held = &backend.held(&user).await["shop/acme"]["mappings"];
    let held: Vec<&str> = held.as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
    assert_eq!(held, ["payments:Allowed"]);
}
