//! Role: a custom role, or an override of a predefined one.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Conditions, DriftStatus, NameRef, Permissions};

/// A custom role, or what a predefined role means in this account.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "roster.dev",
    version = "v1alpha1",
    kind = "Role",
    plural = "accessroles",
    singular = "accessrole",
    shortname = "arole",
    category = "roster",
    namespaced,
    status = "RoleStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct RoleSpec {
    /// The account; immutable.
    pub account_ref: NameRef,
    /// Title for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Start from this predefined role as it is in force in this account; immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub based_on: Option<String>,
    /// Change what this predefined role means in this account; immutable. Deleting the override resets the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<String>,
    /// Level by section.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub permissions: Permissions,
}

/// What the controller says of a role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleStatus {
    /// Generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Conditions,
    /// What the role grants: sections above their first level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// Where an override differs from the catalog's defaults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes_from_default: Vec<ChangeFromDefault>,
    /// Members that hold it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<i64>,
    /// Differences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftStatus>,
}

/// One section in which an override differs from the catalog's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeFromDefault {
    /// The section.
    pub section: String,
    /// The catalog's level.
    pub default: String,
    /// The level in force here.
    pub now: String,
}
