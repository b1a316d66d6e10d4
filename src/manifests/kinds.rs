//! Sorts documents: Roster's own, lists, mistakes and others. Called by `files`.

use serde_json::Value;

use super::{
    DiagnosticReason,
    path::{DocumentPath, Step},
    schema::KINDS,
};
use crate::api;
use crate::model::suggest::closest;

/// Sort of a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Object of Roster's, or a Namespace, whose labels decide about admission.
    Ours,
    /// Several objects.
    List,
    /// Document of another kind, with its description: skipped.
    Other(String),
    /// Document with a mistake in `apiVersion` or `kind`: field, reason and message.
    Mistaken(DocumentPath, DiagnosticReason, String),
}

/// The kind of others that is read.
const NAMESPACE: &str = "Namespace";

fn is_like_namespace(kind: &str) -> bool {
    closest(kind, [NAMESPACE]).is_some()
}

/// Returns the sort of a document.
pub(super) fn sort(value: &Value) -> Sort {
    let Some(fields) = value.as_object() else {
        return Sort::Other("a document that is not a mapping".to_owned());
    };
    let word = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let (version, kind) = (word("apiVersion"), word("kind"));
    let field = |name: &str| DocumentPath(vec![Step::Field(name.to_owned())]);
    let right = format!("{}/{}", api::GROUP, api::VERSION);
    // Like kubectl, which accepts any kind with `items` as a list.
    if fields.get("items").is_some_and(Value::is_array) {
        return Sort::List;
    }
    if version == "v1" && kind == NAMESPACE {
        return Sort::Ours;
    }
    if version == right {
        return match (KINDS.get(kind), kind) {
            (Some(_), _) => Sort::Ours,
            (None, "") => Sort::Mistaken(field("kind"), DiagnosticReason::UnknownKind, "is required".to_owned()),
            (None, kind) => {
                let known: Vec<&str> = KINDS.names().collect();
                let hint = match KINDS.meant(kind) {
                    Some(meant) => format!("; did you mean {meant:?}?"),
                    None if is_like_namespace(kind) => format!("; did you mean {NAMESPACE:?} of v1?"),
                    None => format!("; it has {}", known.join(", ")),
                };
                Sort::Mistaken(
                    field("kind"),
                    DiagnosticReason::UnknownKind,
                    format!("{right} has no kind {kind:?}{hint}"),
                )
            }
        };
    }
    // No other kind of the core group has a similar name. A Namespace that is skipped has none of its labels.
    if version == "v1" && is_like_namespace(kind) {
        let message = format!("{version} has no kind {kind:?}; did you mean {NAMESPACE:?}?");
        return Sort::Mistaken(field("kind"), DiagnosticReason::UnknownKind, message);
    }
    let group = version.split('/').next().unwrap_or_default();
    if group == api::GROUP {
        let message = format!("{version:?} is not known; this release of roster knows {right}");
        return Sort::Mistaken(field("apiVersion"), DiagnosticReason::UnknownVersion, message);
    }
    // Other groups have kinds with our names. The core group has none of them, and no other group has a name similar to
    // ours.
    if !version.contains('/') && KINDS.get(kind).is_some() {
        let message = match version {
            "" => format!("is required; did you mean {right:?}?"),
            version => format!("{version:?} has no kind {kind:?}; did you mean {right:?}?"),
        };
        return Sort::Mistaken(field("apiVersion"), DiagnosticReason::UnknownVersion, message);
    }
    if version.contains('/') && closest(group, [api::GROUP]).is_some() {
        let message = format!("{version:?} is not known; did you mean {right:?}?");
        return Sort::Mistaken(field("apiVersion"), DiagnosticReason::UnknownVersion, message);
    }
    Sort::Other(match kind {
        "" => "a document without kind".to_owned(),
        // Whoever meant one of ours sees why it is not.
        kind if KINDS.get(kind).is_some() => format!("{kind} of {version}"),
        kind => kind.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(version: &str, kind: &str) -> Sort {
        sort(&json!({"apiVersion": version, "kind": kind}))
    }

    #[test]
    fn known_kinds_are_recognized_and_similar_ones_suggested() {
        assert_eq!(of("roster.dev/v1alpha1", "Membership"), Sort::Ours);
        assert_eq!(of("v1", "Namespace"), Sort::Ours);
        assert_eq!(of("apps/v1", "Deployment"), Sort::Other("Deployment".to_owned()));
        assert_eq!(
            of("rbac.authorization.k8s.io/v1", "Role"),
            Sort::Other("Role of rbac.authorization.k8s.io/v1".to_owned())
        );
        assert_eq!(sort(&json!({"kind": "List", "apiVersion": "v1", "items": []})), Sort::List);
        assert_eq!(sort(&json!({"kind": "ConfigMap", "apiVersion": "v1", "items": []})), Sort::List);
        for (version, kind, reason) in [
            ("roster.dev/v1beta1", "Membership", DiagnosticReason::UnknownVersion),
            ("rooster.dev/v1alpha1", "Membership", DiagnosticReason::UnknownVersion),
            ("", "Membership", DiagnosticReason::UnknownVersion),
            ("v1", "Membership", DiagnosticReason::UnknownVersion),
            ("v1alpha1", "Role", DiagnosticReason::UnknownVersion),
            ("roster.dev/v1alpha1", "Memberships", DiagnosticReason::UnknownKind),
            ("roster.dev/v1alpha1", "", DiagnosticReason::UnknownKind),
            ("roster.dev/v1alpha1", "Namespce", DiagnosticReason::UnknownKind),
            ("v1", "Namespce", DiagnosticReason::UnknownKind),
        ] {
            assert!(matches!(of(version, kind), Sort::Mistaken(_, text, _) if text == reason), "{version} {kind}");
        }
        for (version, meant) in [("roster.dev/v1alpha1", "\"Namespace\" of v1?"), ("v1", "\"Namespace\"?")] {
            let message = match of(version, "Namespce") {
                Sort::Mistaken(_, _, message) => message,
                other => panic!("{other:?}"),
            };
            assert!(message.ends_with(&format!("did you mean {meant}")), "{message}");
        }
        assert_eq!(of("v1", "Service"), Sort::Other("Service".to_owned()));
    }
}
