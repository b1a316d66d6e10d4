//! `roster audit`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::store::{NoSecrets, Place};

/// Look at the audit of a store
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that no record of an SQL store's audit was changed, dropped or moved
    ///
    /// Also while the controller runs. Exit code 0 when the chain is whole, 1 when it is broken, 2 when the store cannot
    /// be read. There is no key in the chain: keep the head it prints elsewhere, if who can write the store is not trusted.
    #[command(
        after_help = "Examples:\n  roster audit verify roster-data/roster.db\n  PGPASSWORD=… roster audit verify \
                      postgres://roster_writer@db.example/portal"
    )]
    Verify {
        /// Database of an IdentityStore: an SQLite file, or `postgres://USER@HOST/DATABASE`, with `#SCHEMA` where it is
        /// not `roster`
        #[arg(value_name = "FILE|URL")]
        store: PathBuf,
    },
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let Command::Verify { store } = &args.command;
    let report = Place::given(store).verify_audit(&NoSecrets).await?;
    println!("{report}");
    Ok(if report.is_whole() { super::OK } else { super::NO })
}
