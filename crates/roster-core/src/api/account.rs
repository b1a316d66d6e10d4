//! Account: a customer account.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::{MAX_ENTRIES, MAX_LABEL};
use super::{Conditions, DriftPolicy, DriftStatus, Enforcement, NameRef, Unmanaged, rules, schema};

/// A customer account; optionally managed by a parent account.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    crates(kube_core = "::kube_core"),
    group = "roster.dev",
    version = "v1alpha1",
    kind = "Account",
    plural = "accounts",
    shortname = "acct",
    category = "roster",
    namespaced,
    status = "AccountStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::immutable("storeRef"))]
#[x_kube(validation = rules::immutable_optional("parentRef"))]
#[x_kube(validation = rules::rule(
    ".partner",
    "!self.partner || !has(self.parentRef)",
    "a managed account cannot be a partner: set either partner or parentRef",
))]
#[x_kube(validation = rules::rule(
    ".managedAccounts",
    "self.partner || !has(self.managedAccounts)",
    "managedAccounts needs partner: true",
))]
pub struct AccountSpec {
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::title")]
    pub display_name: Option<String>,
    /// PermissionCatalog that defines what can be granted in this account.
    pub catalog_ref: NameRef,
    /// IdentityStore that holds this account; immutable.
    #[serde(default = "default_store")]
    pub store_ref: NameRef,
    /// Whether this account may own managed accounts.
    #[serde(default)]
    pub partner: bool,
    /// Rules for accounts that name this one as their parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_accounts: Option<ManagedAccounts>,
    /// Parent account, which makes this a managed account; immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_ref: Option<ParentRef>,
    /// The owner, who has the catalog's owner role and needs no Membership.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// The plan that the customer has bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// Takes all access away from every member while it is true.
    #[serde(default)]
    pub suspended: bool,
    /// Settings that may only be stricter than the store's defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<AccountDrift>,
    /// Settings that may only be stricter than the store's defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal_guard: Option<AccountRemovalGuard>,
    /// Settings that may only be stricter than the store's defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Enforcement>,
    /// Effect in the store when this object is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

fn default_store() -> NameRef {
    NameRef { name: "default".to_owned() }
}

/// Rules for accounts that name this one as their parent.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct ManagedAccounts {
    /// Namespaces in which managed accounts may be.
    #[serde(default)]
    pub allowed_namespaces: ManagedNamespaces,
    /// Catalogs that managed accounts may use; empty means only this account's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::object_name_set")]
    pub catalogs: Vec<String>,
    /// Predefined roles that members of this account may assign in managed accounts with another catalog. In one with
    /// the same catalog, they may assign what they hold themselves. Only the admission webhook enforces this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::label_set")]
    pub grantable: Vec<String>,
    /// Whether each managed account needs approval.
    #[serde(default)]
    pub need_approval: bool,
    /// Managed accounts that are approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MAX_ENTRIES),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["namespace", "name"])
    )]
    pub approved: Vec<AccountRef>,
}

/// Namespaces managed accounts may be in.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = rules::selector_iff_asked())]
pub struct ManagedNamespaces {
    /// The same namespace, all namespaces, or those that the selector matches.
    #[serde(default)]
    pub from: ManagedFrom,
    /// Selects namespaces by label; only with `from: Selector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    pub selector: Option<LabelSelector>,
}

/// Selection of the namespaces of managed accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ManagedFrom {
    /// The parent's own namespace.
    #[default]
    Same,
    /// Every namespace.
    All,
    /// Those whose labels the selector matches.
    Selector,
}

/// Reference to an account in any namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct AccountRef {
    /// Namespace of the account.
    #[schemars(schema_with = "schema::label")]
    pub namespace: String,
    /// Name of the account.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
}

/// The parent account.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ParentRef {
    /// Name of the account.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Namespace of the account; absent means the namespace of this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label")]
    pub namespace: Option<String>,
}

/// The owner of an account.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// E-mail address; immutable unless the catalog lets the platform change it.
    #[schemars(schema_with = "schema::email")]
    pub email: String,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::title")]
    pub display_name: Option<String>,
}

/// The plan that the customer has bought.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
pub struct Plan {
    /// Name of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::title")]
    pub name: Option<String>,
    /// Features of the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::label_set")]
    pub features: Vec<String>,
}

/// Handling of differences in this account; only stricter than its store.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct AccountDrift {
    /// Whether to correct differences or only report them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<DriftPolicy>,
    /// Handling of members that no object declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmanaged: Option<Unmanaged>,
    /// Interval between two full reads of the store; 10s to 24h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::check_every")]
    pub check_every: Option<String>,
}

/// Limits above which this account's removals are held back; only stricter than its store.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct AccountRemovalGuard {
    /// Largest part of the account's members that can be removed without approval, in percent. Removals are held back
    /// if they exceed it and reach `minimumCount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::percent")]
    pub maximum_percent: Option<u8>,
    /// Smallest number of removals that can be held back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub minimum_count: Option<u32>,
}

/// Effect in the store when the Account is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Everything of the account is removed.
    #[default]
    Delete,
    /// Everything stays.
    Orphan,
}

/// Status of an account, as the controller last reported it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountStatus {
    /// Most recent generation observed by the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Conditions,
    /// Number of Memberships, plus the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub members: Option<i64>,
    /// Number of Role objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub roles: Option<i64>,
    /// Number of user groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub groups: Option<i64>,
    /// Number of invitations that are not answered yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub pending_invitations: Option<i64>,
    /// Number of accounts that name this one as their parent and are admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub managed_accounts: Option<i64>,
    /// Generation of the catalog that the account's access follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub catalog_generation: Option<i64>,
    /// Time of the last comparison of the whole account with the store; a clean check writes it at most once an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_checked_time: Option<Time>,
    /// Removals that are held back until they are approved; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_removals: Option<HeldRemovals>,
    /// Changes that wait because nobody with the authority made them; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_changes: Option<HeldChanges>,
    /// Differences between the store and what was applied to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftStatus>,
}

/// Changes that wait because nobody with the authority made them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldChanges {
    /// Number of changed objects.
    #[schemars(schema_with = "schema::total")]
    pub changes: i64,
    /// Value of the annotation `roster.dev/approve-change` that lets exactly these changes pass.
    #[schemars(length(max = MAX_LABEL))]
    pub hash: String,
}

/// Removals that are held back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldRemovals {
    /// Number of people who would lose all access.
    #[schemars(schema_with = "schema::total")]
    pub members: i64,
    /// Value of the annotation `roster.dev/approve-removal` that approves exactly these removals.
    #[schemars(length(max = MAX_LABEL))]
    pub hash: String,
}
