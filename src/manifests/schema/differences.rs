//! Compares two revisions of an object, field by field along its schema. Called by `cli::change::revisions` for plans
//! between two revisions. Values are compared as the API server would store them, so an explicit default, a null, an
//! empty list or the order of a set make no difference.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    KINDS,
    compile::{List, Node, Type},
};

/// Field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Path: `spec.sections[billing].levels`.
    pub path: String,
    /// Value before; `None` if absent.
    pub from: Option<Value>,
    /// Value after; `None` if absent.
    pub to: Option<Value>,
    /// Whether only the order of the items differs.
    pub is_order: bool,
}

/// Returns the fields of `spec` in which two objects of a kind differ; none if the kind is unknown.
#[must_use]
pub fn differences(kind: &str, from: &Value, to: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    if let Some(kind) = KINDS.get(kind) {
        compare(&kind.spec, "spec", present(&from["spec"]), present(&to["spec"]), &mut found);
    }
    found
}

fn compare(node: &Node, path: &str, from: Option<&Value>, to: Option<&Value>, found: &mut Vec<Difference>) {
    match node.kind {
        Type::Object if !node.properties.is_empty() || node.values.is_some() => fields(node, path, from, to, found),
        Type::Array => match &node.list {
            List::Map(keys) => items(node, keys, path, from, to, found),
            List::Set => {
                if set(from) != set(to) {
                    found.push(difference(path, from, to));
                }
            }
            List::Atomic => leaf(node, path, from, to, found),
        },
        _ => leaf(node, path, from, to, found),
    }
}

/// Compares objects and maps. An absent one equals one with nothing but defaults.
fn fields(node: &Node, path: &str, from: Option<&Value>, to: Option<&Value>, found: &mut Vec<Difference>) {
    for (name, child) in &node.properties {
        let field = |object: Option<&Value>| -> Option<Value> {
            let own = object.and_then(|object| present(object.get(name)?));
            own.or(child.default.as_ref()).cloned()
        };
        compare(child, &format!("{path}.{name}"), field(from).as_ref(), field(to).as_ref(), found);
    }
    let Some(values) = &node.values else { return };
    let nothing = Map::new();
    let map = |object: Option<&Value>| object.and_then(Value::as_object).unwrap_or(&nothing).clone();
    let (from, to) = (map(from), map(to));
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    for name in names {
        let (one, other) = (from.get(name).and_then(present), to.get(name).and_then(present));
        compare(values, &format!("{path}.{name}"), one, other, found);
    }
}

/// Compares lists whose items have keys. An item that only one list has is one difference.
fn items(
    node: &Node,
    keys: &[String],
    path: &str,
    from: Option<&Value>,
    to: Option<&Value>,
    found: &mut Vec<Difference>,
) {
    let Some(item) = &node.items else { return };
    let (before, after) = (keyed(item, keys, from), keyed(item, keys, to));
    let get =
        |list: &[(String, Value)], key: &str| list.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    for (key, value) in &before {
        let path = format!("{path}[{key}]");
        match get(&after, key) {
            Some(other) => compare(item, &path, Some(value), Some(&other), found),
            None => found.push(difference(&path, Some(value), None)),
        }
    }
    for (key, value) in after.iter().filter(|(key, _)| get(&before, key).is_none()) {
        found.push(difference(&format!("{path}[{key}]"), None, Some(value)));
    }
    let in_both = |list: &[(String, Value)], other: &[(String, Value)]| -> Vec<String> {
        list.iter().filter(|(key, _)| get(other, key).is_some()).map(|(key, _)| key.clone()).collect()
    };
    if in_both(&before, &after) != in_both(&after, &before) {
        found.push(Difference { is_order: true, ..difference(path, from, to) });
    }
}

/// Returns the items of a list with their keys.
fn keyed(item: &Node, keys: &[String], list: Option<&Value>) -> Vec<(String, Value)> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    let key = |value: &Value| {
        let parts = keys.iter().filter_map(|key| item.field(value, key)).map(|(_, part)| match part {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        parts.collect::<Vec<_>>().join("/")
    };
    items.map(|value| (key(value), value.clone())).collect()
}

fn leaf(node: &Node, path: &str, from: Option<&Value>, to: Option<&Value>, found: &mut Vec<Difference>) {
    let is_same = match (from, to) {
        (Some(Value::String(one)), Some(Value::String(other))) if node.is_time => {
            let time = |text: &str| text.parse::<Timestamp>().ok();
            one == other || (time(one).is_some() && time(one) == time(other))
        }
        _ => from == to,
    };
    if !is_same {
        found.push(difference(path, from, to));
    }
}

fn difference(path: &str, from: Option<&Value>, to: Option<&Value>) -> Difference {
    Difference { path: path.to_owned(), from: from.cloned(), to: to.cloned(), is_order: false }
}

fn set(list: Option<&Value>) -> BTreeSet<String> {
    list.and_then(Value::as_array).into_iter().flatten().map(ToString::to_string).collect()
}

/// Returns the value unless it counts as absent: null or an empty list.
fn present(value: &Value) -> Option<&Value> {
    let is_empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    (!is_empty).then_some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(kind: &str, from: &Value, to: &Value) -> Vec<String> {
        differences(kind, &json!({"spec": from}), &json!({"spec": to})).into_iter().map(|one| one.path).collect()
    }

    #[test]
    fn equivalent_values_do_not_differ() {
        let store = json!({"sqlite": {"file": "a.db"}});
        let written = json!({"sqlite": {"file": "a.db"}, "paused": false, "adoption": "IfIdentical", "blocked": null,
            "accountDefaults": {"drift": {"checkEvery": "5m"}, "removalGuard": {}}});
        assert_eq!(paths("IdentityStore", &store, &written), Vec::<String>::new());
        let member = |groups: Value, at: &str| json!({"groupRefs": groups, "expiresAt": at, "restrictions": {}});
        let one = member(json!([]), "2026-01-01T00:00:00Z");
        assert_eq!(paths("Membership", &one, &member(Value::Null, "2026-01-01T01:00:00+01:00")), Vec::<String>::new());
    }

    #[test]
    fn an_item_is_one_difference_and_a_field_of_it_another() {
        let catalog = |sections: Value| json!({"sections": sections});
        let from = catalog(json!([{"name": "a"}, {"name": "b"}, {"name": "c", "levels": ["No", "Yes"]}]));
        let to = catalog(json!([{"name": "c", "levels": ["No", "Some", "Yes"]}, {"name": "a"}, {"name": "d"}]));
        let found = paths("PermissionCatalog", &from, &to);
        assert_eq!(found, ["spec.sections[b]", "spec.sections[c].levels", "spec.sections[d]", "spec.sections"]);
    }
}
