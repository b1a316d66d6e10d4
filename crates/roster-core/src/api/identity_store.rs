//! IdentityStore: one backing store.

use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::MAX_ENTRIES;
use super::{AllowedNamespaces, Conditions, rules, schema};

/// Fields of the backends. Exactly one is set, and neither the backend nor its location ever changes. A new backend is
/// added here, with a rule of its own about its immutable parts.
const BACKENDS: &[&str] = &["sqlite", "postgres", "keycloak"];

/// Annotation on a Secret: the only `IdentityStore` that may read it. It prevents that an IdentityStore uses the Secret
/// of another one by naming it.
pub const STORE_ANNOTATION: &str = "roster.dev/store";

/// One backing store, who may use it, and defaults that accounts can only tighten.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    crates(kube_core = "::kube_core"),
    group = "roster.dev",
    version = "v1alpha1",
    kind = "IdentityStore",
    plural = "identitystores",
    shortname = "idstore",
    category = "roster",
    status = "IdentityStoreStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(BACKENDS))]
#[x_kube(validation = rules::immutable_optional("sqlite"))]
#[x_kube(validation = rules::immutable_parts("postgres", &["schema"]))]
#[x_kube(validation = rules::immutable_parts("keycloak", &["url", "realm", "clientIdPrefix"]))]
pub struct IdentityStoreSpec {
    /// The embedded store: one SQLite file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqlite: Option<SqliteBackend>,
    /// A PostgreSQL database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresBackend>,
    /// A realm of a Keycloak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keycloak: Option<KeycloakBackend>,
    /// Namespaces whose accounts may use this store.
    #[serde(default)]
    pub allowed_namespaces: AllowedNamespaces,
    /// Handling of an entry that is in the store already, without a mark.
    #[serde(default)]
    pub adoption: Adoption,
    /// Holds back grants, definitions and corrections, never a revocation.
    #[serde(default)]
    pub paused: bool,
    /// People who have no access in any account of this store, with immediate effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MAX_ENTRIES),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["email"])
    )]
    pub blocked: Vec<BlockedUser>,
    /// Defaults for accounts, which may only be stricter.
    #[serde(default)]
    pub account_defaults: AccountDefaults,
}

impl IdentityStoreSpec {
    /// Returns whether a store of this kind evaluates start and expiry by itself, also while Roster is down.
    #[must_use]
    pub const fn holds_windows(&self) -> bool {
        self.keycloak.is_none()
    }
}

/// The embedded store.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
pub struct SqliteBackend {
    /// Plain file name in the controller's `--sqlite-dir`.
    #[schemars(schema_with = "schema::file_name")]
    pub file: String,
}

/// A PostgreSQL database. The Secret has its location, so that it can be moved and its password can change; the schema
/// in it never changes.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct PostgresBackend {
    /// The connection string: `postgres://user:password@host:port/database?sslmode=verify-full`.
    pub connection_secret_ref: SecretKeyRef,
    /// Schema that holds the tables; it is created if it does not exist.
    #[serde(default = "postgres_schema")]
    #[schemars(schema_with = "schema::postgres_schema")]
    pub schema: String,
    /// Certificates of authorities, as PEM, that the server's certificate may be signed by, in addition to those that
    /// the system trusts; if set, the server is always verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
}

/// Returns the default schema of a PostgreSQL store.
#[must_use]
pub fn postgres_schema() -> String {
    "roster".to_owned()
}

/// A realm of a Keycloak.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct KeycloakBackend {
    /// Base URL of Keycloak: https, or http on this machine only; without the path of a page, such as `/admin`.
    #[schemars(schema_with = "schema::https_url")]
    pub url: String,
    /// The realm; never `master`.
    #[schemars(schema_with = "schema::keycloak_realm")]
    pub realm: String,
    /// Client whose service account Roster uses to log in.
    #[schemars(schema_with = "schema::external_id")]
    pub client_id: String,
    /// Secret of that client.
    pub client_secret_ref: SecretKeyRef,
    /// Certificates of authorities, as PEM, one of which must have signed the server's certificate, instead of those
    /// that the system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
    /// Client ids of portals; each of these clients may request tokens with an account's scope.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::portal_clients")]
    pub portal_clients: Vec<String>,
    /// Prefix of the client ids, organizations and groups of accounts, so that stores of several clusters can share a
    /// realm. Without it an account's client is called `namespace/name`.
    #[serde(default)]
    #[schemars(schema_with = "schema::client_id_prefix")]
    pub client_id_prefix: String,
}

/// Reference to a value in a Secret of the controller's namespace. The Secret must have the annotation
/// `roster.dev/store` with the name of this store.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Key of the value in the Secret.
    #[schemars(schema_with = "schema::secret_key")]
    pub key: String,
}

