//! Decides whether store, catalog and parent admit an account. Called by `resolve::definitions`, and by `control` and
//! the CLI before the deletion of a parent.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube_core::{Selector, SelectorExt};

use crate::{
    api::{AllowedNamespaces, ManagedFrom, NamespacesFrom, PermissionCatalogSpec},
    model::{
        AccountKey, FindingKind, Findings, FindingsBuilder, KindName, LabelMismatch, Name, NamespaceRefusal,
        ParentFault, ParentRefusal, Unknown, suggest::closest,
    },
    state::{AccountFacts, Index, Labels, Snapshot},
};

/// Returns whether the selector matches the labels of a namespace. An invalid or absent selector matches nothing, and a
/// namespace with unknown labels is never matched.
fn picks(selector: Option<&LabelSelector>, labels: Option<&Labels>) -> bool {
    let (Some(selector), Some(labels)) = (selector, labels) else { return false };
    Selector::try_from(selector.clone()).is_ok_and(|selector| selector.matches(labels))
}

/// Returns whether a store or catalog admits a namespace with these labels.
#[must_use]
pub fn admits(allowed: &AllowedNamespaces, labels: Option<&Labels>) -> bool {
    match allowed.from {
        NamespacesFrom::All => true,
        NamespacesFrom::Selector => picks(allowed.selector.as_ref(), labels),
    }
}

/// Returns the fault that a store or catalog does not admit the namespace of an account, with the labels that it wants;
/// `None` if it does.
pub(super) fn refuses(
    snapshot: &Snapshot,
    by: KindName,
    name: &Name,
    allowed: &AllowedNamespaces,
) -> Option<FindingKind> {
    let labels = snapshot.namespace_labels.as_deref();
    let refusal = || NamespaceRefusal {
        by,
        name: name.clone(),
        namespace: snapshot.account.namespace.clone(),
        labels: mismatch(allowed.selector.as_ref(), labels),
    };
    (!admits(allowed, labels)).then(|| FindingKind::NamespaceNotAdmitted(Box::new(refusal())))
}

/// Returns a selector with what a namespace has of its keys; `None` if the selector is absent or invalid.
fn mismatch(selector: Option<&LabelSelector>, labels: Option<&Labels>) -> Option<LabelMismatch> {
    let written = selector?;
    let selector = Selector::try_from(written.clone()).ok().filter(|selector| !selector.selects_all())?;
    let keys = written.match_labels.iter().flatten().map(|(key, _)| key);
    let keys: BTreeSet<&String> =
        keys.chain(written.match_expressions.iter().flatten().map(|expression| &expression.key)).collect();
    let has = |labels: &Labels| {
        let of_key = |key: &&String| match labels.get(*key) {
            Some(value) => format!("{key}={value}"),
            None => match closest(key, labels.keys().map(String::as_str)) {
                Some(near) => format!("{near} instead of {key}"),
                None => format!("no {key}"),
            },
        };
        Name::from(keys.iter().map(of_key).collect::<Vec<_>>().join(", "))
    };
    Some(LabelMismatch { selector: Name::from(selector.to_string()), has: labels.map(has) })
}

/// Returns whether the account is admitted by the parent that it names; `true` if it names none. Every refusal has one
/// reason and one message, so that nothing about a foreign namespace is revealed (docs/runbook.md).
pub(super) fn check_parent(snapshot: &Snapshot, findings: &mut FindingsBuilder<'_>) -> bool {
    let Some(key) = snapshot.account.parent() else { return true };
    let admitted = snapshot
        .parent
        .as_deref()
        .is_some_and(|parent| parent_admits(parent, &snapshot.account, snapshot.namespace_labels.as_deref()));
    if !admitted {
        let account = &snapshot.account;
        let (namespace, catalog) = (account.namespace.clone(), Name::new(&account.spec.catalog_ref.name));
        let refusal = ParentRefusal { parent: key, namespace, catalog };
        findings.add("spec.parentRef", FindingKind::ParentRefused(Box::new(refusal)));
    }
    admitted
}

/// Returns whether a parent admits an account that names it, and whose namespace has these labels (docs/concepts.md
/// "Seven kinds").
fn parent_admits(parent: &AccountFacts, child: &AccountFacts, labels: Option<&Labels>) -> bool {
    admits_namespace(parent, &child.namespace, labels) && admits_as_account(parent, child)
}

/// Returns whether a partner admits managed accounts of a namespace with these labels.
#[must_use]
pub fn admits_namespace(parent: &AccountFacts, namespace: &Name, labels: Option<&Labels>) -> bool {
    let Some(managed) = &parent.spec.managed_accounts else { return false };
    let allowed = &managed.allowed_namespaces;
    match allowed.from {
        ManagedFrom::Same => parent.namespace == *namespace,
        ManagedFrom::All => true,
        ManagedFrom::Selector => picks(allowed.selector.as_ref(), labels),
    }
}

/// Returns whether a parent admits an account, regardless of its namespace.
pub(crate) fn admits_as_account(parent: &AccountFacts, child: &AccountFacts) -> bool {
    let Some(managed) = &parent.spec.managed_accounts else { return false };
    let catalog = &child.spec.catalog_ref.name;
    let admits_catalog = if managed.catalogs.is_empty() {
        *catalog == parent.spec.catalog_ref.name
    } else {
        managed.catalogs.contains(catalog)
    };
    parent.spec.partner && parent.spec.parent_ref.is_none() && admits_catalog
}

