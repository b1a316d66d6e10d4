//! Implements `roster status`: leader, stores, accounts, and objects that are not ready. Called by `cli::run`.

mod access;
mod gather;
mod leases;
mod reason;
mod show;
mod undeclared;
mod watch;

use std::time::Duration;

use jiff::Timestamp;

use super::{
    output::{Format, formats, print, print_data, print_names},
    period::duration,
};
use crate::manifests::connect;

/// Show the state of Roster in a cluster
///
/// Shows the leader, the stores and catalogs, each account, the number of ready objects, and every object that is not
/// ready with its reason. Exit code: 0 everything is ready; 1 something is not ready; 2 the cluster cannot be read.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  roster status\n  roster status --watch\n  roster status -n developer-platform\n  roster status -A -o json"
)]
pub struct Args {
    /// Context of the kubeconfig [default: the current one]
    #[arg(long, env = "ROSTER_CONTEXT", value_name = "NAME")]
    context: Option<String>,

    /// Show only this namespace, with the stores and catalogs that it uses [default: all namespaces]
    #[arg(short, long, value_name = "NS")]
    namespace: Option<String>,

    /// Show accounts of all namespaces (the default)
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,

    /// The controller's namespace with its leases; if given, it must be readable [default: roster-system]
    #[arg(long, env = "ROSTER_STORE_NAMESPACE", value_name = "NS")]
    store_namespace: Option<String>,

    /// Output format. `wide` shows long lists in full, and `name` lists only what is not ready
    #[arg(short, long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS))]
    output: Format,

    /// Refresh at this interval until Ctrl-C [default interval: 2s]
    #[arg(short, long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "2s", value_parser = interval)]
    watch: Option<Duration>,
}

fn interval(text: &str) -> Result<Duration, String> {
    let every = Duration::try_from(duration(text)?).map_err(|error| error.to_string())?;
    if every.is_zero() { Err("must be greater than zero".to_owned()) } else { Ok(every) }
}

const FORMATS: &[Format] = &[Format::Text, Format::Wide, Format::Name, Format::Json, Format::Yaml];

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let now = super::now()?;
    let (client, _) = connect(args.context.as_deref()).await?;
    if let Some(every) = args.watch {
        let look = |now| gather::status(&client, args.namespace.as_deref(), args.store_namespace.as_deref(), now);
        return watch::watch(every, look, |status, now| show_status(&args, status, now)).await;
    }
    let status = gather::status(&client, args.namespace.as_deref(), args.store_namespace.as_deref(), now).await?;
    show_status(&args, &status, now)?;
    Ok(if status.is_ready() { super::OK } else { super::NO })
}

fn show_status(args: &Args, status: &gather::Status, now: Timestamp) -> anyhow::Result<()> {
    match args.output {
        Format::Json | Format::Yaml => print_data(args.output, status),
        Format::Name => {
            let names: Vec<String> = status.not_ready.iter().map(gather::NotReady::object).collect();
            print_names(names.iter().map(String::as_str))
        }
        format => print(&show::text(status, now, format == Format::Wide)),
    }
}