/// Handling of an entry that is in the store already, without a mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Adoption {
    /// Take the entry over if it is exactly as declared.
    #[default]
    IfIdentical,
    /// Do not change the entry, and report it.
    Never,
    /// Take the entry over and change it to what is declared.
    Always,
}

/// A person without access anywhere in the store.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
pub struct BlockedUser {
    /// E-mail address.
    #[schemars(schema_with = "schema::email")]
    pub email: String,
    /// Reason, recorded in the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text")]
    pub reason: Option<String>,
}

/// Defaults for the accounts of a store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountDefaults {
    /// Handling of differences between the store and the objects.
    #[serde(default)]
    pub drift: DriftDefaults,
    /// Limits above which removals are held back.
    #[serde(default)]
    pub removal_guard: RemovalGuardDefaults,
    /// Whether changes need a person's authority; only the admission webhook enforces this.
    #[serde(default)]
    pub enforcement: Enforcement,
}

/// Handling of differences between the store and the objects, by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftDefaults {
    /// Whether to correct differences or only report them.
    #[serde(default)]
    pub policy: DriftPolicy,
    /// Handling of members that no object declares.
    #[serde(default)]
    pub unmanaged: Unmanaged,
    /// Interval between two full reads of the store; 10s to 24h.
    #[serde(default = "check_every")]
    #[schemars(schema_with = "schema::check_every")]
    pub check_every: String,
}

impl Default for DriftDefaults {
    fn default() -> Self {
        Self { policy: DriftPolicy::default(), unmanaged: Unmanaged::default(), check_every: check_every() }
    }
}

fn check_every() -> String {
    "5m".to_owned()
}

/// Whether to correct differences or only report them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftPolicy {
    /// Change the store back to what is declared.
    #[default]
    Correct,
    /// Report the difference and leave it.
    Report,
}

/// Handling of members that no object declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Unmanaged {
    /// Report them.
    #[default]
    Report,
    /// Remove them.
    Remove,
    /// Do not report them.
    Ignore,
}

/// Limits above which removals are held back, by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemovalGuardDefaults {
    /// Largest part of the account's members that can be removed without approval, in percent. Removals are held back
    /// if they exceed it and reach `minimumCount`.
    #[serde(default = "maximum_percent")]
    #[schemars(schema_with = "schema::percent")]
    pub maximum_percent: u8,
    /// Smallest number of removals that can be held back.
    #[serde(default = "minimum_count")]
    #[schemars(schema_with = "schema::count")]
    pub minimum_count: u32,
}

impl Default for RemovalGuardDefaults {
    fn default() -> Self {
        Self { maximum_percent: maximum_percent(), minimum_count: minimum_count() }
    }
}

const fn maximum_percent() -> u8 {
    25
}

const fn minimum_count() -> u32 {
    5
}

/// Note on a field that has no effect so far, used wherever users read about the field.
pub const NOT_ENFORCED: &str = "only the admission webhook enforces this";

/// Whether changes need a person's authority; only the admission webhook enforces this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Enforcement {
    /// No authority is checked. The word is not `Off`, because YAML 1.1, and so kubectl, reads an unquoted `Off` as a
    /// boolean.
    #[default]
    #[serde(rename = "Disabled")]
    Off,
    /// Report where authority is missing.
    Warn,
    /// Refuse changes without authority.
    Enforce,
}

/// Status of a store, as the controller last reported it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityStoreStatus {
    /// Most recent generation observed by the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Conditions,
    /// Id of the store that answered last. If it is not the one in the annotation `roster.dev/store-id`, the store is
    /// `StoreReplaced`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::status_name")]
    pub store_id: Option<String>,
    /// Number of accounts in the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub accounts: Option<i64>,
    /// Number of members in all accounts of the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub members: Option<i64>,
    /// Accounts in the store that have this cluster's mark and whose Account is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::orphaned_accounts")]
    pub orphaned_accounts: Vec<String>,
    /// Generation for which `spec.blocked` is known to be in force: every account was reconciled since, and afterwards
    /// the store held no access for any of these people. Absent while that is not so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub blocked_in_force: Option<i64>,
    /// Accounts in which a blocked person still has access, as `namespace/name address`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::blocked_with_access")]
    pub blocked_with_access: Vec<String>,
    /// Capabilities of this backend.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::status_names")]
    pub capabilities: Vec<String>,
    /// Number of seconds for which issued tokens may still contain revoked access; absent if portals ask the store each
    /// time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub revocation_delay_seconds: Option<i64>,
}
