//! Limits that two revisions set differently. Which of them are loosened, [`crate::limits`] knows.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use serde_json::Value;

use super::Pair;
use crate::{
    api::{IdentityStoreSpec, RestrictionChoice},
    cli::change::report::LimitChange,
    limits::{
        AccountRevision, CatalogRevision, Limits, RestrictionsRevision, StoreRevision, of_account, of_catalog,
        of_store, of_user,
    },
    manifests::{AccountObjects, ObjectId, Objects},
    model::{AccountKey, KindName, Name},
    state::KnownStore,
};

/// Returns the limits that change, loosened ones first, and what was compared, by object.
pub(super) fn limits(from: &Objects, to: &Objects, pairs: &[Pair]) -> (Vec<LimitChange>, BTreeMap<ObjectId, Limits>) {
    let mut compared = BTreeMap::new();
    for (name, before) in &from.stores {
        if let Some(after) = to.stores.get(name) {
            let id = cluster_scoped(KindName::IdentityStore, name);
            let pair = pairs.iter().find(|pair| pair.id == id);
            let known = |object: Option<&Value>| object.map(known_store).unwrap_or_default();
            let known_before = known(pair.and_then(|pair| pair.from.as_ref()));
            let known_after = known(pair.and_then(|pair| pair.to.as_ref()));
            let one = StoreRevision { spec: &before.spec, known: &known_before };
            let other = StoreRevision { spec: &after.spec, known: &known_after };
            compared.insert(id, of_store(one, other));
        }
    }
    for (name, before) in &from.catalogs {
        if let Some(after) = to.catalogs.get(name) {
            let one = CatalogRevision { spec: &before.facts.spec, all_at_once: before.all_at_once };
            let other = CatalogRevision { spec: &after.facts.spec, all_at_once: after.all_at_once };
            compared.insert(cluster_scoped(KindName::PermissionCatalog, name), of_catalog(one, other));
        }
    }
    for (key, before) in &from.accounts {
        let limits = to.accounts.get(key).and_then(|after| account((from, before), (to, after)));
        compared.extend(limits.map(|limits| (account_id(key), limits)));
    }
    for pair in pairs {
        compared.extend(user(pair).map(|limits| (pair.id.clone(), limits)));
    }
    let each = compared.iter().flat_map(|(id, limits)| limits.changed.iter().map(move |limit| (id, limit)));
    let mut changed: Vec<LimitChange> = each.map(|(id, limit)| LimitChange::new(id, limit)).collect();
    changed.sort_by_key(|limit| limit.direction);
    (changed, compared)
}

/// What the annotations of an IdentityStore say of the store behind it.
fn known_store(object: &Value) -> KnownStore {
    KnownStore::read(|key| object["metadata"]["annotations"][key].as_str())
}

fn cluster_scoped(kind: KindName, name: &Name) -> ObjectId {
    ObjectId { kind: Name::const_new(kind.as_str()), namespace: Name::default(), name: name.clone() }
}

fn account_id(key: &AccountKey) -> ObjectId {
    let kind = Name::const_new(KindName::Account.as_str());
    ObjectId { kind, namespace: key.namespace.clone(), name: key.name.clone() }
}

fn account((from, before): (&Objects, &AccountObjects), (to, after): (&Objects, &AccountObjects)) -> Option<Limits> {
    let (one, other) = (before.account.as_ref()?, after.account.as_ref()?);
    let defaults = IdentityStoreSpec::default();
    let (name, name_to) = (&one.spec.store_ref.name, &other.spec.store_ref.name);
    let (store_before, store_after) = (from.stores.get(name.as_str()), to.stores.get(name_to.as_str()));
    let store_before = store_before.map_or(&defaults, |store| &store.spec);
    let store_after = store_after.map_or(&defaults, |store| &store.spec);
    let one = AccountRevision { spec: &one.spec, annotations: &before.annotations, store: store_before };
    let other = AccountRevision { spec: &other.spec, annotations: &after.annotations, store: store_after };
    Some(of_account(one, other, name != name_to))
}

fn user(pair: &Pair) -> Option<Limits> {
    let (from, to) = (pair.from.as_ref()?, pair.to.as_ref()?);
    if ![KindName::Membership, KindName::Invitation].iter().any(|kind| pair.id.kind == kind.as_str()) {
        return None;
    }
    let choice = |object: &Value| RestrictionChoice::deserialize(&object["spec"]["restrictions"]).ok();
    let confirmed = |object: &Value| Vec::deserialize(&object["spec"]["acknowledge"]).unwrap_or_default();
    let (one, other) = ((choice(from), confirmed(from)), (choice(to), confirmed(to)));
    let revision = |(choice, acknowledge)| RestrictionsRevision { choice, acknowledge };
    Some(of_user(revision((one.0.as_ref(), &one.1)), revision((other.0.as_ref(), &other.1))))
}
