//! Promises about opening a store read-only. Run by the contract suite.

use roster_core::{contract::StoreError, evaluate};

use super::{Backend, world::world};

pub async fn opening_creates_nothing(backend: &dyn Backend) {
    assert!(backend.open_read_only().await.is_none());
    assert!(backend.open_read_only().await.is_none(), "opening it read-only created it");
    let written = backend.open().await;
    assert!(backend.open_read_only().await.unwrap().keys().await.unwrap().is_empty());
    drop(written);
}

pub async fn written_content_is_visible_and_nothing_is_applied(backend: &dyn Backend) {
    let world = world("acme");
    let writer = backend.open().await;
    world.converge(&*writer).await;
    for writer in [Some(writer), None] {
        let store = backend.open_read_only().await.unwrap();
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
