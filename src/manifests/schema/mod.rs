//! What the API server would say of one object, without one: the structural schemas and CEL rules of
//! [`api::crds`], and the rules of names and labels.
//!
//! A walker of our own, and not the crate `jsonschema`: a structural schema needs defaults, nulls that count as absent,
//! `x-kubernetes-list-type` and CEL on every level, all of which have to be walked anyway; and a message has to name what
//! would be right, where a general validator can only quote the schema. tests/cli/offline.rs holds it against what the
//! real API server answers.

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

/// The kinds of this release, compiled once.
pub static KINDS: LazyLock<Kinds> = LazyLock::new(|| Kinds::new(&api::crds()));

/// Something the API server would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field.
    pub path: DocumentPath,
    /// `Schema`, `Rule`, `UnknownField` or `Metadata`.
    pub reason: DiagnosticReason,
    /// What is wrong, and what would be right.
    pub message: String,
    /// Whether the field's name is meant, and not its value.
    pub is_key: bool,
    /// Whether it is wrong only where it is written without quotes: YAML 1.1, which kubectl reads, takes some words for
    /// booleans.
    pub if_plain: bool,
}

/// Everything the API server would refuse in an object of ours. Unknown fields are among it, which the server itself
/// refuses only where it is asked to, as kubectl does.
#[must_use]
pub fn check(object: &Value) -> Vec<Problem> {
    let kind = object["kind"].as_str().unwrap_or_default();
    let Some(kind) = KINDS.get(kind) else { return Vec::new() };
    let mut problems = metadata::check(&object["metadata"], kind.is_namespaced);
    walk::check(kind, object, &mut problems);
    problems
}

/// What the API server would refuse in a Namespace, as far as Roster reads it.
#[must_use]
pub fn check_namespace(object: &Value) -> Vec<Problem> {
    metadata::check_namespace(&object["metadata"])
}
