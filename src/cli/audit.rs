//! `roster audit`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::store::sqlite::verify_audit;

/// Look at the audit of a store
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that no record of an embedded store's audit was changed, dropped or moved
    ///
    /// Also while the controller runs. Exit code 0 when the chain is whole, 1 when it is broken, 2 when the file cannot
    /// be read. There is no key in the chain: keep the head it prints elsewhere, if who can write the file is not trusted.
    #[command(after_help = "Example:\n  roster audit verify roster-data/roster.db")]
    Verify {
        /// Database of an IdentityStore
        file: PathBuf,
    },
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let Command::Verify { file } = &args.command;
    let report = verify_audit(file).await?;
    println!("{report}");
    Ok(if report.is_whole() { super::OK } else { super::NO })
}
