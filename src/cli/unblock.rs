//! Implements `roster unblock`. Called by `cli::run`; the work is in `cli::block`.

use super::{block, people::email};
use crate::model::Email;

/// Unblock a person
///
/// Removes the address from `IdentityStore.spec.blocked` and waits until every account is reconciled. A person who is
/// not blocked stays unchanged. A store that is managed from files is not written: remove the address from the files
/// and apply them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  roster unblock dana@acme.example\n  roster unblock dana@acme.example --identity-store eu"
)]
pub struct Args {
    /// Address to unblock
    #[arg(value_name = "EMAIL", value_parser = email)]
    who: Email,

    #[command(flatten)]
    place: block::Where,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    block::unblock(&args.who, &args.place).await
}
