//! Documents that are no objects of Roster's but still affect access. `files` keeps only a digest of each;
//! `cli::change::revisions` compares the digests of two revisions.

use std::{fmt, path::Path};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::api::STORE_ANNOTATION;

/// Digest that distinguishes revisions of a document. It does not reveal a secret.
pub type Digest = [u8; 32];

/// Document that is not read as an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnreadId {
    /// Kind of document.
    pub kind: UnreadKind,
    /// Namespace and name; for a document without a name, its file relative to the given folder.
    pub name: String,
}

/// Kind of a document that is not read as an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnreadKind {
    /// Secret with which a store may be opened.
    Secret,
    /// Kustomization, which changes manifests before they are applied.
    Kustomization,
    /// JSON patch, which a Kustomization may use.
    Patch,
}

impl fmt::Display for UnreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.kind, self.name)
    }
}

/// Returns the digest of a document; `None` if it does not affect access. `file` is relative to the given folder, and
/// `namespace` is that of objects that name none.
pub(super) fn unread(file: &Path, value: &Value, namespace: &str) -> Option<(UnreadId, Digest)> {
    let kind = kind(file, value)?;
    let metadata = &value["metadata"];
    let counts = match kind {
        UnreadKind::Secret => {
            json!([metadata["annotations"][STORE_ANNOTATION], value["data"], value["stringData"]])
        }
        UnreadKind::Kustomization | UnreadKind::Patch => value.clone(),
    };
    let name = match metadata["name"].as_str() {
        Some(name) => format!("{}/{name}", metadata["namespace"].as_str().unwrap_or(namespace)),
        None => file.display().to_string(),
    };
    Some((UnreadId { kind, name }, Sha256::digest(counts.to_string()).into()))
}

fn kind(file: &Path, value: &Value) -> Option<UnreadKind> {
    let is_patch = |step: &Value| step["op"].is_string() && step["path"].is_string();
    // kustomize requires neither apiVersion nor kind in a file with this name.
    let is_named_so = || file.file_stem().is_some_and(|name| name == "kustomization");
    match value["kind"].as_str() {
        Some("Secret") if value["metadata"]["annotations"][STORE_ANNOTATION].is_string() => Some(UnreadKind::Secret),
        Some("Kustomization") => Some(UnreadKind::Kustomization),
        None if value.as_array().is_some_and(|steps| steps.first().is_some_and(is_patch)) => Some(UnreadKind::Patch),
        None if value.is_object() && is_named_so() => Some(UnreadKind::Kustomization),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(file: &str, value: &Value) -> Option<(String, Digest)> {
        unread(Path::new(file), value, "default").map(|(id, digest)| (id.to_string(), digest))
    }

    #[test]
    fn a_secret_counts_by_what_the_controller_reads_of_it() {
        let secret = |value: &str, label: &str| {
            json!({"kind": "Secret", "metadata": {"name": "pg", "labels": {"a": label}, "annotations":
                {STORE_ANNOTATION: "main"}}, "stringData": {"uri": value}})
        };
        let (name, digest) = kept("a.yaml", &secret("hush", "1")).unwrap();
        assert_eq!(name, "Secret default/pg");
        assert_eq!(kept("b.yaml", &secret("hush", "2")), Some((name, digest)));
        assert_ne!(kept("a.yaml", &secret("hash", "1")).unwrap().1, digest);
        assert_eq!(kept("a.yaml", &json!({"kind": "Secret", "metadata": {"name": "other"}})), None);
    }

    #[test]
    fn a_kustomization_needs_no_kind_in_a_file_of_its_name() {
        let nameless = json!({"resources": ["a.yaml"]});
        assert_eq!(kept("prod/kustomization.yaml", &nameless).unwrap().0, "Kustomization prod/kustomization.yaml");
        assert_eq!(kept("prod/values.yaml", &nameless), None);
        let patch = json!([{"op": "replace", "path": "/spec/suspended", "value": false}]);
        assert_eq!(kept("prod/patch.yaml", &patch).unwrap().0, "Patch prod/patch.yaml");
    }
}
