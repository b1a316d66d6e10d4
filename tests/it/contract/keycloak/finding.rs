//! Tests that an observed user is found again when something is revoked, even if their attributes or addresses have
//! changed.

use reqwest::Method;
use roster::{
    api::Unmanaged,
    model::Scope,
    store::{Store as _, StoreError},
};
use serde_json::{Value, json};

use super::{Keycloak, id};
use crate::contract::{
    Backend as _,
    world::{NOW, email, member, member_key, members, world},
};

impl Keycloak<'_> {
    /// Changes a user behind Roster's back.
    pub async fn change_user(&self, id: &str, change: impl FnOnce(&mut Value)) {
        let path = format!("/users/{id}");
        let mut user = self.get(&path).await;
        change(&mut user);
        self.send(Method::PUT, &path, user).await;
    }

    /// Client roles that somebody has directly, of all clients.
    pub async fn held(&self, id: &str) -> Value {
        self.get(&format!("/users/{id}/role-mappings")).await["clientMappings"].clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_a_lost_attribute_or_changed_address_is_found() {
    let backend = Keycloak::fresh().await;
    let store = backend.store().await;
    let mut world = world("acme");
    world.converge(&store).await;
    world.observe(&store).await;
    let ann = email("ann@shop.example");
    let user = id(&backend.user(&ann).await);
    backend
        .change_user(&user, |user| {
            user["email"] = json!("elsewhere@shop.example");
            user["attributes"].as_object_mut().unwrap().remove("roster-address").unwrap();
        })
        .await;
    let scope = members(&[&ann]);
    let seen = store.observe(world.key(), &scope, NOW).await.unwrap();
    let whole = world.observe(&store).await;
    assert_eq!(seen.members.get(&ann), whole.members.get(&ann));
    assert!(whole.members[&ann].mark.is_some());
    let with = store.with_access(std::slice::from_ref(&ann), NOW).await.unwrap();
    assert_eq!(with, [(world.key().clone(), ann.clone())]);
    world.members.remove(&ann);
    let plan = world.converge_in(&store, scope).await;
    assert_eq!(plan.changes.len(), 1);
    assert_eq!(backend.user(&email("elsewhere@shop.example")).await, Value::Null, "Roster made them");
    world.assert_held(&world.observe(&store).await);
}

/// No attribute of the user says any more who they are, but the store remembers whom it admitted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_attributes_and_address_is_still_identified_and_blocked() {
    let backend = Keycloak::fresh().await;
    let store = backend.store().await;
    let mut world = world("acme");
    let ann = email("ann@shop.example");
    // Somebody else made them, and called them otherwise.
    let user = json!({"username": "ann", "email": ann.as_str(), "emailVerified": true, "enabled": true});
    let user = backend.send(Method::POST, "/users", user).await;
    world.converge(&store).await;
    backend
        .change_user(&user, |user| {
            user["email"] = json!("elsewhere@shop.example");
            user["attributes"].as_object_mut().unwrap().retain(|name, _| !name.starts_with("roster"));
        })
        .await;
    let count = backend.get("/users/count").await;
    let asked = std::slice::from_ref(&ann);
    assert_eq!(store.with_access(asked, NOW).await.unwrap(), [(world.key().clone(), ann.clone())]);
    let scope = members(&[&ann]);
    let (seen, whole) = (store.observe(world.key(), &scope, NOW).await.unwrap(), world.observe(&store).await);
    assert_eq!(seen.members.get(&ann), whole.members.get(&ann));
    assert_eq!(whole.members[&ann].mark.as_ref(), Some(world.mark()));
    assert_eq!(whole.members.len(), 2);
    // Among so many that lists are read.
    let others: Vec<_> = (0..25).map(|number| email(&format!("nobody-{number}@shop.example"))).collect();
    let many: Vec<_> = others.iter().chain([&ann]).collect();
    let seen = store.observe(world.key(), &members(&many), NOW).await.unwrap();
    assert_eq!(seen.members.iter().collect::<Vec<_>>(), [(&ann, &whole.members[&ann])]);
    let member = world.members.get_mut(&ann).unwrap();
    member.ended = Some(roster::resolve::RevocationReason::Blocked);
    member.ranks.clear();
    world.converge_in(&store, scope).await;
    assert_eq!(backend.held(&user).await, Value::Null);
    assert_eq!(store.with_access(asked, NOW).await.unwrap(), []);
    assert_eq!(backend.get("/users/count").await, count, "nobody was made in their place");
    world.assert_held(&world.observe(&store).await);
    // Another process sees the same, by the attributes that were written again.
    world.assert_held(&world.observe(&backend.store().await).await);
}

