//! Checks names, namespaces, labels and annotations like `k8s.io/apimachinery/pkg/api/validation`. Called by `schema`.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::{
    Problem,
    problem::{misread_by_kubectl, needs_quotes},
};
use crate::{
    manifests::{DiagnosticReason, path::DocumentPath},
    model::suggest::suggestion,
};

/// Fields of `metav1.ObjectMeta`.
const FIELDS: [&str; 15] = [
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];

/// Limit for all annotations together, in bytes.
const ANNOTATIONS: usize = 256 * 1024;

static LABEL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$").ok());
static SUBDOMAIN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$").ok());
static QUALIFIED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new("^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$").ok());

fn fits(shape: &LazyLock<Option<Regex>>, text: &str, most: usize) -> bool {
    text.len() <= most && shape.as_ref().is_none_or(|shape| shape.is_match(text))
}

/// Checks the metadata of an object of Roster's.
pub(super) fn check(metadata: &Value, is_namespaced: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let name_is = "a DNS subdomain of at most 253 lower-case letters, digits, hyphens and dots";
    check_name(metadata, &SUBDOMAIN, 253, name_is, &mut problems);
    if let Some(namespace) = metadata.get("namespace").filter(|namespace| is_namespaced && !namespace.is_null())
        && !namespace.as_str().is_some_and(|text| text.is_empty() || fits(&LABEL, text, 63))
    {
        let message = format!("{namespace} must be a DNS label of at most 63 lower-case letters, digits and hyphens");
        problems.push(problem(DocumentPath::default().field("metadata").field("namespace"), message));
    }
    let namespace = metadata["namespace"].as_str().unwrap_or_default();
    problems.extend(unquoted(DocumentPath::default().field("metadata").field("namespace"), namespace));
    common(metadata, &mut problems);
    problems
}

/// Returns the fault of a text that must be in quotes.
fn unquoted(path: DocumentPath, text: &str) -> Option<Problem> {
    misread_by_kubectl(text).map(|message| Problem { if_plain: true, ..problem(path, message) })
}

/// Checks the metadata of a Namespace.
pub(super) fn check_namespace(metadata: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    let name_is = "a DNS label of at most 63 lower-case letters, digits and hyphens";
    check_name(metadata, &LABEL, 63, name_is, &mut problems);
    common(metadata, &mut problems);
    problems
}

fn problem(path: DocumentPath, message: impl Into<String>) -> Problem {
    Problem {
        path,
        reason: DiagnosticReason::Metadata,
        message: message.into(),
        is_key: false,
        if_plain: false,
        unquoted: false,
    }
}

fn check_name(
    metadata: &Value,
    shape: &LazyLock<Option<Regex>>,
    most: usize,
    words: &str,
    problems: &mut Vec<Problem>,
) {
    let path = DocumentPath::default().field("metadata").field("name");
    let message = match &metadata["name"] {
        Value::Null if metadata["generateName"].is_string() => {
            "is required: an object with generateName cannot be identified later".to_owned()
        }
        Value::Null => "is required".to_owned(),
        Value::String(name) if fits(shape, name, most) => return problems.extend(unquoted(path, name)),
        Value::String(name) => format!("{name:?} must be {words}"),
        other => {
            let message = needs_quotes(&other.to_string());
            return problems.push(Problem { unquoted: true, ..problem(path, message) });
        }
    };
    problems.push(problem(path, message));
}

fn common(metadata: &Value, problems: &mut Vec<Problem>) {
    let root = || DocumentPath::default().field("metadata");
    for name in metadata.as_object().into_iter().flat_map(|fields| fields.keys()) {
        if !FIELDS.contains(&name.as_str()) {
            let message = format!("unknown field {name:?}{}", suggestion(name, FIELDS));
            problems.push(Problem {
                reason: DiagnosticReason::UnknownField,
                is_key: true,
                ..problem(root().field(name), message)
            });
        }
    }
    let mut total = 0;
    for field in ["labels", "annotations"] {
        let entries = match &metadata[field] {
            Value::Null => continue,
            Value::Object(entries) => entries,
            _ => {
                problems.push(problem(root().field(field), "must be a mapping of strings"));
                continue;
            }
        };
        for (key, value) in entries {
            let path = || root().field(field).field(key);
            let lower = if field == "annotations" { key.to_lowercase() } else { key.clone() };
            if !is_qualified(&lower) {
                let message = format!("{key:?} is not a valid key of {field}: write a name, or example.com/name");
                problems.push(Problem { is_key: true, ..problem(path(), message) });
            }
            match value {
                // Like the server: null is an empty value.
                Value::Null => {}
                Value::String(text) => {
                    problems.extend(unquoted(path(), text));
                    total += if field == "annotations" { key.len() + text.len() } else { 0 };
                    if field == "labels" && !(text.is_empty() || fits(&QUALIFIED, text, 63)) {
                        let words =
                            "at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit";
                        problems.push(problem(path(), format!("{text:?} must be {words}")));
                    }
                }
                other => {
                    let problem = problem(path(), needs_quotes(&other.to_string()));
                    problems.push(Problem { unquoted: true, ..problem });
                }
            }
        }
    }
    if total > ANNOTATIONS {
        let message = format!("has {total} bytes, and {ANNOTATIONS} are allowed");
        problems.push(problem(root().field("annotations"), message));
    }
}

fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        None => fits(&QUALIFIED, key, 63),
        Some((prefix, name)) => fits(&SUBDOMAIN, prefix, 253) && fits(&QUALIFIED, name, 63),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_labels_are_validated_like_on_the_server() {
        let faults = |metadata: &Value| -> Vec<String> {
            check(metadata, true).into_iter().map(|one| one.path.to_string()).collect()
        };
        assert!(faults(&json!({"name": "a.b-c", "namespace": "x", "labels": {"a/b": "", "c": "d_e"}})).is_empty());
        assert_eq!(faults(&json!({"name": "A"})), ["metadata.name"]);
        assert_eq!(faults(&json!({})), ["metadata.name"]);
        assert_eq!(faults(&json!({"name": 1})), ["metadata.name"]);
        assert_eq!(faults(&json!({"name": "a", "namespace": "a.b"})), ["metadata.namespace"]);
        assert_eq!(faults(&json!({"name": "a", "labels": {"a b": "c"}})), ["metadata.labels[\"a b\"]"]);
        assert_eq!(faults(&json!({"name": "a", "labels": {"a": "b c"}})), ["metadata.labels.a"]);
        assert_eq!(faults(&json!({"name": "a", "labels": {"a": true}})), ["metadata.labels.a"]);
        assert!(faults(&json!({"name": "a", "annotations": {"A": "b c\n"}})).is_empty());
        assert_eq!(faults(&json!({"name": "a", "annotation": {}})), ["metadata.annotation"]);
    }
}
