//! Changes of `IdentityStores` in the index, and what each change affects. `changes` calls it for each store that a watch
//! delivers.

use std::{collections::BTreeSet, sync::Arc};

use super::{AccountEntry, Impact, Index, KnownStore, Meta, Record, StoreFacts, impact::news};
use crate::model::{Email, ObjectRef};

impl Index {
    /// Stores the current version of an IdentityStore. A changed block list affects only the people on it.
    pub(super) fn store(
        &mut self,
        record: Record<StoreFacts>,
        reference: &ObjectRef,
        written: &impl Fn(&ObjectRef) -> Option<u64>,
        impacts: &mut Vec<Impact>,
    ) {
        let name = record.name.clone();
        let before = self.stores.get(&name).cloned();
        let record = keep_id(before.as_deref(), record);
        let is_news = news(before.as_deref(), &record, reference, written, impacts);
        let only_id = before.as_ref().is_some_and(|before| only_learns_its_id(before, &record));
        let facts = record.facts.clone();
        self.stores.insert(name.clone(), Arc::new(record));
        if !is_news {
            return;
        }
        impacts.push(Impact::Store(name.clone()));
        if only_id {
            return;
        }
        let only_blocked = before.as_ref().is_some_and(|before| {
            let blocked =
                |facts: &StoreFacts| crate::api::IdentityStoreSpec { blocked: Vec::new(), ..facts.spec.clone() };
            let same_store = before.facts.known.is_same(&facts.known);
            same_store && blocked(&before.facts) == blocked(&facts) && before.facts.blocked != facts.blocked
        });
        // A block or its removal affects one person everywhere: only that person's members are reconciled.
        let before = before.map(|before| before.facts.clone()).unwrap_or_default();
        let changed: BTreeSet<&Email> = before
            .blocked
            .keys()
            .filter(|email| !facts.blocked.contains_key(*email))
            .chain(facts.blocked.keys().filter(|email| !before.blocked.contains_key(*email)))
            .collect();
        let is_in = |entry: &AccountEntry| {
            entry.object.as_ref().is_some_and(|object| object.facts.spec.store_ref.name == *name)
        };
        if only_blocked {
            let users = self.accounts.values_mut().filter(|entry| is_in(entry));
            users.for_each(|entry| entry.redefine(&mut self.revisions));
        } else {
            self.users(|account| account.spec.store_ref.name == *name, impacts);
        }
        for email in changed {
            let accounts = self.accounts_of(email).filter(|key| self.accounts.get(*key).is_some_and(is_in));
            impacts.extend(accounts.map(|key| Impact::Member(key.clone(), email.clone())));
        }
    }
}

/// Returns the record of a store, with the former id if the object lost its annotation.
fn keep_id(before: Option<&Record<StoreFacts>>, now: Record<StoreFacts>) -> Record<StoreFacts> {
    let Some(before) = before.filter(|before| before.meta.uid == now.meta.uid) else { return now };
    let known = now.facts.known.keeping(&before.facts.known);
    if known == now.facts.known {
        return now;
    }
    let facts = Arc::new((*now.facts).clone().knowing(known));
    Record { facts, ..now }
}

/// Returns whether the only change is that a store's id was recorded at its first use, or was lost or written again.
/// Such a change affects no definitions. A change of the finalizer counts, since passes wait for it.
fn only_learns_its_id(before: &Record<StoreFacts>, now: &Record<StoreFacts>) -> bool {
    let (known, knew) = (&now.facts.known, &before.facts.known);
    let learns = *knew == KnownStore::default() && known.id.is_some();
    (learns || known.is_same(knew) && known.is_lost != knew.is_lost)
        && !now.meta.differs(&Meta { annotations: now.meta.annotations.clone(), ..before.meta.clone() })
        && StoreFacts { known: known.clone(), ..(*before.facts).clone() } == *now.facts
}
