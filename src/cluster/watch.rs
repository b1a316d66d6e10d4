//! Watches: one stream for each kind, decoded into small records. Opened by `controller::shell`.

use std::{
    fmt::Debug,
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client, Resource, ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, Config, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    api,
    cluster::{
        api_error, catalog_record,
        wire::{FromWire, Wire},
    },
    model::{KindName, ObjectRef, Seed},
    state::{NamespaceRecord, Object, WatchEvent},
};

/// Objects per page of a list.
const PAGE: u32 = 1_000;
/// Pause before a kind that the server does not know is tried again.
const ABSENT: Duration = Duration::from_secs(2);

/// Largest number of events waiting for the loop.
const AHEAD: usize = 4_096;

/// Returns a seed for the maps of watched objects that no tenant can guess.
#[must_use]
pub fn random_seed() -> Seed {
    let random = RandomState::new();
    Seed([random.hash_one(0_u8), random.hash_one(1_u8)])
}

/// Starts all watches, each with a list; records of catalogs are watched in the namespace `own`. Events are in order
/// for each kind. The watches end with the tasks.
#[must_use]
pub fn open(client: &Client, own: &str) -> (mpsc::Receiver<WatchEvent>, JoinSet<()>) {
    let (into, events) = mpsc::channel(AHEAD);
    (events, start(client, own, &into))
}

fn start(client: &Client, own: &str, into: &mpsc::Sender<WatchEvent>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let namespaces = Api::<PartialObjectMeta<Namespace>>::all(client.clone());
    tasks.spawn(forward(namespaces, config(), KindName::Namespace, namespace, into.clone()));
    let records = Api::<ConfigMap>::namespaced(client.clone(), own);
    let ours = config().labels(catalog_record::SELECTOR);
    tasks.spawn(forward(records, ours, KindName::CatalogRecord, catalog_record, into.clone()));
    kind::<api::PermissionCatalog>(client, KindName::PermissionCatalog, into, &mut tasks);
    kind::<api::IdentityStore>(client, KindName::IdentityStore, into, &mut tasks);
    kind::<api::Account>(client, KindName::Account, into, &mut tasks);
    kind::<api::Role>(client, KindName::Role, into, &mut tasks);
    kind::<api::UserGroup>(client, KindName::UserGroup, into, &mut tasks);
    kind::<api::Membership>(client, KindName::Membership, into, &mut tasks);
    kind::<api::Invitation>(client, KindName::Invitation, into, &mut tasks);
    tasks
}

fn config() -> Config {
    Config::default().page_size(PAGE)
}

fn namespace(object: PartialObjectMeta<Namespace>) -> WatchEvent {
    WatchEvent::Object(Object::Namespace(NamespaceRecord::new(object.metadata)))
}

fn catalog_record(config_map: ConfigMap) -> WatchEvent {
    WatchEvent::Object(catalog_record::object(config_map))
}

fn kind<K: FromWire>(client: &Client, kind: KindName, into: &mpsc::Sender<WatchEvent>, tasks: &mut JoinSet<()>) {
    let api = Api::<Wire<K>>::all(client.clone());
    tasks.spawn(forward(api, config(), kind, K::watch_event, into.clone()));
}

/// Forwards the events of a watch. A kind that the server does not know is listed again when it is known: objects seen
/// before its CRD was deleted prove nothing about later ones.
async fn forward<K>(
    api: Api<K>,
    config: Config,
    kind: KindName,
    convert: fn(K) -> WatchEvent,
    into: mpsc::Sender<WatchEvent>,
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    loop {
        match forward_until_absent(&api, &config, kind, convert, &into).await {
            Ended::Closed => return,
            Ended::Absent if into.send(WatchEvent::Absent(kind)).await.is_err() => return,
            Ended::Absent => tokio::time::sleep(ABSENT).await,
        }
    }
}

enum Ended {
    /// The receiver is gone.
    Closed,
    /// The server does not know the kind.
    Absent,
}

async fn forward_until_absent<K>(
    api: &Api<K>,
    config: &Config,
    kind: KindName,
    convert: fn(K) -> WatchEvent,
    into: &mpsc::Sender<WatchEvent>,
) -> Ended
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let stream = watcher(api.clone(), config.clone()).default_backoff();
    let mut stream = std::pin::pin!(stream);
    loop {
        let event = match stream.try_next().await {
            Ok(Some(Event::Init)) => WatchEvent::Listing(kind),
            Ok(Some(Event::InitDone)) => WatchEvent::Listed(kind),
            Ok(Some(Event::InitApply(found) | Event::Apply(found))) => convert(found),
            Ok(Some(Event::Delete(found))) => WatchEvent::Gone(ObjectRef {
                kind,
                namespace: found.meta().namespace.as_deref().unwrap_or_default().into(),
                name: found.name_any().into(),
            }),
            Ok(None) => return Ended::Closed,
            Err(error) => {
                tracing::warn!(kind = kind.as_str(), %error, "watch interrupted, trying again");
                if is_absent(&error) {
                    return Ended::Absent;
                }
                let Some(why) = refusal(&error) else { continue };
                WatchEvent::Refused(kind, why)
            }
        };
        if into.send(event).await.is_err() {
            return Ended::Closed;
        }
    }
}

/// Returns whether the server does not know the kind: its CRD is missing.
fn is_absent(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)) = error else {
        return false;
    };
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Returns the server's message if listing or watching a kind is denied.
fn refusal(error: &watcher::Error) -> Option<String> {
    match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => api_error::refusal(error),
        _ => None,
    }
}
