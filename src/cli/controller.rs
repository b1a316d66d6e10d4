//! Implements `roster controller`: parses its arguments, and runs the controller with its HTTP endpoints. Called by
//! `cli::run`.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::api::Enforcement;
use crate::control::{Enforcing, leases::MAX_SHARDS};
use crate::controller::{self, Config};
use crate::manifests;
use crate::telemetry::{Health, Metrics, serve_http};

/// Run the controller, which keeps identity stores in line with the objects of a cluster
///
/// Reads the kubeconfig like kubectl or, in a pod, the service account. Several replicas can run. One leads with the
/// Lease `roster` in the store namespace, and the others wait. With `--shards`, each replica holds a share of the
/// accounts. On SIGTERM or Ctrl-C, the controller finishes the running passes and releases its Leases; a second signal
/// stops it at once.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  roster controller --sqlite-dir /var/lib/roster\n  roster controller --context kind-dev \
                  --http 127.0.0.1:9090 --log info,roster=debug\n  roster controller --otlp-endpoint http://localhost:4318"
)]
pub struct Args {
    /// Folder of the databases that `IdentityStore.spec.sqlite.file` names
    #[arg(long, env = "ROSTER_SQLITE_DIR", value_name = "DIR", default_value = "roster-data")]
    sqlite_dir: PathBuf,

    /// Id in the marks of this cluster's entries in a store [default: the UID of the namespace kube-system]
    #[arg(long, env = "ROSTER_CLUSTER_ID", value_name = "ID", value_parser = cluster_id)]
    cluster_id: Option<String>,

    /// Address for /healthz, /readyz and /metrics; port 0 selects a free port, which is logged
    #[arg(long, env = "ROSTER_HTTP", value_name = "ADDR", default_value = "127.0.0.1:8080")]
    http: SocketAddr,

    /// The controller's namespace, with its Leases and the Secrets of the stores
    #[arg(long, env = "ROSTER_STORE_NAMESPACE", value_name = "NS", default_value = "roster-system")]
    store_namespace: String,

    /// Maximum number of accounts that are reconciled at the same time
    #[arg(
        long,
        env = "ROSTER_MAX_CONCURRENT_ACCOUNTS",
        value_name = "N",
        default_value = "8",
        value_parser = concurrency
    )]
    max_concurrent_accounts: usize,

    /// Number of shards into which the accounts are divided; replicas share them. Must be the same in all replicas
    #[arg(long, env = "ROSTER_SHARDS", value_name = "N", default_value = "1", value_parser = shards)]
    shards: u16,

    /// Write addresses of people into the log; otherwise it contains only names of Memberships
    #[arg(long, env = "ROSTER_LOG_ADDRESSES")]
    log_addresses: bool,

    /// Hold back what somebody without the authority applied, in accounts with `enforcement: Enforce`. Needs the admission
    /// webhook, which records who applied what
    #[arg(long, env = "ROSTER_ENFORCE")]
    enforce: bool,

    /// Beginning of the names of users who are members; their address follows it. Without it, no user is a member
    #[arg(long, env = "ROSTER_MEMBER_PREFIX", value_name = "PREFIX", value_parser = member_prefix, requires = "enforce")]
    member_prefix: Option<String>,

    /// Weakest enforcement of any account: Disabled, Warn or Enforce
    #[arg(
        long,
        env = "ROSTER_ENFORCEMENT_FLOOR",
        value_name = "ENFORCEMENT",
        default_value = "Disabled",
        value_parser = enforcement
    )]
    enforcement_floor: Enforcement,

    /// Context of the kubeconfig [default: the current one]
    #[arg(long, env = "ROSTER_CONTEXT", value_name = "NAME")]
    context: Option<String>,

    /// Address of an OTLP/HTTP collector for traces of passes, without /v1/traces
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
}

impl Args {
    /// Returns the endpoint for traces, if there is one.
    pub fn otlp_endpoint(&self) -> Option<&str> {
        self.otlp_endpoint.as_deref().filter(|endpoint| !endpoint.trim().is_empty())
    }
}

