//! Advises on annotations of Roster's that have no effect: a misspelt key or value, or a kind on which they mean nothing.
//! The API server accepts any annotation. Called by `schema`.

use serde_json::Value;

use super::Problem;
use crate::{
    api::{
        ACTOR_ANNOTATION, APPROVE_CHANGE_ANNOTATION, APPROVE_DEFINITION_ANNOTATION, APPROVE_REMOVAL_ANNOTATION,
        APPROVE_STORE_ANNOTATION, ON_BEHALF_OF_ANNOTATION, PAUSED_ANNOTATION, RECONCILE_AT_ANNOTATION,
        ROLLOUT_ANNOTATION, STORE_ID_ANNOTATION,
    },
    manifests::{DiagnosticReason, path::DocumentPath},
    model::suggest::suggestion,
};

/// Beginning of all annotations of Roster's.
const OURS: &str = "roster.dev/";

/// Annotations that instruct Roster, with the kind on which they do, and the value that they need, if it is only one.
const INSTRUCTIONS: [(&str, &str, Option<&str>); 8] = [
    (PAUSED_ANNOTATION, "Account", Some("true")),
    (APPROVE_REMOVAL_ANNOTATION, "Account", None),
    (APPROVE_CHANGE_ANNOTATION, "Account", None),
    (APPROVE_DEFINITION_ANNOTATION, "Account", None),
    (RECONCILE_AT_ANNOTATION, "Account", None),
    (ROLLOUT_ANNOTATION, "PermissionCatalog", Some("AllAtOnce")),
    (STORE_ID_ANNOTATION, "IdentityStore", None),
    (APPROVE_STORE_ANNOTATION, "IdentityStore", None),
];

/// Annotations that may be on every kind.
const ANYWHERE: [&str; 2] = [ACTOR_ANNOTATION, ON_BEHALF_OF_ANNOTATION];

/// Returns advice on the annotations of an object of this kind.
pub(super) fn advise(kind: &str, metadata: &Value) -> Vec<Problem> {
    let all = metadata["annotations"].as_object();
    let ours = all.into_iter().flatten().filter(|(key, _)| key.starts_with(OURS));
    ours.filter_map(|(key, value)| without_effect(kind, key, value)).collect()
}

fn without_effect(kind: &str, key: &str, value: &Value) -> Option<Problem> {
    let path = DocumentPath::default().field("metadata").field("annotations").field(key);
    let advice = |message: String, is_key: bool| {
        Some(Problem { path, reason: DiagnosticReason::Advice, message, is_key, if_plain: false, unquoted: false })
    };
    if ANYWHERE.contains(&key) {
        return None;
    }
    let Some((_, on, needed)) = INSTRUCTIONS.iter().find(|(known, ..)| *known == key) else {
        let known = INSTRUCTIONS.iter().filter(|(_, on, _)| *on == kind).map(|(known, ..)| *known);
        return advice(format!("has no effect: Roster knows no annotation {key:?}{}", suggestion(key, known)), true);
    };
    if *on != kind {
        return advice(format!("has no effect on this kind: Roster reads {key} of {on} objects only"), true);
    }
    match (needed, value.as_str()) {
        (Some(needed), Some(text)) if text != *needed && text != "false" && !text.is_empty() => {
            advice(format!("has no effect: must be {needed:?}, not {text:?}"), false)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_annotation_without_effect_is_advised() {
        let advice = |kind: &str, key: &str, value: &str| -> Vec<String> {
            let metadata = json!({"annotations": {key: value, "example.com/team": "x"}});
            advise(kind, &metadata).into_iter().map(|problem| problem.message).collect()
        };
        for (kind, key, value) in [
            ("Account", "roster.dev/paused", "true"),
            ("Account", "roster.dev/paused", "false"),
            ("Account", "roster.dev/approve-removal", "0a9e"),
            ("PermissionCatalog", "roster.dev/rollout", "AllAtOnce"),
            ("Membership", "roster.dev/actor", "1:dana"),
        ] {
            assert!(advice(kind, key, value).is_empty(), "{kind} {key}");
        }
        let said = [
            advice("Account", "roster.dev/pause", "true"),
            advice("Account", "roster.dev/paused", "yes"),
            advice("Membership", "roster.dev/paused", "true"),
            advice("PermissionCatalog", "roster.dev/rollout", "allAtOnce"),
        ];
        assert_eq!(
            said.concat(),
            [
                "has no effect: Roster knows no annotation \"roster.dev/pause\"; did you mean \"roster.dev/paused\"?",
                "has no effect: must be \"true\", not \"yes\"",
                "has no effect on this kind: Roster reads roster.dev/paused of Account objects only",
                "has no effect: must be \"AllAtOnce\", not \"allAtOnce\"",
            ]
        );
    }
}
