//! What `can-i`, `who-can`, `explain` and `matrix` share: an account with everybody in it, and questions to it.

mod question;
mod why;

use anyhow::Context as _;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use jiff::Timestamp;

pub use self::{
    question::{Question, section_of},
    why::{Held, day, explanations, facts, nobody, through, time_note, why_not, withheld},
};
use super::{
    input::Input,
    people::{Known, Person, people},
    target::Target,
};
use crate::{
    api::InvalidReason,
    evaluate::Judged,
    manifests::{AccountObjects, LoadedObjects},
    model::{AccountKey, Catalog, Email, Finding, Findings, Layout, Ranks, Scope},
    plan::{GUARD_WINDOW, limited},
    resolve::{MemberContent, Outlook},
    store::{Place, Store},
};

/// Where to look for what only a store knows
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Where only the store knows")]
pub struct Lookup {
    /// Look into this database, where the objects alone do not say what somebody may do: an SQLite file,
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
    /// The store of an account, where one is to be asked.
    async fn store(&self, loaded: &LoadedObjects, key: &AccountKey) -> anyhow::Result<Option<(Place, Arc<dyn Store>)>> {
        if self.store.is_none() && self.sqlite_dir.is_none() {
            return Ok(None);
        }
        let target = Target {
            store: self.store.clone(),
            sqlite_dir: self.sqlite_dir.clone().unwrap_or_default(),
            store_namespace: self.store_namespace.clone(),
        };
        let place = target.place(loaded, key)?;
        let store = target.open_if_there(loaded, &place).await?;
        let store = store.with_context(|| format!("there is no store {place}"))?;
        Ok(Some((place, store)))
    }
}

/// Has a cluster asked about the namespace that an account is in, where nothing else is said.
pub fn reach(input: &mut Input, account: Option<&str>, lookup: &Lookup) {
    *input = input.of_controller(&lookup.store_namespace);
    let namespace = account.and_then(|account| account.split_once('/')).map(|(namespace, _)| namespace);
    if !input.is_files() && !input.all_namespaces && input.namespace.is_none() {
        input.namespace = namespace.map(ToOwned::to_owned);
    }
}

/// An account, and everybody in it.
pub struct Subject<'a> {
    /// The account.
    pub key: AccountKey,
    /// Its objects.
    pub objects: &'a AccountObjects,
    /// What they come to.
    pub resolved: Judged,
    /// What ranks of `people` mean. The catalog's, if it keeps its own rules.
    pub layout: Layout,
    /// The same with all that the catalog says.
    pub catalog: Option<Arc<Catalog>>,
    /// Everybody, by address.
    pub people: Vec<Person>,
    /// Those of whom a store was asked, and which.
    pub asked: BTreeMap<Email, String>,
}

impl<'a> Subject<'a> {
    /// Resolves an account, and asks its store what only the store knows, if there is one to be asked.
    ///
    /// # Errors
    /// When there is no such account, or its store cannot be read.
    pub async fn new(
        loaded: &'a LoadedObjects,
        key: AccountKey,
        lookup: &Lookup,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let there = loaded.judge(&key, now).zip(loaded.objects.accounts.get(&key));
        let Some((resolved, objects)) = there else { anyhow::bail!("there is no account {key}") };
        let catalog = match &resolved.definitions.outlook {
            Outlook::Whole(whole) => Some(whole.catalog.clone()),
            // It cannot be used here; that it has sections is no secret of it.
            Outlook::Unresolvable => {
                let name = objects.account.as_ref().map(|account| account.spec.catalog_ref.name.as_str());
                let facts = name.and_then(|name| loaded.objects.catalogs.get(name));
                facts.and_then(|catalog| catalog.facts.compiled.clone().ok())
            }
        };
        let layout = catalog.as_ref().map(|catalog| catalog.layout.clone()).unwrap_or_default();
        let people = people(&resolved, objects);
        let mut subject = Self { key, objects, resolved, layout, catalog, people, asked: BTreeMap::new() };
        if let Some((place, store)) = lookup.store(loaded, &subject.key).await? {
            subject.ask(&place, &*store, now).await?;
        }
        Ok(subject)
    }

