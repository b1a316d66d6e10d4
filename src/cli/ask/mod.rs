//! What `can-i`, `who-can`, `explain` and `matrix` share: an account with everybody in it, and questions to it.

mod difference;
mod elsewhere;
mod everywhere;
mod question;
mod stored;
mod subject;
mod why;

use anyhow::Context as _;
use std::path::PathBuf;

use jiff::Timestamp;

pub use self::{
    elsewhere::StoredAccess,
    everywhere::{nobody_anywhere, not_asked, note_out_of_sync, reach_all, subjects},
    question::{Question, section_of},
    stored::Stored,
    subject::{Held, Subject},
    why::{STORED, day, explanations, facts, nobody, through, time_note, why_not, withheld},
};
use super::{
    input::Input,
    target::{self, Planned, Target, absent},
};
use crate::{evaluate::Context, manifests::LoadedObjects, model::AccountKey};

/// Which store is asked what it gives
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "What the store gives")]
pub struct Lookup {
    /// Look into this database, and answer what it gives, with what the objects say where that differs: an SQLite file,
    /// `postgres://…` or `keycloak+https://…`
    #[arg(long, value_name = "FILE|URL")]
    store: Option<PathBuf>,

    /// The same, with the databases that `IdentityStore.spec.sqlite.file` names in this folder
    #[arg(long, value_name = "DIR", conflicts_with = "store")]
    sqlite_dir: Option<PathBuf>,

    /// The controller's namespace, with the secrets of the stores
    #[arg(long, env = "ROSTER_STORE_NAMESPACE", value_name = "NS", default_value = "roster-system")]
    store_namespace: String,
}

impl Lookup {
    /// Whether one store is named, whatever accounts there are.
    #[must_use]
    pub fn is_one_store(&self) -> bool {
        self.store.is_some()
    }

    /// Which stores are to be asked; nothing where none is.
    fn target(&self) -> Option<Target> {
        (self.store.is_some() || self.sqlite_dir.is_some()).then(|| Target {
            store: self.store.clone(),
            sqlite_dir: self.sqlite_dir.clone().unwrap_or_default(),
            store_namespace: self.store_namespace.clone(),
        })
    }

    /// What the store of an account holds and what would change there, where one is to be asked.
    async fn planned(
        &self,
        loaded: &LoadedObjects,
        key: &AccountKey,
        now: Timestamp,
    ) -> anyhow::Result<Option<Planned>> {
        let Some(target) = self.target() else { return Ok(None) };
        let place = target.place(loaded, key)?;
        let store = target.open_if_there(loaded, &place).await?;
        let store = store.with_context(|| format!("{}: say where the store is", absent(&place)))?;
        let observed = target::observe(Some(&store), key, now).await?;
        let context = Context::new(loaded.mark_beside(key, &observed), now);
        Ok(target::plan_as(loaded, key, &place, observed, &context))
    }
}

/// Has a cluster asked about the namespace that an account is in, where nothing else is said.
pub fn reach(input: &mut Input, account: Option<&str>, lookup: &Lookup) {
    reach_namespace(input, account, &lookup.store_namespace);
}

/// As [`reach`], for a controller in this namespace.
pub fn reach_namespace(input: &mut Input, account: Option<&str>, controller: &str) {
    *input = input.of_controller(controller);
    let namespace = account.and_then(|account| account.split_once('/')).map(|(namespace, _)| namespace);
    if !input.is_files() && !input.all_namespaces && input.namespace.is_none() {
        input.namespace = namespace.map(ToOwned::to_owned);
    }
}
