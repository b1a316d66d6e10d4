//! One YAML document, and the object it is.

use std::{fmt, path::Path, sync::Arc};

use serde_json::Value;

use crate::model::Name;

/// Which object something is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// Kind.
    pub kind: Name,
    /// Namespace; empty for a cluster-scoped one.
    pub namespace: Name,
    /// Name.
    pub name: Name,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        write!(f, "{}", self.name)
    }
}

/// One document of ours.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file; `-` for standard input.
    pub file: Arc<Path>,
    /// The line on which it begins, from 1.
    pub line: usize,
    /// Its text, for finding the line of a field.
    pub text: Arc<str>,
    /// The object it is.
    pub id: ObjectId,
    /// What it says.
    pub value: Value,
}
