//! Arguments for the store, and plans of single accounts. Used by all commands that read stores.

use std::{collections::BTreeSet, fmt::Display, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use jiff::Timestamp;

use crate::{
    cluster::ClusterSecrets,
    evaluate::{Context, Evaluation, Judged, evaluate},
    manifests::{LoadedObjects, Source},
    model::{AccountKey, Email, Name, Scope},
    plan::{GUARD_WINDOW, Mark, Observed, Plan},
    resolve::{AccountContent, MemberContent},
    state::SnapshotSource as _,
    store::{NoSecrets, Secrets, Store, StoreLocation},
};

/// Store
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Store")]
pub struct Target {
    /// Use this store for all accounts, instead of the one that each IdentityStore names: an SQLite file,
    /// `postgres://USER@HOST/DATABASE` (the password is in the URL, PGPASSWORD or PGPASSFILE), or
    /// `keycloak+https://CLIENT@HOST/realms/REALM` (the client's secret is in `ROSTER_KEYCLOAK_CLIENT_SECRET`; add
    /// `?portalClients=a,b&clientIdPrefix=p` if the IdentityStore has them)
    #[arg(long, value_name = "FILE|URL")]
    pub store: Option<PathBuf>,

    /// Folder of the databases that `IdentityStore.spec.sqlite.file` names
    #[arg(long, env = "ROSTER_SQLITE_DIR", value_name = "DIR", default_value = "roster-data")]
    pub sqlite_dir: PathBuf,

    /// The controller's namespace, with the Secrets of the stores
    #[arg(long, env = "ROSTER_STORE_NAMESPACE", value_name = "NS", default_value = "roster-system")]
    pub store_namespace: String,
}

/// Returns the message that no store is at `place`: it does not exist, or is an empty file.
#[must_use]
pub fn absent(place: &StoreLocation) -> String {
    match place.file() {
        Some(file) if file.is_dir() => format!("{place} is a folder, not a store"),
        Some(file) if file.exists() => format!("{place} is an empty file, not a store"),
        _ => format!("there is no {place}"),
    }
}

/// Account in a store that no object describes: its Account is deleted, or is defined elsewhere.
pub struct OrphanedAccount {
    /// The account.
    pub key: AccountKey,
    /// The store.
    pub place: StoreLocation,
    /// Content of the account in the store.
    pub observed: Observed,
}

impl OrphanedAccount {
    /// Returns the account's own row in the store; `None` if only people are left there.
    pub fn content(&self) -> Option<&AccountContent> {
        self.observed.account.as_ref()?.content.as_ref()
    }

    /// Returns the name for people that the store has, or the name of the account.
    #[must_use]
    pub fn display_name(&self) -> &str {
        self.content().map_or(&self.key.name, |content| &content.display_name)
    }

    /// Returns all members.
    pub fn members(&self) -> impl Iterator<Item = (&Email, &MemberContent)> {
        self.observed.members.iter().filter_map(|(email, existing)| Some((email, existing.content.as_ref()?)))
    }

    /// Returns a member's content, also if the store has the address in another spelling.
    #[must_use]
    pub fn member(&self, email: &Email) -> Option<&MemberContent> {
        let mut members = self.members();
        members.find(|(held, _)| Email::parse(held.as_str()).as_ref() == Ok(email)).map(|(_, content)| content)
    }

    /// Returns the note that the access is from the store.
    #[must_use]
    pub fn note(&self) -> String {
        only_in(&self.place)
    }
}

/// Returns the note that an account's access is from this store.
pub fn only_in(store: impl Display) -> String {
    format!("no object here describes the account; its access is from {store}")
}

/// Planned changes of one account.
pub struct Planned {
    /// The account.
    pub key: AccountKey,
    /// The store.
    pub place: StoreLocation,
    /// Mark of the entries.
    pub mark: Mark,
    /// Result of resolving the objects.
    pub judged: Judged,
    /// Observed content.
    pub observed: Observed,
    /// The plan.
    pub plan: Plan,
}

impl Target {
    /// Returns the location of an account's store.
    ///
    /// # Errors
    /// When its `IdentityStore` is missing or names none.
    pub fn place(&self, loaded: &LoadedObjects, account: &AccountKey) -> anyhow::Result<StoreLocation> {
        if let Some(file) = &self.store {
            return Ok(StoreLocation::from_argument(file)?);
        }
        let facts = loaded.objects.accounts.get(account).and_then(|entry| entry.account.as_ref());
        let name = &facts.with_context(|| format!("there is no account {account}"))?.spec.store_ref.name;
        // An assumed store, which no file describes, has generation 0.
        let store = loaded.objects.stores.get(name.as_str()).filter(|store| store.generation > 0);
        let store = store.with_context(|| {
            format!("account {account}: there is no IdentityStore {name:?}; add it, or pass --store FILE")
        })?;
        Ok(StoreLocation::of(name, &store.spec, &self.sqlite_dir)?)
    }

    /// Returns the location of every given store, once: the named one, or those of the `IdentityStore`s, for files only
    /// those that an Account uses. Skips an IdentityStore without a location; a command that needs it reports that.
    ///
    /// # Errors
    /// When the one that was named is none.
    fn places(&self, loaded: &LoadedObjects) -> anyhow::Result<BTreeSet<StoreLocation>> {
        if let Some(file) = &self.store {
            return Ok([StoreLocation::from_argument(file)?].into());
        }
        let used = matches!(loaded.source, Source::Files(_)).then(|| loaded.objects.stores_named());
        let is_used = |name: &Name| used.as_ref().is_none_or(|used| used.contains(name));
        let named = loaded.objects.stores.iter().filter(|(name, store)| store.generation > 0 && is_used(name));
        Ok(named.filter_map(|(name, store)| StoreLocation::of(name, &store.spec, &self.sqlite_dir).ok()).collect())
    }

    /// Returns the accounts that no object describes, from all given stores, in the selected namespaces, and the stores
    /// that could not be read with the reason. A missing store has none.
    ///
    /// # Errors
    /// When the store that was named is not there, or cannot be read.
    pub async fn orphaned_accounts(
        &self,
        loaded: &LoadedObjects,
        scope: &Scope,
        now: Timestamp,
    ) -> anyhow::Result<(Vec<OrphanedAccount>, Vec<(StoreLocation, String)>)> {
        self.orphaned(loaded, &|key| loaded.is_asked_about(key), scope, now).await
    }

    /// Returns the account of this name (`namespace/name`, or only the name) that no object describes, from the given
    /// stores; `None` if no store has it, or several accounts have this name.
    ///
    /// # Errors
    /// As [`Self::orphaned_accounts`].
    pub async fn orphaned_account(
        &self,
        loaded: &LoadedObjects,
        name: &str,
        scope: &Scope,
        now: Timestamp,
    ) -> anyhow::Result<Option<OrphanedAccount>> {
        let is_named = |key: &AccountKey| key.to_string() == name || key.name == name;
        let (mut found, _) = self.orphaned(loaded, &is_named, scope, now).await?;
        Ok(if found.len() == 1 { found.pop() } else { None })
    }

    async fn orphaned(
        &self,
        loaded: &LoadedObjects,
        is_asked: &(dyn Fn(&AccountKey) -> bool + Sync),
        scope: &Scope,
        now: Timestamp,
    ) -> anyhow::Result<(Vec<OrphanedAccount>, Vec<(StoreLocation, String)>)> {
        let (mut found, mut unread) = (Vec::new(), Vec::new());
        for place in self.places(loaded)? {
            match self.orphaned_in(loaded, &place, is_asked, scope, now).await {
                Ok(some) => found.extend(some),
                Err(error) if self.store.is_some() => return Err(error),
                Err(error) => unread.push((place, format!("{error:#}"))),
            }
        }
        Ok((found, unread))
    }

    async fn orphaned_in(
        &self,
        loaded: &LoadedObjects,
        place: &StoreLocation,
        is_asked: &(dyn Fn(&AccountKey) -> bool + Sync),
        scope: &Scope,
        now: Timestamp,
    ) -> anyhow::Result<Vec<OrphanedAccount>> {
        let mut found = Vec::new();
        let Some(store) = self.open_if_there(loaded, place).await? else {
            anyhow::ensure!(self.store.is_none(), "{}: pass --store or --sqlite-dir", absent(place));
            return Ok(found);
        };
        for key in store.keys().await? {
            if is_asked(&key) && !loaded.describes(&key) {
                let observed = store.observe(&key, scope, now - GUARD_WINDOW).await?;
                found.push(OrphanedAccount { key, place: place.clone(), observed });
            }
        }
        store.close().await;
        Ok(found)
    }

    /// Opens a store, with secrets from the cluster that the objects come from.
    ///
    /// # Errors
    /// When it cannot be opened, or its secrets cannot be read.
    pub async fn open(&self, loaded: &LoadedObjects, place: &StoreLocation) -> anyhow::Result<Arc<dyn Store>> {
        Ok(place.open(&*self.secrets(loaded)).await?)
    }

    /// Like [`Self::open`], but read-only; `None` if the store does not exist.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_if_there(
        &self,
        loaded: &LoadedObjects,
        place: &StoreLocation,
    ) -> anyhow::Result<Option<Arc<dyn Store>>> {
        Ok(place.open_if_there(&*self.secrets(loaded)).await?)
    }

    fn secrets(&self, loaded: &LoadedObjects) -> Box<dyn Secrets> {
        match &loaded.source {
            Source::Files(_) => Box::new(NoSecrets),
            Source::Cluster(cluster) => Box::new(ClusterSecrets::new(cluster.client.clone(), &self.store_namespace)),
        }
    }
}

