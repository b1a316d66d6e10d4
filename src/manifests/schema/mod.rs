//! Checks an object as the API server would, without a server: by the structural schemas and CEL rules of
//! [`api::crds`], and by the rules of names and labels. Called by `manifests::files`, and by `roster init`.
//!
//! This is not the crate `jsonschema`: a structural schema needs defaults, nulls that count as absent,
//! `x-kubernetes-list-type` and CEL on every level, which have to be walked anyway. Messages also have to name the
//! remedy, where a general validator can only quote the schema. `tests/cli/offline` holds it against the tables that
//! the real API server is held against. Nor is it kube's own evaluation of CEL (docs/decisions/0040-cel.md).

mod annotations;
mod cel;
mod compile;
mod differences;
mod metadata;
mod problem;
mod rule;
mod walk;

use std::sync::LazyLock;

use serde_json::Value;

pub use self::{
    compile::{Kind, Kinds},
    differences::{Difference, differences},
    problem::{Problem, needs_quotes},
};
use crate::api;

/// Kinds of this release, compiled once.
pub static KINDS: LazyLock<Kinds> = LazyLock::new(|| Kinds::new(&api::crds()));

/// Returns all faults of an object of Roster's. Unknown fields are included; the server itself refuses them only on
/// request, as kubectl does.
#[must_use]
pub fn check(object: &Value) -> Vec<Problem> {
    let kind = object["kind"].as_str().unwrap_or_default();
    let Some(described) = KINDS.get(kind) else { return Vec::new() };
    let mut problems = metadata::check(&object["metadata"], described.is_namespaced);
    problems.extend(annotations::advise(kind, &object["metadata"]));
    walk::check(described, object, &mut problems);
    problems
}

/// Returns the faults of a Namespace, limited to the parts that Roster reads.
#[must_use]
pub fn check_namespace(object: &Value) -> Vec<Problem> {
    metadata::check_namespace(&object["metadata"])
}