/// The user was changed into somebody else. The former member is still handled, and no new user is created instead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_without_a_matching_user_fails() {
    let backend = Keycloak::fresh().await;
    let store = backend.store().await;
    let mut world = world("acme");
    let ann = email("ann@shop.example");
    // Somebody else made them, and called them otherwise.
    let user = json!({"username": "ann", "email": ann.as_str(), "emailVerified": true, "enabled": true});
    let user = backend.send(Method::POST, "/users", user).await;
    world.converge(&store).await;
    backend
        .change_user(&user, |user| {
            user["email"] = json!("elsewhere@shop.example");
            let entry = user["attributes"]["roster"][0].as_str().unwrap();
            user["attributes"]["roster"] = json!([entry.replace(ann.as_str(), "else@shop.example")]);
            user["attributes"]["roster-address"] = json!(["else@shop.example"]);
        })
        .await;
    let member = world.members.get_mut(&ann).unwrap();
    member.ended = Some(roster::resolve::RevocationReason::Blocked);
    member.ranks.clear();
    let plan = world.plan(&store, members(&[&ann])).await;
    let outcomes = world.apply(&store, &plan).await;
    assert!(matches!(outcomes.as_slice(), [Err(StoreError::Conflict(_))]), "{outcomes:?}");
    assert_ne!(backend.held(&user).await, Value::Null);
}

/// Their attributes were copied to another user, who was let in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_with_the_same_address_are_distinguished_and_all_lose_revoked_access() {
    let backend = Keycloak::fresh().await;
    let store = backend.store().await;
    let world = world("acme");
    world.converge(&store).await;
    let ann = email("ann@shop.example");
    let real = backend.user(&ann).await;
    let copy = json!({"username": "copy", "email": "copy@shop.example", "enabled": true, "emailVerified": true,
        "attributes": real["attributes"]});
    let copy = backend.send(Method::POST, "/users", copy).await;
    backend.grant(&copy, world.key(), "orders:Edit").await;
    let name = email_of(&format!("copy ({copy})"));
    let whole = world.observe(&store).await;
    assert!(whole.members[&name].mark.is_some(), "it says that it is ours");
    for who in [&ann, &name] {
        let seen = store.observe(world.key(), &members(&[who]), NOW).await.unwrap();
        assert_eq!(seen.members.iter().collect::<Vec<_>>(), [(who, &whole.members[who])]);
    }
    let plan = world.converge(&store).await;
    assert_eq!(plan.changes.iter().map(|change| &change.object).collect::<Vec<_>>(), [&member_key(&name)]);
    world.assert_held(&world.observe(&store).await);
    assert_eq!(backend.held(&copy).await, Value::Null, "and they are still there: Roster did not make them");
    assert_eq!(id(&backend.user(&ann).await), id(&real));
}

/// A block names an address: it counts for users who have it, and for users who are pinned to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_user_with_an_address_counts_for_its_access() {
    let backend = Keycloak::fresh().await;
    let store = backend.store().await;
    let dana = email("dana@shop.example");
    let user = |name: &str| json!({"username": name, "email": dana.as_str(), "enabled": true, "emailVerified": true});
    let first = backend.send(Method::POST, "/users", user("dana")).await;
    let mut world = world("acme");
    world.members.insert(dana.clone(), member(&[1, 0, 0]));
    world.converge(&store).await;
    backend.change_user(&first, |user| user["email"] = json!("elsewhere@shop.example")).await;
    let second = backend.send(Method::POST, "/users", user("second")).await;
    backend.grant(&second, world.key(), "orders:View").await;
    let member = world.members.get_mut(&dana).unwrap();
    member.ended = Some(roster::resolve::RevocationReason::Blocked);
    member.ranks.clear();
    world.converge(&store).await;
    assert_eq!(backend.held(&first).await, Value::Null);
    let with = store.with_access(std::slice::from_ref(&dana), NOW).await.unwrap();
    assert_eq!(with, [(world.key().clone(), dana)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_without_a_matching_user_fails() {
    let backend = Keycloak::fresh().await;
    let store = backend.store().await;
    let mut world = world("acme");
    world.policy.unmanaged = Unmanaged::Remove;
    world.converge(&store).await;
    let stranger = email("stranger@shop.example");
    backend.insert_member(world.key(), &stranger).await;
    let plan = world.plan(&store, Scope::Account).await;
    let user = id(&backend.user(&stranger).await);
    backend.change_user(&user, |user| user["email"] = json!("renamed@shop.example")).await;
    let outcomes = world.apply(&store, &plan).await;
    assert!(matches!(outcomes.as_slice(), [Err(StoreError::Conflict(_))]), "{outcomes:?}");
    world.converge(&store).await;
    assert_eq!(backend.held(&user).await, Value::Null);
    world.assert_held(&world.observe(&store).await);
    // Repeating the change has no further effect.
    assert_eq!(world.apply(&store, &plan).await, [Ok(())]);
}

/// A name that is not an address.
fn email_of(name: &str) -> roster::model::Email {
    roster::model::Email::as_stored(name)
}
