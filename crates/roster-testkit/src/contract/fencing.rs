//! Promises about claims: a later epoch fences out writers who claimed the same slots before, and nobody else. Run by
//! the contract suite.

use super::{
    Backend,
    world::{CLAIM, NOW, World, email, members, ranks, world},
};
use roster_core::{
    contract::{Batch, Claim, Epoch, Outcome, Slots, Store, StoreError, slot},
    model::Scope,
    plan::Observed,
};

fn is_former(outcomes: &[Outcome]) -> bool {
    matches!(outcomes, [Err(StoreError::Conflict(why))] if why.contains("newer leader"))
}

/// Fills a store with an account and returns a plan of one change that gives a member new access.
async fn with_something_to_write(store: &dyn Store, world: &mut World) -> roster_core::plan::Plan {
    world.converge(store).await;
    let ann = email("ann@shop.example");
    world.members.get_mut(&ann).unwrap().ranks = ranks(&[0, 0, 1]);
    world.plan(store, members(&[&ann])).await
}

fn later(by: i64) -> Epoch {
    Epoch(CLAIM.epoch.0 + by)
}

pub async fn a_former_leader_is_refused(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    let plan = with_something_to_write(&*store, &mut world).await;
    let batch = Batch::of(&plan, world.mark(), NOW);
    let next = Claim::whole(later(1));
    // The new leader's first batch changes nothing, and still fences out the former leader.
    let same = super::world::world("acme");
    let blind = roster_core::testing::plan(&same.desired(Scope::Account), &Observed::default(), &same.policy);
    let repeated = Batch::of(&blind, same.mark(), NOW);
    assert_eq!(store.apply(&repeated, next).await, vec![Ok(()); blind.changes.len()]);
    let before = world.observe(&*store).await;
    for store in [store, backend.open().await] {
        let outcomes = store.apply(&batch, CLAIM).await;
        assert!(is_former(&outcomes), "{outcomes:?}");
        assert_eq!(world.observe(&*store).await, before);
    }
    let store = backend.open().await;
    assert_eq!(store.apply(&batch, next).await, [Ok(())]);
    world.assert_held(&world.observe(&*store).await);
}

pub async fn a_claim_alone_fences_out_the_former_leader(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    let plan = with_something_to_write(&*store, &mut world).await;
    let batch = Batch::of(&plan, world.mark(), NOW);
    let claim = Claim::whole(later(1));
    for _ in 0..2 {
        store.claim("cluster-a", claim).await.unwrap();
    }
    assert!(is_former(&store.apply(&batch, CLAIM).await));
    let refused = store.claim("cluster-a", CLAIM).await;
    assert!(matches!(&refused, Err(StoreError::Conflict(why)) if why.contains("newer leader")), "{refused:?}");
    assert_eq!(store.apply(&batch, claim).await, [Ok(())]);
}

pub async fn epochs_of_another_cluster_have_no_effect(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    let plan = with_something_to_write(&*store, &mut world).await;
    let batch = Batch::of(&plan, world.mark(), NOW);
    store.claim("cluster-b", Claim::whole(later(1_000))).await.unwrap();
    let foreign = super::world::world("other").of_cluster("cluster-b");
    let theirs = foreign.plan(&*store, Scope::Account).await;
    let first = Batch::of(&theirs, foreign.mark(), NOW);
    let outcomes = store.apply(&first, Claim::whole(later(1_000))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(store.apply(&batch, CLAIM).await, [Ok(())]);
}

pub async fn shards_do_not_fence_each_other_out(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    let plan = with_something_to_write(&*store, &mut world).await;
    let batch = Batch::of(&plan, world.mark(), NOW);
    let at = slot(world.key());
    let ours = Claim { epoch: later(1), slots: Slots::part(Slots::part_of(at, 4), 4) };
    // Every other shard has a later epoch.
    for part in (0..4).filter(|part| *part != Slots::part_of(at, 4)) {
        store.claim("cluster-a", Claim { epoch: later(9), slots: Slots::part(part, 4) }).await.unwrap();
    }
    store.claim("cluster-a", ours).await.unwrap();
    assert!(is_former(&store.apply(&batch, CLAIM).await), "whoever had everything before is shut out");
    // Distributed again over another number of shards: three cover four, and all former holders are fenced out.
    for part in 0..3 {
        store.claim("cluster-a", Claim { epoch: later(20), slots: Slots::part(part, 3) }).await.unwrap();
    }
    assert!(is_former(&store.apply(&batch, ours).await));
    let now = Claim { epoch: later(20), slots: Slots::part(Slots::part_of(at, 3), 3) };
    assert_eq!(store.apply(&batch, now).await, [Ok(())]);
    // Back to one shard: its claim replaces all others.
    store.claim("cluster-a", Claim::whole(later(30))).await.unwrap();
    assert!(is_former(&store.apply(&batch, now).await));
    world.assert_held(&world.observe(&*store).await);
}
