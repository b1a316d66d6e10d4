//! Compares the RBAC objects of two revisions: who may administer accounts, grant roles, and write Roster's objects.
//! Called by the CLI when it compares revisions.
//!
//! Rights are compared by subject over all bindings, so that moving a subject from one binding to another is no change.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject},
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use kube_core::{Selector, SelectorExt};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Direction, Limits, comparison::listed};
use crate::api::GROUP;

/// API group of RBAC.
const RBAC: &str = "rbac.authorization.k8s.io/";
/// Prefix of the labels that add the rules of a `ClusterRole` to a built-in one, such as `admin`.
const AGGREGATE_TO: &str = "rbac.authorization.k8s.io/aggregate-to-";
/// Built-in `ClusterRole` that allows everything.
const CLUSTER_ADMIN: &str = "cluster-admin";
/// Verbs that only read.
const READS: [&str; 3] = ["get", "list", "watch"];

/// RBAC objects of one revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RbacObjects {
    roles: BTreeMap<RoleId, RbacRole>,
    bindings: BTreeMap<String, Binding>,
}

/// Namespace and name of a role; a `ClusterRole` has no namespace.
type RoleId = (Option<String>, String);

#[derive(Clone, Debug, PartialEq)]
struct RbacRole {
    rules: Vec<PolicyRule>,
    labels: BTreeMap<String, String>,
    aggregates: Vec<LabelSelector>,
}

#[derive(Clone, Debug, PartialEq)]
struct Binding {
    namespace: Option<String>,
    role: RoleId,
    subjects: Vec<Subject>,
}

/// What a subject may do with one resource of Roster's group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    /// Namespace in which it holds; `None` for all.
    namespace: Option<String>,
    resource: String,
    verb: String,
    /// Name of the only object for which it holds.
    name: Option<String>,
}

impl Right {
    /// Returns whether it allows everything that `other` allows.
    fn covers(&self, other: &Self) -> bool {
        let subresource = |resource: &str| resource.split_once('/').map(|(_, sub)| format!("*/{sub}"));
        let is_within = self.resource == "*"
            || self.resource == other.resource
            || subresource(&other.resource).is_some_and(|any| any == self.resource);
        is_within
            && (self.namespace.is_none() || self.namespace == other.namespace)
            && (self.verb == "*" || self.verb == other.verb)
            && (self.name.is_none() || self.name == other.name)
    }

    fn in_words(&self) -> String {
        let name = self.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        format!("{} {}{name}", self.verb, self.resource)
    }

    fn allows(&self, verb: &str, resource: &str) -> bool {
        let (resource, verb) = (resource.to_owned(), verb.to_owned());
        self.covers(&Self { namespace: self.namespace.clone(), resource, verb, name: self.name.clone() })
    }
}

/// Holder of rights: a subject, or whoever a role is bound to elsewhere.
type Holder = String;

/// Rights by holder, each with the object that gives it.
type Rights = BTreeMap<Holder, BTreeMap<String, BTreeSet<Right>>>;

impl RbacObjects {
    /// Adds a document if it is an RBAC object. `namespace` is that of objects that name none.
    pub fn add(&mut self, document: &Value, namespace: &str) {
        let is_rbac = document["apiVersion"].as_str().is_some_and(|version| version.starts_with(RBAC));
        match document["kind"].as_str().filter(|_| is_rbac) {
            Some("ClusterRole") => {
                let Some(role) = read::<ClusterRole>(document) else { return };
                let aggregates = role.aggregation_rule.and_then(|rule| rule.cluster_role_selectors).unwrap_or_default();
                self.add_role(None, role.metadata, role.rules, aggregates);
            }
            Some("Role") => {
                let Some(role) = read::<Role>(document) else { return };
                let own = role.metadata.namespace.clone().unwrap_or_else(|| namespace.to_owned());
                self.add_role(Some(own), role.metadata, role.rules, Vec::new());
            }
            Some("ClusterRoleBinding") => {
                let Some(binding) = read::<ClusterRoleBinding>(document) else { return };
                self.bind(None, &binding.metadata, &binding.role_ref, binding.subjects);
            }
            Some("RoleBinding") => {
                let Some(binding) = read::<RoleBinding>(document) else { return };
                let own = binding.metadata.namespace.clone().unwrap_or_else(|| namespace.to_owned());
                self.bind(Some(own), &binding.metadata, &binding.role_ref, binding.subjects);
            }
            _ => {}
        }
    }

