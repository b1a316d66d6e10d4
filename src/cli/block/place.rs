//! Arguments that say in which stores somebody is blocked. Parsed by `roster block` and `roster unblock`; read by
//! `cluster`.

use std::{path::PathBuf, time::Duration};

use crate::cli::period;

/// Stores in which a person is blocked
#[derive(Clone, Debug, clap::Args)]
pub struct Where {
    /// Name of the IdentityStore [default: `default`, or the only one]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["all_stores", "store"])]
    pub(super) identity_store: Option<String>,

    /// Use every IdentityStore of the cluster
    #[arg(long, conflicts_with = "store")]
    pub(super) all_stores: bool,

    /// A database that is managed from files, instead of a cluster: an SQLite file, `postgres://…` or
    /// `keycloak+https://…`
    #[arg(long, value_name = "FILE|URL", conflicts_with = "context")]
    pub(super) store: Option<PathBuf>,

    /// Maximum time to wait until the change is effective
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = timeout)]
    pub(super) timeout: Duration,

    /// Context of the kubeconfig [default: the current one]
    #[arg(long, env = "ROSTER_CONTEXT", value_name = "NAME")]
    pub(super) context: Option<String>,
}

fn timeout(text: &str) -> Result<Duration, String> {
    Duration::try_from(period::duration(text)?).map_err(|error| error.to_string())
}
