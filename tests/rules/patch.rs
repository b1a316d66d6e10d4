//! Changes to a valid object, and their expected results. Used by the tables.

use serde::Deserialize as _;
use serde_json::Value;

/// Expected result of a change.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// The change is accepted.
    Accepted,
    /// The change is refused, and the message contains this text.
    Refused(&'static str),
}

/// A merge patch in YAML, and what is expected of it.
pub type Case = (&'static str, Expected);

/// One document of YAML; an empty one is an empty object.
pub fn yaml(text: &str) -> Value {
    let value = serde_yaml_ng::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).unwrap_or_else(|error| panic!("{error}\n{text}")))
        .find(|value| !value.is_null());
    value.unwrap_or_else(|| Value::Object(serde_json::Map::new()))
}

/// RFC 7386.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, change) in patch {
        if change.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}
