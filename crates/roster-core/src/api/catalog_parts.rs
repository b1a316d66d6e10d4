//! Parts of a PermissionCatalog: sections with their ladders, restrictions, predefined roles. Used by
//! `permission_catalog`.

use std::collections::BTreeMap;

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::MAX_REQUIRES;
use super::{Permissions, rules, schema};

/// One section of the portal.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = rules::rule(
    ".requires",
    "!has(self.requires) || self.requires.all(r, has(self.levels)
        ? r.from in self.levels && r.from != self.levels[0]
        : r.from == 'Allowed')",
    "requires.from must be a level of this section above the first",
))]
#[x_kube(validation = rules::rule(
    ".requires",
    "!has(self.requires) || self.requires.all(r, r.section != self.name)",
    "requires.section must be another section",
))]
#[x_kube(validation = rules::rule(
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
    /// Levels in other sections that a user needs to hold a level in this section.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MAX_REQUIRES),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["from", "section"])
    )]
    pub requires: Vec<Requirement>,
    /// Advice that is shown for levels above a given one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_REQUIRES), extend("x-kubernetes-list-type" = "atomic"))]
    pub advisories: Vec<Advisory>,
}

/// Rule that a user who is at or above `from` also needs `level` in `section`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
pub struct Requirement {
    /// Lowest level of this section for which the rule holds; above the first level.
    #[schemars(schema_with = "schema::level")]
    pub from: String,
    /// The other section.
    #[schemars(schema_with = "schema::label")]
    pub section: String,
    /// Level needed in the other section.
    #[schemars(schema_with = "schema::level")]
    pub level: String,
}

/// Advice that is shown if a role, group or member is above a level.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
pub struct Advisory {
    /// Level above which the advice applies.
    #[schemars(schema_with = "schema::level")]
    pub above: String,
    /// Text of the advice.
    #[schemars(schema_with = "schema::text")]
    pub message: String,
}

/// Restrictions that limit the access of one user.
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
    /// Highest level that the user keeps, by section.
    #[schemars(schema_with = "schema::caps")]
    pub caps: BTreeMap<String, String>,
    /// Whether the restriction is in force for everybody for whom it is not lifted.
    #[serde(default)]
    pub applied_by_default: bool,
    /// Rules for lifting the restriction for one user.
    #[serde(default)]
    pub lifting: Lifting,
}

/// Rules for lifting a restriction for one user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lifting {
    /// Whether a user for whom the restriction is lifted is equal to the owner.
    #[serde(default)]
    pub grants_owner_access: bool,
    /// Whether lifting counts only if it is also acknowledged.
    #[serde(default)]
    pub needs_confirmation: bool,
}

/// A role that the catalog defines.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::rule(
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
    /// Level by section; sections that are left out are at their first level.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::permissions")]
    pub permissions: Permissions,
    /// Gives the highest level in every section; used instead of `permissions`.
    #[serde(default)]
    pub all_permissions: bool,
    /// Sections that cannot be configured for this role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::section_set")]
    pub not_applicable: Vec<String>,
    /// Who may hold it.
    #[serde(default)]
    pub held_by: HeldBy,
    /// Whether an account may override the role; never for the owner role.
    #[serde(default)]
    pub overridable: bool,
    /// Types of account in which the role is available; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub available_in: Vec<AccountType>,
    /// Advice on the number of holders.
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
#[x_kube(validation = rules::rule(
    ".maximumHolders",
    "!has(self.minimumHolders) || !has(self.maximumHolders) || self.minimumHolders <= self.maximumHolders",
    "maximumHolders must not be below minimumHolders",
))]
pub struct RoleAdvice {
    /// Smallest recommended number of holders; the last holder is never removed without approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub minimum_holders: Option<u32>,
    /// Largest recommended number of holders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub maximum_holders: Option<u32>,
    /// Text of the advice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text")]
    pub message: Option<String>,
}

impl RoleAdvice {
    /// Returns whether the removal of the role's last holder needs approval.
    #[must_use]
    pub fn needs_holder(&self) -> bool {
        self.minimum_holders.is_some_and(|minimum| minimum > 0)
    }
}
