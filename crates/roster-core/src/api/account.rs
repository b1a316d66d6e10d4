//! Account: a customer account.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::{MAX_ENTRIES, MAX_LABEL};
use super::{Conditions, DriftPolicy, DriftStatus, Enforcement, NameRef, Unmanaged, schema};

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
#[x_kube(validation = schema::immutable("storeRef"))]
#[x_kube(validation = schema::immutable_optional("parentRef"))]
#[x_kube(validation = schema::rule(
    ".partner",
    "!self.partner || !has(self.parentRef)",
    "a managed account cannot be a partner: set either partner or parentRef",
))]
#[x_kube(validation = schema::rule(
    ".managedAccounts",
    "self.partner || !has(self.managedAccounts)",
    "managedAccounts needs partner: true",
))]
pub struct AccountSpec {
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::title")]
    pub display_name: Option<String>,
    /// What can be granted here.
    pub catalog_ref: NameRef,
    /// Where it is kept; immutable.
    #[serde(default = "default_store")]
    pub store_ref: NameRef,
    /// May own managed accounts.
    #[serde(default)]
    pub partner: bool,
    /// Which accounts may name this one as their parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_accounts: Option<ManagedAccounts>,
    /// Makes this a managed account; immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_ref: Option<ParentRef>,
    /// The owner: gets the catalog's owner role, needs no Membership.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// What the customer has bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// Takes all access away from every member while it is true.
    #[serde(default)]
    pub suspended: bool,
    /// Stricter than the store's defaults only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<AccountDrift>,
    /// Stricter than the store's defaults only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal_guard: Option<AccountRemovalGuard>,
    /// Stricter than the store's defaults only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Enforcement>,
    /// What happens in the store when this object is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

fn default_store() -> NameRef {
    NameRef { name: "default".to_owned() }
}

/// Which accounts may name this one as their parent.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct ManagedAccounts {
    /// Namespaces they may be in.
    #[serde(default)]
    pub allowed_namespaces: ManagedNamespaces,
    /// Catalogs they may use; empty means this account's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::object_name_set")]
    pub catalogs: Vec<String>,
    /// Whether each needs approval.
    #[serde(default)]
    pub need_approval: bool,
    /// Those approved.
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
#[x_kube(validation = schema::selector_iff_asked())]
pub struct ManagedNamespaces {
    /// The same namespace, all, or those the selector picks.
    #[serde(default)]
    pub from: ManagedFrom,
    /// Picks namespaces by label; with `from: Selector` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    pub selector: Option<LabelSelector>,
}

/// How the namespaces of managed accounts are picked.
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

/// An account, in whichever namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct AccountRef {
    /// Its namespace.
    #[schemars(schema_with = "schema::label")]
    pub namespace: String,
    /// Its name.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
}

/// The parent account.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ParentRef {
    /// Its name.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Its namespace; absent means this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label")]
    pub namespace: Option<String>,
}

/// The owner of an account.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// Address; immutable, unless the catalog lets the platform change it.
    #[schemars(schema_with = "schema::email")]
    pub email: String,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::title")]
    pub display_name: Option<String>,
}

/// What the customer has bought.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
pub struct Plan {
    /// Name of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::title")]
    pub name: Option<String>,
    /// Its features.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::label_set")]
    pub features: Vec<String>,
}

/// What this account does about differences; only stricter than its store.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct AccountDrift {
    /// Correct differences or only report them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<DriftPolicy>,
    /// What to do about members nobody declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmanaged: Option<Unmanaged>,
    /// How often the store is read again; 10s to 24h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::check_every")]
    pub check_every: Option<String>,
}

/// When this account's removals are held back; only stricter than its store.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct AccountRemovalGuard {
    /// More than this part of the account's members, in percent …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::percent")]
    pub maximum_percent: Option<u8>,
    /// … and at least this many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub minimum_count: Option<u32>,
}

/// What happens in the store when the Account is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Everything of the account is removed.
    #[default]
    Delete,
    /// Everything stays.
    Orphan,
}

/// What the controller says of an account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountStatus {
    /// Generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Conditions,
    /// Members, the owner included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub members: Option<i64>,
    /// Role objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub roles: Option<i64>,
    /// User groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub groups: Option<i64>,
    /// Invitations not yet answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub pending_invitations: Option<i64>,
    /// Accounts that name this one as their parent and are admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub managed_accounts: Option<i64>,
    /// Generation of the catalog that its access follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub catalog_generation: Option<i64>,
    /// When the whole account was last compared with the store; written at most once an hour by a clean check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_checked_time: Option<Time>,
    /// Removals that are held back until somebody approves them; absent where none are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_removals: Option<HeldRemovals>,
    /// Differences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftStatus>,
}

/// Removals that are held back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldRemovals {
    /// Number of people who would lose all access.
    #[schemars(schema_with = "schema::total")]
    pub members: i64,
    /// Value of the annotation `roster.dev/approve-removal` that lets just these pass.
    #[schemars(length(max = MAX_LABEL))]
    pub hash: String,
}
