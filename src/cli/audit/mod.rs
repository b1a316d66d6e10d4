//! Implements `roster audit`, with a module for each subcommand. Called by `cli::run`.

pub mod changes;
mod export;
pub mod query;
mod store;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod verify;

use clap::Subcommand;

/// Show, export or verify the audit of a store
///
/// The audit is in the same database and records every change in a chain of hashes: who gained or lost what, when, why,
/// and which object's generation caused it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roster audit query roster-data/roster.db --since 7d\n  roster audit verify \
                  roster-data/roster.db\n  PGPASSWORD=… roster audit verify postgres://roster_writer@db.example/portal")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Query(query::Args),
    Export(export::Args),
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    Verify(verify::Args),
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    match args.command {
        Command::Query(args) => query::run(args).await,
        Command::Export(args) => export::run(args).await,
        #[cfg(any(feature = "sqlite", feature = "postgres"))]
        Command::Verify(args) => verify::run(args).await,
    }
}
