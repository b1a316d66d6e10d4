//! Tests that the roles in the realm decide about access, whatever Roster once recorded of a suspension or a time.

use reqwest::Method;
use roster::{
    api::DriftPolicy,
    resolve::{MemberContent, RevocationReason, Window},
    store::Store as _,
};

use serde_json::{Value, json};

use super::{
    Keycloak, id,
    inherited::{Way, hand_on},
};
use crate::contract::world::{NOW, email, world};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_given_after_a_revocation_is_removed_again() {
    let blocked = |member: &mut MemberContent| member.ended = Some(RevocationReason::Blocked);
    // Keycloak holds whole seconds.
    let over = NOW.round(jiff::Unit::Second).unwrap();
    let expired = move |member: &mut MemberContent| member.window.expires_at = Some(over);
    let ends: [&dyn Fn(&mut MemberContent); 2] = [&blocked, &expired];
    for (number, end) in ends.into_iter().enumerate() {
        let backend = Keycloak::fresh().await;
        let store = backend.store().await;
        let mut world = world("acme");
        world.converge(&store).await;
        let ann = email("ann@shop.example");
        let member = world.members.get_mut(&ann).unwrap();
        member.ranks.clear();
        end(member);
        world.converge(&store).await;
        assert_eq!(store.with_access(std::slice::from_ref(&ann), NOW).await.unwrap(), [], "{number}");
        let user = id(&backend.user(&ann).await);
        backend.grant(&user, world.key(), "orders:Edit").await;
        let with = store.with_access(std::slice::from_ref(&ann), NOW).await.unwrap();
        assert_eq!(with, [(world.key().clone(), ann.clone())], "{number}: no block is in force");
        let seen = world.observe(&store).await;
        let seen = seen.members[&ann].content.as_ref().unwrap();
        assert_eq!((seen.ranks.as_slice(), seen.ended), ([2, 0, 0].as_slice(), None), "{number}");
        assert_eq!(seen.window, Window::default(), "{number}: nobody sees to it");
        // Their access was explicitly revoked: this is applied even if drift is only reported.
        world.policy.drift = DriftPolicy::Report;
        world.converge(&store).await;
        world.assert_held(&world.observe(&store).await);
        assert_eq!(store.with_access(&[ann], NOW).await.unwrap(), [], "{number}");
    }
}

/// Everybody who is asked for counts, in whatever way a role reaches them and however many people are asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inherited_access_is_found_in_any_scope() {
    for way in [None, Some(Way::Group), Some(Way::Composite), Some(Way::DefaultRole), Some(Way::OtherClient)] {
        let backend = Keycloak::fresh().await;
        let store = backend.store().await;
        let world = world("acme");
        world.converge(&store).await;
        let who = email("stranger@shop.example");
        let user = json!({"username": "stranger", "email": who.as_str(), "enabled": true});
        let user = backend.send(Method::POST, "/users", user).await;
        let client = backend.client(world.key()).await;
        let found = store.with_access(std::slice::from_ref(&who), NOW).await.unwrap();
        assert_eq!(found, [], "{way:?}");
        match way {
            Some(way) => hand_on(&backend, way, &user, backend.role(world.key(), "orders:Edit").await, &client).await,
            None => {
                // Of a role that is none of the account's levels.
                backend.send(Method::POST, &format!("/clients/{client}/roles"), json!({"name": "root"})).await;
                backend.grant(&user, world.key(), "root").await;
            }
        }
        for others in [0, 23, 24] {
            let mut asked: Vec<_> = (0..others).map(|n| email(&format!("nobody-{n}@shop.example"))).collect();
            asked.push(who.clone());
            let with = store.with_access(&asked, NOW).await.unwrap();
            assert_eq!(with, [(world.key().clone(), who.clone())], "{way:?} beside {others}");
        }
    }
}

/// No pass reconciles an account that no object names any more, but its client exists, and its roles reach tokens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_counts_without_its_organization() {
    let backend = Keycloak::fresh().await;
    let store = backend.store().await;
    let world = world("acme");
    world.converge(&store).await;
    let ann = email("ann@shop.example");
    let path = format!("/organizations/{}", backend.organization(world.key()).await);
    let mut organization = backend.get(&path).await;
    organization["attributes"].as_object_mut().unwrap().remove("roster").unwrap();
    backend.send(Method::PUT, &path, organization).await;
    for gone in [false, true] {
        if gone {
            backend.send(Method::DELETE, &path, Value::Null).await;
        }
        let with = store.with_access(std::slice::from_ref(&ann), NOW).await.unwrap();
        assert_eq!(with, [(world.key().clone(), ann.clone())], "{gone}");
    }
}

/// A client that is called as accounts are, and is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_of_a_foreign_client_is_no_access() {
    let backend = Keycloak::fresh().await;
    let store = backend.store().await;
    let other = roster::model::AccountKey::new("team", "tool");
    let client = backend.send(Method::POST, "/clients", json!({"clientId": other.to_string()})).await;
    backend.send(Method::POST, &format!("/clients/{client}/roles"), json!({"name": "use"})).await;
    let who = email("stranger@shop.example");
    let user = json!({"username": "stranger", "email": who.as_str(), "enabled": true});
    let user = backend.send(Method::POST, "/users", user).await;
    backend.grant(&user, &other, "use").await;
    assert_eq!(store.with_access(&[who], NOW).await.unwrap(), []);
}

/// A user whom one account has pinned is the same person in every other account, whatever their address in the realm is
/// now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_pinned_to_an_address_counts_for_it_in_every_account() {
    let backend = Keycloak::fresh().await;
    let store = backend.store().await;
    let (one, two) = (world("acme"), world("zeta"));
    one.converge(&store).await;
    let mut without = two.clone();
    let ann = email("ann@shop.example");
    without.members.remove(&ann);
    without.converge(&store).await;
    let user = id(&backend.user(&ann).await);
    backend.change_user(&user, |user| user["email"] = json!("elsewhere@shop.example")).await;
    backend.grant(&user, two.key(), "orders:View").await;
    let with = store.with_access(std::slice::from_ref(&ann), NOW).await.unwrap();
    assert_eq!(with, [(one.key().clone(), ann.clone()), (two.key().clone(), ann)]);
}
