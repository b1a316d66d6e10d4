//! `roster migrate`.

use std::path::PathBuf;

use crate::store::{NoSecrets, StoreLocation};

/// Bring the schema of a store up to date, and make it if it is not there
///
/// For a PostgreSQL store whose controller has a role that may not make tables: whoever owns the schema does it, before
/// the controller is updated. A store that may do so itself needs no command; doing it twice changes nothing.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  PGPASSWORD=… roster migrate --store postgres://roster_owner@db.example/portal\n  roster \
                  migrate --store postgres://roster_owner@db.example/portal#access"
)]
pub struct Args {
    /// `postgres://USER@HOST/DATABASE`, with `#SCHEMA` where it is not `roster`, and the password in it or in PGPASSWORD
    /// or PGPASSFILE; or an SQLite file
    #[arg(long, value_name = "URL|FILE")]
    store: PathBuf,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let place = StoreLocation::from_argument(&args.store)?;
    place.open(&NoSecrets).await?;
    println!("{place}: up to date");
    Ok(super::OK)
}
