//! Stamps objects: answers the mutating webhook with the annotation that says whose the spec is. Called by `server`.

use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, jsonptr::PointerBuf};
use serde_json::{Value, json};

use crate::{
    api::{ACTOR_ANNOTATION, ON_BEHALF_OF_ANNOTATION},
    authority::{Capacity, Stamp, generation_after, is_user},
};

/// Returns the member for whom an object says that its author acts.
pub(super) fn on_behalf_of(object: &Value) -> Option<&str> {
    annotation(object, ON_BEHALF_OF_ANNOTATION)
}

/// Returns whether the spec of an object changes, or the object is new.
pub(super) fn changes(before: Option<&Value>, after: &Value) -> bool {
    before.is_none_or(|before| generation(before) != Some(generation_after(Some(before), after)))
}

/// Returns the patch that stamps an object. A spec that does not change keeps its stamp. A user whose name could pass
/// for another one leaves none, so that the spec counts as unrecorded.
pub(super) fn patch(before: Option<&Value>, after: &Value, capacity: Capacity, user: &str) -> Patch {
    let stamp = || Stamp { generation: generation_after(before, after), capacity, user: user.to_owned() }.to_string();
    let wanted = if changes(before, after) {
        is_user(user).then(stamp)
    } else {
        before.and_then(|before| annotation(before, ACTOR_ANNOTATION)).map(ToOwned::to_owned)
    };
    let mut operations = Vec::new();
    let path = |key: &str| PointerBuf::from_tokens(["metadata", "annotations", key]);
    let has_annotations = after.pointer("/metadata/annotations").is_some_and(Value::is_object);
    match (annotation(after, ACTOR_ANNOTATION), wanted) {
        (now, Some(wanted)) if now != Some(&wanted) => {
            if !has_annotations {
                let path = PointerBuf::from_tokens(["metadata", "annotations"]);
                operations.push(PatchOperation::Add(AddOperation { path, value: json!({}) }));
            }
            let value = Value::String(wanted);
            operations.push(PatchOperation::Add(AddOperation { path: path(ACTOR_ANNOTATION), value }));
        }
        (Some(_), None) => operations.push(PatchOperation::Remove(RemoveOperation { path: path(ACTOR_ANNOTATION) })),
        _ => {}
    }
    if on_behalf_of(after).is_some() {
        operations.push(PatchOperation::Remove(RemoveOperation { path: path(ON_BEHALF_OF_ANNOTATION) }));
    }
    Patch(operations)
}

/// Returns the stamp that an object carries for the generation that it is about to get.
pub(super) fn written(before: Option<&Value>, after: &Value) -> Option<Stamp> {
    let stamp = Stamp::parse(annotation(after, ACTOR_ANNOTATION)?)?;
    (stamp.generation == generation_after(before, after)).then_some(stamp)
}

/// Returns the stamp of an object, if it is about the present spec.
pub(super) fn present(object: &Value) -> Option<Stamp> {
    let stamp = Stamp::parse(annotation(object, ACTOR_ANNOTATION)?)?;
    (generation(object) == Some(stamp.generation)).then_some(stamp)
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

fn generation(object: &Value) -> Option<i64> {
    object.pointer("/metadata/generation")?.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(generation: i64, role: &str, annotations: &Value) -> Value {
        json!({"metadata": {"generation": generation, "annotations": annotations}, "spec": {"role": role}})
    }

    /// Returns the annotations of the object as it is stored.
    fn stored(before: Option<&Value>, mut after: Value, user: &str) -> Value {
        let patch = patch(before, &after, Capacity::Own, user);
        json_patch::patch(&mut after, &patch).unwrap();
        after["metadata"]["annotations"].take()
    }

    #[test]
    fn a_new_object_is_stamped() {
        assert_eq!(stored(None, object(1, "a", &Value::Null), "dana"), json!({"roster.dev/actor": "1:dana"}));
        let forged = object(1, "a", &json!({"roster.dev/actor": "1:administrator:pia", "team": "x"}));
        assert_eq!(stored(None, forged, "dana"), json!({"roster.dev/actor": "1:dana", "team": "x"}));
    }

    #[test]
    fn a_changed_spec_gets_a_stamp_and_any_other_keeps_its_own() {
        let before = object(4, "a", &json!({"roster.dev/actor": "4:dana"}));
        let changed = object(4, "b", &json!({"roster.dev/actor": "4:dana"}));
        assert_eq!(stored(Some(&before), changed, "sven"), json!({"roster.dev/actor": "5:sven"}));
        let relabelled = object(4, "a", &json!({"roster.dev/actor": "4:sven", "team": "y"}));
        assert_eq!(stored(Some(&before), relabelled, "sven"), json!({"roster.dev/actor": "4:dana", "team": "y"}));
        let replaced = object(4, "a", &Value::Null);
        assert_eq!(stored(Some(&before), replaced, "sven"), json!({"roster.dev/actor": "4:dana"}));
        let unrecorded = object(4, "a", &json!({}));
        let claimed = object(4, "a", &json!({"roster.dev/actor": "4:sven"}));
        assert_eq!(stored(Some(&unrecorded), claimed, "sven"), json!({}));
    }

    #[test]
    fn a_name_that_could_pass_for_another_leaves_no_stamp() {
        let forged = object(1, "a", &json!({"roster.dev/actor": "1:administrator:pia"}));
        assert_eq!(stored(None, forged, "administrator:pia"), json!({}));
    }

    #[test]
    fn whom_somebody_acts_for_is_not_kept() {
        let after = object(1, "a", &json!({"roster.dev/on-behalf-of": "dana@acme.example"}));
        assert_eq!(on_behalf_of(&after), Some("dana@acme.example"));
        assert_eq!(stored(None, after, "portal"), json!({"roster.dev/actor": "1:portal"}));
    }

    #[test]
    fn a_stamp_counts_for_its_own_generation_only() {
        let stamped = |generation| present(&object(generation, "a", &json!({"roster.dev/actor": "4:dana"})));
        assert_eq!(stamped(4).unwrap().user, "dana");
        assert_eq!(stamped(5), None);
    }
}
