//! `roster audit`: what has changed in a store, by whose word, and whether anybody has changed the record of it.

pub mod changes;
mod export;
pub mod query;
#[cfg(feature = "sqlite")]
mod verify;

use anyhow::Context as _;
use std::{path::Path, sync::Arc};

use clap::Subcommand;

use crate::store::{Place, Store};

/// Look at the audit of a store
///
/// Every change of a store is recorded beside the data, in a chain of hashes: who gained or lost what, when, why, and which
/// object's generation caused it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roster audit query roster-data/roster.db --since 7d\n  roster audit verify \
                  roster-data/roster.db")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Query(query::Args),
    Export(export::Args),
    #[cfg(feature = "sqlite")]
    Verify(verify::Args),
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    match args.command {
        Command::Query(args) => query::run(args).await,
        Command::Export(args) => export::run(args).await,
        #[cfg(feature = "sqlite")]
        Command::Verify(args) => verify::run(args).await,
    }
}

/// The store in a file that must be there.
async fn open(file: &Path) -> anyhow::Result<Arc<dyn Store>> {
    let store = Place::Sqlite(file.to_owned()).open_if_there().await?;
    store.with_context(|| format!("{}: there is no such file", file.display()))
}