    /// Adds the objects of another part of the revision.
    pub fn append(&mut self, mut others: Self) {
        self.roles.append(&mut others.roles);
        self.bindings.append(&mut others.bindings);
    }

    fn add_role(
        &mut self,
        namespace: Option<String>,
        metadata: ObjectMeta,
        rules: Option<Vec<PolicyRule>>,
        aggregates: Vec<LabelSelector>,
    ) {
        let name = metadata.name.unwrap_or_default();
        let (rules, labels) = (rules.unwrap_or_default(), metadata.labels.unwrap_or_default());
        self.roles.insert((namespace, name), RbacRole { rules, labels, aggregates });
    }

    fn bind(
        &mut self,
        namespace: Option<String>,
        metadata: &ObjectMeta,
        role: &RoleRef,
        subjects: Option<Vec<Subject>>,
    ) {
        let name = metadata.name.as_deref().unwrap_or_default();
        let object = match &namespace {
            Some(namespace) => format!("RoleBinding {namespace}/{name}"),
            None => format!("ClusterRoleBinding {name}"),
        };
        let role = (namespace.clone().filter(|_| role.kind == "Role"), role.name.clone());
        let subjects = subjects.unwrap_or_default();
        self.bindings.insert(object, Binding { namespace, role, subjects });
    }

    /// Returns the rules of a role; `None` if these objects do not have it.
    fn rules(&self, id: &RoleId) -> Option<Vec<PolicyRule>> {
        let Some(role) = self.roles.get(id) else {
            return (*id == (None, CLUSTER_ADMIN.to_owned())).then(|| vec![everything()]);
        };
        let mut rules = role.rules.clone();
        let selectors: Vec<Selector> =
            role.aggregates.iter().filter_map(|selector| Selector::try_from(selector.clone()).ok()).collect();
        for (other, part) in self.roles.iter().filter(|((namespace, _), _)| namespace.is_none()) {
            if other != id && selectors.iter().any(|selector| selector.matches(&part.labels)) {
                rules.extend(part.rules.iter().cloned());
            }
        }
        Some(rules)
    }

    /// Returns the rights over Roster's objects. `bound` are the roles with a binding in either revision: whoever holds
    /// another one is bound to it elsewhere.
    fn rights(&self, bound: &BTreeSet<&RoleId>) -> Rights {
        let mut rights = Rights::new();
        let mut add = |holder: String, object: &str, rules: &[PolicyRule], namespace: Option<&String>| {
            let of_rules: BTreeSet<Right> = rules.iter().flat_map(|rule| rights_of(rule, namespace)).collect();
            if !of_rules.is_empty() {
                rights.entry(holder).or_default().entry(object.to_owned()).or_default().extend(of_rules);
            }
        };
        for (object, binding) in &self.bindings {
            let Some(rules) = self.rules(&binding.role) else { continue };
            for subject in &binding.subjects {
                add(in_words(subject, binding.namespace.as_deref()), object, &rules, binding.namespace.as_ref());
            }
        }
        for (id, role) in &self.roles {
            let (namespace, name) = id;
            let object = role_in_words(id);
            if !bound.contains(id) {
                let rules = self.rules(id).unwrap_or_default();
                add(format!("whoever {object} is bound to"), &object, &rules, namespace.as_ref());
            }
            for (label, value) in role.labels.iter().filter(|_| namespace.is_none()) {
                let Some(target) = label.strip_prefix(AGGREGATE_TO).filter(|_| value == "true") else { continue };
                if target != name && !self.roles.contains_key(&(None, target.to_owned())) {
                    add(format!("whoever ClusterRole {target} is bound to"), &object, &role.rules, None);
                }
            }
        }
        rights
    }

    /// Returns the bindings to roles that these objects do not have, by binding: the subjects and the role, in words.
    fn unknown(&self) -> BTreeMap<&str, String> {
        let unknown = self.bindings.iter().filter(|(_, binding)| self.rules(&binding.role).is_none());
        let words = unknown.map(|(object, binding)| {
            let subjects: BTreeSet<String> =
                binding.subjects.iter().map(|subject| in_words(subject, binding.namespace.as_deref())).collect();
            (object.as_str(), format!("{} for {}", role_in_words(&binding.role), listed(&subjects)))
        });
        words.collect()
    }
}

