//! Runs the controller: takes part in leader election, opens the stores, and drives the loop of [`crate::control`].
//! Called by `roster controller`.
//!
//! ```text
//! watches ──► Control (one loop, no lock) ──► passes ──► store
//!    ▲             ▲        │                   │
//!    │             └────────┼───── ended ◄──────┘
//!    └──── API server ◄─────┴── statuses, finalizers, records, leases
//! ```
//!
//! [`shell`] feeds events to the loop and carries out its effects. Start reading at [`crate::control`], which makes all
//! decisions.

mod error;
mod log;
mod pass_environment;
mod refresh;
mod shell;
mod stores;
mod trace;

use std::{convert::Infallible, path::PathBuf, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

pub use self::error::Error;
use crate::{
    cluster::{
        AGAIN, ANSWER, ClusterSecrets, api_error, definitions, events,
        leases::{Event, Leadership, LeaseTask},
        rights::Rights,
        watch::random_seed,
    },
    control::{
        Enforcing, Setup, ShardEvent,
        leases::{LeaseTiming, ShardConfig},
    },
    model::Name,
    telemetry::{Health, Metrics},
};

/// Time for writing the last events on a graceful stop.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Settings of the controller.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of the embedded stores' files.
    pub sqlite_dir: PathBuf,
    /// Id of this cluster in every mark; by default the UID of the namespace `kube-system`.
    pub cluster_id: Option<String>,
    /// Namespace of the leases, of the stores' Secrets, and of the records of catalogs' revisions.
    pub store_namespace: String,
    /// Largest number of accounts reconciled at once in each store.
    pub max_concurrent_accounts: usize,
    /// Name of this process, unique for all time.
    pub identity: String,
    /// Number of shards over which accounts are distributed, 1 to [`MAX_SHARDS`](crate::control::leases::MAX_SHARDS).
    /// It must be equal in all replicas; a replica with another number waits for the others to end.
    pub shards: u16,
    /// Whether addresses of people are written to the log; Memberships are named in any case.
    pub log_addresses: bool,
    /// How changes of access are judged; `None` to hold none back.
    pub enforcing: Option<Enforcing>,
}

/// Keeps the stores in the desired state whenever this process leads, until `stop`. After losing the lease, the process
/// stops writing at once, discards its state, and waits to lead again. Obstacles are reported by `health` and tried
/// again.
pub async fn run(client: Client, config: Config, metrics: Metrics, health: Health, stop: CancellationToken) {
    metrics.shards(0, config.shards);
    if let Err(error) = tokio::fs::create_dir_all(&config.sqlite_dir).await {
        // Objects whose store needs a file there report it in their status.
        tracing::warn!(folder = %config.sqlite_dir.display(), %error, "the folder of the embedded stores cannot be \
                                                                       created");
    }
    let cluster = tokio::select! {
        cluster = cluster_id(&client, config.cluster_id.as_deref(), &health) => cluster,
        () = stop.cancelled() => return,
    };
    loop {
        tokio::select! {
            () = definitions::await_current(&client, &health) => {}
            () = stop.cancelled() => return,
        }
        let part = ShardConfig {
            namespace: config.store_namespace.clone(),
            identity: config.identity.clone(),
            shards: config.shards,
            timing: LeaseTiming::default(),
        };
        let mut lease_task = LeaseTask::join(client.clone(), part);
        let all = if config.shards == 1 {
            let Some(leadership) = lead_all(&mut lease_task, &health, &stop).await else {
                lease_task.leave().await;
                return;
            };
            health.set_ready(Ok(()));
            tracing::info!(%cluster, "leading");
            Some(leadership)
        } else {
            // A replica knows all accounts before it takes a shard.
            tracing::info!(%cluster, shards = config.shards, "taking part");
            None
        };
        let ended = lead(&client, &config, &cluster, &metrics, &health, &mut lease_task, all, &stop).await;
        metrics.shards(0, config.shards);
        health.rest();
        match ended {
            Ok(held) => {
                // Concurrently: each release waits for the API server.
                futures::future::join_all(held.into_iter().map(Leadership::release)).await;
                lease_task.leave().await;
                if stop.is_cancelled() {
                    return;
                }
            }
            Err(error) => {
                metrics.lease_lost();
                tracing::warn!(%error, "no longer leading; this process writes nothing until it leads again");
                // The state is discarded, since it may be out of date when this process leads again.
            }
        }
    }
}

