//! Implements `roster webhook`: serves the admission webhook, and keeps its certificate authority. Called by `cli::run`.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context as _;
use clap::Subcommand;

use super::{
    controller::{enforcement, member_prefix, stop_on_signals, with_http},
    exit::now,
    output::print,
};
use crate::{
    api::Enforcement,
    manifests,
    telemetry::{Health, Metrics},
    webhook::{self, Config, authority, certificate},
};

/// Run the admission webhook, which judges changes of access before they are stored
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<Serve>),
    Certificate(Certificate),
}

/// Serve the admission webhook over HTTPS
///
/// The API server asks it before a change of Roster's objects is stored. It stamps each object with whoever changed its
/// spec (annotation roster.dev/actor). Where an account, its store or --floor says `Enforce`, it refuses people what they
/// may not do, and warns service accounts; with `Warn` it only warns. Every replica answers. The chart installs it with
/// `webhook.enabled`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        roster webhook serve --ca-dir /etc/roster/ca --dns-name roster-webhook.roster-system.svc\n  \
        roster webhook serve --certificate-dir /etc/roster/tls --member-prefix oidc: --floor Warn")]
struct Serve {
    /// Address of the webhook; port 0 selects a free port, which is logged
    #[arg(long, env = "ROSTER_WEBHOOK_ADDRESS", value_name = "ADDR", default_value = "127.0.0.1:9443")]
    address: SocketAddr,

    /// Folder with the certificate authority (tls.crt, tls.key) beneath which this process makes its certificates
    #[arg(
        long,
        env = "ROSTER_WEBHOOK_CA_DIR",
        value_name = "DIR",
        required_unless_present = "certificate_dir",
        conflicts_with = "certificate_dir",
        requires = "dns_name"
    )]
    ca_dir: Option<PathBuf>,

    /// DNS name of the webhook, as the API server calls it
    #[arg(long, env = "ROSTER_WEBHOOK_DNS_NAME", value_name = "NAME", value_delimiter = ',')]
    dns_name: Vec<String>,

    /// Folder with a certificate (tls.crt, tls.key) that somebody else renews, such as cert-manager
    #[arg(long, env = "ROSTER_WEBHOOK_CERTIFICATE_DIR", value_name = "DIR")]
    certificate_dir: Option<PathBuf>,

    /// Beginning of the names of users who are members; their address follows it. Without it, no user is a member
    #[arg(long, env = "ROSTER_MEMBER_PREFIX", value_name = "PREFIX", value_parser = member_prefix)]
    member_prefix: Option<String>,

    /// Weakest enforcement of any account: Disabled, Warn or Enforce
    #[arg(long, env = "ROSTER_ENFORCEMENT_FLOOR", value_name = "ENFORCEMENT", default_value = "Disabled", value_parser = enforcement)]
    floor: Enforcement,

    /// Address for /healthz, /readyz and /metrics; port 0 selects a free port, which is logged
    #[arg(long, env = "ROSTER_HTTP", value_name = "ADDR", default_value = "127.0.0.1:8080")]
    http: SocketAddr,

    /// The controller's namespace
    #[arg(long, env = "ROSTER_STORE_NAMESPACE", value_name = "NS", default_value = "roster-system")]
    store_namespace: String,

    /// Write names of users into the log
    #[arg(long, env = "ROSTER_LOG_ADDRESSES")]
    log_addresses: bool,

    /// Context of the kubeconfig [default: the current one]
    #[arg(long, env = "ROSTER_CONTEXT", value_name = "NAME")]
    context: Option<String>,
}

/// Keep the certificate authority of the webhook
///
/// Creates the Secret with the authority if there is none, replaces it in the last year of its ten, and enters it in the
/// webhook configurations, so that the API server trusts the webhook. The chart runs it after each install and upgrade.
#[derive(Debug, clap::Args)]
struct Certificate {
    /// Secret of the authority
    #[arg(long, value_name = "NAME")]
    secret: String,

    /// Namespace of the Secret
    #[arg(short, long, value_name = "NS", default_value = "roster-system")]
    namespace: String,

    /// Name of both webhook configurations, the mutating and the validating one
    #[arg(long, value_name = "NAME")]
    configuration: String,

    /// Context of the kubeconfig [default: the current one]
    #[arg(long, env = "ROSTER_CONTEXT", value_name = "NAME")]
    context: Option<String>,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    match args.command {
        Command::Serve(args) => serve(*args).await?,
        Command::Certificate(args) => {
            let (client, _) = manifests::connect(args.context.as_deref()).await?;
            let Certificate { secret, namespace, configuration, .. } = &args;
            let done = authority::establish(&client, namespace, secret, configuration, now()?).await?;
            let authority = if done.made { "was made" } else { "is valid" };
            let trust = if done.trusted {
                "the API server trusts it".to_owned()
            } else {
                format!("the webhook configurations {configuration} do not exist yet; run this again once they do")
            };
            print(&format!("the certificate authority {authority}; {trust}\n"))?;
        }
    }
    Ok(super::OK)
}

async fn serve(args: Serve) -> anyhow::Result<()> {
    let stop = stop_on_signals().context("cannot listen for signals")?;
    let (client, _) = manifests::connect(args.context.as_deref()).await?;
    let certificate = match (args.ca_dir, args.certificate_dir) {
        (Some(folder), _) => certificate::Source::Authority { folder, names: args.dns_name },
        (None, Some(folder)) => certificate::Source::Files(folder),
        (None, None) => anyhow::bail!("pass --ca-dir or --certificate-dir"),
    };
    let config = Config {
        address: args.address,
        certificate,
        store_namespace: args.store_namespace,
        member_prefix: args.member_prefix,
        floor: args.floor,
        log_addresses: args.log_addresses,
    };
    let (metrics, health) = (Metrics::new(), Health::new());
    let webhook = Box::pin(webhook::run(client, config, metrics.clone(), health.clone(), stop.clone()));
    let (http, webhook) = with_http(args.http, metrics, health, &stop, webhook).await;
    webhook.and(http)
}
