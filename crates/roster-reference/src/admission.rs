//! Decides which namespaces an object admits. Called by `scope`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use roster_core::api::{AllowedNamespaces, ManagedFrom, ManagedNamespaces, NamespacesFrom};

use crate::World;

/// Label that the API server gives every namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

impl World {
    /// Returns whether a store or catalog admits this namespace.
    pub(crate) fn admits(&self, allowed: &AllowedNamespaces, namespace: &str) -> bool {
        match allowed.from {
            NamespacesFrom::All => true,
            NamespacesFrom::Selector => self.selects(allowed.selector.as_ref(), namespace),
        }
    }

    /// Returns whether a partner account in namespace `parent` admits managed accounts in this namespace.
    pub(crate) fn admits_managed(&self, allowed: &ManagedNamespaces, parent: &str, namespace: &str) -> bool {
        match allowed.from {
            ManagedFrom::Same => parent == namespace,
            ManagedFrom::All => true,
            ManagedFrom::Selector => self.selects(allowed.selector.as_ref(), namespace),
        }
    }

    /// Returns whether a selector matches a namespace. A namespace with unknown labels never matches, not even an empty
    /// selector.
    fn selects(&self, selector: Option<&LabelSelector>, namespace: &str) -> bool {
        let (Some(selector), Some(labels)) = (selector, self.namespaces.get(namespace)) else { return false };
        let mut labels = labels.clone();
        labels.insert(NAME_LABEL.to_owned(), namespace.to_owned());
        matches(selector, &labels)
    }
}

fn matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let by_label = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    let by_expression = selector.match_expressions.iter().flatten().all(|expression| {
        let label = labels.get(&expression.key);
        let listed = label.is_some_and(|label| expression.values.iter().flatten().any(|value| value == label));
        match expression.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => label.is_some(),
            "DoesNotExist" => label.is_none(),
            _ => false,
        }
    });
    by_label && by_expression
}