/// Waits until this process holds the only shard. Returns `None` on `stop`.
async fn lead_all(lease_task: &mut LeaseTask, health: &Health, stop: &CancellationToken) -> Option<Leadership> {
    loop {
        let event = tokio::select! {
            event = lease_task.events.recv() => event?,
            () = stop.cancelled() => return None,
        };
        match event {
            Event::Taken(leadership) => return Some(leadership),
            // Tried again, since the cause may be fixed: rights are given, or a namespace is created.
            Event::Shard(ShardEvent::CannotAcquire(why)) => {
                tracing::warn!(why, "not leading; trying again");
                health.set_ready(Err(why));
            }
            // A standby replica is ready.
            Event::Shard(ShardEvent::CanAcquire) => health.set_ready(Ok(())),
            Event::Shard(_) => {}
        }
    }
}

/// Keeps the stores in the desired state until `stop` or the loss of a lease. Returns the shards that are still held.
#[allow(clippy::too_many_arguments, reason = "everything that the shell needs, once")]
async fn lead(
    client: &Client,
    config: &Config,
    cluster: &Name,
    metrics: &Metrics,
    health: &Health,
    lease_task: &mut LeaseTask,
    all: Option<Leadership>,
    stop: &CancellationToken,
) -> Result<Vec<Leadership>, Error> {
    let (events, events_task) = events::start(client.clone(), config.identity.clone(), metrics.clone());
    let context = shell::ShellContext {
        client: client.clone(),
        rights: Arc::new(Rights::new(client.clone())),
        namespace: Name::new(&config.store_namespace),
        metrics: metrics.clone(),
        health: health.clone(),
        events,
        log_addresses: config.log_addresses,
    };
    let setup = Setup {
        cluster: cluster.clone(),
        shards: config.shards,
        max_concurrent_accounts: config.max_concurrent_accounts.max(1),
        enforcing: config.enforcing.clone(),
        seed: random_seed(),
        hashing: random_seed(),
    };
    let secrets = ClusterSecrets::new(client.clone(), &config.store_namespace);
    let (announced, from_stores) = mpsc::unbounded_channel();
    let stores = stores::Stores::new(&config.sqlite_dir, Arc::new(secrets), metrics.clone(), announced);
    let mut shell = shell::Shell::new(context, setup, stores);
    if let Some(leadership) = all {
        shell.begin_with(leadership);
        metrics.shards(1, config.shards);
    }
    // If definitions of an earlier release are installed, the shell ends as on `stop`, and shards are given back.
    let ending = stop.child_token();
    let watched = async {
        let why = definitions::until_outdated(client).await;
        tracing::warn!(why, "no longer leading; this process writes nothing until it leads again");
        ending.cancel();
        std::future::pending::<Infallible>().await
    };
    let held = tokio::select! {
        held = shell.run(from_stores, lease_task, ending.clone()) => held?,
        never = watched => match never {},
    };
    // The last events are written within a time limit.
    let _ = timeout(LAST_WORDS, events_task).await;
    Ok(held)
}

/// Returns the id of this cluster. Retries until it can be read, and reports the obstacle as not ready.
async fn cluster_id(client: &Client, given: Option<&str>, health: &Health) -> Name {
    if let Some(id) = given {
        return Name::new(id);
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    loop {
        let why = match timeout(ANSWER, namespaces.get_metadata("kube-system")).await {
            Ok(Ok(namespace)) => return Name::from(namespace.metadata.uid.unwrap_or_default()),
            Ok(Err(error)) => api_error::advised(&error),
            Err(_) => api_error::NONE.to_owned(),
        };
        tracing::warn!(why, "this cluster's id, the UID of the namespace kube-system, cannot be read; trying again");
        health.set_ready(Err(why));
        tokio::time::sleep(AGAIN).await;
    }
}
