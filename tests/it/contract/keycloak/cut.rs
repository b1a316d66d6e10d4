//! Tests that a connection that is cut after any request leaves nobody with more than they had or should have, and that
//! a repetition reaches the desired state.

use super::Keycloak;
use crate::contract::{
    Backend as _,
    postgres::proxy::Proxy,
    world::{World, email, ladder, member, ranks, world},
};
use roster::{
    model::{RoleName, Scope},
    store::{KeycloakLocation, NoSecrets, StoreError, keycloak::KeycloakStore},
};

/// The account as it is, and as it shall be: somebody goes, somebody comes, two lose something and one gains, a role goes,
/// a group is renamed, and a section comes.
fn states() -> (World, World) {
    let (mut from, mut to) = (world("acme"), world("acme"));
    from.members.insert(email("cem@shop.example"), member(&[1, 1, 0]));
    let mut ladders = to.account.layout.ladders().to_vec();
    ladders.push(ladder("new", &["No", "Yes"]));
    to.account.layout = roster::model::Layout::new(ladders);
    to.members.remove(&email("ann@shop.example"));
    to.members.insert(email("ben@shop.example"), member(&[0, 0, 0, 1]));
    to.members.insert(email("cem@shop.example"), member(&[2, 0, 0, 0]));
    to.members.insert(email("dora@shop.example"), member(&[2, 1, 1, 1]));
    to.roles.remove(&RoleName::custom("admin"));
    to.roles.values_mut().for_each(|role| role.ranks = ranks(&[1, 1, 1, 1]));
    to.groups.values_mut().for_each(|group| {
        *group = roster::resolve::GroupContent { title: "Counter".into(), ranks: ranks(&[0, 0, 0, 1]) }
    });
    (from, to)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_after_any_request_is_repaired_by_a_retry() {
    let backend = Keycloak::fresh().await;
    let direct = backend.open().await;
    let proxy = Proxy::to(backend.server.port()).await;
    let place = KeycloakLocation { url: format!("http://127.0.0.1:{}", proxy.port()), ..backend.place() };
    let store = KeycloakStore::open(&place, &NoSecrets).await.unwrap();
    let (from, to) = states();
    let (mut requests, mut held) = (0, from.observe(&*direct).await);
    loop {
        held = from.settle(&*direct, held).await;
        let plan = to.plan_from(&held, &*direct, Scope::Account);
        proxy.cut_after(requests);
        let outcomes = to.apply(&store, &plan).await;
        proxy.mend();
        let done = outcomes.iter().all(Result::is_ok);
        let away = |outcome: &_| matches!(outcome, Ok(()) | Err(StoreError::Unavailable(_) | StoreError::Conflict(_)));
        assert!(outcomes.iter().all(away), "after {requests}: {outcomes:?}");
        let seen = to.observe(&*direct).await;
        for (who, seen) in &seen.members {
            let Some(content) = &seen.content else { continue };
            let ranks = |world: &World| {
                let ranks = world.members.get(who).map(|member| member.ranks.clone()).unwrap_or_default();
                ranks.fitted(to.account.layout.len())
            };
            let (was, shall) = (ranks(&from), ranks(&to));
            for (place, rank) in content.ranks.as_slice().iter().enumerate() {
                let most = was.as_slice()[place].max(shall.as_slice()[place]);
                assert!(*rank <= most, "after {requests}: {who} has {:?}", content.ranks);
            }
        }
        held = to.settle(&*direct, seen).await;
        if done {
            break;
        }
        // Every one of the first, where things are taken, and then every sixth.
        requests += if requests < 10 { 1 } else { 6 };
    }
    assert!(requests > 30, "{requests}");
}

/// A higher level takes the place of a lower one: wherever that ends, the member has one of the two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_level_that_is_raised_is_never_missing_in_between() {
    let backend = Keycloak::fresh().await;
    let direct = backend.open().await;
    let proxy = Proxy::to(backend.server.port()).await;
    let place = KeycloakLocation { url: format!("http://127.0.0.1:{}", proxy.port()), ..backend.place() };
    let store = KeycloakStore::open(&place, &NoSecrets).await.unwrap();
    let ann = email("ann@shop.example");
    let (mut from, to) = (world("acme"), world("acme"));
    from.members.insert(ann.clone(), member(&[1, 1, 3]));
    let mut held = from.observe(&*direct).await;
    for requests in 0.. {
        held = from.settle(&*direct, held).await;
        let plan = to.plan_from(&held, &*direct, Scope::Account);
        proxy.cut_after(requests);
        let outcomes = to.apply(&store, &plan).await;
        proxy.mend();
        held = to.observe(&*direct).await;
        let content = held.members[&ann].content.as_ref().unwrap();
        assert!(content.ranks.as_slice()[0] >= 1, "after {requests}: {content:?}");
        if outcomes.iter().all(Result::is_ok) {
            break;
        }
    }
    to.assert_held(&held);
}