    /// The person of that address.
    #[must_use]
    pub fn person(&self, email: &Email) -> Option<&Person> {
        let place = self.people.binary_search_by(|person| person.email.cmp(email)).ok()?;
        self.people.get(place)
    }

    /// Everybody's effective permissions at `now`; nothing where only the store knows.
    #[must_use]
    pub fn held(&self, person: &Person, now: Timestamp) -> Held {
        let ranks = person.ranks(now, self.layout.len()).map(|ranks| ranks.fitted(self.layout.len()));
        match (ranks, person.known) {
            (None, _) => Held::Unknown,
            (Some(ranks), Known::AtMost) => Held::AtMost(ranks),
            (Some(ranks), _) => Held::Exactly(ranks),
        }
    }

    /// What somebody would have if it were not withheld by suspension, blocking, expiry, …; the lower level in each
    /// section where there are several memberships. Nothing where only the store knows.
    #[must_use]
    pub fn without_withholding(&self, person: &Person) -> Option<Ranks> {
        let catalog = self.catalog.as_ref()?;
        if let Some(content) = person.content.as_ref().filter(|content| content.ended.is_none()) {
            return Some(content.ranks.clone());
        }
        let mut reasons = person.findings.iter().flat_map(Findings::iter).filter_map(Finding::reason);
        if reasons.any(|reason| reason == InvalidReason::InvitationRequired) {
            return Some(catalog.no_access());
        }
        person.potential.clone()
    }

    /// Looks up what is asked.
    ///
    /// # Errors
    /// As [`Question::parse`], and when only the store knows what sections there are.
    pub fn question(&self, level: &str, section: &str) -> anyhow::Result<Question> {
        let key = &self.key;
        if self.layout.is_empty() {
            let why = self.frozen().unwrap_or_default();
            anyhow::bail!(
                "account {key} does not resolve ({why}), so only its store knows its sections; name it with --store or \
                 --sqlite-dir"
            );
        }
        let catalog = self.objects.account.as_ref().map_or("", |account| account.spec.catalog_ref.name.as_str());
        Question::parse(&self.layout, &format!("catalog {catalog:?}"), level, section)
    }

    /// Why the account as a whole does not resolve; nothing where it does.
    #[must_use]
    pub fn frozen(&self) -> Option<String> {
        let definitions = &self.resolved.definitions;
        matches!(definitions.outlook, Outlook::Unresolvable).then(|| definitions.findings.message())
    }

    async fn ask(&mut self, place: &Place, store: &dyn Store, now: Timestamp) -> anyhow::Result<()> {
        let observed = store.observe(&self.key, &Scope::Account, now - GUARD_WINDOW).await?;
        if self.catalog.is_none() {
            self.layout = observed.layout.clone();
        }
        let layout = &self.layout;
        let mut stored: BTreeMap<&Email, MemberContent> = BTreeMap::new();
        for (email, seen) in &observed.members {
            let Some(mut content) = seen.content.clone() else { continue };
            content.ranks = layout.translate(&content.ranks, &observed.layout).fitted(layout.len());
            stored.insert(email, content);
        }
        for person in self.people.iter_mut().filter(|person| matches!(person.known, Known::AtMost | Known::OnlyStore)) {
            let held = stored.remove(&person.email);
            let limit = person.content.take();
            person.content = held.map(|held| {
                let mut content = limit.map_or_else(|| held.clone(), |limit| limited((*limit).clone(), &held));
                content.window = content.window.intersection(&person.window);
                content.ended = content.ended.or(held.ended);
                person.window = content.window;
                Arc::new(content)
            });
            person.known = Known::All;
            self.asked.insert(person.email.clone(), place.to_string());
        }
        Ok(())
    }
}
