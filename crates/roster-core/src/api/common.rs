//! Types that several kinds share: references to objects and roles, selections of namespaces, restrictions of a user.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{rules, schema};

/// Level by section name.
pub type Permissions = BTreeMap<String, String>;

/// A reference to an object of the same namespace, or to a cluster-scoped one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct NameRef {
    /// Name of the object.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
}

/// Reference to a role. One of kind `PredefinedRole` never means a `Role` of the same name, and the other way round.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct RoleRef {
    /// Kind of the role: `PredefinedRole` of the catalog, or a `Role` object of this account.
    #[serde(default)]
    pub kind: RoleRefKind,
    /// Name of the role.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
}

/// Kind of a role reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RoleRefKind {
    /// A role of the catalog.
    #[default]
    PredefinedRole,
    /// A `Role` object of the account.
    Role,
}

/// Namespaces that may use a cluster-scoped object.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = rules::selector_iff_asked())]
pub struct AllowedNamespaces {
    /// All namespaces, or those that the selector matches.
    #[serde(default)]
    pub from: NamespacesFrom,
    /// Selects namespaces by label; only with `from: Selector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    pub selector: Option<LabelSelector>,
}

/// Selection of namespaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NamespacesFrom {
    /// Every namespace.
    #[default]
    All,
    /// Those whose labels the selector matches.
    Selector,
}

/// Restrictions of one user.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = rules::rule(
    ".lift",
    "!has(self.apply) || !has(self.lift) || !self.apply.exists(name, name in self.lift)",
    "apply and lift must not name the same restriction",
))]
pub struct RestrictionChoice {
    /// Restrictions that apply to this user in addition to those applied by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::label_set")]
    pub apply: Vec<String>,
    /// Restrictions applied by default from which this user is exempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::label_set")]
    pub lift: Vec<String>,
}
