//! Collects the findings of one object. Used by `resolve` and reports.

use super::{FieldPath, Finding, FindingKind, Findings};
use crate::model::{AccountKey, KindName, Name, ObjectRef};

/// Collects the findings of one object. The reference to the object is built only with the first finding, since most
/// objects have none.
#[derive(Debug)]
pub struct FindingsBuilder<'a> {
    kind: KindName,
    namespace: &'a str,
    name: &'a str,
    findings: Findings,
}

impl<'a> FindingsBuilder<'a> {
    /// Starts without findings for an object; `namespace` is empty if the object is cluster-scoped.
    #[must_use]
    pub fn new(kind: KindName, namespace: &'a str, name: &'a str) -> Self {
        Self { kind, namespace, name, findings: Findings::default() }
    }

    /// Adds a fault of a field, or advice on it.
    pub fn add(&mut self, field: impl Into<FieldPath>, kind: FindingKind) {
        let object = ObjectRef { kind: self.kind, namespace: Name::new(self.namespace), name: Name::new(self.name) };
        self.findings.push(Finding { object, field: field.into(), kind });
    }

    /// Adds several findings of one field.
    pub fn add_all(&mut self, field: &'static str, kinds: impl IntoIterator<Item = FindingKind>) {
        for kind in kinds {
            self.add(field, kind);
        }
    }

    /// Adds a fault of the whole object, or advice on it.
    pub fn add_whole(&mut self, kind: FindingKind) {
        self.add(FieldPath::WHOLE, kind);
    }

    /// Returns the findings collected so far.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Returns all findings that were collected.
    #[must_use]
    pub fn finish(self) -> Findings {
        self.findings
    }
}

impl Findings {
    /// Returns the findings of an object whose Account does not exist.
    #[must_use]
    pub fn account_missing(kind: KindName, name: &str, account: &AccountKey) -> Self {
        let mut builder = FindingsBuilder::new(kind, &account.namespace, name);
        builder.add("spec.accountRef", FindingKind::AccountMissing(account.clone()));
        builder.finish()
    }

    /// Returns the findings of an object whose spec cannot be read; `field` is the field at fault and `how` the error.
    #[must_use]
    pub fn unreadable(object: &ObjectRef, field: FieldPath, how: &str) -> Self {
        let mut builder = FindingsBuilder::new(object.kind, &object.namespace, &object.name);
        builder.add(field, FindingKind::Unreadable(how.into()));
        builder.finish()
    }
}
