//! IdentityStore: one backing store.

use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::MAX_ENTRIES;
use super::{AllowedNamespaces, Conditions, schema};

/// The backends: exactly one is set, and neither which one nor where it is ever changes. A new backend joins here,
/// and with a rule of its own on what of it is immutable.
const BACKENDS: &[&str] = &["sqlite", "postgres", "keycloak"];

/// Annotation on a Secret: the one `IdentityStore` that may read it, so that naming a Secret can never borrow another's.
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
#[x_kube(validation = schema::exactly_one(BACKENDS))]
#[x_kube(validation = schema::immutable_optional("sqlite"))]
#[x_kube(validation = schema::immutable_parts("postgres", &["schema"]))]
#[x_kube(validation = schema::immutable_parts("keycloak", &["url", "realm", "clientIdPrefix"]))]
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
    /// What to do with an unmarked object that is already there.
    #[serde(default)]
    pub adoption: Adoption,
    /// Holds back grants and definitions, never a revocation.
    #[serde(default)]
    pub paused: bool,
    /// Emergency: these people have no access anywhere in this store, at once.
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
    /// Whether a store of this kind evaluates start and expiry by itself, also while Roster is down.
    #[must_use]
    pub const fn holds_windows(&self) -> bool {
        self.keycloak.is_none()
    }
}

/// The embedded store.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
pub struct SqliteBackend {
    /// A plain file name below the controller's `--sqlite-dir`.
    #[schemars(schema_with = "schema::file_name")]
    pub file: String,
}

/// A PostgreSQL database. Where it is stands in the Secret, so that it can be moved and its password exchanged; the
/// schema in it never changes.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct PostgresBackend {
    /// The connection string: `postgres://user:password@host:port/database?sslmode=verify-full`.
    pub connection_secret_ref: SecretKeyRef,
    /// The schema that holds the tables, made if it is not there.
    #[serde(default = "postgres_schema")]
    #[schemars(schema_with = "schema::postgres_schema")]
    pub schema: String,
    /// Authorities, as PEM, that may have signed the server's certificate, besides those that the system trusts; with them
    /// the server is always verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
}

/// The schema of a PostgreSQL store by default.
#[must_use]
pub fn postgres_schema() -> String {
    "roster".to_owned()
}

/// A realm of a Keycloak.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct KeycloakBackend {
    /// Where Keycloak is: https, or http on this machine only; without what a browser would see behind it.
    #[schemars(schema_with = "schema::https_url")]
    pub url: String,
    /// The realm; never `master`.
    #[schemars(schema_with = "schema::keycloak_realm")]
    pub realm: String,
    /// The client by which Roster logs in, by its service account.
    #[schemars(schema_with = "schema::external_id")]
    pub client_id: String,
    /// That client's secret.
    pub client_secret_ref: SecretKeyRef,
    /// Certificates, as PEM, of which one must have signed the server's, instead of those that the system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
    /// Clients of portals, by client id: each may ask for tokens with an account's scope.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::portal_clients")]
    pub portal_clients: Vec<String>,
    /// What the client ids, organizations and groups of accounts begin with, so that stores of several clusters can share a
    /// realm. Without it an account's client is called `namespace/name`.
    #[serde(default)]
    #[schemars(schema_with = "schema::client_id_prefix")]
    pub client_id_prefix: String,
}

/// A value in a Secret of the controller's namespace. The Secret must carry the annotation `roster.dev/store` with the
/// name of this store.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Key of the value in it.
    #[schemars(schema_with = "schema::secret_key")]
    pub key: String,
}

/// What to do with an unmarked object that is already in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Adoption {
    /// Take it if it is just as it should be.
    #[default]
    IfIdentical,
    /// Leave it alone and say so.
    Never,
    /// Take it and make it as it should be.
    Always,
}

/// A person without access anywhere in the store.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
pub struct BlockedUser {
    /// Address.
    #[schemars(schema_with = "schema::email")]
    pub email: String,
    /// Why, for the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text")]
    pub reason: Option<String>,
}

/// Defaults for the accounts of a store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountDefaults {
    /// What to do about differences.
    #[serde(default)]
    pub drift: DriftDefaults,
    /// When removals are held back.
    #[serde(default)]
    pub removal_guard: RemovalGuardDefaults,
    /// Whether changes need a person's authority; nothing enforces this yet.
    #[serde(default)]
    pub enforcement: Enforcement,
}

/// What to do about differences, by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftDefaults {
    /// Correct differences or only report them.
    #[serde(default)]
    pub policy: DriftPolicy,
    /// What to do about members nobody declared.
    #[serde(default)]
    pub unmanaged: Unmanaged,
    /// How often the store is read again; 10s to 24h.
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

/// Correct differences or only report them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftPolicy {
    /// Make the store as it should be.
    #[default]
    Correct,
    /// Say what differs and leave it.
    Report,
}

/// What to do about members nobody declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Unmanaged {
    /// Say that they are there.
    #[default]
    Report,
    /// Remove them.
    Remove,
    /// Say nothing.
    Ignore,
}

/// When removals are held back, by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemovalGuardDefaults {
    /// More than this part of the account's members, in percent …
    #[serde(default = "maximum_percent")]
    #[schemars(schema_with = "schema::percent")]
    pub maximum_percent: u8,
    /// … and at least this many.
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

/// Says of a field that it has no effect so far, wherever people read of it.
pub const NOT_ENFORCED: &str = "nothing enforces this yet";

/// Whether changes need a person's authority; nothing enforces this yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Enforcement {
    /// No. Not `Off` on the wire: YAML 1.1, so kubectl, reads an unquoted `Off` as a boolean.
    #[default]
    #[serde(rename = "Disabled")]
    Off,
    /// Say where it is missing.
    Warn,
    /// Refuse.
    Enforce,
}

/// What the controller says of a store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityStoreStatus {
    /// Generation this status speaks of.
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
    /// Accounts kept in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub accounts: Option<i64>,
    /// Members kept in it, over all accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub members: Option<i64>,
    /// Accounts in the store that carry this cluster's mark and whose Account is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::orphaned_accounts")]
    pub orphaned_accounts: Vec<String>,
    /// Generation for which `spec.blocked` is known to be in force: every account was gone over since, and the store, asked
    /// afterwards, held no access for any of them. Absent while that is not so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub blocked_in_force: Option<i64>,
    /// Where somebody who is blocked still has access: `namespace/name address`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::blocked_with_access")]
    pub blocked_with_access: Vec<String>,
    /// What this backend can do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::status_names")]
    pub capabilities: Vec<String>,
    /// For how many seconds what was taken from somebody may still stand in tokens that are out; absent where portals ask
    /// the store each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub revocation_delay_seconds: Option<i64>,
}
