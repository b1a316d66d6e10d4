//! The seven kinds of `roster.dev/v1alpha1`: types, CEL rules, printer columns; nothing else.
//!
//! Field names, reasons and annotations are a promise to users (docs/api-versioning.md). The rules written here let the
//! API server refuse mistakes that are visible in one object. [`crate::resolve`] finds mistakes that involve a second
//! object.

mod account;
mod catalog_parts;
mod columns;
mod common;
mod conditions;
mod crds;
mod identity_store;
mod immutable;
mod invitation;
pub mod limits;
mod membership;
mod patterns;
mod permission_catalog;
mod remedies;
mod role;
mod rules;
mod schema;
mod string_patterns;
mod user_group;

pub use account::*;
pub use catalog_parts::*;
pub use common::*;
pub use conditions::*;
pub use crds::{RELEASE_ANNOTATION, crd_name, crd_names, crds, crds_files, crds_yaml};
pub use identity_store::*;
pub use immutable::immutable_fields;
pub use invitation::*;
pub use membership::*;
pub use patterns::{pattern_of, pattern_of_rule};
pub use permission_catalog::*;
pub use role::*;
pub use string_patterns::pattern_in_words;
pub use user_group::*;

/// API group of all kinds.
pub const GROUP: &str = "roster.dev";
/// Served and stored version of all kinds.
pub const VERSION: &str = "v1alpha1";
/// Field manager of every server-side apply, and label value of objects that the controller creates.
pub const MANAGER: &str = "roster";
/// Finalizer on Account, IdentityStore and PermissionCatalog (in use), and on nothing else.
pub const FINALIZER: &str = "roster.dev/store";
/// Annotation on an Account: `"true"` holds back grants, definitions and corrections, never a revocation.
pub const PAUSED_ANNOTATION: &str = "roster.dev/paused";
/// Annotation with the stamp of an object: whose its present spec is (docs/operations/authority.md). The admission webhook
/// writes it.
pub const ACTOR_ANNOTATION: &str = "roster.dev/actor";
/// Annotation by which a portal's service account says for which member it acts. The webhook removes it.
pub const ON_BEHALF_OF_ANNOTATION: &str = "roster.dev/on-behalf-of";
/// Annotation of an Account with the hash of changes that nobody with the authority made, and that an administrator lets
/// pass.
pub const APPROVE_CHANGE_ANNOTATION: &str = "roster.dev/approve-change";
/// Annotation on an Account: the hash from the `RemovalGuarded` message approves exactly those removals.
pub const APPROVE_REMOVAL_ANNOTATION: &str = "roster.dev/approve-removal";
/// Annotation on a PermissionCatalog: `AllAtOnce` lets a change reach all accounts at once, instead of one after
/// another.
pub const ROLLOUT_ANNOTATION: &str = "roster.dev/rollout";
/// Annotation on the record of a catalog's revision (a ConfigMap of the controller's): the catalog.
pub const CATALOG_ANNOTATION: &str = "roster.dev/catalog";
/// Annotation on an IdentityStore, written by the controller: id of the store that has been used so far.
pub const STORE_ID_ANNOTATION: &str = "roster.dev/store-id";
/// Annotation on an IdentityStore: the id from the `StoreReplaced` message approves the store that responds now.
pub const APPROVE_STORE_ANNOTATION: &str = "roster.dev/approve-store";

/// Returns the command that approves the store with this id for an IdentityStore.
#[must_use]
pub fn approve_store_command(store: &str, id: &str) -> String {
    format!("kubectl annotate --overwrite identitystore {store} {APPROVE_STORE_ANNOTATION}={id}")
}

/// Annotation on an Account: the time from the `DefinitionRecreated` message, when the definition was recreated, confirms
/// that all objects of that kind exist again.
pub const APPROVE_DEFINITION_ANNOTATION: &str = "roster.dev/approve-definition";
/// Annotation on an Account: any new value requests a check of the whole account now.
pub const RECONCILE_AT_ANNOTATION: &str = "roster.dev/reconcile-at";
