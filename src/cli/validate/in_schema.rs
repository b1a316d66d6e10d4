//! Leaves out what the schema of the API server and the engine both report. Called by `roster validate`.

use serde_json::Value;

use crate::{
    manifests::{
        Diagnostic, DiagnosticReason, Files, ObjectId,
        path::{DocumentPath, Step},
    },
    model::{CatalogFaultKind, Finding, FindingKind},
};

/// Fault of the engine that the schema, or a rule in it, reports for the same field. The engine says more.
pub(super) struct InSchema {
    object: ObjectId,
    field: String,
    by: DiagnosticReason,
}

impl InSchema {
    /// Returns the entry for a finding; `None` if only the engine reports it.
    pub(super) fn of(finding: &Finding) -> Option<Self> {
        let field = finding.field.as_str();
        let by = match &finding.kind {
            FindingKind::AddressInvalid(_) | FindingKind::Catalog(CatalogFaultKind::LevelCount) => {
                DiagnosticReason::Schema
            }
            FindingKind::Catalog(
                CatalogFaultKind::RepeatedLevel
                | CatalogFaultKind::RequiresItself
                | CatalogFaultKind::FirstLevelRequires(_)
                | CatalogFaultKind::HolderLimits { .. }
                | CatalogFaultKind::AllAndSome,
            ) => DiagnosticReason::Rule,
            // The rules are about levels of the section itself.
            FindingKind::Catalog(CatalogFaultKind::UnknownLevel(unknown))
                if ["requires", "advisories"]
                    .iter()
                    .any(|part| field == format!("spec.sections[{}].{part}", unknown.section)) =>
            {
                DiagnosticReason::Rule
            }
            _ => return None,
        };
        Some(Self { object: ObjectId::from(&finding.object), field: field.to_owned(), by })
    }

    /// Returns whether the schema reports a fault always, and at a better place: the second of two equal names.
    pub(super) const fn says_more(fault: &FindingKind) -> bool {
        matches!(fault, FindingKind::Catalog(CatalogFaultKind::Repeated))
    }
}

/// Removes the diagnostics of the schema that the engine reports, too.
pub(super) fn leave_out(told: &[InSchema], files: &Files, diagnostics: &mut Vec<Diagnostic>) {
    if told.is_empty() {
        return;
    }
    diagnostics.retain(|one| {
        let Some(object) = one.object.as_ref().filter(|_| one.is_error()) else { return true };
        let of_object: Vec<&InSchema> =
            told.iter().filter(|told| told.object == *object && told.by == one.reason).collect();
        if of_object.is_empty() {
            return true;
        }
        let document = files.documents.iter().find(|document| document.id == *object);
        let value = document.and_then(crate::manifests::Document::value).unwrap_or_default();
        let field = named(&DocumentPath::parse(&one.field), &value).to_string();
        !of_object.iter().any(|told| told.field == field)
    });
}

/// Returns a path as the engine writes it: an item of a list by its name instead of its index.
fn named(path: &DocumentPath, value: &Value) -> DocumentPath {
    let mut at = Some(value);
    let steps = path.0.iter().map(|step| {
        at = match step {
            Step::Field(name) => at.and_then(|at| at.get(name)),
            Step::Item(index) => at.and_then(|at| at.get(index)),
            Step::Named(_) => None,
        };
        let name = at.and_then(|at| at.get("name")).and_then(Value::as_str);
        match (step, name) {
            (Step::Item(_), Some(name)) => Step::Named(name.to_owned()),
            _ => step.clone(),
        }
    });
    DocumentPath(steps.collect())
}
