//! Revision of its catalog that an account follows: the present one, or the last one that reached all accounts
//! ([`Rollout`]). Snapshots, and the loop's rollouts, ask the index for it.

use std::sync::Arc;

use super::{AccountFacts, CatalogFacts, CatalogRecord, Impact, Index, LastRevision, PresentRevision, Record, Rollout};
use crate::model::{AccountKey, Name};

/// Known revisions of a catalog.
#[derive(Clone)]
pub struct Revisions {
    /// Present revision.
    pub present: PresentRevision,
    /// Record of the last revision, if it exists.
    pub record: Option<Arc<Record<CatalogRecord>>>,
}

impl Revisions {
    /// Returns the last revision that reached all accounts, if it is known.
    #[must_use]
    pub fn last(&self) -> Option<&LastRevision> {
        self.record.as_ref()?.facts.last.as_ref()
    }

    /// Returns the state of the rollout.
    #[must_use]
    pub fn rollout(&self) -> Rollout<'_> {
        Rollout::of(&self.present, self.last())
    }

    /// Returns the revision that an account follows.
    #[must_use]
    pub fn followed(&self, account: &AccountKey) -> &Arc<CatalogFacts> {
        self.rollout().instead(account).unwrap_or(&self.present.facts)
    }
}

impl Index {
    /// Returns the known revisions of a catalog; `None` if the catalog does not exist.
    #[must_use]
    pub fn revisions(&self, catalog: &str) -> Option<Revisions> {
        let present = self.catalogs.get(catalog)?;
        Some(Revisions { present: PresentRevision::new(present), record: self.records.get(catalog).cloned() })
    }

    /// Returns the revision of its catalog that an account follows.
    #[must_use]
    pub fn followed(&self, key: &AccountKey) -> Option<Arc<CatalogFacts>> {
        let account = self.accounts.get(key)?.object.as_ref()?;
        let revisions = self.revisions(&account.facts.spec.catalog_ref.name)?;
        Some(revisions.followed(key).clone())
    }

    /// Returns the names of all catalogs, including deleted ones that still have a record.
    pub fn all_catalogs(&self) -> impl Iterator<Item = &Name> {
        self.catalogs.keys().chain(self.records.keys().filter(|name| !self.catalogs.contains_key(*name)))
    }

    /// Returns the record of a catalog's last revision.
    #[must_use]
    pub fn record(&self, catalog: &Name) -> Option<&Arc<Record<CatalogRecord>>> {
        self.records.get(catalog)
    }

    /// Returns the record with this object name.
    pub(super) fn record_named(&self, name: &Name) -> Option<&Arc<Record<CatalogRecord>>> {
        self.records.values().find(|record| record.name == *name)
    }

    /// Stores the current version of a catalog.
    pub(super) fn catalog(&mut self, record: Record<CatalogFacts>, is_news: bool, impacts: &mut Vec<Impact>) {
        let name = record.name.clone();
        let before = self.catalogs.get(&name).cloned();
        if !is_news {
            self.catalogs.insert(name, Arc::new(record));
            return;
        }
        impacts.push(Impact::Catalog(name.clone()));
        // Accounts wait for its finalizer, whichever revision they follow.
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

    /// Stores the record of a catalog's last revision.
    pub(super) fn catalog_record(&mut self, record: Record<CatalogRecord>, impacts: &mut Vec<Impact>) {
        // A foreign ConfigMap with Roster's label.
        let Some(catalog) = record.facts.catalog.clone() else { return };
        // A list in progress may be older than the response to our own write, and must not take accounts back to it.
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

    /// Changes the known revisions of a catalog. Invalidates the definitions of the accounts that follow another
    /// revision afterwards, or of all its accounts.
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
