//! Resolves an account with its people and answers questions about it, from the objects or from a store. Called by
//! `can-i`, `who-can`, `explain` and `matrix`.

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

/// Store to answer from
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Answer from a store")]
pub struct Lookup {
    /// Answer from this store, and show where the objects differ: an SQLite file, `postgres://…` or
    /// `keycloak+https://…`
    #[arg(long, value_name = "FILE|URL")]
    store: Option<PathBuf>,

    /// Answer from the databases in this folder that `IdentityStore.spec.sqlite.file` names
    #[arg(long, value_name = "DIR", conflicts_with = "store")]
    sqlite_dir: Option<PathBuf>,

    /// The controller's namespace, with the Secrets of the stores
    #[arg(long, env = "ROSTER_STORE_NAMESPACE", value_name = "NS", default_value = "roster-system")]
    store_namespace: String,
}

impl Lookup {
    /// Returns whether one store is named for all accounts.
    #[must_use]
    pub fn is_one_store(&self) -> bool {
        self.store.is_some()
    }

    /// Returns whether a store is to be read.
    #[must_use]
    pub const fn is_given(&self) -> bool {
        self.store.is_some() || self.sqlite_dir.is_some()
    }

    /// Returns why an account has no store that could be read; `None` if it has one, or if none is to be read.
    #[must_use]
    pub fn without_store(&self, loaded: &LoadedObjects, key: &AccountKey) -> Option<String> {
        self.target()?.place(loaded, key).err().map(|error| error.to_string())
    }

    /// Returns the stores to read; `None` if the answer comes from the objects.
    fn target(&self) -> Option<Target> {
        (self.store.is_some() || self.sqlite_dir.is_some()).then(|| Target {
            store: self.store.clone(),
            sqlite_dir: self.sqlite_dir.clone().unwrap_or_default(),
            store_namespace: self.store_namespace.clone(),
        })
    }

    /// Returns the content of an account's store and the plan for it; `None` if no store is to be read.
    async fn planned(
        &self,
        loaded: &LoadedObjects,
        key: &AccountKey,
        now: Timestamp,
    ) -> anyhow::Result<Option<Planned>> {
        let Some(target) = self.target() else { return Ok(None) };
        let place = target.place(loaded, key)?;
        let store = target.open_if_there(loaded, &place).await?;
        let store = store.with_context(|| format!("{}: pass --store or --sqlite-dir", absent(&place)))?;
        let observed = target::observe(Some(&store), key, now).await?;
        let context = Context::new(loaded.mark_for_comparison(key, &observed), now);
        Ok(target::plan_as(loaded, key, &place, observed, &context))
    }
}

/// Selects the namespace of an account in a cluster, unless a namespace is given.
pub fn reach(input: &mut Input, account: Option<&str>, lookup: &Lookup) {
    reach_namespace(input, account, &lookup.store_namespace);
}

/// Like [`reach`], for a controller in this namespace.
pub fn reach_namespace(input: &mut Input, account: Option<&str>, controller: &str) {
    *input = input.of_controller(controller);
    let namespace = account.and_then(|account| account.split_once('/')).map(|(namespace, _)| namespace);
    if !input.is_files() && !input.all_namespaces && input.namespace.is_none() {
        input.namespace = namespace.map(ToOwned::to_owned);
    }
}
