//! Compares the limits of two revisions; [`crate::limits`] decides which are loosened. Called by `change::revisions`.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use serde_json::Value;

use super::Pair;
use crate::{
    api::{AccountSpec, IdentityStoreSpec, PermissionCatalogSpec, RestrictionChoice},
    cli::change::report::LimitChange,
    limits::{
        AccountRevision, CatalogRevision, Limit, Limits, NamespaceGate, RestrictionsRevision, StoreRevision,
        of_account, of_catalog, of_namespace, of_rbac, of_store, of_user,
    },
    manifests::{AccountObjects, Files, ObjectId, Objects},
    model::{AccountKey, KindName, Name},
    resolve::{duration, leniency},
    state::{AccountAnnotations, KnownStore},
};

/// Returns the limits that change, loosened ones first and of those the ones that hold for many accounts, and what was
/// compared, by object. An object that is new is compared with one that has only defaults.
pub(super) fn limits(from: &Objects, to: &Objects, pairs: &[Pair]) -> (Vec<LimitChange>, BTreeMap<ObjectId, Limits>) {
    let mut compared = BTreeMap::new();
    let (any_store, any_catalog) = (IdentityStoreSpec::default(), PermissionCatalogSpec::default());
    for (name, after) in &to.stores {
        let before = from.stores.get(name);
        let id = cluster_scoped(KindName::IdentityStore, name);
        let pair = pairs.iter().find(|pair| pair.id == id);
        let known = |object: Option<&Value>| object.map(known_store).unwrap_or_default();
        let known_before = known(pair.and_then(|pair| pair.from.as_ref()));
        let known_after = known(pair.and_then(|pair| pair.to.as_ref()));
        let spec = before.map_or(&any_store, |store| &store.spec);
        let one = StoreRevision { spec, known: &known_before };
        let other = StoreRevision { spec: &after.spec, known: &known_after };
        compared.insert(id, if_new(before.is_none(), of_store(one, other)));
    }
    for (name, after) in &to.catalogs {
        let before = from.catalogs.get(name);
        let spec = before.map_or(&any_catalog, |catalog| &catalog.facts.spec);
        let uses = |entry: &AccountObjects| {
            entry.account.as_ref().is_some_and(|account| account.spec.catalog_ref.name == **name)
        };
        let is_used = to.accounts.values().any(uses);
        let all_at_once = before.is_some_and(|catalog| catalog.all_at_once);
        let one = CatalogRevision { spec, all_at_once, is_used };
        let other = CatalogRevision { spec: &after.facts.spec, all_at_once: after.all_at_once, is_used };
        let limits = if_new(before.is_none(), of_catalog(one, other));
        compared.insert(cluster_scoped(KindName::PermissionCatalog, name), limits);
    }
    for key in to.accounts.keys() {
        compared.extend(account(from, to, key).map(|limits| (account_id(key), limits)));
    }
    for (name, after) in &to.namespaces {
        let Some(before) = from.namespaces.get(name).filter(|before| *before != after) else { continue };
        let limits = of_namespace(name, before, after, &gates(to));
        compared.insert(cluster_scoped(KindName::Namespace, name), limits);
    }
    for pair in pairs {
        compared.extend(user(pair).map(|limits| (pair.id.clone(), limits)));
    }
    let each = compared.iter().flat_map(|(id, limits)| limits.changed.iter().map(move |limit| (id, limit)));
    let mut each: Vec<(&ObjectId, &Limit)> = each.collect();
    each.sort_by_key(|(id, limit)| (limit.direction, !id.namespace.is_empty()));
    (each.into_iter().map(|(id, limit)| LimitChange::new(id.to_string(), limit)).collect(), compared)
}

/// Returns the objects that may admit accounts by the labels of their namespaces.
fn gates(objects: &Objects) -> Vec<NamespaceGate<'_>> {
    let stores = objects.stores.iter().map(|(name, store)| NamespaceGate::Store(name, &store.spec.allowed_namespaces));
    let catalogs = objects.catalogs.iter();
    let catalogs = catalogs.map(|(name, it)| NamespaceGate::Catalog(name, &it.facts.spec.allowed_namespaces));
    let accounts = objects.accounts.values().filter_map(|entry| entry.account.as_deref());
    stores.chain(catalogs).chain(accounts.map(NamespaceGate::Partner)).collect()
}

/// Returns who gains and loses rights over Roster's objects by RBAC, loosened limits first.
pub(super) fn rbac(from: &Files, to: &Files) -> Vec<LimitChange> {
    let changed = of_rbac(&from.rbac, &to.rbac);
    let each = changed.iter().flat_map(|(object, limits)| limits.changed.iter().map(move |limit| (object, limit)));
    let mut each: Vec<LimitChange> = each.map(|(object, limit)| LimitChange::new(object.clone(), limit)).collect();
    each.sort_by_key(|one| one.direction);
    each
}

