//! Counts of statuses, for gauges. The index keeps one for each account (`index_tally`).

use std::collections::BTreeMap;

use super::{Held, Meta};
use crate::{api::ConditionType, model::KindName};

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
    pub(super) fn count(&mut self, kind: KindName, meta: &Meta, times: i64) {
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

    /// Adds the counts of another tally.
    pub(super) fn merge(&mut self, other: &Self) {
        other.ready.iter().for_each(|(key, count)| add(&mut self.ready, *key, *count));
        other.drifted.iter().for_each(|(key, count)| add(&mut self.drifted, *key, *count));
        self.guarded += other.guarded;
    }
}

fn add<K: Ord>(counts: &mut BTreeMap<K, i64>, key: K, times: i64) {
    let count = counts.entry(key).or_default();
    *count += times;
}
