//! Parses arguments, runs a command, and returns its exit code. Called by `main`; each command has its own module.

mod apply;
mod ask;
mod audit;
mod authorize;
mod block;
mod can_i;
mod change;
mod completions;
mod controller;
mod crds;
mod drift;
mod exit;
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
mod reset;
mod review;
mod status;
mod target;
mod unblock;
mod validate;
mod version;
mod webhook;
mod who_can;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::exit::{FAILED, NO, OK, now, one_line};
use crate::telemetry::{Traces, check_levels, init_logging};

/// Access as code for Kubernetes: permissions declared as objects and applied to an identity store.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Filter for the log on standard error, for example `info,roster=debug`. Lines are JSON unless standard error is a
    /// terminal
    #[arg(long, global = true, env = "RUST_LOG", value_name = "FILTER")]
    log: Option<String>,
}

const EXIT_CODES: &str = "Exit codes: 0 success, or yes; 1 no, or incomplete; 2 error.";

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
    Reset(reset::Args),
    Authorize(authorize::Args),
    Status(status::Args),
    Block(block::Args),
    Unblock(unblock::Args),
    Audit(audit::Args),
    Migrate(migrate::Args),
    Controller(controller::Args),
    Webhook(webhook::Args),
    Crds(crds::Args),
    Completions(completions::Args),
    Man(man::Args),
    Version(version::Args),
}

/// Returns the definition of all commands.
fn command() -> clap::Command {
    Cli::command()
}

/// Sets the name `kubectl roster` in the help if the program runs as a kubectl plugin.
fn named(command: clap::Command) -> clap::Command {
    let called = std::env::args_os().next().map(PathBuf::from);
    let plugin = called.as_deref().and_then(Path::file_stem).is_some_and(|name| name == "kubectl-roster");
    if plugin { command.bin_name("kubectl roster") } else { command }
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

/// Starts traces before the runtime and ends them after it, because their exporter must not share the runtime's
/// threads.
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

async fn run(asked: Command) -> anyhow::Result<u8> {
    match asked {
        Command::Init(args) => init::run(&args),
        Command::Validate(args) => validate::run(args).await,
        Command::Plan(args) => plan::run(args).await,
        Command::Apply(args) => apply::run(args).await,
        Command::Import(args) => import::run(args).await,
        Command::CanI(args) => can_i::run(args).await,
        Command::WhoCan(args) => who_can::run(args).await,
        Command::Explain(args) => explain::run(args).await,
        Command::Matrix(args) => matrix::run(args).await,
        Command::Review(args) => Box::pin(review::run(args)).await,
        Command::Drift(args) => drift::run(args).await,
        Command::Reset(args) => reset::run(args).await,
        Command::Authorize(args) => authorize::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Block(args) => block::run(args).await,
        Command::Unblock(args) => unblock::run(args).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Controller(args) => controller::run(args).await,
        Command::Webhook(args) => webhook::run(args).await,
        Command::Crds(args) => crds::run(&args),
        Command::Completions(args) => completions::run(&args, command()),
        Command::Man(args) => man::run(&args, command()),
        Command::Version(args) => version::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        command().debug_assert();
    }
}
