//! Annotations by which users instruct Roster. Records keep them, and plan and evaluation read them.

use std::collections::BTreeMap;

use crate::{
    api::{
        APPROVE_CHANGE_ANNOTATION, APPROVE_DEFINITION_ANNOTATION, APPROVE_REMOVAL_ANNOTATION, APPROVE_STORE_ANNOTATION,
        PAUSED_ANNOTATION, RECONCILE_AT_ANNOTATION, ROLLOUT_ANNOTATION, STORE_ID_ANNOTATION, limits::MAX_LABEL,
    },
    model::KindName,
};

/// Roster's annotations, by key.
pub type Annotations = BTreeMap<String, String>;

/// Returns the annotations that have a meaning on an object of this kind. A value of more than 63 bytes, which none
/// of them needs, counts as absent: all records are in memory, and there may be very many objects.
#[must_use]
pub fn annotations_of(kind: KindName, all: &BTreeMap<String, String>) -> Option<Box<Annotations>> {
    let known: &[&str] = match kind {
        KindName::Account => &[
            PAUSED_ANNOTATION,
            APPROVE_REMOVAL_ANNOTATION,
            APPROVE_CHANGE_ANNOTATION,
            APPROVE_DEFINITION_ANNOTATION,
            RECONCILE_AT_ANNOTATION,
        ],
        KindName::PermissionCatalog => &[ROLLOUT_ANNOTATION],
        KindName::IdentityStore => &[STORE_ID_ANNOTATION, APPROVE_STORE_ANNOTATION],
        KindName::Namespace
        | KindName::Role
        | KindName::UserGroup
        | KindName::Membership
        | KindName::Invitation
        | KindName::CatalogRecord => &[],
    };
    let found = known.iter().filter_map(|key| all.get_key_value(*key)).filter(|(_, value)| value.len() <= MAX_LABEL);
    let found: Annotations = found.map(|(key, value)| (key.clone(), value.clone())).collect();
    (!found.is_empty()).then(|| Box::new(found))
}

/// Instructions in the annotations of an Account (docs/runbook.md "Stop everything but revocations" and "Let guarded
/// removals pass").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountAnnotations {
    /// Whether the account is paused.
    pub paused: bool,
    /// Hash of the approved removals.
    pub approved: Option<Box<str>>,
    /// Hash of the approved changes that nobody with the authority made.
    pub approved_change: Option<Box<str>>,
    /// Creation time of a recreated definition; confirms that all objects of its kind exist again.
    pub definition: Option<Box<str>>,
}

impl AccountAnnotations {
    /// Reads the instructions; `annotation` looks up the value of a key.
    pub fn read<'a>(annotation: impl Fn(&str) -> Option<&'a str>) -> Self {
        let text = |key: &str| annotation(key).map(Box::from);
        Self {
            paused: annotation(PAUSED_ANNOTATION) == Some("true"),
            approved: text(APPROVE_REMOVAL_ANNOTATION),
            approved_change: text(APPROVE_CHANGE_ANNOTATION),
            definition: text(APPROVE_DEFINITION_ANNOTATION),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_counts_on_its_own_kind_and_with_a_short_value_only() {
        let long = "x".repeat(MAX_LABEL + 1);
        let all: BTreeMap<String, String> = [
            (PAUSED_ANNOTATION, "true"),
            (APPROVE_REMOVAL_ANNOTATION, long.as_str()),
            (ROLLOUT_ANNOTATION, "AllAtOnce"),
            ("roster.dev/unheard-of", "x"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        let kept = |kind| annotations_of(kind, &all).map(|kept| kept.into_keys().collect::<Vec<_>>());
        assert_eq!(kept(KindName::Account), Some(vec![PAUSED_ANNOTATION.to_owned()]));
        assert_eq!(kept(KindName::PermissionCatalog), Some(vec![ROLLOUT_ANNOTATION.to_owned()]));
        let others = KindName::ALL.into_iter().filter(|kind| kept(*kind).is_some());
        assert_eq!(others.collect::<Vec<_>>(), [KindName::PermissionCatalog, KindName::Account]);
    }
}
