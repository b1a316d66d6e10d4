//! Promises about putting, removing and observing. Run by the contract suite.

use super::{
    Backend,
    world::{CLAIM, NOW, World, email, member, member_key, members, ranks, world},
};
use roster_core::{
    contract::{Batch, Store, StoreError, Totals},
    model::{Email, Layout, RoleName, Scope},
    plan::{Cause, Change, ObjectKey, Observed, Phase},
    resolve::{RevocationReason, Window},
};

pub async fn what_was_applied_is_observed(backend: &dyn Backend) {
    let (store, world) = (backend.open().await, world("acme"));
    let plan = world.converge(&*store).await;
    assert_eq!(plan.changes.len(), 6, "account, two roles, a group, two members");
    let observed = world.observe(&*store).await;
    world.assert_held(&observed);
    assert_eq!(observed.recent_removals, vec![]);
}

pub async fn what_was_applied_survives_reopening(backend: &dyn Backend) {
    let world = world("acme");
    world.converge(&*backend.open().await).await;
    world.assert_held(&world.observe(&*backend.open().await).await);
}

pub async fn a_scope_shows_its_members_only(backend: &dyn Backend) {
    let (store, world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    let (ann, nobody) = (email("ann@shop.example"), email("nobody@shop.example"));
    let whole = world.observe(&*store).await;
    let observed = store.observe(world.key(), &members(&[&ann, &nobody]), NOW).await.unwrap();
    assert_eq!(observed.account, whole.account);
    assert_eq!(observed.layout, whole.layout);
    assert_eq!(observed.member_count, 2);
    assert!(observed.roles.is_empty() && observed.groups.is_empty());
    assert_eq!(observed.members.keys().collect::<Vec<_>>(), [&ann]);
    assert_eq!(observed.members[&ann], whole.members[&ann]);
}

pub async fn repeating_a_batch_changes_nothing(backend: &dyn Backend) {
    let (store, world) = (backend.open().await, world("acme"));
    let plan = world.converge(&*store).await;
    let first = world.observe(&*store).await;
    for _ in 0..2 {
        assert_eq!(world.apply(&*store, &plan).await, vec![Ok(()); plan.changes.len()]);
        assert_eq!(world.observe(&*store).await, first);
    }
}

pub async fn removing_is_repeatable(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    world.members.clear();
    world.groups.clear();
    let plan = world.converge(&*store).await;
    assert_eq!(plan.changes.len(), 3);
    world.assert_held(&world.observe(&*store).await);
    assert_eq!(world.apply(&*store, &plan).await, vec![Ok(()); 3]);
    world.assert_held(&world.observe(&*store).await);
}

pub async fn titles_can_be_renamed(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    world.account.display_name = "Another shop".into();
    world.roles.get_mut(&RoleName::custom("admin")).unwrap().title = "Theirs".into();
    world.groups.get_mut("desk").unwrap().title = "Counter".into();
    let plan = world.converge(&*store).await;
    assert_eq!(plan.changes.len(), 3);
    world.assert_held(&world.observe(&*store).await);
}

pub async fn every_field_of_a_member_can_come_and_go(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    let bare = roster_core::resolve::MemberContent { ranks: ranks(&[0, 0, 0]), ..Default::default() };
    let mut full = member(&[1, 1, 1]);
    full.external_id = Some("id-7".into());
    full.role = Some(RoleName::custom("admin"));
    full.groups = ["desk".into(), "till".into()].into();
    full.window = Window {
        starts_at: Some("2026-01-01T00:00:00Z".parse().unwrap()),
        expires_at: Some("9999-12-30T00:00:00Z".parse().unwrap()),
    };
    let ends = [
        RevocationReason::Blocked,
        RevocationReason::AccountSuspended,
        RevocationReason::NotApproved,
        RevocationReason::Suspended,
    ];
    let ended = ends.map(|end| roster_core::resolve::MemberContent { ended: Some(end), ..bare.clone() });
    for content in [bare.clone(), full, bare.clone()].into_iter().chain(ended) {
        world.members.insert(email("ann@shop.example"), content);
        world.converge(&*store).await;
        world.assert_held(&world.observe(&*store).await);
    }
}

pub async fn a_role_in_use_can_be_removed(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    world.roles.remove(&RoleName::predefined("admin"));
    let plan = world.converge(&*store).await;
    assert_eq!(
        plan.changes.iter().map(|c| &c.object).collect::<Vec<_>>(),
        [&ObjectKey::Role(RoleName::predefined("admin"))]
    );
    world.assert_held(&world.observe(&*store).await);
}

async fn delete_account(world: &World, store: &dyn Store) -> Vec<roster_core::contract::Outcome> {
    let plan = roster_core::evaluate::delete(&world.observe(store).await, world.mark());
    world.apply(store, &plan).await
}

pub async fn an_account_goes_with_everything_in_it(backend: &dyn Backend) {
    let (store, world, other) = (backend.open().await, world("acme"), world("other"));
    world.converge(&*store).await;
    other.converge(&*store).await;
    let plan = roster_core::evaluate::delete(&world.observe(&*store).await, world.mark());
    for _ in 0..2 {
        assert_eq!(world.apply(&*store, &plan).await, vec![Ok(()); 6]);
        world.assert_nothing(&*store).await;
        assert_eq!(store.accounts().await.unwrap(), [other.mark().clone()]);
        other.assert_held(&other.observe(&*store).await);
    }
    // It can be created again.
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
}

pub async fn an_account_with_something_in_it_stays(backend: &dyn Backend) {
    let (store, world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    let plan = roster_core::evaluate::delete(&world.observe(&*store).await, world.mark());
    // Somebody adds a member between observation and deletion.
    backend.insert_member(world.key(), &email("late@shop.example")).await;
    let outcomes = world.apply(&*store, &plan).await;
    let (last, others) = outcomes.split_last().unwrap();
    assert!(matches!(last, Err(StoreError::Conflict(why)) if why.contains("it still has a member")), "{last:?}");
    assert_eq!(others, vec![Ok(()); 5]);
    let left = world.observe(&*store).await;
    assert_eq!(left.members.keys().map(Email::as_str).collect::<Vec<_>>(), ["late@shop.example"]);
    assert_eq!(left.account.as_ref().and_then(|observed| observed.mark.as_ref()), Some(world.mark()));
    assert_eq!(delete_account(&world, &*store).await, vec![Ok(()); 2]);
    world.assert_nothing(&*store).await;
}

pub async fn accounts_and_totals_are_reported(backend: &dyn Backend) {
    let (store, acme, bolt) = (backend.open().await, world("acme"), world("bolt"));
    assert_eq!(store.accounts().await.unwrap(), vec![]);
    assert_eq!(store.totals().await.unwrap(), Totals::default());
    acme.converge(&*store).await;
    bolt.converge(&*store).await;
    assert_eq!(store.accounts().await.unwrap(), [acme.mark().clone(), bolt.mark().clone()]);
    assert_eq!(store.totals().await.unwrap(), Totals { accounts: 2, members: 4 });
    delete_account(&bolt, &*store).await;
    assert_eq!(store.totals().await.unwrap(), Totals { accounts: 1, members: 2 });
}

pub async fn every_account_is_reported_with_its_owner(backend: &dyn Backend) {
    let (store, acme) = (backend.open().await, world("acme"));
    assert_eq!(store.keys().await.unwrap(), vec![]);
    let (bolt, core) = (world("bolt").of_cluster("cluster-b"), world("core"));
    for world in [&core, &bolt, &acme] {
        world.converge(&*store).await;
    }
    // Only the mark of this account is left.
    backend.delete(core.key(), &ObjectKey::Account).await;
    let keys = [acme.key().clone(), bolt.key().clone(), core.key().clone()];
    assert_eq!(store.keys().await.unwrap(), keys);
    assert_eq!(delete_account(&bolt, &*store).await, vec![Ok(()); 6]);
    assert_eq!(store.keys().await.unwrap(), [keys[0].clone(), keys[2].clone()]);
}

pub async fn a_missing_account_is_empty(backend: &dyn Backend) {
    let (store, world) = (backend.open().await, world("acme"));
    for scope in [Scope::Account, members(&[&email("ann@shop.example")])] {
        let observed = store.observe(world.key(), &scope, NOW).await.unwrap();
        assert_eq!(observed, Observed { store: store.id().await.unwrap(), ..Observed::default() });
    }
    let gone = Change::removal(member_key(&email("ann@shop.example")), Cause::Unwanted, Phase::Revoke);
    assert_eq!(world.apply_changes(&*store, &Layout::default(), &[gone]).await, [Ok(())]);
    assert_eq!(store.totals().await.unwrap(), Totals::default());
}

pub async fn a_store_keeps_its_id(backend: &dyn Backend) {
    let (store, world) = (backend.open().await, world("acme"));
    let id = store.id().await.unwrap().expect("every store has one");
    assert!((1..=63).contains(&id.len()), "it stands in an annotation: {id}");
    let ids = async |store: &dyn Store| {
        let people = members(&[&email("ann@shop.example")]);
        let (whole, some) = (world.observe(store).await, store.observe(world.key(), &people, NOW).await.unwrap());
        [store.id().await.unwrap(), whole.store, some.store]
    };
    assert_eq!(ids(&*store).await, std::array::from_fn(|_| Some(id.clone())), "without the account");
    world.converge(&*store).await;
    for store in [store, backend.open().await, backend.open_read_only().await.unwrap()] {
        assert_eq!(ids(&*store).await, std::array::from_fn(|_| Some(id.clone())));
    }
}

pub async fn a_plan_for_another_store_is_refused(backend: &dyn Backend) {
    let (store, world) = (backend.open().await, world("acme"));
    let mut plan = world.plan(&*store, Scope::Account).await;
    let own = plan.store.replace("another".into());
    let outcomes = store.apply(&Batch::of(&plan, world.mark(), NOW), CLAIM).await;
    assert_eq!(outcomes.len(), plan.changes.len());
    for outcome in outcomes {
        assert!(
            matches!(&outcome, Err(StoreError::Conflict(why)) if why.contains("not the one that was observed")),
            "{outcome:?}"
        );
    }
    world.assert_nothing(&*store).await;
    plan.store = own;
    assert_eq!(store.apply(&Batch::of(&plan, world.mark(), NOW), CLAIM).await, vec![Ok(()); plan.changes.len()]);
    world.assert_held(&world.observe(&*store).await);
}
