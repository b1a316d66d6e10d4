//! Account with everybody in it, as commands ask about it. Made by `can-i`, `who-can`, `explain` and `matrix`.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;

use super::{Lookup, Question, Stored};
use crate::{
    api::InvalidReason,
    cli::people::{Known, Person, people},
    evaluate::Judged,
    manifests::{AccountObjects, LoadedObjects},
    model::{AccountKey, Catalog, Email, Finding, Findings, Layout, Ranks},
    resolve::AccountResolution,
};

/// Present permissions of a person.
pub enum Held {
    /// Exactly these.
    Exactly(Ranks),
    /// At most these; only the store has the exact ones.
    AtMost(Ranks),
    /// Only the store has them.
    Unknown,
}

/// An account with its people.
pub struct Subject<'a> {
    /// The account.
    pub key: AccountKey,
    /// Objects of the account.
    pub objects: &'a AccountObjects,
    /// Result of resolving the objects.
    pub resolved: Judged,
    /// Layout of the ranks in `people`: the catalog's, if the catalog is valid.
    pub layout: Layout,
    /// The compiled catalog, if it is valid.
    pub catalog: Option<Arc<Catalog>>,
    /// All people of the account, by address.
    pub people: Vec<Person>,
    /// Content of the store, if one is read.
    pub stored: Option<Stored>,
}

impl<'a> Subject<'a> {
    /// Resolves an account, and reads its store if one is given.
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
            // The account may not use this catalog, but its sections are no secret.
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
            // The store decides who the effective owner is.
            resolved = planned.judged;
        }
        let people = people(&resolved, objects);
        let mut subject = Self { key, objects, resolved, layout, catalog, people, stored };
        subject.add_strays();
        Ok(subject)
    }

    /// Returns the person with that address, also if only the store has it, in another spelling.
    #[must_use]
    pub fn person(&self, email: &Email) -> Option<&Person> {
        let index = self.people.binary_search_by(|person| person.email.cmp(email));
        let is_same = |person: &&Person| Email::parse(person.email.as_str()).as_ref() == Ok(email);
        let strays = || self.people.iter().filter(|person| !person.is_declared()).find(is_same);
        index.ok().and_then(|index| self.people.get(index)).or_else(strays)
    }

    /// Returns a person's effective permissions at `now`, from the store if one is given, otherwise from the objects.
    #[must_use]
    pub fn held(&self, person: &Person, now: Timestamp) -> Held {
        match &self.stored {
            Some(stored) => Held::Exactly(stored.ranks(&person.email, now, self.layout.len())),
            None => self.wanted(person, now),
        }
    }

    /// Returns a person's effective permissions at `now` by the objects; unknown if only the store has them.
    fn wanted(&self, person: &Person, now: Timestamp) -> Held {
        let ranks = person.ranks(now, self.layout.len()).map(|ranks| ranks.fitted(self.layout.len()));
        match (ranks, person.known) {
            (None, _) => Held::Unknown,
            (Some(ranks), Known::AtMost) => Held::AtMost(ranks),
            (Some(ranks), _) => Held::Exactly(ranks),
        }
    }

    /// Returns the permissions by the objects; where these give only a maximum, limited to what the store has.
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

    /// Returns a person's permissions without suspension, block and time: the lowest level of each section over all
    /// Memberships. `None` if only the store has them.
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
    /// As [`Question::parse`], and if only the store has the sections.
    pub fn question(&self, level: &str, section: &str) -> anyhow::Result<Question> {
        let key = &self.key;
        if self.layout.is_empty() {
            let why = self.frozen().unwrap_or_default();
            anyhow::bail!(
                "account {key} does not resolve ({why}), and only its store has its sections; pass --store or \
                 --sqlite-dir"
            );
        }
        let catalog = self.objects.account.as_ref().map_or("", |account| account.spec.catalog_ref.name.as_str());
        Question::parse(&self.layout, &format!("catalog {catalog:?}"), level, section)
    }

    /// Returns why the account does not resolve; `None` if it does.
    #[must_use]
    pub fn frozen(&self) -> Option<String> {
        let definitions = &self.resolved.definitions;
        matches!(definitions.resolution, AccountResolution::Unresolvable).then(|| definitions.findings.message())
    }

    /// Adds people that only the store has.
    fn add_strays(&mut self) {
        let Some(stored) = &self.stored else { return };
        let known: BTreeSet<&Email> = self.people.iter().map(|person| &person.email).collect();
        let strays: Vec<Email> =
            stored.members().map(|(email, _)| email).filter(|email| !known.contains(email)).cloned().collect();
        self.people.extend(strays.into_iter().map(Person::stray));
        self.people.sort_by(|one, other| one.email.cmp(&other.email));
    }
}