/// Keeps, for a new object, only limits that are looser than the defaults.
fn if_new(is_new: bool, limits: Limits) -> Limits {
    if is_new { limits.only_loosened() } else { limits }
}

/// Returns the store's identity from the annotations of an IdentityStore.
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

fn account(from: &Objects, to: &Objects, key: &AccountKey) -> Option<Limits> {
    let after = to.accounts.get(key).filter(|entry| entry.account.is_some())?;
    let spec = &after.account.as_ref()?.spec;
    let before = from.accounts.get(key).and_then(|entry| Some((entry, &entry.account.as_ref()?.spec)));
    let store = store_of(to, spec);
    // The store of an account never changes. Where the new one is not known, the limits count as in the former one.
    let former = before.and_then(|(_, spec)| store_of(to, spec).or_else(|| store_of(from, spec)));
    let assumed = (before.map(|(_, spec)| assumed_store(spec)).unwrap_or_default(), assumed_store(spec));
    let other =
        AccountRevision { spec, annotations: &after.annotations, store: store.or(former).unwrap_or(&assumed.1) };
    let (new, annotations) = (
        AccountSpec { catalog_ref: spec.catalog_ref.clone(), ..AccountSpec::default() },
        AccountAnnotations::default(),
    );
    let one = match before {
        Some((entry, spec)) => {
            let store = store_of(from, spec).or_else(|| store_of(to, spec)).unwrap_or(&assumed.0);
            AccountRevision { spec, annotations: &entry.annotations, store }
        }
        None => AccountRevision { spec: &new, annotations: &annotations, store: other.store },
    };
    let is_moved = before.is_some() && store.is_some() && one.spec.store_ref.name != spec.store_ref.name;
    let mut limits = if_new(before.is_none(), of_account(one, other, is_moved));
    let swapped = swapped_catalog((from, &one.spec.catalog_ref.name), (to, &spec.catalog_ref.name));
    limits.append(swapped.unwrap_or_default());
    Some(limits)
}

fn store_of<'a>(objects: &'a Objects, spec: &AccountSpec) -> Option<&'a IdentityStoreSpec> {
    let store = objects.stores.get(spec.store_ref.name.as_str());
    // An assumed store, which no file describes, has generation 0.
    store.filter(|store| store.generation > 0).map(|store| &store.spec)
}

/// Returns the spec of an account's store that is not known. It has the defaults, but none that is stricter than what
/// the account sets: such a default would hide that the account's own limit changes.
fn assumed_store(spec: &AccountSpec) -> IdentityStoreSpec {
    let mut store = IdentityStoreSpec::default();
    let (drift, guard) = (&mut store.account_defaults.drift, &mut store.account_defaults.removal_guard);
    if let Some(own) = &spec.removal_guard {
        guard.maximum_percent = own.maximum_percent.unwrap_or(0).max(guard.maximum_percent);
        guard.minimum_count = own.minimum_count.unwrap_or(0).max(guard.minimum_count);
    }
    if let Some(own) = &spec.drift {
        drift.policy = own.policy.unwrap_or(drift.policy);
        let loosest = [own.unmanaged.unwrap_or(drift.unmanaged), drift.unmanaged];
        drift.unmanaged = loosest.into_iter().max_by_key(|one| leniency(*one)).unwrap_or_default();
        if let Some(own) = own.check_every.as_ref().filter(|own| duration(own) > duration(&drift.check_every)) {
            drift.check_every.clone_from(own);
        }
    }
    store
}

/// Compares the catalogs of an account that changes from one to another.
fn swapped_catalog(from: (&Objects, &str), to: (&Objects, &str)) -> Option<Limits> {
    let (before, after) = (from.0.catalogs.get(from.1)?, to.0.catalogs.get(to.1)?);
    let one = CatalogRevision { spec: &before.facts.spec, all_at_once: before.all_at_once, is_used: true };
    let other = CatalogRevision { spec: &after.facts.spec, all_at_once: after.all_at_once, is_used: true };
    (from.1 != to.1).then(|| of_catalog(one, other).within(&format!("spec.catalogRef: PermissionCatalog {}", to.1)))
}

fn user(pair: &Pair) -> Option<Limits> {
    let (from, to) = (pair.from.as_ref(), pair.to.as_ref()?);
    if ![KindName::Membership, KindName::Invitation].iter().any(|kind| pair.id.kind == kind.as_str()) {
        return None;
    }
    let choice = |object: &Value| RestrictionChoice::deserialize(&object["spec"]["restrictions"]).ok();
    let confirmed = |object: &Value| Vec::deserialize(&object["spec"]["acknowledge"]).unwrap_or_default();
    let (one, other) =
        (from.map(|from| (choice(from), confirmed(from))).unwrap_or_default(), (choice(to), confirmed(to)));
    let revision = |(choice, acknowledge)| RestrictionsRevision { choice, acknowledge };
    let limits = of_user(revision((one.0.as_ref(), &one.1)), revision((other.0.as_ref(), &other.1)));
    Some(if_new(from.is_none(), limits))
}
