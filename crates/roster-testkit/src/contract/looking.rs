//! Promises about opening a store read-only. Run by the contract suite.

use roster_core::{contract::StoreError, evaluate};

use super::{Backend, world::world};

pub async fn nothing_is_made(backend: &dyn Backend) {
    assert!(backend.look().await.is_none());
    assert!(backend.look().await.is_none(), "it was made by looking");
    let written = backend.open().await;
    assert!(backend.look().await.unwrap().keys().await.unwrap().is_empty());
    drop(written);
}

pub async fn a_writers_work_is_seen_and_nothing_is_applied(backend: &dyn Backend) {
    let world = world("acme");
    let writer = backend.open().await;
    world.converge(&*writer).await;
    for writer in [Some(writer), None] {
        let store = backend.look().await.unwrap();
        world.assert_held(&world.observe(&*store).await);
        assert_eq!(store.keys().await.unwrap(), [world.key().clone()]);
        let plan = evaluate::delete(&world.observe(&*store).await, world.mark());
        for outcome in world.apply(&*store, &plan).await {
            assert!(matches!(outcome, Err(StoreError::Denied(_))), "{outcome:?}");
        }
        world.assert_held(&world.observe(&*store).await);
        store.close().await;
        drop(writer);
    }
}
