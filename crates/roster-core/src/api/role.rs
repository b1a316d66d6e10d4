//! Role: a custom role, or an override of a predefined one.

use std::collections::BTreeMap;

use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::MAX_SECTIONS;
use super::{Conditions, DriftStatus, NameRef, Permissions, rules, schema};

/// A custom role, or an override of a predefined role in this account.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    crates(kube_core = "::kube_core"),
    group = "roster.dev",
    version = "v1alpha1",
    kind = "Role",
    plural = "accessroles",
    singular = "accessrole",
    shortname = "arole",
    category = "roster",
    namespaced,
    status = "RoleStatus",
    selectable = ".spec.accountRef.name",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::immutable("accountRef"))]
#[x_kube(validation = rules::immutable_optional("basedOn"))]
#[x_kube(validation = rules::immutable_optional("overrides"))]
#[x_kube(validation = rules::rule(
    ".overrides",
    "!has(self.basedOn) || !has(self.overrides)",
    "set either basedOn or overrides, not both",
))]
pub struct RoleSpec {
    /// The account; immutable.
    pub account_ref: NameRef,
    /// Title for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::title")]
    pub title: Option<String>,
    /// Predefined role on which this role is based, as it is in force in this account; immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label")]
    pub based_on: Option<String>,
    /// Predefined role that this object changes in this account; immutable. Deleting the override resets the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label")]
    pub overrides: Option<String>,
    /// Level by section.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::permissions")]
    pub permissions: Permissions,
}

/// Status of a role, as the controller last reported it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleStatus {
    /// Most recent generation observed by the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Conditions,
    /// Permissions that the role grants: sections above their first level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::status_permissions")]
    pub permissions: Option<Permissions>,
    /// Sections in which an override differs from the catalog's defaults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_SECTIONS), extend("x-kubernetes-list-type" = "atomic"))]
    pub changes_from_default: Vec<ChangeFromDefault>,
    /// Number of members who hold the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub members: Option<i64>,
    /// Differences between the store and what was applied to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftStatus>,
}

/// One section in which an override differs from the catalog's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeFromDefault {
    /// The section.
    #[schemars(schema_with = "schema::status_name")]
    pub section: String,
    /// The catalog's level.
    #[schemars(schema_with = "schema::status_name")]
    pub default: String,
    /// The level in force here.
    #[schemars(schema_with = "schema::status_name")]
    pub now: String,
}
