//! Checks an object as the API server would, without a server: by the structural schemas and CEL rules of
//! [`api::crds`], and by the rules of names and labels. Called by `manifests::files`, and by `roster init`.
//!
//! This is not the crate `jsonschema`: a structural schema needs defaults, nulls that count as absent,
//! `x-kubernetes-list-type` and CEL on every level, which have to be walked anyway. Messages also have to name the
//! remedy, where a general validator can only quote the schema. tests/cli/offline.rs compares it with the responses of
//! the real API server.

mod cel;
mod compile;
mod differences;
mod metadata;
mod walk;

use std::sync::LazyLock;

use serde_json::Value;

pub use self::{
    compile::{Kind, Kinds},
    differences::{Difference, differences},
};
use super::DiagnosticReason;
use super::path::DocumentPath;
use crate::api;

/// Kinds of this release, compiled once.
pub static KINDS: LazyLock<Kinds> = LazyLock::new(|| Kinds::new(&api::crds()));

/// Fault that the API server would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the field.
    pub path: DocumentPath,
    /// Reason: `Schema`, `Rule`, `UnknownField` or `Metadata`.
    pub reason: DiagnosticReason,
    /// Fault and remedy.
    pub message: String,
    /// Whether the fault is in the field's name rather than its value.
    pub is_key: bool,
    /// Whether it is a fault only without quotes: YAML 1.1, which kubectl reads, takes some words for booleans.
    pub if_plain: bool,
}

/// Returns all faults of an object of Roster's. Unknown fields are included; the server itself refuses them only on
/// request, as kubectl does.
#[must_use]
pub fn check(object: &Value) -> Vec<Problem> {
    let kind = object["kind"].as_str().unwrap_or_default();
    let Some(kind) = KINDS.get(kind) else { return Vec::new() };
    let mut problems = metadata::check(&object["metadata"], kind.is_namespaced);
    walk::check(kind, object, &mut problems);
    problems
}

/// Returns the faults of a Namespace, limited to the parts that Roster reads.
#[must_use]
pub fn check_namespace(object: &Value) -> Vec<Problem> {
    metadata::check_namespace(&object["metadata"])
}
