//! Compares the labels of a Namespace: which stores, catalogs and partners admit its accounts by them. Called by the CLI
//! when it compares revisions.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{ABSENT, Direction, Limits};
use crate::{
    api::AllowedNamespaces,
    model::Name,
    resolve::{admits, admits_namespace},
    state::{AccountFacts, Labels},
};

/// Object that may admit the accounts of a namespace by its labels.
#[derive(Clone, Copy, Debug)]
pub enum NamespaceGate<'a> {
    /// IdentityStore with this name, and the namespaces that it admits.
    Store(&'a Name, &'a AllowedNamespaces),
    /// `PermissionCatalog` with this name, and the namespaces that it admits.
    Catalog(&'a Name, &'a AllowedNamespaces),
    /// Partner that may manage accounts of the namespace.
    Partner(&'a AccountFacts),
}

impl NamespaceGate<'_> {
    fn admits(&self, namespace: &Name, labels: &Labels) -> bool {
        match self {
            Self::Store(_, allowed) | Self::Catalog(_, allowed) => admits(allowed, Some(labels)),
            Self::Partner(account) => account.spec.partner && admits_namespace(account, namespace, Some(labels)),
        }
    }

    fn selector(&self) -> Option<&LabelSelector> {
        match self {
            Self::Store(_, allowed) | Self::Catalog(_, allowed) => allowed.selector.as_ref(),
            Self::Partner(account) => account.spec.managed_accounts.as_ref()?.allowed_namespaces.selector.as_ref(),
        }
    }

    fn in_words(&self, admits: bool) -> String {
        let (object, accounts) = match self {
            Self::Store(name, _) => (format!("IdentityStore {name}"), "accounts"),
            Self::Catalog(name, _) => (format!("PermissionCatalog {name}"), "accounts"),
            Self::Partner(account) => (format!("Account {}", account.key()), "managed accounts"),
        };
        let verb = if admits { "admits" } else { "no longer admits" };
        format!("{object} {verb} {accounts} of this namespace")
    }
}

/// Compares the labels of a namespace. A changed label is a limit if an object admits the namespace before or after the
/// change only.
#[must_use]
pub fn of_namespace(namespace: &Name, from: &Labels, to: &Labels, gates: &[NamespaceGate<'_>]) -> Limits {
    let mut limits = Limits::default();
    for gate in gates {
        let (before, after) = (gate.admits(namespace, from), gate.admits(namespace, to));
        if before == after {
            continue;
        }
        let direction = if after { Direction::Loosened } else { Direction::Tightened };
        let asked = gate.selector().map(keys).unwrap_or_default();
        for key in asked.into_iter().filter(|key| from.get(*key) != to.get(*key)) {
            let value = |labels: &Labels| labels.get(key).map_or_else(|| ABSENT.to_owned(), ToString::to_string);
            limits.add(&format!("metadata.labels[{key}]"), (value(from), value(to)), direction, &gate.in_words(after));
        }
    }
    limits
}

/// Returns the labels that a selector asks about.
fn keys(selector: &LabelSelector) -> BTreeSet<&str> {
    let labels = selector.match_labels.iter().flatten().map(|(key, _)| key.as_str());
    labels.chain(selector.match_expressions.iter().flatten().map(|one| one.key.as_str())).collect()
}
