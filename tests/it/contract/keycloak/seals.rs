//! Tests seals: an entry that says who a user is needs Roster's seal, or counts only for what it proves.

use reqwest::Method;
use roster::{
    model::{Email, Scope},
    plan::Cause,
    store::StoreError,
};
use serde_json::{Value, json};

use super::{Keycloak, id};
use crate::contract::{
    Backend as _,
    world::{World, email, member, member_key, ranks, world},
};

const ANN: &str = "ann@shop.example";

impl Keycloak<'_> {
    /// Lets administrators write attributes that nobody declared, as users once could in this realm.
    async fn allow_any_attributes(&self) {
        let mut profile = self.get("/users/profile").await;
        profile["unmanagedAttributePolicy"] = json!("ADMIN_EDIT");
        self.send(Method::PUT, "/users/profile", profile).await;
    }

    /// Makes a realm that was kept by the version before seals: everything is there but they and their key.
    async fn take_seals(&self) {
        let users = self.get("/users?briefRepresentation=false&max=1000").await;
        for user in users.as_array().unwrap().iter().filter(|user| user["attributes"].get("roster").is_some()) {
            self.change_user(&id(user), |user| {
                for entry in user["attributes"]["roster"].as_array_mut().unwrap() {
                    let mut parsed: Value = serde_json::from_str(entry.as_str().unwrap()).unwrap();
                    assert!(parsed.as_object_mut().unwrap().remove("seal").is_some());
                    *entry = json!(parsed.to_string());
                }
            })
            .await;
        }
        let keeper = id(&self.get("/clients?clientId=roster-seal").await[0]);
        self.send(Method::DELETE, &format!("/clients/{keeper}"), Value::Null).await;
    }

    async fn is_sealed(&self, email: &Email) -> bool {
        let user = self.user(email).await;
        let entry: Value = serde_json::from_str(user["attributes"]["roster"][0].as_str().unwrap()).unwrap();
        entry.get("seal").is_some()
    }
}

/// Applies what is desired, where one member is refused.
async fn refused(world: &World, store: &dyn roster::store::Store, who: &Email) -> String {
    let plan = world.plan(store, Scope::Account).await;
    let outcomes = world.apply(store, &plan).await;
    match (plan.changes.as_slice(), outcomes.as_slice()) {
        ([change], [Err(StoreError::Invalid(why))]) if change.object == member_key(who) => why.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attributes_written_by_users_do_not_change_who_they_are() {
    let backend = Keycloak::fresh().await;
    let world = world("acme");
    let (ann, mark) = (email(ANN), world.mark());
    backend.allow_any_attributes().await;
    let entry = json!({
        "account": world.key().to_string(), "cluster": mark.cluster.as_str(), "uid": mark.uid.as_str(), "address": ANN,
        "fingerprint": "00000000000000000000000000000000", "seal": "c2VhbA",
    });
    let mallory = json!({
        "username": "mallory", "email": "mallory@else.example", "emailVerified": true, "enabled": true,
        "attributes": {
            "roster": [entry.to_string()], "roster-account": [world.key().to_string()], "roster-address": [ANN],
        },
    });
    let mallory = backend.send(Method::POST, "/users", mallory).await;
    assert!(backend.get(&format!("/users/{mallory}")).await["attributes"].get("roster").is_some());
    let store = backend.open().await;
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
    assert_eq!(backend.held(&mallory).await, Value::Null);
    assert_ne!(id(&backend.user(&ann).await), mallory);
    // Nor in another account, where nobody is a member yet.
    let other = crate::contract::world::world("zeta");
    other.converge(&*store).await;
    assert_eq!(backend.held(&mallory).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_realm_of_the_previous_version_keeps_working_and_nobody_gains() {
    let backend = Keycloak::fresh().await;
    let (ann, dana) = (email(ANN), email("dana@shop.example"));
    let user = json!({"username": "dana", "email": dana.as_str(), "emailVerified": true, "enabled": true});
    backend.send(Method::POST, "/users", user).await;
    let mut world = world("acme");
    world.members.insert(dana.clone(), member(&[1, 0, 0]));
    world.members.insert(ann.clone(), member(&[1, 1, 3]));
    world.converge(&*backend.open().await).await;
    backend.take_seals().await;

    let store = backend.open_read_only().await.unwrap();
    world.assert_held(&world.observe(&*store).await);
    let store = backend.open().await;
    world.assert_held(&world.observe(&*store).await);
    // Only users whose address the realm has verified are sealed.
    let plan = world.converge(&*store).await;
    let changes: Vec<_> = plan.changes.iter().map(|change| (&change.object, change.cause)).collect();
    assert_eq!((changes, plan.drift.len()), (vec![(&member_key(&dana), Cause::Spec)], 0));
    assert!(backend.is_sealed(&dana).await && !backend.is_sealed(&ann).await);
    world.assert_held(&world.observe(&*store).await);
    let store = backend.open().await;
    assert_eq!(world.plan(&*store, Scope::Account).await.changes, [], "another process has the same key");

    // From others everything can be taken, in one with what they would gain; and they gain nothing.
    world.members.insert(ann.clone(), member(&[1, 0, 3]));
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
    world.members.insert(ann.clone(), member(&[2, 0, 0]));
    let message = refused(&world, &*store, &ann).await;
    assert!(message.starts_with("IdentityUnverified") && message.contains(ANN), "{message}");
    let seen = world.observe(&*store).await;
    assert_eq!(seen.members[&ann].content.as_ref().unwrap().ranks, ranks(&[1, 0, 0]));
    let ben = email("ben@shop.example");
    world.members.remove(&ben);
    let plan = world.plan(&*store, Scope::Account).await;
    let removal: Vec<_> = plan.changes.iter().filter(|c| c.object == member_key(&ben)).cloned().collect();
    assert_eq!(world.apply_changes(&*store, &plan.layout, &removal).await, [Ok(())]);
    assert_eq!(backend.user(&ben).await, Value::Null);

    // Until the realm has verified their address.
    let user = id(&backend.user(&ann).await);
    backend.change_user(&user, |user| user["emailVerified"] = json!(true)).await;
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
    assert!(backend.is_sealed(&ann).await);
}

/// Two processes open a realm at the same time: what one has sealed, the other believes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_starts_create_one_key() {
    let backend = Keycloak::fresh().await;
    let stores = futures::future::join_all((0..4).map(|_| backend.open())).await;
    let mut world = world("acme");
    world.converge(&*stores[0]).await;
    for (number, store) in stores.iter().enumerate() {
        // A user without a verified address gains only with a valid seal.
        world.members.insert(email(ANN), member(&[u8::from(number % 2 == 0), 1, 3]));
        world.converge(&**store).await;
        world.assert_held(&world.observe(&**store).await);
    }
}
