//! The controller: watches, mapping to accounts, queue, the reconcile loop, status, events, lease.
//!
//! ```text
//!  watch ──► index ──► queue ──► pass: reconcile ──► store
//!    ▲     (dispatch: one loop, no lock)   │
//!    └───────── API server ◄── status ◄────┘
//! ```
//!
//! Start reading at [`reconcile`](mod@reconcile): it is the picture of design/architecture.md in one screen.

mod cluster;
mod deletion;
mod dispatch;
mod events;
mod finalizer;
mod fresh;
mod index;
pub mod lease;
mod pass;
mod policy;
mod queue;
pub mod reconcile;
mod record;
mod reports;
mod runtime;
mod status;
mod stores;
mod watch;
mod wire;

use std::path::PathBuf;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    model::Name,
    telemetry::{Health, Metrics},
};

/// What watches may say ahead of the loop.
const AHEAD: usize = 4_096;

/// How the controller runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of the embedded stores' files.
    pub sqlite_dir: PathBuf,
    /// Id of this cluster in every mark; by default the UID of the namespace `kube-system`.
    pub cluster_id: Option<String>,
    /// Namespace of the lease, and of stores' secrets.
    pub store_namespace: String,
    /// Accounts worked on at once in each store.
    pub max_concurrent_accounts: usize,
    /// Name of this process among those that may lead.
    pub identity: String,
}

/// Why the controller ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else may lead by now, so nothing more is written.
    #[error("the leader lease is lost; another replica may lead by now")]
    LeaseLost,
    /// The lease could not be had.
    #[error("leader lease: {0}")]
    Lease(#[from] lease::LeaseError),
    /// The cluster's id could not be read.
    #[error("the namespace kube-system cannot be read, and its UID is this cluster's id (or set --cluster-id): {0}")]
    ClusterId(#[source] kube::Error),
    /// Nothing is watched any more.
    #[error("all watches have ended")]
    WatchesEnded,
}

/// Waits to lead, then keeps the stores as the objects say until `stop`.
///
/// # Errors
/// When it cannot lead or no longer leads.
pub async fn run(
    client: Client,
    config: Config,
    metrics: Metrics,
    health: Health,
    stop: CancellationToken,
) -> Result<(), Error> {
    let cluster = match &config.cluster_id {
        Some(id) => Name::new(id),
        None => cluster_id(&client).await?,
    };
    health.set_ready(Ok(()));
    let acquiring = lease::acquire(client.clone(), &config.store_namespace, &config.identity);
    let leadership = tokio::select! {
        leadership = acquiring => leadership?,
        () = stop.cancelled() => return Ok(()),
    };
    tracing::info!(epoch = leadership.epoch.0, %cluster, "leading");
    metrics.leader(true);
    let (events, events_task) = events::start(client.clone(), config.identity.clone(), metrics.clone());
    let (seen, from_watches) = mpsc::channel(AHEAD);
    let _watches = watch::start(&client, &seen);
    drop(seen);
    let setting = dispatch::Setting {
        client,
        cluster,
        epoch: leadership.epoch,
        max_concurrent_accounts: config.max_concurrent_accounts.max(1),
        metrics: metrics.clone(),
        health,
        events,
    };
    let stores = stores::Stores::new(&config.sqlite_dir, metrics.clone());
    let ended = dispatch::Dispatcher::new(setting, stores).run(from_watches, leadership.lost.clone(), stop).await;
    metrics.leader(false);
    if ended.is_ok() {
        // What is left to tell is told, but nobody waits long for it.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), events_task).await;
        leadership.release().await;
    }
    ended
}

async fn cluster_id(client: &Client) -> Result<Name, Error> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = namespaces.get_metadata("kube-system").await.map_err(Error::ClusterId)?;
    Ok(Name::from(namespace.metadata.uid.unwrap_or_default()))
}
