//! Counts the statuses of all objects in the index. The index updates the counts with each change, so that metrics never
//! scan all objects.

use super::{Index, Tally};
use crate::model::{AccountKey, KindName, ObjectRef};

impl Index {
    /// Returns the counts of the accounts for which `ours` returns true, and of catalogs and stores if `leads`.
    #[must_use]
    pub fn tally(&self, leads: bool, ours: impl Fn(&AccountKey) -> bool) -> Tally {
        let mut tally = Tally::default();
        if leads {
            self.catalogs.values().for_each(|record| tally.count(KindName::PermissionCatalog, &record.meta, 1));
            self.stores.values().for_each(|record| tally.count(KindName::IdentityStore, &record.meta, 1));
        }
        let ours = self.accounts.iter().filter(|(key, _)| ours(key));
        ours.for_each(|(_, entry)| tally.merge(&entry.tally));
        tally
    }

    /// Adds the current status of an account's object (`times` is 1), or removes it (-1): before and after each
    /// change.
    pub(super) fn count(&mut self, object: &ObjectRef, times: i64) {
        let Some(key) = self.account_of(object) else { return };
        let mut tally = match self.accounts.get_mut(&key) {
            Some(entry) => std::mem::take(&mut entry.tally),
            None => return,
        };
        if let Some(meta) = self.meta(object) {
            tally.count(object.kind, meta, times);
        }
        self.entry(&key).tally = tally;
    }
}
