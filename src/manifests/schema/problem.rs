//! Fault of an object, as the checks of a schema give it. Made by `walk` and `metadata`; shown by the commands as a
//! diagnostic.

use crate::manifests::{DiagnosticReason, path::DocumentPath};

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
