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
    let any_store = IdentityStoreSpec::default();
    let other = revision(to, key, &any_store)?;
    let before = revision(from, key, &any_store);
    let spec = AccountSpec { catalog_ref: other.spec.catalog_ref.clone(), ..AccountSpec::default() };
    let annotations = AccountAnnotations::default();
    let one = before.unwrap_or(AccountRevision { spec: &spec, annotations: &annotations, store: other.store });
    let is_moved = before.is_some() && one.spec.store_ref.name != other.spec.store_ref.name;
    let mut limits = if_new(before.is_none(), of_account(one, other, is_moved));
    let swapped = swapped_catalog((from, &one.spec.catalog_ref.name), (to, &other.spec.catalog_ref.name));
    limits.append(swapped.unwrap_or_default());
    Some(limits)
}

/// Compares the catalogs of an account that changes from one to another.
fn swapped_catalog(from: (&Objects, &str), to: (&Objects, &str)) -> Option<Limits> {
    let (before, after) = (from.0.catalogs.get(from.1)?, to.0.catalogs.get(to.1)?);
    let one = CatalogRevision { spec: &before.facts.spec, all_at_once: before.all_at_once, is_used: true };
    let other = CatalogRevision { spec: &after.facts.spec, all_at_once: after.all_at_once, is_used: true };
    (from.1 != to.1).then(|| of_catalog(one, other).within(&format!("spec.catalogRef: PermissionCatalog {}", to.1)))
}

/// Returns an Account of a revision with its store, or `any_store`.
fn revision<'a>(
    objects: &'a Objects,
    key: &AccountKey,
    any_store: &'a IdentityStoreSpec,
) -> Option<AccountRevision<'a>> {
    let entry = objects.accounts.get(key)?;
    let spec = &entry.account.as_ref()?.spec;
    let store = objects.stores.get(spec.store_ref.name.as_str()).map_or(any_store, |store| &store.spec);
    Some(AccountRevision { spec, annotations: &entry.annotations, store })
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
