//! Tests that access is revoked before anything that may fail, and that people who lose access are logged out, even if
//! it takes several attempts.

use reqwest::{Method, StatusCode};
use roster::{
    api::Unmanaged,
    model::{Email, Layout, Scope},
    store::{Store as _, StoreError},
};
use serde_json::{Value, json};

use super::{
    Keycloak, id,
    inherited::{Way, hand_on},
    proxy::Proxy,
};
use crate::contract::world::{NOW, email, member, ranks, world};

impl Keycloak<'_> {
    pub async fn refresh(&self, token: &Value) -> Result<Value, (StatusCode, Value)> {
        let form = [
            ("client_id", "portal"),
            ("client_secret", "portal"),
            ("grant_type", "refresh_token"),
            ("refresh_token", token["refresh_token"].as_str().unwrap()),
        ];
        self.server.token(&self.realm, &form).await
    }

    async fn session(&self, who: &Email) -> Value {
        self.set_password(who).await;
        self.log_in(who, "shop/acme").await
    }
}

fn is_user(path: &str) -> bool {
    path.rsplit_once('/').is_some_and(|(front, _)| front.ends_with("/users"))
}

/// A listener of the realm objects, say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_cannot_be_deleted_still_loses_all_access() {
    let backend = Keycloak::fresh().await;
    let (proxy, store) = Proxy::store(&backend).await;
    let mut world = world("acme");
    world.converge(&store).await;
    let ann = email("ann@shop.example");
    let (user, token) = (id(&backend.user(&ann).await), backend.session(&ann).await);
    world.members.remove(&ann);
    proxy.refuse(|method, path| *method == Method::DELETE && is_user(path));
    for _ in 0..2 {
        let plan = world.plan(&store, Scope::Account).await;
        let outcomes = world.apply(&store, &plan).await;
        assert!(matches!(outcomes.as_slice(), [Err(StoreError::Invalid(_))]), "{outcomes:?}");
        assert_eq!(backend.held(&user).await, Value::Null);
        assert_eq!(store.with_access(std::slice::from_ref(&ann), NOW).await.unwrap(), []);
        backend.refresh(&token).await.unwrap_err();
    }
    proxy.mend();
    world.converge(&store).await;
    assert_eq!(backend.user(&ann).await, Value::Null);
    world.assert_held(&world.observe(&store).await);
}

/// Deleting them is the one way by which a role that another client's role contains can be taken from them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_created_by_roster_is_deleted_even_if_a_role_cannot_be_removed() {
    let backend = Keycloak::fresh().await;
    let store = backend.store().await;
    let mut world = world("acme");
    world.converge(&store).await;
    let ann = email("ann@shop.example");
    let user = id(&backend.user(&ann).await);
    let role = backend.role(world.key(), "orders:Edit").await;
    hand_on(&backend, Way::OtherClient, &user, role, &backend.client(world.key()).await).await;
    world.members.remove(&ann);
    world.converge(&store).await;
    assert_eq!(backend.user(&ann).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_logout_is_repeated() {
    let backend = Keycloak::fresh().await;
    let (proxy, store) = Proxy::store(&backend).await;
    // One user whom Roster created, and one who stays when they are not a member any more.
    let (ann, dana) = (email("ann@shop.example"), email("dana@shop.example"));
    let user = json!({"username": "dana", "email": dana.as_str(), "emailVerified": true, "enabled": true});
    backend.send(Method::POST, "/users", user).await;
    let mut world = world("acme");
    world.members.insert(dana.clone(), member(&[1, 0, 0]));
    world.converge(&store).await;
    for (number, who) in [&ann, &dana].into_iter().enumerate() {
        let token = backend.session(who).await;
        if number == 0 {
            world.members.get_mut(who).unwrap().ranks = ranks(&[1, 1, 3]);
        } else {
            world.members.remove(who);
        }
        proxy.refuse(|method, path| *method == Method::POST && path.ends_with("/logout"));
        let plan = world.plan(&store, Scope::Account).await;
        let outcomes = world.apply(&store, &plan).await;
        assert!(matches!(outcomes.as_slice(), [Err(StoreError::Invalid(_))]), "{who}: {outcomes:?}");
        assert_eq!(store.with_access(std::slice::from_ref(&dana), NOW).await.unwrap().len(), 1 - number);
        proxy.mend();
        world.converge(&store).await;
        world.assert_held(&world.observe(&store).await);
        backend.refresh(&token).await.unwrap_err();
    }
}

/// A change that fails again and again takes nothing again, and logs nobody out again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successful_logout_is_not_repeated() {
    let backend = Keycloak::fresh().await;
    let (proxy, store) = Proxy::store(&backend).await;
    let mut world = world("acme");
    world.converge(&store).await;
    let ann = email("ann@shop.example");
    let token = backend.session(&ann).await;
    world.members.get_mut(&ann).unwrap().ranks = ranks(&[1, 1, 3]);
    proxy.refuse(|method, path| *method == Method::PUT && is_user(path));
    for time in 0..2 {
        let plan = world.plan(&store, Scope::Account).await;
        let outcomes = world.apply(&store, &plan).await;
        assert!(matches!(outcomes.as_slice(), [Err(StoreError::Invalid(_))]), "{outcomes:?}");
        if time == 0 {
            backend.refresh(&token).await.unwrap_err();
        }
        let token = backend.log_in(&ann, "shop/acme").await;
        let plan = world.plan(&store, Scope::Account).await;
        world.apply(&store, &plan).await;
        backend.refresh(&token).await.unwrap();
    }
}