/// Compares who holds rights over Roster's objects. Returns the changes by the object that gives or gave a right.
#[must_use]
pub fn of_rbac(from: &RbacObjects, to: &RbacObjects) -> BTreeMap<String, Limits> {
    let bound = from.bindings.values().chain(to.bindings.values()).map(|binding| &binding.role).collect();
    let (before, after) = (from.rights(&bound), to.rights(&bound));
    let none = BTreeMap::new();
    let mut changed: BTreeMap<String, Limits> = BTreeMap::new();
    let holders: BTreeSet<&Holder> = before.keys().chain(after.keys()).collect();
    for holder in holders {
        let (had, has) = (before.get(holder).unwrap_or(&none), after.get(holder).unwrap_or(&none));
        for (object, rights) in has {
            let gained = beyond(rights, had);
            if !gained.is_empty() {
                let earlier = had.get(object).cloned().unwrap_or_default();
                let limits = changed.entry(object.clone()).or_default();
                add(limits, holder, (&earlier, rights), Direction::Loosened, &gained);
            }
        }
        for (object, rights) in had {
            let lost = beyond(rights, has);
            let later = has.get(object).cloned().unwrap_or_default();
            // A holder who gains by the same object is listed once, with what is lost.
            if !lost.is_empty() && beyond(&later, had).is_empty() {
                let limits = changed.entry(object.clone()).or_default();
                add(limits, holder, (rights, &later), Direction::Tightened, &lost);
            }
        }
    }
    changed
}

/// Returns the bindings that differ and whose roles are in neither revision, so that their rights are unknown: by
/// binding, what it binds before and after.
#[must_use]
pub fn unknown_rbac(from: &RbacObjects, to: &RbacObjects) -> BTreeMap<String, [Option<String>; 2]> {
    let (before, after) = (from.unknown(), to.unknown());
    let objects: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let differ = objects.into_iter().filter(|object| before.get(object) != after.get(object));
    differ.map(|object| (object.to_owned(), [before.get(object).cloned(), after.get(object).cloned()])).collect()
}

fn add(
    limits: &mut Limits,
    holder: &str,
    (from, to): (&BTreeSet<Right>, &BTreeSet<Right>),
    direction: Direction,
    changed: &[&Right],
) {
    let may = if direction == Direction::Loosened { "may" } else { "may no longer" };
    let what = if changed.iter().any(|right| right.allows("administer", "accounts/authority")) {
        "administer accounts"
    } else if changed.iter().any(|right| right.allows("grant", "permissioncatalogs/roles")) {
        "grant predefined roles"
    } else {
        "do this with objects of Roster"
    };
    let namespace = changed.iter().find_map(|right| right.namespace.as_deref());
    let place = namespace.map_or_else(|| "in all namespaces".to_owned(), |name| format!("in namespace {name}"));
    let words = |rights: &BTreeSet<Right>| listed(&rights.iter().map(Right::in_words).collect());
    limits.add(holder, (words(from), words(to)), direction, &format!("{may} {what} {place}"));
}

/// Returns the rights that none of `others` covers.
fn beyond<'a>(rights: &'a BTreeSet<Right>, others: &BTreeMap<String, BTreeSet<Right>>) -> Vec<&'a Right> {
    let is_new = |right: &&Right| !others.values().flatten().any(|other| other.covers(right));
    rights.iter().filter(is_new).collect()
}

/// Returns the rights that a rule gives over Roster's objects, without those that only read.
fn rights_of(rule: &PolicyRule, namespace: Option<&String>) -> Vec<Right> {
    let is_ours = rule.api_groups.iter().flatten().any(|group| group == GROUP || group == "*");
    let mut rights = Vec::new();
    for resource in rule.resources.iter().flatten().filter(|_| is_ours) {
        for verb in rule.verbs.iter().filter(|verb| !READS.contains(&verb.as_str())) {
            let right = |name: Option<&String>| Right {
                namespace: namespace.cloned(),
                resource: resource.clone(),
                verb: verb.clone(),
                name: name.cloned(),
            };
            match rule.resource_names.as_deref() {
                None | Some([]) => rights.push(right(None)),
                Some(names) => rights.extend(names.iter().map(|name| right(Some(name)))),
            }
        }
    }
    rights
}

fn everything() -> PolicyRule {
    let all = || vec!["*".to_owned()];
    PolicyRule { api_groups: Some(all()), resources: Some(all()), verbs: all(), ..PolicyRule::default() }
}

fn in_words(subject: &Subject, namespace: Option<&str>) -> String {
    let place = match subject.kind.as_str() {
        "ServiceAccount" => format!("{}/", subject.namespace.as_deref().or(namespace).unwrap_or_default()),
        _ => String::new(),
    };
    format!("{} {place}{}", subject.kind, subject.name)
}

