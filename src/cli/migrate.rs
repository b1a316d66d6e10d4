//! Implements `roster migrate`. Called by `cli::run`.

use std::path::PathBuf;

use crate::store::{NoSecrets, StoreLocation};

/// Create or update the schema of a store
///
/// Needed for a PostgreSQL store if the controller's role may not create tables: the owner of the schema runs this
/// command before the controller is updated. Otherwise the controller does it. Repeating the command changes nothing.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  PGPASSWORD=… roster migrate --store postgres://roster_owner@db.example/portal\n  roster \
                  migrate --store postgres://roster_owner@db.example/portal#access"
)]
pub struct Args {
    /// `postgres://USER@HOST/DATABASE` (add `#SCHEMA` if the schema is not `roster`; the password is in the URL,
    /// PGPASSWORD or PGPASSFILE), or an SQLite file
    #[arg(long, value_name = "URL|FILE")]
    store: PathBuf,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let place = StoreLocation::from_argument(&args.store)?;
    place.open(&NoSecrets).await?;
    println!("{place}: up to date");
    Ok(super::OK)
}
