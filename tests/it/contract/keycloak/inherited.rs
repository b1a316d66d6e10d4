//! Tests roles that reach a member in other ways than Roster's. Keycloak adds all grants together, so these are drift,
//! and are removed.

use reqwest::Method;
use roster::plan::{Cause, ObjectKey};
use serde_json::{Value, json};

use super::{Keycloak, id};
use crate::contract::{
    Backend as _,
    world::{email, member_key, world},
};

/// Ways by which a client role of the account reaches people without Roster's word.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    Group,
    Composite,
    DefaultRole,
    /// By a role of another client, which contains one that contains it.
    OtherClient,
}

pub async fn hand_on(backend: &Keycloak<'_>, way: Way, user: &str, role: Value, client: &str) {
    match way {
        Way::Group => {
            let group = backend.send(Method::POST, "/groups", json!({"name": "staff"})).await;
            backend.send(Method::POST, &format!("/groups/{group}/role-mappings/clients/{client}"), json!([role])).await;
            // In a group below it.
            let below =
                backend.send(Method::POST, &format!("/groups/{group}/children"), json!({"name": "night"})).await;
            backend.send(Method::PUT, &format!("/users/{user}/groups/{below}"), Value::Null).await;
        }
        Way::Composite => {
            backend.send(Method::POST, "/roles", json!({"name": "helper"})).await;
            backend.send(Method::POST, "/roles/helper/composites", json!([role])).await;
            let helper = backend.get("/roles/helper").await;
            backend.send(Method::POST, &format!("/users/{user}/role-mappings/realm"), json!([helper])).await;
        }
        Way::DefaultRole => {
            let path = format!("/roles/default-roles-{}/composites", backend.realm);
            backend.send(Method::POST, &path, json!([role])).await;
        }
        Way::OtherClient => {
            let other = backend.send(Method::POST, "/clients", json!({"clientId": "other"})).await;
            let mut contained = role;
            for name in ["inner", "outer"] {
                backend.send(Method::POST, &format!("/clients/{other}/roles"), json!({"name": name})).await;
                let path = format!("/clients/{other}/roles/{name}");
                backend.send(Method::POST, &format!("{path}/composites"), json!([contained])).await;
                contained = backend.get(&path).await;
            }
            let path = format!("/users/{user}/role-mappings/clients/{other}");
            backend.send(Method::POST, &path, json!([contained])).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inherited_access_is_drift_and_removed() {
    for way in [Way::Group, Way::Composite, Way::DefaultRole] {
        let backend = Keycloak::fresh().await;
        let store = backend.open().await;
        let world = world("acme");
        world.converge(&*store).await;
        // Ben may view orders.
        let ben = email("ben@shop.example");
        let (user, client) = (id(&backend.user(&ben).await), backend.client(world.key()).await);
        let role = backend.role(world.key(), "users:Delete").await;
        hand_on(&backend, way, &user, role, &client).await;
        let seen = world.observe(&*store).await;
        let content = seen.members[&ben].content.as_ref().unwrap();
        assert_eq!(content.ranks.as_slice(), [1, 0, 3], "{way:?}: it counts");
        assert_eq!(content.anomalies.join(","), "users:Delete is inherited", "{way:?}");
        let plan = world.converge(&*store).await;
        assert!(plan.changes.iter().all(|change| change.cause == Cause::Drift), "{way:?}: {:?}", plan.changes);
        world.assert_held(&world.observe(&*store).await);
        let effective = backend.get(&format!("/users/{user}/role-mappings/clients/{client}/composite")).await;
        assert_eq!(effective.as_array().unwrap().len(), 1, "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_only_inherits_access_is_unmanaged() {
    let backend = Keycloak::fresh().await;
    let store = backend.open().await;
    let world = world("acme");
    world.converge(&*store).await;
    let who = email("stranger@shop.example");
    let user = json!({"username": who.as_str(), "email": who.as_str(), "enabled": true});
    let user = backend.send(Method::POST, "/users", user).await;
    let role = backend.role(world.key(), "orders:Edit").await;
    hand_on(&backend, Way::Group, &user, role, &backend.client(world.key()).await).await;
    let seen = world.observe(&*store).await;
    let content = seen.members[&who].content.as_ref().unwrap();
    assert_eq!((content.ranks.as_slice(), &seen.members[&who].mark), ([2, 0, 0].as_slice(), &None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extra_role_is_drift_even_if_it_adds_nothing() {
    let backend = Keycloak::fresh().await;
    let store = backend.open().await;
    let world = world("acme");
    world.converge(&*store).await;
    let ann = email("ann@shop.example");
    let user = id(&backend.user(&ann).await);
    backend.grant(&user, world.key(), "orders:View").await;
    let plan = world.converge(&*store).await;
    let drifted: Vec<_> = plan.drift.iter().map(|drift| (&drift.object, drift.entries[0].observed.as_str())).collect();
    assert_eq!(drifted, [(&member_key(&ann), "orders:View besides")]);
    world.assert_held(&world.observe(&*store).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tampered_parts_of_an_account_are_corrected() {
    let backend = Keycloak::fresh().await;
    let world = world("acme");
    world.converge(&*backend.open().await).await;
    for number in 0..7 {
        let client = backend.client(world.key()).await;
        let scopes = backend.get("/client-scopes").await;
        let scope = scopes.as_array().unwrap().iter().find(|scope| scope["name"] == "shop/acme").map(id).unwrap();
        let set = json!({"clientId": "shop/acme", "directAccessGrantsEnabled": true, "fullScopeAllowed": true});
        let (method, path, body, why) = match number {
            0 => (Method::PUT, format!("/clients/{client}"), set, "direct access grants"),
            1 => (
                Method::DELETE,
                format!("/organizations/{}", backend.organization(world.key()).await),
                Value::Null,
                "organization",
            ),
            2 => (Method::DELETE, format!("/client-scopes/{scope}"), Value::Null, "client scope"),
            3 => (Method::DELETE, format!("/clients/{client}/roles/users:Edit"), Value::Null, "users:Edit"),
            4 => (Method::POST, format!("/clients/{client}/roles"), json!({"name": "root"}), "root"),
            5 => (
                Method::DELETE,
                format!(
                    "/clients/{}/optional-client-scopes/{scope}",
                    id(&backend.get("/clients?clientId=portal").await[0])
                ),
                Value::Null,
                "a portal lacks",
            ),
            _ => {
                let role = backend.role(world.key(), "orders:Edit").await;
                let path = format!("/client-scopes/{scope}/scope-mappings/clients/{client}");
                (Method::DELETE, path, json!([role]), "client scope")
            }
        };
        backend.send(method, &path, body).await;
        // As another process would see it: lists of what portals may ask for are good for a while.
        let store = backend.open().await;
        let plan = world.converge(&*store).await;
        let drift = plan.drift.iter().find(|drift| drift.object == ObjectKey::Account).unwrap();
        assert!(drift.entries.iter().any(|entry| entry.observed.contains(why)), "{number}: {drift:?}");
        world.assert_held(&world.observe(&*store).await);
    }
}
