//! What `can-i`, `who-can`, `explain` and `matrix` share: an account with everybody in it, and questions to it.

mod elsewhere;
mod everywhere;
mod question;
mod stored;
mod why;

use anyhow::Context as _;
use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;

use self::why::invitation;
pub use self::{
    elsewhere::StoredAccess,
    everywhere::{nobody_anywhere, not_asked, note_out_of_sync, reach_all, subjects},
    question::{Question, section_of},
    stored::Stored,
    why::{Held, STORED, day, explanations, facts, nobody, through, time_note, why_not, withheld},
};
use super::{
    input::Input,
    people::{Known, Person, people},
    target::{self, Planned, Target, absent},
};
use crate::{
    api::InvalidReason,
    evaluate::{Context, Judged},
    manifests::{AccountObjects, LoadedObjects},
    model::{AccountKey, Catalog, Email, Finding, Findings, Layout, Ranks},
    resolve::AccountResolution,
};

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
    /// What the store gives, where one is at hand.
    pub stored: Option<Stored>,
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
        let Some((mut resolved, objects)) = there else { anyhow::bail!("there is no account {key}") };
        let planned = lookup.planned(loaded, &key, now).await?;
        let catalog = match &resolved.definitions.resolution {
            AccountResolution::Resolved(whole) => Some(whole.catalog.clone()),
            // It cannot be used here; that it has sections is no secret of it.
            AccountResolution::Unresolvable => {
                let name = objects.account.as_ref().map(|account| account.spec.catalog_ref.name.as_str());
                let facts = name.and_then(|name| loaded.objects.catalogs.get(name));
                facts.and_then(|catalog| catalog.facts.compiled.clone().ok())
            }
        };
        let mut layout = catalog.as_ref().map(|catalog| catalog.layout.clone()).unwrap_or_default();
        let mut stored = None;
        if let Some(planned) = planned {
            if catalog.is_none() {
                layout = planned.observed.layout.clone();
            }
            stored = Some(Stored::new(&planned.place, &planned, &layout));
            // Who is the owner in force, the store tells.
            resolved = planned.judged;
        }
        let people = people(&resolved, objects);
        let mut subject = Self { key, objects, resolved, layout, catalog, people, stored };
        subject.add_strays();
        Ok(subject)
    }

    /// The person of that address; also one whom only the store knows, in other letters than Roster writes.
    #[must_use]
    pub fn person(&self, email: &Email) -> Option<&Person> {
        let place = self.people.binary_search_by(|person| person.email.cmp(email));
        let is_same = |person: &&Person| Email::parse(person.email.as_str()).as_ref() == Ok(email);
        let strays = || self.people.iter().filter(|person| !person.is_declared()).find(is_same);
        place.ok().and_then(|place| self.people.get(place)).or_else(strays)
    }

    /// Somebody's effective permissions at `now`: what the store gives, where one is at hand, or else what the objects say.
    #[must_use]
    pub fn held(&self, person: &Person, now: Timestamp) -> Held {
        match &self.stored {
            Some(stored) => Held::Exactly(stored.ranks(&person.email, now, self.layout.len())),
            None => self.wanted(person, now),
        }
    }

    /// What the objects say of somebody's effective permissions at `now`; nothing where only the store knows.
    fn wanted(&self, person: &Person, now: Timestamp) -> Held {
        let ranks = person.ranks(now, self.layout.len()).map(|ranks| ranks.fitted(self.layout.len()));
        match (ranks, person.known) {
            (None, _) => Held::Unknown,
            (Some(ranks), Known::AtMost) => Held::AtMost(ranks),
            (Some(ranks), _) => Held::Exactly(ranks),
        }
    }

    /// What the objects say, in ranks: the most there can be, where the store may hold less.
    pub fn wanted_ranks(&self, person: &Person, now: Timestamp) -> Option<Ranks> {
        match self.wanted(person, now) {
            Held::Exactly(ranks) => Some(ranks),
            Held::AtMost(most) => {
                let mut ranks = self.stored.as_ref()?.ranks(&person.email, now, self.layout.len());
                ranks.lower_to(most.as_slice());
                Some(ranks)
            }
            Held::Unknown => None,
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
        matches!(definitions.resolution, AccountResolution::Unresolvable).then(|| definitions.findings.message())
    }
}