/// Plans the changes of one account; `None` if the Account does not exist. A missing store counts as empty.
///
/// # Errors
/// When the store cannot be read.
pub async fn plan(
    loaded: &LoadedObjects,
    key: &AccountKey,
    place: &StoreLocation,
    store: Option<&Arc<dyn Store>>,
    now: Timestamp,
) -> anyhow::Result<Option<Planned>> {
    let observed = observe(store, key, now).await?;
    Ok(plan_as(loaded, key, place, observed, &loaded.context(key, now)))
}

/// Returns the content of an account in a store; empty without a store.
///
/// # Errors
/// When it cannot be read.
pub async fn observe(store: Option<&Arc<dyn Store>>, key: &AccountKey, now: Timestamp) -> anyhow::Result<Observed> {
    Ok(match store {
        Some(store) => store.observe(key, &Scope::Account, now - GUARD_WINDOW).await?,
        None => Observed::default(),
    })
}

/// Like [`plan`], for given content and with the mark and settings of `context`.
pub fn plan_as(
    loaded: &LoadedObjects,
    key: &AccountKey,
    place: &StoreLocation,
    observed: Observed,
    context: &Context<'_>,
) -> Option<Planned> {
    let members = loaded.objects.members(key, &Scope::Account)?;
    let Evaluation { judged, plan } = evaluate(&loaded.prepare(key)?, &members, &observed, context);
    let (key, place, mark) = (key.clone(), place.clone(), context.mark.clone());
    Some(Planned { key, place, mark, judged, observed, plan })
}
