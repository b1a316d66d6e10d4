//! `roster block` and `roster unblock`: cutting one person off everywhere in a store, and letting them in again.

mod cluster;
mod file;

use std::{path::PathBuf, time::Duration};

use super::{
    output::{WARN, paint, wrap},
    people::email,
    period,
};
use crate::{manifests::connect, model::Email, store::Place};

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

/// Where somebody is blocked
#[derive(Clone, Debug, clap::Args)]
pub struct Where {
    /// The IdentityStore [default: `default`, or the only one there is]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["all_stores", "store"])]
    identity_store: Option<String>,

    /// Every IdentityStore of the cluster
    #[arg(long, conflicts_with = "store")]
    all_stores: bool,

    /// A database kept from files, instead of a cluster: an SQLite file, `postgres://…` or `keycloak+https://…`
    #[arg(long, value_name = "FILE|URL", conflicts_with = "context")]
    store: Option<PathBuf>,

    /// How long to wait until it holds
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = timeout)]
    timeout: Duration,

    /// Context of the kubeconfig [default: the current one]
    #[arg(long, env = "ROSTER_CONTEXT", value_name = "NAME")]
    context: Option<String>,
}

fn timeout(text: &str) -> Result<Duration, String> {
    Duration::try_from(period::duration(text)?).map_err(|error| error.to_string())
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    if let Some(file) = &args.place.store {
        return file::block(&Place::given(file)?, &args.who, &args.reason).await;
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
            Place::given(file)?
        );
    }
    let (client, _) = connect(place.context.as_deref()).await?;
    cluster::change(&client, place, who, None).await
}

/// Returns a warning about an address that no object names: it may be mistyped, and then somebody else still has access.
fn unknown(who: &Email, near: Option<&str>) -> String {
    let near = meant(near);
    let text = format!("No object names {who}. Check that the address is right.{near}");
    wrap(&paint(WARN, "! "), 2, &text)
}

/// Asks whether another address is meant, in a sentence behind others.
fn meant(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!(" Is {near} meant? Nothing was done to {near}."))
}
