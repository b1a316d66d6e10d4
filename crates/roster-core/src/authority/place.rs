//! Determines where a change happens, which decides about the rights of whoever makes it. Called by whoever asks the
//! API server about these rights.

use std::{collections::BTreeSet, sync::Arc};

use super::Change;
use crate::{
    api::Enforcement,
    model::{AccountKey, Name},
    resolve::enforcement,
    state::{AccountFacts, CatalogFacts, SnapshotSource},
};

/// Where a change happens.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Namespaces in which an administrator of the change must be one: those of the account and of the accounts that
    /// manage it. Empty for a catalog or store, which belong to the whole cluster.
    pub namespaces: BTreeSet<Name>,
    /// Namespace of the changed object; `None` for a catalog or store.
    pub namespace: Option<Name>,
    /// Catalog of the account, by whose roles a pipeline may grant; `None` if it does not exist.
    pub catalog: Option<Arc<CatalogFacts>>,
    /// How authority is enforced there: as the account, its store or the accounts that manage it say it, or the strictest
    /// of all accounts that a catalog or store concerns. Where an account or a store does not exist, the strictest store
    /// decides.
    pub enforcement: Enforcement,
}

impl Place {
    /// Returns where a change happens. `source` has the objects before it.
    pub fn of<S: SnapshotSource>(source: &S, change: &Change) -> Self {
        let Some(key) = change.account() else { return Self::of_cluster(source, change) };
        let snapshot = source.snapshot(key);
        let (before, after) = match change {
            Change::Account(_, edit) => {
                let facts = |side: &Option<Arc<(AccountFacts, _)>>| side.as_deref().map(|(facts, _)| facts.clone());
                (facts(&edit.before), facts(&edit.after))
            }
            _ => (snapshot.as_ref().map(|snapshot| (*snapshot.account).clone()), None),
        };
        let sides = || before.iter().chain(&after);
        let parents: BTreeSet<AccountKey> = sides().filter_map(AccountFacts::parent).collect();
        // What nobody can look up yet counts as strict as anything that it could turn out to be.
        let unknown = || source.stores().map(|store| store.spec.account_defaults.enforcement).max();
        let enforced = |facts: &AccountFacts| match source.store(&facts.spec.store_ref.name) {
            Some(store) => Some(enforcement(Some(&store.spec), &facts.spec)),
            None => facts.spec.enforcement.max(unknown()),
        };
        let of_parents = parents.iter().map(|parent| match source.snapshot(parent) {
            Some(snapshot) => enforced(&snapshot.account),
            None => unknown(),
        });
        let own = if sides().next().is_none() { unknown() } else { sides().filter_map(enforced).max() };
        Self {
            namespaces: parents.iter().map(|parent| &parent.namespace).chain([&key.namespace]).cloned().collect(),
            namespace: Some(key.namespace.clone()),
            enforcement: of_parents.flatten().chain(own).max().unwrap_or_default(),
            catalog: snapshot.and_then(|snapshot| snapshot.catalog),
        }
    }

    fn of_cluster<S: SnapshotSource>(source: &S, change: &Change) -> Self {
        let concerned = |key: &AccountKey| {
            let snapshot = source.snapshot(key)?;
            let named = match change {
                Change::Catalog(_) => &snapshot.account.spec.catalog_ref.name,
                _ => &snapshot.account.spec.store_ref.name,
            };
            let store = snapshot.store.as_ref().map(|store| &store.spec);
            let strictness = enforcement(store, &snapshot.account.spec);
            (*named == *change.object().1).then_some(strictness)
        };
        let own = match change {
            Change::Store(edit) => edit.sides().map(|facts| facts.spec.account_defaults.enforcement).max(),
            _ => None,
        };
        Self {
            enforcement: source.accounts().filter_map(concerned).chain(own).max().unwrap_or_default(),
            ..Self::default()
        }
    }
}
