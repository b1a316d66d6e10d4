//! Instructions in annotations.

use crate::api::{APPROVE_REMOVAL_ANNOTATION, PAUSED_ANNOTATION};

/// Instructions in the annotations of an Account (docs/runbook.md, last line).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountAnnotations {
    /// Whether the account is paused.
    pub paused: bool,
    /// The hash of removals that may pass.
    pub approved: Option<Box<str>>,
}

impl AccountAnnotations {
    /// Reads them from annotations, looked up by key.
    pub fn read<'a>(annotation: impl Fn(&str) -> Option<&'a str>) -> Self {
        let paused = annotation(PAUSED_ANNOTATION) == Some("true");
        Self { paused, approved: annotation(APPROVE_REMOVAL_ANNOTATION).map(Box::from) }
    }
}
