//! Counts of the statuses of all objects, for gauges. The index updates them with each change, so that metrics never
//! scan all objects.

use std::collections::BTreeMap;

use super::{Held, Index, Meta};
use crate::{
    api::ConditionType,
    model::{AccountKey, KindName, ObjectRef},
};

/// Counts of objects by kind and `Ready` condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of objects by kind and value of the `Ready` condition (`True`, `False` or `Unknown`).
    pub ready: BTreeMap<(KindName, &'static str), i64>,
    /// Number of objects that report drift, by kind.
    pub drifted: BTreeMap<KindName, i64>,
    /// Number of accounts in which removals wait for approval.
    pub guarded: i64,
}

impl Tally {
    /// Adds an object (`times` is 1), or removes it (-1).
    fn count(&mut self, kind: KindName, meta: &Meta, times: i64) {
        let word = match (meta.status.is_true(ConditionType::Ready), meta.status.has(ConditionType::Ready)) {
            (true, _) => "True",
            (false, true) => "False",
            (false, false) => "Unknown",
        };
        add(&mut self.ready, (kind, word), times);
        if meta.status.is_true(ConditionType::Drifted) {
            add(&mut self.drifted, kind, times);
        }
        if kind == KindName::Account && meta.status.held == Some(Held::Guarded) {
            self.guarded += times;
        }
    }

    fn merge(&mut self, other: &Self) {
        other.ready.iter().for_each(|(key, count)| add(&mut self.ready, *key, *count));
        other.drifted.iter().for_each(|(key, count)| add(&mut self.drifted, *key, *count));
        self.guarded += other.guarded;
    }
}

fn add<K: Ord>(counts: &mut BTreeMap<K, i64>, key: K, times: i64) {
    let count = counts.entry(key).or_default();
    *count += times;
}

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
