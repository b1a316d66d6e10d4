//! Metadata, as the server checks it on every object.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::{Path, Problem};
use crate::cli::suggest::suggestion;

/// A pattern known to be one: the tests of this file use each.
macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($text).ok());
    };
}
pattern!(SUBDOMAIN, r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$");
pattern!(LABEL, r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$");
pattern!(KEY, r"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$");
pattern!(VALUE, r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$");

/// Fields of `metadata`; what a server fills in itself may stand in exported objects.
const FIELDS: [&str; 14] = [
    "name",
    "generateName",
    "namespace",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "managedFields",
    "selfLink",
];

fn fits(pattern: &LazyLock<Option<Regex>>, text: &str, most: usize) -> bool {
    text.len() <= most && pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// A label or annotation key: `[domain/]name`.
fn is_key(text: &str) -> bool {
    let (domain, name) = text.split_once('/').map_or((None, text), |(domain, name)| (Some(domain), name));
    domain.is_none_or(|domain| fits(&SUBDOMAIN, domain, 253)) && fits(&KEY, name, 63)
}

/// What is wrong with the metadata of an object.
pub(super) fn check(object: &Value, namespaced: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let root = Path::Key(&Path::Root, "metadata");
    let mut say = |path: Path<'_>, reason, message: String| {
        problems.push(Problem { path: path.steps(), reason, message });
    };
    let Some(metadata) = object.get("metadata").and_then(Value::as_object) else {
        say(root, "Metadata", "is required, with a name".to_owned());
        return problems;
    };
    match metadata.get("name").map(Value::as_str) {
        Some(Some(name)) if fits(&SUBDOMAIN, name, 253) => {}
        Some(Some(name)) => {
            let right = "at most 253 lower-case letters, digits, '-' and '.', with a letter or digit at both ends";
            say(Path::Key(&root, "name"), "Metadata", format!("{name:?} is no name of an object: {right}"));
        }
        Some(None) => say(Path::Key(&root, "name"), "Metadata", "must be text; put it in quotes".to_owned()),
        None => say(Path::Key(&root, "name"), "Metadata", "is required".to_owned()),
    }
    match metadata.get("namespace").map(|namespace| namespace.as_str().unwrap_or_default()) {
        Some(name) if !namespaced => {
            say(
                Path::Key(&root, "namespace"),
                "Metadata",
                format!("{name:?}: objects of this kind have no namespace; leave it out"),
            );
        }
        Some(name) if !fits(&LABEL, name, 63) => {
            let right = "at most 63 lower-case letters, digits and '-', with a letter or digit at both ends";
            say(Path::Key(&root, "namespace"), "Metadata", format!("{name:?} is no namespace: {right}"));
        }
        _ => {}
    }
    for (field, is_label) in [("labels", true), ("annotations", false)] {
        let here = Path::Key(&root, field);
        let Some(entries) = metadata.get(field).filter(|entries| !entries.is_null()) else { continue };
        let Some(entries) = entries.as_object() else {
            say(here, "Metadata", "must be a mapping of text to text".to_owned());
            continue;
        };
        for (key, value) in entries {
            let here = Path::Key(&here, key);
            if !is_key(key) {
                say(
                    here,
                    "Metadata",
                    format!("{key:?} is no key: letters, digits, '-', '_' and '.', after a domain and '/' if you like"),
                );
            }
            match value.as_str() {
                None => say(here, "Metadata", format!("{value} must be text; put it in quotes")),
                Some(value) if is_label && !fits(&VALUE, value, 63) => {
                    say(
                        here,
                        "Metadata",
                        format!("{value:?} is no label value: at most 63 letters, digits, '-', '_' and '.'"),
                    );
                }
                Some(_) => {}
            }
        }
    }
    for field in metadata.keys().filter(|field| !FIELDS.contains(&field.as_str())) {
        let meant = suggestion(field, FIELDS.into_iter());
        say(Path::Key(&root, field), "UnknownField", format!("unknown field {field:?}{meant}"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_is_judged_as_on_the_server() {
        let fine = json!({"metadata": {
            "name": "a.b-c", "namespace": "x", "labels": {"app.example/x_Y": "v1.0", "y": ""}, "annotations": {"a": "free text"},
        }});
        assert_eq!(check(&fine, true), []);
        let wrong = [
            json!({}),
            json!({"metadata": {}}),
            json!({"metadata": {"name": "A"}}),
            json!({"metadata": {"name": 5}}),
            json!({"metadata": {"name": "a".repeat(254)}}),
            json!({"metadata": {"name": "a", "namespace": "a.b"}}),
            json!({"metadata": {"name": "a", "labels": {"a b": "c"}}}),
            json!({"metadata": {"name": "a", "labels": {"a": "-"}}}),
            json!({"metadata": {"name": "a", "annotations": {"a": true}}}),
            json!({"metadata": {"name": "a", "lables": {}}}),
        ];
        for object in wrong {
            assert_eq!(check(&object, true).len(), 1, "{object}");
        }
        assert_eq!(check(&json!({"metadata": {"name": "a", "namespace": "x"}}), false).len(), 1);
    }
}