/// The part of a change that succeeds takes effect, even if the rest fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_who_keeps_an_inherited_role_is_logged_out() {
    let backend = Keycloak::fresh().await;
    let store = backend.store().await;
    let mut world = world("acme");
    world.converge(&store).await;
    let ann = email("ann@shop.example");
    let (user, token) = (id(&backend.user(&ann).await), backend.session(&ann).await);
    let role = backend.role(world.key(), "orders:Edit").await;
    hand_on(&backend, Way::OtherClient, &user, role, &backend.client(world.key()).await).await;
    world.members.get_mut(&ann).unwrap().ranks.clear();
    let plan = world.plan(&store, Scope::Account).await;
    let outcomes = world.apply(&store, &plan).await;
    assert!(
        matches!(outcomes.as_slice(), [Err(StoreError::Invalid(why))] if why.contains("through a composite client role")),
        "{outcomes:?}"
    );
    backend.refresh(&token).await.unwrap_err();
}

/// A user who is not a member of Roster's holds a level that is removed, or has one through a group or a realm role.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_who_lose_by_a_change_of_the_account_are_logged_out() {
    let backend = Keycloak::fresh().await;
    let store = backend.store().await;
    let mut world = world("acme");
    world.converge(&store).await;
    let client = backend.client(world.key()).await;
    let stranger = email("stranger@shop.example");
    let user = json!({"username": "stranger", "email": stranger.as_str(), "enabled": true});
    let user = backend.send(Method::POST, "/users", user).await;
    for level in [true, false] {
        if level {
            backend.grant(&user, world.key(), "users:Delete").await;
            let mut ladders = world.account.layout.ladders().to_vec();
            ladders[2].levels.pop();
            world.account.layout = Layout::new(ladders);
            world.roles.values_mut().for_each(|role| role.ranks = ranks(&[1, 0, 0]));
            world.members.get_mut(&email("ann@shop.example")).unwrap().ranks = ranks(&[2, 1, 2]);
        } else {
            let role = backend.role(world.key(), "orders:Edit").await;
            hand_on(&backend, Way::Composite, &user, role, &client).await;
        }
        let token = backend.session(&stranger).await;
        world.policy.unmanaged = Unmanaged::Report;
        world.converge(&store).await;
        let effective = backend.get(&format!("/users/{user}/role-mappings/clients/{client}/composite")).await;
        let effective: Vec<&str> =
            effective.as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
        assert_eq!(effective, ["users:Edit"], "{level}");
        backend.refresh(&token).await.unwrap_err();
    }
}
