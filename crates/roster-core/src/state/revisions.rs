//! Which revision of its catalog an account follows: the present one, or the last one that reached everybody
//! ([`Rollout`]).

use std::sync::Arc;

use super::{AccountFacts, CatalogFacts, CatalogRecord, Impact, Index, LastRevision, PresentRevision, Record, Rollout};
use crate::{
    api::ROLLOUT_ANNOTATION,
    model::{AccountKey, Name},
};

/// What is known of a catalog's revisions.
#[derive(Clone)]
pub struct Revisions {
    /// The one there is.
    pub present: PresentRevision,
    /// Its record, where there is one.
    pub record: Option<Arc<Record<CatalogRecord>>>,
}

impl Revisions {
    /// The last revision that reached everybody, where that is known.
    #[must_use]
    pub fn last(&self) -> Option<&LastRevision> {
        self.record.as_ref()?.facts.last.as_ref()
    }

    /// Where a change stands.
    #[must_use]
    pub fn rollout(&self) -> Rollout<'_> {
        Rollout::of(&self.present, self.last())
    }

    /// The revision that an account follows.
    #[must_use]
    pub fn followed(&self, account: &AccountKey) -> &Arc<CatalogFacts> {
        self.rollout().instead(account).unwrap_or(&self.present.facts)
    }
}

impl Index {
    /// What is known of a catalog's revisions; nothing where the catalog does not exist.
    #[must_use]
    pub fn revisions(&self, catalog: &str) -> Option<Revisions> {
        let present = self.catalogs.get(catalog)?;
        let present = PresentRevision {
            uid: present.meta.uid.clone(),
            facts: present.facts.clone(),
            deleting: present.meta.deleting,
            all_at_once: present.meta.annotation(ROLLOUT_ANNOTATION) == Some("AllAtOnce"),
        };
        Some(Revisions { present, record: self.records.get(catalog).cloned() })
    }

    /// The revision of its catalog that an account follows.
    #[must_use]
    pub fn followed(&self, key: &AccountKey) -> Option<Arc<CatalogFacts>> {
        let account = self.accounts.get(key)?.object.as_ref()?;
        let revisions = self.revisions(&account.facts.spec.catalog_ref.name)?;
        Some(revisions.followed(key).clone())
    }

    /// The catalogs there are, or are records of.
    pub fn all_catalogs(&self) -> impl Iterator<Item = &Name> {
        self.catalogs.keys().chain(self.records.keys().filter(|name| !self.catalogs.contains_key(*name)))
    }

    /// The record of a catalog's last revision.
    #[must_use]
    pub fn record(&self, catalog: &Name) -> Option<&Arc<Record<CatalogRecord>>> {
        self.records.get(catalog)
    }

    /// The record of this name.
    pub(super) fn record_named(&self, name: &Name) -> Option<&Arc<Record<CatalogRecord>>> {
        self.records.values().find(|record| record.name == *name)
    }

    /// Takes in a catalog as it is now.
    pub(super) fn catalog(&mut self, record: Record<CatalogFacts>, is_news: bool, impacts: &mut Vec<Impact>) {
        let name = record.name.clone();
        let before = self.catalogs.get(&name).cloned();
        if !is_news {
            self.catalogs.insert(name, Arc::new(record));
            return;
        }
        impacts.push(Impact::Catalog(name.clone()));
        // Accounts wait for its finalizer, whatever revision they follow.
        let other = before.is_none_or(|before| {
            before.meta.finalizer != record.meta.finalizer || before.meta.deleting != record.meta.deleting
        });
        self.change_of(&name, other, impacts, |index| {
            index.catalogs.insert(name.clone(), Arc::new(record));
        });
    }

    pub(super) fn catalog_gone(&mut self, name: &Name, impacts: &mut Vec<Impact>) {
        self.change_of(name, true, impacts, |index| {
            index.catalogs.remove(name);
        });
        impacts.push(Impact::Catalog(name.clone()));
    }

    /// Takes in the record of a catalog's last revision.
    pub(super) fn catalog_record(&mut self, record: Record<CatalogRecord>, impacts: &mut Vec<Impact>) {
        // Somebody else's, with our label.
        let Some(catalog) = record.facts.catalog.clone() else { return };
        // A list under way may be older than the answer to a write of our own, and nobody is to be carried back by it.
        let version = |record: &Record<CatalogRecord>| record.meta.resource_version.parse::<u64>().ok();
        let known = self.records.get(&catalog).filter(|known| known.meta.uid == record.meta.uid);
        if known.is_some_and(|known| version(&record) <= version(known)) {
            return;
        }
        self.change_of(&catalog, false, impacts, |index| {
            index.records.insert(catalog.clone(), Arc::new(record));
        });
        impacts.push(Impact::Catalog(catalog));
    }

    pub(super) fn catalog_record_gone(&mut self, name: &Name, impacts: &mut Vec<Impact>) {
        let Some(catalog) = self.record_named(name).and_then(|record| record.facts.catalog.clone()) else { return };
        self.change_of(&catalog, false, impacts, |index| {
            index.records.remove(&catalog);
        });
        impacts.push(Impact::Catalog(catalog));
    }

    /// Makes a change to what is known of a catalog. The accounts that follow another revision from now on are to be
    /// worked out afresh, or all of them.
    fn change_of(&mut self, catalog: &Name, all: bool, impacts: &mut Vec<Impact>, change: impl FnOnce(&mut Self)) {
        let revision = |revisions: &Option<Revisions>, key: &AccountKey| {
            let revisions = revisions.as_ref()?;
            Some((revisions.present.uid.clone(), revisions.followed(key).generation))
        };
        let before = self.revisions(catalog);
        change(self);
        let after = self.revisions(catalog);
        let uses = |account: &AccountFacts| account.spec.catalog_ref.name == **catalog;
        self.users(
            |account| uses(account) && (all || revision(&before, &account.key()) != revision(&after, &account.key())),
            impacts,
        );
    }
}
