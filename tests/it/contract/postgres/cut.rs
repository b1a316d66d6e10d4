//! Tests that a connection that is cut after any message leaves whole passes only, and that a repetition reaches the
//! same state.

use super::{Postgres, SecretsOf, proxy::Proxy};
use crate::contract::{
    Backend,
    world::{World, email, ladder, member, ranks, world},
};
use roster::{
    model::{Layout, RoleName, Scope},
    store::{
        StoreError,
        postgres::{PostgresStore, verify_audit},
    },
};

/// The account after so many changes of all sorts.
fn after(number: usize) -> World {
    let mut world = world("acme");
    for n in 0..5 {
        world.members.insert(email(&format!("m{n}@shop.example")), member(&[1, 1, (number % 4) as u8]));
    }
    if number % 2 == 1 {
        world.members.remove(&email("ann@shop.example"));
        world.roles.remove(&RoleName::custom("admin"));
        world.groups.get_mut("desk").unwrap().title = "Counter".into();
    }
    if number % 3 == 1 {
        let mut ladders = world.account.layout.ladders().to_vec();
        ladders.push(ladder("new", &["No", "Yes"]));
        world.account.layout = Layout::new(ladders);
        let longer = |r: &mut roster::model::Ranks| *r = ranks(&[r.as_slice(), &[1]].concat());
        world.members.values_mut().for_each(|member| longer(&mut member.ranks));
        world.roles.values_mut().for_each(|role| longer(&mut role.ranks));
        world.groups.values_mut().for_each(|group| longer(&mut group.ranks));
    }
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_after_any_message_leaves_whole_passes_only() {
    let backend = Postgres::fresh().await;
    let proxy = Proxy::to(backend.server.port()).await;
    let direct = backend.open().await;
    let mut cuts = 0;
    for number in 0..4 {
        let (from, to) = (after(number), after(number + 1));
        let mut messages = 0;
        loop {
            from.converge(&*direct).await;
            from.converge(&*direct).await;
            let before = from.observe(&*direct).await;
            let plan = to.plan(&*direct, Scope::Account).await;
            let place = backend.place_at(&backend.owner, proxy.port());
            let store = PostgresStore::open(&place, &SecretsOf::default()).await.unwrap();
            proxy.cut_after(messages);
            let outcomes = to.apply(&store, &plan).await;
            proxy.mend();
            let applied = outcomes.iter().all(Result::is_ok);
            let away = |outcome: &_| matches!(outcome, Err(StoreError::Unavailable(_)));
            assert!(applied || outcomes.iter().all(away), "after {messages}: {outcomes:?}");
            // An acknowledged pass is there. One that was not acknowledged is there whole, or not at all.
            let seen = to.observe(&*direct).await;
            if applied || seen.account != before.account || seen.members != before.members {
                to.assert_held(&seen);
            } else {
                from.assert_held(&seen);
            }
            to.converge(&*direct).await;
            to.assert_held(&to.observe(&*direct).await);
            if applied {
                break;
            }
            messages += 1;
            cuts += 1;
        }
    }
    assert!(cuts > 40, "{cuts} cuts");
    let report = verify_audit(&backend.place(), &SecretsOf::default()).await.unwrap();
    assert!(report.is_whole(), "{report}");
}
