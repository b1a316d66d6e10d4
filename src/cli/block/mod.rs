//! `roster block` and `roster unblock`: cutting one person off everywhere in a store, and letting them in again.

mod cluster;
mod file;
mod place;
mod unknown;

pub use self::place::Where;
use self::unknown::{meant, unknown};
use super::people::email;
use crate::{manifests::connect, model::Email, store::StoreLocation};

/// Cut one person off everywhere in a store, at once
///
/// Writes the address into `IdentityStore.spec.blocked` and waits until the store itself, asked after every account was
/// gone over, holds no access for it: member, owner, or somebody whom nobody declared. Whoever is blocked already stays so;
/// asking again only checks, and an address that is nobody's is said to be. If something else keeps the IdentityStore as it
/// is in Git, write it there, too. With --store, a database kept from files is written at once, without any cluster. Exit code 1 when it does not hold in time.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  roster block dana@acme.example --reason \"laptop stolen\"\n  roster block dana@acme.example \
                  --reason \"laptop stolen\" --all-stores --timeout 2m\n  roster block dana@acme.example --reason \"laptop \
                  stolen\" --store roster-data/roster.db"
)]
pub struct Args {
    /// Whom
    #[arg(value_name = "EMAIL", value_parser = email)]
    who: Email,

    /// Why, for whoever asks later
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,

    #[command(flatten)]
    place: Where,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    if let Some(file) = &args.place.store {
        return file::block(&StoreLocation::from_argument(file)?, &args.who, &args.reason).await;
    }
    let (client, _) = connect(args.place.context.as_deref()).await?;
    cluster::change(&client, &args.place, &args.who, Some(&args.reason)).await
}

/// Lets somebody in again.
pub async fn unblock(who: &Email, place: &Where) -> anyhow::Result<u8> {
    if let Some(file) = &place.store {
        anyhow::bail!(
            "{}: a store kept from files holds what they say: take {who} out of IdentityStore.spec.blocked there, and \
             `roster apply` gives back what the other objects say",
            StoreLocation::from_argument(file)?
        );
    }
    let (client, _) = connect(place.context.as_deref()).await?;
    cluster::change(&client, place, who, None).await
}
