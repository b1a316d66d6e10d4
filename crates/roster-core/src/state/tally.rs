//! What the statuses of all objects come to, for gauges.

use std::collections::BTreeMap;

use super::{Held, Index, Meta};
use crate::{
    api::ConditionType,
    model::{AccountKey, KindName},
};

/// Counts of objects by kind and `Ready` condition.
#[derive(Debug, Default)]
pub struct Tally {
    /// By kind and what their `Ready` condition says.
    pub ready: BTreeMap<(KindName, &'static str), i64>,
    /// By kind, those that report drift.
    pub drifted: BTreeMap<KindName, i64>,
    /// Accounts in which removals wait for somebody to approve them.
    pub guarded: i64,
}

impl Tally {
    fn count(&mut self, kind: KindName, meta: &Meta) {
        let word = match (meta.status.is_true(ConditionType::Ready), meta.status.has(ConditionType::Ready)) {
            (true, _) => "True",
            (false, true) => "False",
            (false, false) => "Unknown",
        };
        *self.ready.entry((kind, word)).or_default() += 1;
        if meta.status.is_true(ConditionType::Drifted) {
            *self.drifted.entry(kind).or_default() += 1;
        }
    }
}

impl Index {
    /// Counts what the statuses say: of the accounts that are `ours`, and of catalogs and stores where we speak of them.
    #[must_use]
    pub fn tally(&self, leads: bool, ours: impl Fn(&AccountKey) -> bool) -> Tally {
        let mut tally = Tally::default();
        if leads {
            self.catalogs.values().for_each(|record| tally.count(KindName::PermissionCatalog, &record.meta));
            self.stores.values().for_each(|record| tally.count(KindName::IdentityStore, &record.meta));
        }
        for (key, entry) in self.accounts.iter().filter(|(key, _)| ours(key)) {
            if let Some(record) = &entry.object {
                tally.count(KindName::Account, &record.meta);
                tally.guarded += i64::from(record.meta.status.held == Some(Held::Guarded));
            }
            self.roles_of(key).for_each(|record| tally.count(KindName::Role, &record.meta));
            self.groups_of(key).for_each(|record| tally.count(KindName::UserGroup, &record.meta));
            self.invitations_of(key).for_each(|record| tally.count(KindName::Invitation, &record.meta));
            let names = entry.addresses.values().flatten().chain(&entry.unaddressed);
            let members = names.filter_map(|name| self.member(&key.namespace, name));
            members.for_each(|record| tally.count(KindName::Membership, &record.meta));
        }
        tally
    }
}
