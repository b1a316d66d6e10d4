//! UserGroup: a group that carries permissions.

use std::collections::BTreeMap;

use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::MAX_REFS;
use super::{Conditions, DriftStatus, NameRef, Permissions, RoleRef, rules, schema};

/// A group that carries permissions.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    crates(kube_core = "::kube_core"),
    group = "roster.dev",
    version = "v1alpha1",
    kind = "UserGroup",
    plural = "usergroups",
    shortname = "ugrp",
    category = "roster",
    namespaced,
    status = "UserGroupStatus",
    selectable = ".spec.accountRef.name",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::immutable("accountRef"))]
pub struct UserGroupSpec {
    /// The account; immutable.
    pub account_ref: NameRef,
    /// Title for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::title")]
    pub title: Option<String>,
    /// Level by section.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::permissions")]
    pub permissions: Permissions,
    /// Roles whose permissions the group also carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MAX_REFS),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["kind", "name"])
    )]
    pub role_refs: Vec<RoleRef>,
}

/// Status of a group, as the controller last reported it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserGroupStatus {
    /// Most recent generation observed by the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Conditions,
    /// Permissions that the group grants, including its roles: sections above their first level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::status_permissions")]
    pub permissions: Option<Permissions>,
    /// Number of members in the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub members: Option<i64>,
    /// Differences between the store and what was applied to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftStatus>,
}
