//! What a PermissionCatalog is made of: sections with their ladders, restrictions, predefined roles.

use std::collections::BTreeMap;

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::MAX_REQUIRES;
use super::{Permissions, schema};

/// One section of the portal.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = schema::rule(
    ".requires",
    "!has(self.requires) || self.requires.all(r, has(self.levels)
        ? r.from in self.levels && r.from != self.levels[0]
        : r.from == 'Allowed')",
    "requires.from must be a level of this section above the first",
))]
#[x_kube(validation = schema::rule(
    ".requires",
    "!has(self.requires) || self.requires.all(r, r.section != self.name)",
    "requires.section must be another section",
))]
#[x_kube(validation = schema::rule(
    ".advisories",
    "!has(self.advisories) || self.advisories.all(a, has(self.levels)
        ? a.above in self.levels && a.above != self.levels[self.levels.size() - 1]
        : a.above == 'Denied')",
    "advisories.above must be a level of this section below the last",
))]
pub struct Section {
    /// Name, a DNS label.
    #[schemars(schema_with = "schema::label")]
    pub name: String,
    /// Title for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::title")]
    pub title: Option<String>,
    /// Category, for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::title")]
    pub category: Option<String>,
    /// Ladder from least to most permissive; the first level is "no access". Absent: Denied, Allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::levels")]
    pub levels: Option<Vec<String>>,
    /// What a user also needs, elsewhere, to hold a level here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MAX_REQUIRES),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["from", "section"])
    )]
    pub requires: Vec<Requirement>,
    /// Advice for levels above a point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_REQUIRES), extend("x-kubernetes-list-type" = "atomic"))]
    pub advisories: Vec<Advisory>,
}

/// At or above `from`, the user also needs `level` in `section`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
pub struct Requirement {
    /// Level of this section from which on the rule holds; above the first.
    #[schemars(schema_with = "schema::level")]
    pub from: String,
    /// The other section.
    #[schemars(schema_with = "schema::label")]
    pub section: String,
    /// Level needed there.
    #[schemars(schema_with = "schema::level")]
    pub level: String,
}

/// Advice shown where a role, group or member is above a level.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
pub struct Advisory {
    /// Level above which the advice applies.
    #[schemars(schema_with = "schema::level")]
    pub above: String,
    /// What to say.
    #[schemars(schema_with = "schema::text")]
    pub message: String,
}

/// What can be taken from one user.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct Restriction {
    /// Name, a DNS label.
    #[schemars(schema_with = "schema::label")]
    pub name: String,
    /// Title for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::title")]
    pub title: Option<String>,
    /// Highest level kept, by section.
    #[schemars(schema_with = "schema::caps")]
    pub caps: BTreeMap<String, String>,
    /// In force for everyone it is not lifted for.
    #[serde(default)]
    pub applied_by_default: bool,
    /// What lifting it means.
    #[serde(default)]
    pub lifting: Lifting,
}

/// What lifting a restriction means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lifting {
    /// Whoever it is lifted for is equal to the owner.
    #[serde(default)]
    pub grants_owner_access: bool,
    /// Lifting counts only where it is also acknowledged.
    #[serde(default)]
    pub needs_confirmation: bool,
}

/// A role the catalog defines.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = schema::rule(
    ".permissions",
    "!self.allPermissions || !has(self.permissions) || self.permissions.size() == 0",
    "set either allPermissions or permissions, not both",
))]
pub struct PredefinedRole {
    /// Name, a DNS label.
    #[schemars(schema_with = "schema::label")]
    pub name: String,
    /// Title for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::title")]
    pub title: Option<String>,
    /// Level by section; sections left out are at their first level.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::permissions")]
    pub permissions: Permissions,
    /// Every section at its highest level; instead of `permissions`.
    #[serde(default)]
    pub all_permissions: bool,
    /// Sections that cannot be configured for this role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::section_set")]
    pub not_applicable: Vec<String>,
    /// Who may hold it.
    #[serde(default)]
    pub held_by: HeldBy,
    /// Whether an account may change what it means there; never for the owner role.
    #[serde(default)]
    pub overridable: bool,
    /// Types of account it is available in; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub available_in: Vec<AccountType>,
    /// Advice on its holders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<RoleAdvice>,
}

/// Who may hold a role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HeldBy {
    /// Members.
    #[default]
    Members,
    /// The account's owner only.
    AccountOwner,
}

/// Type of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum AccountType {
    /// Neither a partner nor managed.
    Standalone,
    /// May own managed accounts.
    Partner,
    /// Owned by a partner account.
    Managed,
}

/// Advice on the holders of a role.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = schema::rule(
    ".maximumHolders",
    "!has(self.minimumHolders) || !has(self.maximumHolders) || self.minimumHolders <= self.maximumHolders",
    "maximumHolders must not be below minimumHolders",
))]
pub struct RoleAdvice {
    /// Fewer holders than this are advised against; the last one is never removed unasked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub minimum_holders: Option<u32>,
    /// More holders than this are advised against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub maximum_holders: Option<u32>,
    /// What to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text")]
    pub message: Option<String>,
}

impl RoleAdvice {
    /// Returns whether the role must not lose its last holder unasked.
    #[must_use]
    pub fn needs_holder(&self) -> bool {
        self.minimum_holders.is_some_and(|minimum| minimum > 0)
    }
}
