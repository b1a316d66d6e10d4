//! Gathering the findings of one object.

use super::{FieldPath, Finding, FindingKind, Findings};
use crate::model::{KindName, Name, ObjectRef};

/// Gathers the findings of one object. The reference to the object is made only when there is something to say: most of
/// very many objects have no finding.
#[derive(Debug)]
pub struct FindingsBuilder<'a> {
    kind: KindName,
    namespace: &'a str,
    name: &'a str,
    findings: Findings,
}

impl<'a> FindingsBuilder<'a> {
    /// Begins with the findings of an object; its namespace is empty where it is cluster-scoped.
    #[must_use]
    pub fn new(kind: KindName, namespace: &'a str, name: &'a str) -> Self {
        Self { kind, namespace, name, findings: Findings::default() }
    }

    /// Adds a fault of a field, or advice on it.
    pub fn add(&mut self, field: impl Into<FieldPath>, kind: FindingKind) {
        let object = ObjectRef { kind: self.kind, namespace: Name::new(self.namespace), name: Name::new(self.name) };
        self.findings.push(Finding { object, field: field.into(), kind });
    }

    /// Adds several of one field.
    pub fn add_all(&mut self, field: &'static str, kinds: impl IntoIterator<Item = FindingKind>) {
        for kind in kinds {
            self.add(field, kind);
        }
    }

    /// Adds a fault of the whole object, or advice on it.
    pub fn add_whole(&mut self, kind: FindingKind) {
        self.add(FieldPath::WHOLE, kind);
    }

    /// Returns the findings gathered so far.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Returns all findings.
    #[must_use]
    pub fn finish(self) -> Findings {
        self.findings
    }
}
