//! Compares the rights that requests need with those that roles give, by the rules of RBAC. Used by `proxy`, `shards`
//! and `lifecycle`.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// Right that a request needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needed {
    /// Absent where it is cluster-wide: also of a namespaced kind, in all namespaces at once.
    pub namespace: Option<String>,
    /// `group/resource`, with the subresource where there is one.
    pub resource: String,
    pub verb: String,
    /// Empty for those that name no object.
    pub name: String,
}

impl Needed {
    /// Of an HTTP request to the API server, by its rules.
    pub fn of(method: &str, path: &str, query: &str) -> Self {
        let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let group = if parts[0] == "api" { "" } else { parts[1] };
        parts.drain(..if parts[0] == "api" { 2 } else { 3 });
        let mut namespace = None;
        if parts[0] == "namespaces" && parts.len() > 2 {
            namespace = Some(parts[1].to_owned());
            parts.drain(..2);
        }
        let name = parts.get(1).copied().unwrap_or_default();
        let resource = parts.get(2).map_or_else(|| parts[0].to_owned(), |sub| format!("{}/{sub}", parts[0]));
        let watches = query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1");
        let verb = match (method, name.is_empty()) {
            ("GET", true) if watches => "watch",
            ("GET", true) => "list",
            ("GET", false) => "get",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", true) => "deletecollection",
            ("DELETE", false) => "delete",
            _ => method,
        };
        Self { namespace, resource: format!("{group}/{resource}"), verb: verb.to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place =
            self.namespace.as_ref().map_or_else(|| "everywhere".to_owned(), |namespace| format!("in {namespace}"));
        write!(f, "{} {} {:?} {place}", self.verb, self.resource, self.name)
    }
}

/// Rights that one rule of a role gives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Given {
    resource: String,
    verb: String,
    /// The only name that it is for, where it is for names.
    name: Option<String>,
}

impl Given {
    fn covers(&self, needed: &Needed) -> bool {
        self.resource == needed.resource
            && self.verb == needed.verb
            && self.name.as_ref().is_none_or(|name| *name == needed.name)
    }
}

/// All that the rules of a role give, one by one.
pub fn given(rules: &Value) -> BTreeSet<Given> {
    let list = |rule: &Value, field: &str| -> Vec<String> {
        rule[field].as_array().into_iter().flatten().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let mut all = BTreeSet::new();
    for rule in rules.as_array().unwrap() {
        let mut names: Vec<Option<String>> = list(rule, "resourceNames").into_iter().map(Some).collect();
        if names.is_empty() {
            names.push(None);
        }
        let before = all.len();
        for group in list(rule, "apiGroups") {
            for resource in list(rule, "resources") {
                for verb in list(rule, "verbs") {
                    let resource = format!("{group}/{resource}");
                    all.extend(names.iter().map(|name| Given {
                        resource: resource.clone(),
                        verb: verb.clone(),
                        name: name.clone(),
                    }));
                }
            }
        }
        assert!(all.len() > before, "a rule that gives nothing, or nothing more: {rule}");
    }
    all
}

/// Returns the rights of a role that none of these requests needs.
pub fn unused(given: &BTreeSet<Given>, needed: &BTreeSet<Needed>) -> Vec<Given> {
    given.iter().filter(|given| !needed.iter().any(|needed| given.covers(needed))).cloned().collect()
}

/// Returns the needed rights that a role does not give.
pub fn missing(given: &BTreeSet<Given>, needed: &BTreeSet<Needed>) -> Vec<String> {
    let misses = |needed: &&Needed| !given.iter().any(|given| given.covers(needed));
    needed.iter().filter(misses).map(ToString::to_string).collect()
}

#[test]
fn requests_need_the_rights_that_the_api_server_reports() {
    for (method, path, query, needed) in [
        ("GET", "/api/v1/namespaces", "watch=true", "watch /namespaces \"\" everywhere"),
        ("GET", "/api/v1/namespaces/kube-system", "", "get /namespaces \"kube-system\" everywhere"),
        ("GET", "/api/v1/namespaces/a/secrets/s", "", "get /secrets \"s\" in a"),
        ("GET", "/api/v1/secrets", "limit=1&watch=1", "watch /secrets \"\" everywhere"),
        ("GET", "/apis/roster.dev/v1alpha1/accounts", "limit=500", "list roster.dev/accounts \"\" everywhere"),
        (
            "PATCH",
            "/apis/roster.dev/v1alpha1/namespaces/a/accounts/b/status",
            "force=true",
            "patch roster.dev/accounts/status \"b\" in a",
        ),
        ("POST", "/api/v1/namespaces/a/configmaps", "", "create /configmaps \"\" in a"),
        (
            "PUT",
            "/apis/coordination.k8s.io/v1/namespaces/a/leases/l",
            "",
            "update coordination.k8s.io/leases \"l\" in a",
        ),
        ("DELETE", "/api/v1/namespaces/a/configmaps/c", "", "delete /configmaps \"c\" in a"),
        ("DELETE", "/api/v1/namespaces/a/configmaps", "", "deletecollection /configmaps \"\" in a"),
    ] {
        assert_eq!(Needed::of(method, path, query).to_string(), needed);
    }
}