fn role_in_words((namespace, name): &RoleId) -> String {
    match namespace {
        Some(namespace) => format!("Role.rbac {namespace}/{name}"),
        None => format!("ClusterRole {name}"),
    }
}

fn read<T: DeserializeOwned>(document: &Value) -> Option<T> {
    serde_json::from_value(document.clone()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn role(name: &str, resource: &str, verbs: &[&str]) -> Value {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
            "rules": [{"apiGroups": ["roster.dev"], "resources": [resource], "verbs": verbs}]})
    }

    fn binding(name: &str, role: &str, namespace: Option<&str>, user: &str) -> Value {
        let kind = if namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" };
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
            "metadata": {"name": name, "namespace": namespace}, "roleRef": {"apiGroup": "", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "User", "name": user}]})
    }

    fn objects(documents: &[Value]) -> RbacObjects {
        let mut objects = RbacObjects::default();
        for document in documents {
            objects.add(document, "default");
        }
        objects
    }

    fn compared(from: &[Value], to: &[Value]) -> Vec<String> {
        let changed = of_rbac(&objects(from), &objects(to));
        let each = changed.iter().flat_map(|(object, limits)| limits.changed.iter().map(move |limit| (object, limit)));
        each.map(|(object, one)| {
            format!("{object} {}: {} → {}; {:?}: {}", one.field, one.from, one.to, one.direction, one.meaning)
        })
        .collect()
    }

    #[test]
    fn who_may_administer_is_compared_by_subject() {
        let admin = || role("admins", "accounts/authority", &["administer"]);
        let eve = |name: &str, namespace| binding(name, "admins", namespace, "eve");
        let gained = "ClusterRoleBinding a User eve: (absent) → administer accounts/authority; Loosened: may administer \
                      accounts in all namespaces";
        assert_eq!(compared(&[admin(), eve("shop", Some("shop"))], &[admin(), eve("a", None)]), [gained]);
        assert_eq!(compared(&[admin(), eve("a", None)], &[admin(), eve("b", None)]), [""; 0], "another binding, only");
        let lost = "RoleBinding shop/a User eve: administer accounts/authority → (absent); Tightened: may no longer \
                    administer accounts in namespace shop";
        assert_eq!(compared(&[admin(), eve("a", Some("shop"))], &[admin()]), [lost]);
    }

    #[test]
    fn a_wildcard_includes_what_it_replaces() {
        let roles = |verbs: &[&str]| [role("r", "permissioncatalogs/roles", verbs), binding("b", "r", None, "ci")];
        assert_eq!(compared(&roles(&["*"]), &roles(&["grant", "get"])).len(), 1, "other verbs are lost");
        let gained = compared(&roles(&["grant"]), &roles(&["*"]));
        assert!(gained[0].contains("Loosened: may grant predefined roles in all namespaces"), "{gained:?}");
        assert_eq!(compared(&roles(&["get"]), &roles(&["list"])), [""; 0], "only reads");
        let all = compared(&[], &[binding("b", CLUSTER_ADMIN, None, "eve")]);
        assert!(all[0].contains("(absent) → * *; Loosened: may administer accounts"), "{all:?}");
    }

    #[test]
    fn a_role_without_a_binding_counts_for_whoever_it_is_bound_to() {
        let gained = compared(&[role("r", "memberships", &["get"])], &[role("r", "memberships", &["get", "create"])]);
        let expected = "ClusterRole r whoever ClusterRole r is bound to: (absent) → create memberships; Loosened: may \
                        do this with objects of Roster in all namespaces";
        assert_eq!(gained, [expected]);
        let mut part = role("part", "accounts/authority", &["administer"]);
        part["metadata"]["labels"] = json!({"rbac.authorization.k8s.io/aggregate-to-admin": "true"});
        let gained = compared(&[], &[part]);
        assert!(gained[0].starts_with("ClusterRole part whoever ClusterRole admin is bound to: "), "{gained:?}");
    }

    #[test]
    fn a_binding_to_a_role_that_is_not_there_is_named() {
        let found = unknown_rbac(&objects(&[]), &objects(&[binding("b", "elsewhere", Some("shop"), "eve")]));
        let words = Some("ClusterRole elsewhere for User eve".to_owned());
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [("RoleBinding shop/b".to_owned(), [None, words])]);
    }
}