/// Returns why a parent does not admit an account whose namespace has these labels; `None` if it does. A status must not
/// say it (docs/runbook.md, `ParentNotAllowed`).
#[must_use]
pub fn parent_fault(parent: &AccountFacts, child: &AccountFacts, labels: Option<&Labels>) -> Option<ParentFault> {
    if parent_admits(parent, child, labels) {
        return None;
    }
    if !parent.spec.partner {
        return Some(ParentFault::NoPartner);
    }
    if parent.spec.parent_ref.is_some() {
        return Some(ParentFault::IsManaged);
    }
    let Some(managed) = &parent.spec.managed_accounts else { return Some(ParentFault::AdmitsNone) };
    if !admits_namespace(parent, &child.namespace, labels) {
        let allowed = &managed.allowed_namespaces;
        return Some(match allowed.from {
            ManagedFrom::Same => ParentFault::OwnNamespaceOnly,
            _ => ParentFault::Labels(mismatch(allowed.selector.as_ref(), labels)),
        });
    }
    let own = std::slice::from_ref(&parent.spec.catalog_ref.name);
    let admitted = if managed.catalogs.is_empty() { own } else { managed.catalogs.as_slice() };
    let catalog = Unknown::among(&child.spec.catalog_ref.name, admitted.iter().map(String::as_str));
    Some(ParentFault::Catalog { catalog, admitted: admitted.iter().map(Name::from).collect() })
}

/// Returns whether the deletion of `parent` waits for an account that names it as its parent. It waits only for
/// accounts that it admits, so that a stranger cannot block the deletion. An account whose namespace labels are not
/// known yet counts as admitted by namespace.
#[must_use]
pub fn keeps_parent(parent: &AccountFacts, child: &AccountFacts, labels: Option<&Labels>) -> bool {
    match labels {
        Some(_) => parent_admits(parent, child, labels),
        None => admits_as_account(parent, child),
    }
}

/// Returns the accounts that name this one as their parent and for which its deletion waits.
#[must_use]
pub fn admitted_children(index: &Index, key: &AccountKey) -> Vec<AccountKey> {
    let Some(parent) = index.accounts.get(key).and_then(|entry| entry.object.as_ref()) else { return Vec::new() };
    let children = index.children_of(key).filter(|(_, child, labels)| keeps_parent(&parent.facts, child, *labels));
    children.map(|(child, _, _)| child.clone()).collect()
}

/// Advises on names in `managedAccounts` of a partner that no object has. `catalogs` are all catalogs, and `managed` all
/// accounts that name the partner as their parent.
///
/// The controller does not ask this: a status would tell a partner which catalogs and accounts there are.
#[must_use]
pub fn unknown_in_managed_accounts<'a>(
    account: &AccountFacts,
    catalogs: &BTreeMap<&'a str, &'a PermissionCatalogSpec>,
    managed: &[AccountKey],
) -> Findings {
    let mut findings = FindingsBuilder::new(KindName::Account, &account.namespace, &account.name);
    let Some(spec) = &account.spec.managed_accounts else { return findings.finish() };
    let known = || catalogs.keys().copied();
    for name in spec.catalogs.iter().filter(|name| !catalogs.contains_key(name.as_str())) {
        let missing = FindingKind::ManagedCatalogMissing(Unknown::among(name, known()));
        findings.add("spec.managedAccounts.catalogs", missing);
    }
    let own = [&account.spec.catalog_ref.name];
    let used: Vec<&String> = if spec.catalogs.is_empty() { own.to_vec() } else { spec.catalogs.iter().collect() };
    let used: Option<Vec<_>> = used.iter().map(|name| catalogs.get(name.as_str())).collect();
    // A catalog that does not exist may have any role.
    if let Some(used) = used {
        let roles: Vec<&str> = used.iter().flat_map(|spec| &spec.roles).map(|role| role.name.as_str()).collect();
        for name in spec.grantable.iter().filter(|name| !roles.contains(&name.as_str())) {
            let missing = FindingKind::GrantableRoleMissing(Unknown::among(name, roles.iter().copied()));
            findings.add("spec.managedAccounts.grantable", missing);
        }
    }
    // Managed accounts may be in other files.
    let keys: Vec<String> = managed.iter().map(ToString::to_string).collect();
    for approved in spec.approved.iter().filter(|_| !managed.is_empty()) {
        let key = AccountKey::new(&approved.namespace, &approved.name);
        if !managed.contains(&key) {
            let near = closest(&key.to_string(), keys.iter().map(String::as_str)).map(Name::new);
            let missing = FindingKind::ApprovedAccountMissing { account: Box::new(key), near };
            findings.add("spec.managedAccounts.approved", missing);
        }
    }
    findings.finish()
}

/// Returns whether the parent requires an approval of this account and has not given it.
pub(super) fn awaits_approval(snapshot: &Snapshot) -> bool {
    snapshot.parent.as_ref().is_some_and(|parent| {
        let needs_approval = parent.spec.managed_accounts.as_ref().is_some_and(|managed| managed.need_approval);
        needs_approval && !parent.approves(&snapshot.account)
    })
}
