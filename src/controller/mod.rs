//! The controller: the shell around the loop of [`crate::control`].
//!
//! ```text
//!  watches ──► Control (one loop, no lock) ──► passes ──► store
//!     ▲             ▲        │                   │
//!     │             └────────┼───── ended ◄──────┘
//!     └──── API server ◄─────┴── statuses, finalizers, records, leases
//! ```
//!
//! [`shell`] feeds events to the loop and carries out its effects. Start reading at [`crate::control`]: what decides is
//! there.

mod log;
mod look;
mod shell;
mod stores;
mod trace;
mod world;

use std::{
    convert::Infallible,
    hash::{BuildHasher as _, RandomState},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::{
        AGAIN, ANSWER, ClusterSecrets, api_error, definitions, events,
        leases::{Event, Leadership, Share},
    },
    control::{
        Setup, ShareEvent,
        leases::{LeaseTiming, ShardConfig},
    },
    model::{Name, Seed},
    telemetry::{Health, Metrics},
};

/// Time for the last events on a graceful stop.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How the controller runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of the embedded stores' files.
    pub sqlite_dir: PathBuf,
    /// Id of this cluster in every mark; by default the UID of the namespace `kube-system`.
    pub cluster_id: Option<String>,
    /// Namespace of the lease, of stores' secrets, and of the records of catalogs' revisions.
    pub store_namespace: String,
    /// Accounts worked on at once in each store.
    pub max_concurrent_accounts: usize,
    /// Name of this process; of no other, now or ever.
    pub identity: String,
    /// Over how many shards accounts are shared out, 1 to
    /// [`MAX_SHARDS`](crate::control::leases::MAX_SHARDS); the same in all replicas, or those that
    /// come later wait for the others to end.
    pub shards: u16,
    /// Whether addresses of people stand in the log; Memberships are named in any case.
    pub log_addresses: bool,
}

/// Why a term ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else may lead by now, so nothing more is written.
    #[error("the leader lease is lost; another replica may lead by now")]
    LeaseLost,
    /// Nothing is watched any more.
    #[error("all watches have ended")]
    WatchesEnded,
}

/// Keeps the stores as the objects say, whenever this process leads, until `stop`. Whoever loses the lease stops writing
/// at once, forgets everything, and waits to lead again. What keeps it from leading is said by `health` and tried again.
pub async fn run(client: Client, config: Config, metrics: Metrics, health: Health, stop: CancellationToken) {
    metrics.shards(0, config.shards);
    if let Err(error) = tokio::fs::create_dir_all(&config.sqlite_dir).await {
        // Whoever needs a file there says so in status.
        tracing::warn!(folder = %config.sqlite_dir.display(), %error, "the folder of the embedded stores cannot be made");
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
        let mut share = Share::join(client.clone(), part);
        let all = if config.shards == 1 {
            let Some(leadership) = lead_all(&mut share, &health, &stop).await else {
                share.leave().await;
                return;
            };
            health.set_ready(Ok(()));
            tracing::info!(%cluster, "leading");
            Some(leadership)
        } else {
            // Whoever takes part knows all accounts before it takes any.
            tracing::info!(%cluster, shards = config.shards, "taking part");
            None
        };
        let ended = lead(&client, &config, &cluster, &metrics, &health, &mut share, all, &stop).await;
        metrics.shards(0, config.shards);
        health.rest();
        match ended {
            Ok(held) => {
                // Together: each waits for the API server.
                futures::future::join_all(held.into_iter().map(Leadership::release)).await;
                share.leave().await;
                if stop.is_cancelled() {
                    return;
                }
            }
            Err(error) => {
                metrics.lease_lost();
                tracing::warn!(%error, "no longer leading; nothing is written until this process leads again");
                // Whatever was found out so far may be out of date by then.
            }
        }
    }
}

/// Waits until all accounts are ours; returns nothing when this process is to stop.
async fn lead_all(share: &mut Share, health: &Health, stop: &CancellationToken) -> Option<Leadership> {
    loop {
        let event = tokio::select! {
            event = share.events.recv() => event?,
            () = stop.cancelled() => return None,
        };
        match event {
            Event::Taken(leadership) => return Some(leadership),
            // What may heal by itself is tried again: rights may be given, a namespace be made.
            Event::Share(ShareEvent::Unable(why)) => {
                tracing::warn!(why, "not leading; trying again");
                health.set_ready(Err(why));
            }
            // One that stands by is ready to.
            Event::Share(ShareEvent::Waiting) => health.set_ready(Ok(())),
            Event::Share(_) => {}
        }
    }
}

/// Keeps the stores as the objects say, for one term; what is still held at its end.
#[allow(clippy::too_many_arguments, reason = "everything a term needs, once")]
async fn lead(
    client: &Client,
    config: &Config,
    cluster: &Name,
    metrics: &Metrics,
    health: &Health,
    share: &mut Share,
    all: Option<Leadership>,
    stop: &CancellationToken,
) -> Result<Vec<Leadership>, Error> {
    let (events, events_task) = events::start(client.clone(), config.identity.clone(), metrics.clone());
    let means = shell::Means {
        client: client.clone(),
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
        seed: random_seed(),
        hashing: random_seed(),
    };
    let secrets = ClusterSecrets::new(client.clone(), &config.store_namespace);
    let (announced, from_stores) = mpsc::unbounded_channel();
    let stores = stores::Stores::new(&config.sqlite_dir, Arc::new(secrets), metrics.clone(), announced);
    let mut shell = shell::Shell::new(means, setup, stores);
    if let Some(leadership) = all {
        shell.begin_with(leadership);
        metrics.shards(1, config.shards);
    }
    // Under definitions of an earlier release it ends as it does when it is asked to: what is held is given back.
    let ending = stop.child_token();
    let watched = async {
        let why = definitions::until_outdated(client).await;
        tracing::warn!(why, "no longer leading; nothing is written until this process leads again");
        ending.cancel();
        std::future::pending::<Infallible>().await
    };
    let held = tokio::select! {
        held = shell.run(from_stores, share, ending.clone()) => held?,
        never = watched => match never {},
    };
    // What is left to tell is told, but nobody waits long for it.
    let _ = timeout(LAST_WORDS, events_task).await;
    Ok(held)
}

/// Returns a seed that no tenant can guess.
fn random_seed() -> Seed {
    let random = RandomState::new();
    Seed([random.hash_one(0_u8), random.hash_one(1_u8)])
}

/// The id of this cluster. What keeps it from being read may heal by itself, or by somebody's hand; until then readiness
/// says what it is.
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
