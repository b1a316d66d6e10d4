//! What the engine says of everything that was read.

use std::{collections::HashMap, path::Path, sync::Arc};

use super::{Diagnostic, Document, Estate, ObjectId, Severity, Source, schema::Step};
use crate::resolve::{Finding, Said};

/// The reason of a note on what is not ours.
pub const SKIPPED: &str = "Skipped";

/// Everything that is to be said of what was read: in the order of the files, and of the lines in them.
#[must_use]
pub fn judge(estate: &Estate) -> Vec<Diagnostic> {
    let nobody = super::Files::default();
    let files = match &estate.source {
        Source::Files(files) => files,
        Source::Cluster(_) => &nobody,
    };
    let documents: HashMap<&ObjectId, &Document> = files.documents.iter().map(|one| (&one.id, one)).collect();
    let accounts: Vec<_> = match &estate.source {
        // What names an account that no file has is to be said, too.
        Source::Files(_) => estate.objects.accounts.keys().cloned().collect(),
        Source::Cluster(_) => estate.accounts.clone(),
    };
    let mut all = files.diagnostics.clone();
    for said in estate.objects.findings(accounts.iter()) {
        let Said { kind, namespace, name, finding } = said;
        let id = ObjectId { kind: kind.into(), namespace, name };
        all.extend(diagnostics(&id, documents.get(&id).copied(), &finding));
    }
    if let Some(first) = files.assumed.first().filter(|_| !files.documents.is_empty()) {
        let message = format!("no IdentityStore is in these files; {first:?} is taken for one as it is by default");
        all.push(Diagnostic { severity: Severity::Note, message, ..nowhere("StoreAssumed") });
    }
    let places: HashMap<Arc<Path>, usize> = files
        .documents
        .iter()
        .rev()
        .enumerate()
        .map(|(place, one)| (one.piece.file.clone(), usize::MAX - place))
        .collect();
    all.sort_by_cached_key(|one| {
        (places.get(&one.file).copied().unwrap_or(usize::MAX), one.file.clone(), one.line, one.column, one.severity)
    });
    all
}

fn nowhere(reason: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        file: Path::new("").into(),
        line: 0,
        column: 0,
        object: None,
        field: String::new(),
        reason: reason.to_owned(),
        message: String::new(),
    }
}

/// A finding of the engine names the field it is about at its beginning.
fn diagnostics(id: &ObjectId, document: Option<&Document>, finding: &Finding) -> Vec<Diagnostic> {
    let faults = finding.faults.iter().map(|fault| (Severity::Error, fault.reason.to_string(), &fault.message));
    let advice = finding.advice.iter().map(|advice| (Severity::Advice, "Advised".to_owned(), advice));
    let said = faults.chain(advice).map(|(severity, reason, message)| {
        let field = message.split_once(": ").filter(|(field, _)| field.starts_with("spec") && !field.contains(' '));
        let (field, message) = field.unwrap_or(("", message));
        let path = Step::parse(field);
        match document {
            Some(document) => document.diagnostic(severity, &path, &reason, message.to_owned()),
            None => Diagnostic {
                severity,
                object: Some(id.clone()),
                field: field.to_owned(),
                message: message.to_owned(),
                ..nowhere(&reason)
            },
        }
    });
    said.collect()
}
