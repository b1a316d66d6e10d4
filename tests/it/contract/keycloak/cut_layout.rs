//! Tests a removed level whose change is cut off after any request: after a repetition, its former holders have the
//! level that replaced it.

use std::sync::Arc;

use reqwest::Method;
use roster::{
    model::{Layout, Scope},
    plan::{Observed, Plan},
    resolve::Access,
    store::{KeycloakLocation, NoSecrets, keycloak::KeycloakStore},
};
use roster_core::testing::plan;
use serde_json::json;

use super::Keycloak;
use crate::contract::{
    Backend as _,
    postgres::proxy::Proxy,
    world::{World, email, ranks, world},
};

const ANN: &str = "ann@shop.example";

/// Returns a plan in which Ann may have no more than the store holds, for example because a restriction of hers is
/// unknown.
fn planned(world: &World, observed: &Observed) -> Plan {
    let mut desired = world.desired(Scope::Account);
    let ann = desired.members.get_mut(&email(ANN)).unwrap();
    ann.access = Access::AtMost(Arc::new(world.members[&email(ANN)].clone()));
    let mut policy = world.policy.clone();
    policy.holds_windows = false;
    plan(&desired, observed, &policy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_level_becomes_the_one_below_at_every_interruption() {
    let backend = Keycloak::fresh().await;
    let direct = backend.open().await;
    let proxy = Proxy::to(backend.server.port()).await;
    let place = KeycloakLocation { url: format!("http://127.0.0.1:{}", proxy.port()), ..backend.place() };
    let store = KeycloakStore::open(&place, &NoSecrets).await.unwrap();
    let stranger = email("stranger@shop.example");
    let user = json!({"username": "stranger", "email": stranger.as_str(), "enabled": true});
    let user = backend.send(Method::POST, "/users", user).await;
    let (from, mut to) = (world("acme"), world("acme"));
    let mut ladders = to.account.layout.ladders().to_vec();
    ladders[2].levels.pop();
    to.account.layout = Layout::new(ladders);
    to.roles.values_mut().for_each(|role| role.ranks = ranks(&[1, 0, 0]));
    to.members.get_mut(&email(ANN)).unwrap().ranks = ranks(&[2, 1, 2]);
    // Another change of the layout comes before the first one is done.
    let mut later = to.clone();
    let mut ladders = to.account.layout.ladders().to_vec();
    ladders[0].levels.pop();
    later.account.layout = Layout::new(ladders);
    later.members.get_mut(&email(ANN)).unwrap().ranks = ranks(&[1, 1, 2]);
    let (mut requests, mut done) = (0, false);
    while !done {
        from.converge(&*direct).await;
        from.converge(&*direct).await;
        backend.revoke_all(&user, from.key()).await;
        backend.grant(&user, from.key(), "users:Delete").await;
        let first = planned(&to, &to.observe(&*direct).await);
        proxy.cut_after(requests);
        let outcomes = to.apply(&store, &first).await;
        proxy.mend();
        done = outcomes.iter().all(Result::is_ok);
        let goal = if requests % 4 == 0 { &to } else { &later };
        // By another process, which knows only what is written there.
        let store = backend.open().await;
        let mut seen = goal.observe(&*store).await;
        for again in 0.. {
            let plan = planned(goal, &seen);
            if plan.changes.is_empty() {
                break;
            }
            assert!(again < 4, "after {requests}: {:?}", plan.changes);
            for outcome in goal.apply(&*store, &plan).await {
                outcome.unwrap();
            }
            seen = goal.observe(&*store).await;
        }
        let held = |who| seen.members[&email(who)].content.as_ref().unwrap().ranks.clone();
        assert_eq!(held(ANN), goal.members[&email(ANN)].ranks, "after {requests}");
        assert_eq!(held(stranger.as_str()), ranks(&[0, 0, 2]), "after {requests}");
        requests += 3;
    }
    assert!(requests > 20, "{requests}");
}
