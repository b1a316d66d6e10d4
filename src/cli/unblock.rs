//! `roster unblock`.

use super::{block, people::email};
use crate::model::Email;

/// Give a blocked person back what the objects say
///
/// Takes the address out of `IdentityStore.spec.blocked` and waits until every account was gone over since. Whoever is not
/// blocked stays so. A store kept from files is not written: take the address out of the files and apply them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  roster unblock dana@acme.example\n  roster unblock dana@acme.example --identity-store eu"
)]
pub struct Args {
    /// Whom
    #[arg(value_name = "EMAIL", value_parser = email)]
    who: Email,

    #[command(flatten)]
    place: block::Where,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    block::unblock(&args.who, &args.place).await
}
