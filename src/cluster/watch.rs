//! Watches: one stream for each kind, read into slim records on the way.

use std::{fmt::Debug, time::Duration};

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
    model::{KindName, ObjectRef},
    state::{NamespaceRecord, Object, WatchEvent},
};

/// Objects of one page of a list.
const PAGE: u32 = 1_000;
/// Time between two looks for a kind that the server does not know.
const ABSENT: Duration = Duration::from_secs(2);

/// What watches may say ahead of the loop.
const AHEAD: usize = 4_096;

/// Starts all watches, that of our own records in the namespace `own`, each with a list; what they say arrives in order
/// for each kind. They end with the tasks.
#[must_use]
pub fn open(client: &Client, own: &str) -> (mpsc::Receiver<WatchEvent>, JoinSet<()>) {
    let (into, seen) = mpsc::channel(AHEAD);
    (seen, start(client, own, &into))
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
    tasks.spawn(forward(api, config(), kind, K::seen, into.clone()));
}

/// Forwards what a watch says. A kind that the server does not know is listed afresh once it does: what was watched
/// before its definition went says nothing about what is there afterwards.
async fn forward<K>(
    api: Api<K>,
    config: Config,
    kind: KindName,
    seen: fn(K) -> WatchEvent,
    into: mpsc::Sender<WatchEvent>,
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    loop {
        match forward_until_absent(&api, &config, kind, seen, &into).await {
            Ended::Closed => return,
            Ended::Absent if into.send(WatchEvent::Absent(kind)).await.is_err() => return,
            Ended::Absent => tokio::time::sleep(ABSENT).await,
        }
    }
}

enum Ended {
    /// Nobody listens any more.
    Closed,
    /// The server does not know the kind.
    Absent,
}

async fn forward_until_absent<K>(
    api: &Api<K>,
    config: &Config,
    kind: KindName,
    seen: fn(K) -> WatchEvent,
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
            Ok(Some(Event::InitApply(found) | Event::Apply(found))) => seen(found),
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

/// Whether the server does not know the kind: its definition is gone, or not there yet.
fn is_absent(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)) = error else {
        return false;
    };
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// What the server says to one who may not list or watch a kind.
fn refusal(error: &watcher::Error) -> Option<String> {
    match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => api_error::refusal(error),
        _ => None,
    }
}
