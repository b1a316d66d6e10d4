//! Keeps the objects of the cluster as the watches show them. Updated by its own task; read by `judge`.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use kube::Client;
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::watch,
    model::KindName,
    state::{Index, WatchEvent},
    telemetry::Health,
};

/// What is known of the cluster.
pub(super) struct Knowledge {
    objects: RwLock<Objects>,
}

/// Objects, and the kinds that are not listed yet.
struct Objects {
    index: Index,
    missing: BTreeSet<KindName>,
}

impl Default for Knowledge {
    fn default() -> Self {
        let index = Index::new(watch::random_seed());
        Self { objects: RwLock::new(Objects { index, missing: KindName::ALL.into() }) }
    }
}

impl Knowledge {
    /// Passes the objects to `read`; `None` while a kind is not listed completely.
    pub(super) fn with<R>(&self, read: impl FnOnce(&Index) -> R) -> Option<R> {
        let objects: RwLockReadGuard<'_, Objects> = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects.missing.is_empty().then(|| read(&objects.index))
    }

    /// Takes an event; returns the kinds that are missing.
    fn take(&self, event: WatchEvent) -> Vec<&'static str> {
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        let Objects { index, missing } = &mut *objects;
        match event {
            WatchEvent::Listing(kind) => index.begin_list(kind),
            WatchEvent::Listed(kind) => {
                index.end_list(kind);
                missing.remove(&kind);
            }
            WatchEvent::Absent(kind) => {
                missing.insert(kind);
            }
            // Lists that are repeated say the same; what is known stays.
            WatchEvent::Refused(..) => {}
            WatchEvent::Object(object) => {
                index.apply(object, |_| None);
            }
            WatchEvent::Unreadable(unreadable) => {
                index.note_unreadable(*unreadable);
            }
            WatchEvent::Gone(object) => {
                index.remove(&object);
            }
        }
        missing.iter().map(|kind| kind.as_str()).collect()
    }
}

/// Keeps the objects up to date until `stop`.
pub(super) async fn watch(
    client: &Client,
    store_namespace: &str,
    knowledge: Arc<Knowledge>,
    health: Health,
    stop: CancellationToken,
) {
    let (mut events, _watches) = watch::open(client, store_namespace);
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = stop.cancelled() => return,
        };
        let Some(event) = event else { return };
        let missing = knowledge.take(event);
        health.set_ready(if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("not listed yet: {}", missing.join(", ")))
        });
    }
}