/// Parses a cluster id. It is part of every mark, so it is short and printable.
fn cluster_id(text: &str) -> Result<String, String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.is_empty() || text.len() > 63 || !text.chars().all(fine) {
        return Err("1 to 63 letters, digits, '-', '_' or '.' are needed".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses the prefix of members' names. Names of the system never belong to people.
pub(super) fn member_prefix(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with("system:") {
        return Err("must be the prefix of the users of an issuer, such as oidc:".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses a value of `enforcement`.
pub(super) fn enforcement(text: &str) -> Result<Enforcement, String> {
    match text {
        "Disabled" => Ok(Enforcement::Off),
        "Warn" => Ok(Enforcement::Warn),
        "Enforce" => Ok(Enforcement::Enforce),
        _ => Err("must be Disabled, Warn or Enforce".to_owned()),
    }
}

fn shards(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(number @ 1..=MAX_SHARDS) => Ok(number),
        _ => Err(format!("a number from 1 to {MAX_SHARDS} is needed")),
    }
}

fn concurrency(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=256) => Ok(number),
        _ => Err("a number from 1 to 256 is needed".to_owned()),
    }
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let stop = stop_on_signals().context("cannot listen for signals")?;
    lead(args, stop).await?;
    Ok(super::OK)
}

/// Runs the controller and its HTTP endpoints.
async fn lead(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    let (client, _) = manifests::connect(args.context.as_deref()).await?;
    let config = Config {
        sqlite_dir: args.sqlite_dir,
        cluster_id: args.cluster_id,
        store_namespace: args.store_namespace,
        max_concurrent_accounts: args.max_concurrent_accounts,
        identity: identity(),
        shards: args.shards,
        log_addresses: args.log_addresses,
        enforcing: args.enforce.then(|| Enforcing {
            member_prefix: args.member_prefix.as_deref().map(Arc::from),
            floor: args.enforcement_floor,
        }),
    };
    let (metrics, health) = (Metrics::new(), Health::new());
    let controller = Box::pin(controller::run(client, config, metrics.clone(), health.clone(), stop.clone()));
    let (served, ()) = with_http(args.http, metrics, health, &stop, controller).await;
    served
}

/// Runs a process with its HTTP endpoints, until both have ended. If one of them ends, so does the other.
pub(super) async fn with_http<T>(
    address: SocketAddr,
    metrics: Metrics,
    health: Health,
    stop: &CancellationToken,
    process: impl Future<Output = T>,
) -> (anyhow::Result<()>, T) {
    let ended = CancellationToken::new();
    let http = async {
        let served = serve_http(address, metrics, health, ended.clone()).await;
        // Without the health endpoint the process would look healthy, so it stops, too.
        stop.cancel();
        served.map_err(anyhow::Error::from)
    };
    let process = async {
        let result = process.await;
        ended.cancel();
        result
    };
    tokio::join!(http, process)
}

/// Returns an identity that differs from every other process, also an earlier one in the same pod.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "roster".to_owned());
    // `RandomState` takes its keys from the operating system's random numbers.
    let random = RandomState::new().build_hasher().finish();
    format!("{host}_{random:016x}")
}

/// Returns a token that the first signal cancels; the second signal ends the process.
pub(super) fn stop_on_signals() -> io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        let name = either(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = name, "stopping");
        stopped.cancel();
        either(&mut terminate, &mut interrupt).await;
        tracing::warn!("stopping at once");
        std::process::exit(super::FAILED.into());
    });
    Ok(stop)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_id_is_short_and_printable() {
        for good in ["prod", "7c9e6679-7425-40de-944b-e07fc1f90ae7", "eu.west_1", &"x".repeat(63)] {
            assert_eq!(cluster_id(good).as_deref(), Ok(good));
        }
        for bad in ["", "a b", "ä", "a/b", &"x".repeat(64)] {
            assert!(cluster_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn work_is_bounded() {
        assert_eq!(concurrency("256"), Ok(256));
        for bad in ["0", "257", "-1", "many"] {
            assert!(concurrency(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_two_processes_share_an_identity() {
        assert_ne!(identity(), identity());
    }
}
