//! Implements `roster block` and `roster unblock`, with a module for clusters and one for stores managed from files.
//! Called by `cli::run`.

mod cluster;
mod file;
mod place;
mod unknown;

pub use self::place::Where;
use self::unknown::{meant, unknown};
use super::people::email;
use crate::{manifests::connect, model::Email, store::StoreLocation};

/// Block a person in all accounts of a store
///
/// Adds the address to `IdentityStore.spec.blocked` and waits until every account is reconciled and the store grants no
/// access to the address: as member, as owner or as undeclared member. Repeating the command only checks again. The
/// command warns if no object names the address. If the IdentityStore is kept in Git, add the address there, too. With
/// --store, the command writes directly to a database that is managed from files, without a cluster. Exit code: 1 if
/// the block is not effective in time.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  roster block dana@acme.example --reason \"laptop stolen\"\n  roster block dana@acme.example \
                  --reason \"laptop stolen\" --all-stores --timeout 2m\n  roster block dana@acme.example --reason \"laptop \
                  stolen\" --store roster-data/roster.db"
)]
pub struct Args {
    /// Address to block
    #[arg(value_name = "EMAIL", value_parser = email)]
    who: Email,

    /// Reason, which is recorded in the spec
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

/// Unblocks a person.
pub async fn unblock(who: &Email, place: &Where) -> anyhow::Result<u8> {
    if let Some(file) = &place.store {
        anyhow::bail!(
            "{}: this store is managed from files: remove {who} from IdentityStore.spec.blocked in the files and run \
             `roster apply`",
            StoreLocation::from_argument(file)?
        );
    }
    let (client, _) = connect(place.context.as_deref()).await?;
    cluster::change(&client, place, who, None).await
}
