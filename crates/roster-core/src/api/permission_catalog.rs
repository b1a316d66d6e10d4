//! PermissionCatalog: what a portal can grant; its sections, restrictions and roles are in `catalog_parts`.

use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::{MAX_ACTIONS, MAX_REFS, MAX_ROLES, MAX_SECTIONS, MAX_SEPARATIONS};
use super::{AllowedNamespaces, Conditions, PredefinedRole, Restriction, Section, rules, schema};

/// What a portal can grant: sections with their ladders, rules between them, restrictions and predefined roles.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    crates(kube_core = "::kube_core"),
    group = "roster.dev",
    version = "v1alpha1",
    kind = "PermissionCatalog",
    plural = "permissioncatalogs",
    shortname = "pcat",
    category = "roster",
    status = "PermissionCatalogStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct PermissionCatalogSpec {
    /// Namespaces whose accounts may use this catalog.
    #[serde(default)]
    pub allowed_namespaces: AllowedNamespaces,
    /// Sections of the portal, 1 to 256.
    #[schemars(
        length(min = 1, max = MAX_SECTIONS),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub sections: Vec<Section>,
    /// Restrictions that limit the access of one user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MAX_ROLES),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub restrictions: Vec<Restriction>,
    /// Predefined roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MAX_ROLES),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub roles: Vec<PredefinedRole>,
    /// Role that the account's owner holds; absent if the portal has no owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label")]
    pub owner_role: Option<String>,
    /// Whether the owner's address may change.
    #[serde(default)]
    pub owner_change: OwnerChange,
    /// Role of a Membership that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label")]
    pub default_role: Option<String>,
    /// Rules for memberships.
    #[serde(default)]
    pub members: MemberRules,
    /// Rules for roles that accounts add.
    #[serde(default)]
    pub custom_roles: CustomRoleRules,
    /// Permissions that an actor needs for each action. An action without a rule is for administrators only;
    /// only the admission webhook enforces this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MAX_ACTIONS),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["action"])
    )]
    pub administration: Vec<AdministrationRule>,
    /// Roles, or levels of sections, that no person may hold together; only the admission webhook enforces this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_SEPARATIONS), extend("x-kubernetes-list-type" = "atomic"))]
    pub separation: Vec<SeparationRule>,
    /// Rules for invitations.
    #[serde(default)]
    pub invitations: InvitationRules,
}

/// Whether the owner's address may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OwnerChange {
    /// Never.
    #[default]
    Never,
    /// By an administrator.
    ByPlatform,
}

/// Rules for memberships.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberRules {
    /// Whether a member needs a role.
    #[serde(default)]
    pub role: MemberRole,
    /// Whether a member may be in groups.
    #[serde(default)]
    pub groups: MemberGroups,
    /// Whether a member may be declared by a Membership, without an invitation.
    #[serde(default)]
    pub direct: MemberDirect,
}

/// Whether a member needs a role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MemberRole {
    /// May go without.
    #[default]
    Optional,
    /// Needs one.
    Required,
}

/// Whether a member may be in groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MemberGroups {
    /// May be in any number.
    #[default]
    Allowed,
    /// In none.
    Forbidden,
}

/// Whether a member may be declared by a Membership, without an invitation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MemberDirect {
    /// As a Membership.
    #[default]
    Allowed,
    /// Members come in by invitation only.
    ByInvitationOnly,
}

/// Rules for roles that accounts add.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomRoleRules {
    /// Whether accounts may add roles.
    #[serde(default = "yes")]
    pub allowed: bool,
    /// Sections that cannot be configured for these roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::section_set")]
    pub not_applicable: Vec<String>,
}

impl Default for CustomRoleRules {
    fn default() -> Self {
        Self { allowed: true, not_applicable: Vec::new() }
    }
}

const fn yes() -> bool {
    true
}

/// Permission that an actor needs for an action: a level in a section, or one of several roles.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = rules::rule(
    ".roles",
    "has(self.section) == has(self.level) && has(self.section) != (has(self.roles) && self.roles.size() > 0)",
    "set either section and level, or roles",
))]
pub struct AdministrationRule {
    /// The action.
    pub action: AdministrationAction,
    /// Section in which a level is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label")]
    pub section: Option<String>,
    /// Level that is needed in the section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::level")]
    pub level: Option<String>,
    /// Roles whose holders may do the action, instead of a level.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::label_set")]
    pub roles: Vec<String>,
}

/// Roles, or levels of sections, of which one person may hold only some (static separation of duty).
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = rules::rule(
    ".roles",
    "(has(self.roles) && self.roles.size() > 0) != (has(self.sections) && self.sections.size() > 0)",
    "set either roles or sections",
))]
pub struct SeparationRule {
    /// Predefined roles that are kept apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::label_set")]
    pub roles: Vec<String>,
    /// Levels of sections that are kept apart. Whoever holds a higher level holds this one, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MAX_REFS),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub sections: Vec<SectionLevel>,
    /// How many of them one person may hold.
    #[schemars(schema_with = "schema::maximum_together")]
    pub maximum: u32,
    /// Why they are kept apart, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text")]
    pub message: Option<String>,
}

/// Level of a section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SectionLevel {
    /// Name of the section.
    #[schemars(schema_with = "schema::label")]
    pub name: String,
    /// The level.
    #[schemars(schema_with = "schema::level")]
    pub level: String,
}

/// Action that an actor may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum AdministrationAction {
    /// Create memberships.
    CreateMembers,
    /// Change memberships.
    EditMembers,
    /// Delete memberships.
    DeleteMembers,
    /// Create user groups.
    CreateGroups,
    /// Change user groups.
    EditGroups,
    /// Delete user groups.
    DeleteGroups,
    /// Create roles.
    CreateRoles,
    /// Change roles.
    EditRoles,
    /// Delete roles.
    DeleteRoles,
    /// Invite.
    Invite,
    /// Give members a role.
    AssignRoles,
    /// Change one's own details.
    EditOwnDetails,
    /// In the parent account: create managed accounts.
    CreateManagedAccounts,
    /// In the parent account: bring users into managed accounts.
    OnboardManagedUsers,
    /// In the parent account: give roles in managed accounts.
    AssignManagedRoles,
    /// In the parent account: approve managed accounts.
    ApproveAccounts,
}

/// Rules for invitations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitationRules {
    /// Feature that the account's plan must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label")]
    pub requires_plan_feature: Option<String>,
    /// How long a link works if the Invitation does not say it; at most 30 days. Absent means 168h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::expire_after")]
    pub expire_after: Option<String>,
}

/// Status of a catalog, as the controller last reported it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PermissionCatalogStatus {
    /// Most recent generation observed by the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Conditions,
    /// Number of accounts that use the catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub accounts: Option<i64>,
    /// Number of accounts that follow the current generation; the others follow the last one that reached everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub updated_accounts: Option<i64>,
}
