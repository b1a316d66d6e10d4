//! The command line: arguments in, exit code out. Each command is a file; what it does is in the other rooms.

#[cfg(feature = "sqlite")]
mod audit;
mod controller;
mod crds;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::telemetry::init_logging;

/// A command did what it was asked to, and the answer is yes.
const OK: u8 = 0;
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
    Controller(controller::Args),
    Crds(crds::Args),
    #[cfg(feature = "sqlite")]
    Audit(audit::Args),
}

/// Runs the command that the arguments of this process name.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = init_logging(cli.log.as_deref()).map_err(anyhow::Error::from).and_then(|()| match cli.command {
        Command::Controller(args) => controller::run(args),
        Command::Crds(args) => crds::run(&args),
        #[cfg(feature = "sqlite")]
        Command::Audit(args) => audit::run(&args),
    });
    match done {
        Ok(code) => code.into(),
        Err(error) => {
            // One line, each cause once: the outer ones often repeat the inner ones.
            eprintln!("error: {}", one_line(&error));
            FAILED.into()
        }
    }
}

fn one_line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_cause_is_said_once() {
        let error = anyhow::anyhow!("no such file").context("cannot read x: no such file");
        assert_eq!(one_line(&error), "cannot read x: no such file");
        let error = Err::<(), _>(anyhow::anyhow!("no such file")).context("cannot read x").unwrap_err();
        assert_eq!(one_line(&error), "cannot read x: no such file");
    }
}
