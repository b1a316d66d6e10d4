//! The command line: arguments in, exit code out. Each command is a file; what it does is in the other rooms.

mod apply;
mod ask;
mod audit;
mod block;
mod can_i;
mod change;
mod completions;
mod controller;
mod crds;
mod drift;
mod explain;
mod import;
mod init;
pub mod input;
mod man;
mod matrix;
mod migrate;
pub mod output;
mod people;
mod period;
mod plan;
mod review;
mod status;
mod target;
mod unblock;
mod validate;
mod version;
mod who_can;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use jiff::Timestamp;

use crate::{
    cluster::api_error::causes,
    telemetry::{Traces, check_levels, init_logging},
};

/// A command did what it was asked to, and the answer is yes.
const OK: u8 = 0;
/// A command did what it was asked to, and the answer is no.
const NO: u8 = 1;
/// A command could not do what it was asked to; also clap's code for arguments it does not understand.
const FAILED: u8 = 2;

/// Access as code for Kubernetes: who may do what, written as objects, kept true in an identity store.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// What is logged to standard error, for example `info,roster=debug`; lines of JSON unless that is a terminal
    #[arg(long, global = true, env = "RUST_LOG", value_name = "FILTER")]
    log: Option<String>,
}

const EXIT_CODES: &str =
    "Exit codes: 0 done, and the answer is yes; 1 done, and the answer is no; 2 could not be done.";

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Validate(validate::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Import(import::Args),
    CanI(can_i::Args),
    WhoCan(who_can::Args),
    Explain(explain::Args),
    Matrix(matrix::Args),
    Review(review::Args),
    Drift(drift::Args),
    Status(status::Args),
    Block(block::Args),
    Unblock(unblock::Args),
    Audit(audit::Args),
    Migrate(migrate::Args),
    Controller(controller::Args),
    Crds(crds::Args),
    Completions(completions::Args),
    Man(man::Args),
    Version(version::Args),
}

/// All commands, as arguments, completions and the manual know them.
fn command() -> clap::Command {
    Cli::command()
}

/// kubectl finds a plugin by the name of its file; whoever calls it so sees that name in the help, too.
fn named(command: clap::Command) -> clap::Command {
    let called = std::env::args_os().next().map(PathBuf::from);
    let plugin = called.as_deref().and_then(Path::file_stem).is_some_and(|name| name == "kubectl-roster");
    if plugin { command.bin_name("kubectl roster") } else { command }
}

/// The time; `ROSTER_NOW` stands in for it where output must not depend on the day.
fn now() -> anyhow::Result<Timestamp> {
    match std::env::var("ROSTER_NOW") {
        Ok(text) => {
            text.parse().with_context(|| format!("ROSTER_NOW: {text:?} is no time such as 2026-12-31T00:00:00Z"))
        }
        Err(_) => Ok(Timestamp::now()),
    }
}

/// Runs the command that the arguments of this process name.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&named(command()).get_matches()).unwrap_or_else(|error| error.exit());
    match start(cli) {
        Ok(code) => code.into(),
        Err(error) => {
            // One line, each cause once: the outer ones often repeat the inner ones.
            output::complain(format!("error: {}", one_line(&error)));
            FAILED.into()
        }
    }
}

/// Traces begin before the runtime and end after it: what sends them must not share the threads that work.
fn start(cli: Cli) -> anyhow::Result<u8> {
    let endpoint = match &cli.command {
        Command::Controller(args) => args.otlp_endpoint(),
        _ => None,
    };
    if let (Command::Controller(_), Some(filter)) = (&cli.command, &cli.log) {
        check_levels(filter)?;
    }
    let traces = endpoint.map(Traces::to).transpose()?;
    init_logging(cli.log.as_deref(), traces.as_ref())?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let done = runtime.block_on(run(cli.command));
    if let Some(traces) = traces {
        traces.end();
    }
    done
}

async fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Init(args) => init::run(&args),
        Command::Validate(args) => validate::run(args).await,
        Command::Plan(args) => plan::run(args).await,
        Command::Apply(args) => apply::run(args).await,
        Command::Import(args) => import::run(args).await,
        Command::CanI(args) => can_i::run(args).await,
        Command::WhoCan(args) => who_can::run(args).await,
        Command::Explain(args) => explain::run(args).await,
        Command::Matrix(args) => matrix::run(args).await,
        Command::Review(args) => review::run(args).await,
        Command::Drift(args) => drift::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Block(args) => block::run(args).await,
        Command::Unblock(args) => unblock::run(args).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Controller(args) => controller::run(args).await,
        Command::Crds(args) => crds::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Version(args) => version::run(&args),
    }
}

fn one_line(error: &anyhow::Error) -> String {
    causes(error.chain().map(in_words))
}

/// One cause; of an API server's answer what it says, without the dump of the whole answer.
fn in_words(cause: &(dyn std::error::Error + 'static)) -> String {
    let status = match cause.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => Some(status.as_ref()),
        _ => cause.downcast_ref::<Box<kube::core::Status>>().map(AsRef::as_ref).or_else(|| cause.downcast_ref()),
    };
    match status {
        // Of a path that the server does not know at all, it says no more than this.
        Some(status) if status.code == 404 && status.message.contains("page not found") => {
            "the cluster does not know this kind; the definitions come with `roster crds | kubectl apply --server-side -f -`"
                .to_owned()
        }
        Some(status) if !status.message.is_empty() => status.message.clone(),
        _ => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        command().debug_assert();
    }

    #[test]
    fn of_an_answer_only_what_it_says() {
        let said = |code, message: &str| {
            let status = kube::core::Status { code, message: message.to_owned(), ..kube::core::Status::default() };
            let error = anyhow::Error::from(kube::Error::Api(Box::new(status))).context("cannot list accounts");
            one_line(&error)
        };
        assert_eq!(said(403, "accounts is forbidden"), "cannot list accounts: accounts is forbidden");
        let unknown = said(404, "404 page not found");
        assert!(unknown.starts_with("cannot list accounts: the cluster does not know this kind"), "{unknown}");
    }

    #[test]
    fn a_cause_is_said_once() {
        let error = anyhow::anyhow!("no such file").context("cannot read x: no such file");
        assert_eq!(one_line(&error), "cannot read x: no such file");
        let status = kube::core::Status::failure("no, never", "Forbidden");
        let error = Err::<(), _>(kube::Error::Api(Box::new(status))).context("cannot list accounts").unwrap_err();
        assert_eq!(one_line(&error), "cannot list accounts: no, never");
        let error = Err::<(), _>(anyhow::anyhow!("no such file")).context("cannot read x").unwrap_err();
        assert_eq!(one_line(&error), "cannot read x: no such file");
    }
}
