//! In force is what the roles say, whatever Roster once noted of an end or a time.

use roster::{
    api::DriftPolicy,
    resolve::{End, MemberContent, Window},
    store::Store as _,
};

use super::{Keycloak, id};
use crate::contract::world::{NOW, email, world};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_given_a_role_after_their_end_has_access_and_loses_it_again() {
    let blocked = |member: &mut MemberContent| member.ended = Some(End::Blocked);
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
        // Their end was somebody's word: it is made also where drift is only reported.
        world.policy.drift = DriftPolicy::Report;
        world.converge(&store).await;
        world.assert_held(&world.observe(&store).await);
        assert_eq!(store.with_access(&[ann], NOW).await.unwrap(), [], "{number}");
    }
}
