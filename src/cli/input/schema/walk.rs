//! Checks a value against a schema, and makes of it what the server would keep.

use std::collections::HashSet;

use serde_json::Value;

use super::{Path, Problem, Schema, Shape, Unique};
use crate::cli::suggest::suggestion;

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

impl Schema {
    /// Checks `value`; nulls go and defaults come, as on the server.
    pub(super) fn check(&self, value: &mut Value, path: Path<'_>, problems: &mut Vec<Problem>) {
        let mut say = |reason, message: String| problems.push(Problem { path: path.steps(), reason, message });
        match (&self.shape, &mut *value) {
            (Shape::Any, _) => {}
            (Shape::Object { properties, required }, Value::Object(fields)) => {
                fields.retain(|_, value| !value.is_null());
                for (name, schema) in properties {
                    if let Some(default) = schema.default.as_ref().filter(|_| !fields.contains_key(name)) {
                        fields.insert(name.clone(), default.clone());
                    }
                }
                for name in required.iter().filter(|name| !fields.contains_key(*name)) {
                    let what = properties.get(name).and_then(|schema| schema.description.as_deref());
                    let what = what.map(|what| format!(": {}", sentence(what))).unwrap_or_default();
                    let path = Path::Key(&path, name).steps();
                    problems.push(Problem { path, reason: "Schema", message: format!("is required{what}") });
                }
                for (name, value) in fields {
                    let here = Path::Key(&path, name);
                    let Some(schema) = properties.get(name) else {
                        let meant = suggestion(name, properties.keys().map(String::as_str));
                        let message = format!("unknown field {name:?}{meant}");
                        problems.push(Problem { path: here.steps(), reason: "UnknownField", message });
                        continue;
                    };
                    schema.check(value, here, problems);
                }
            }
            (Shape::Map { values, at_least, at_most }, Value::Object(entries)) => {
                entries.retain(|_, value| !value.is_null());
                let count = entries.len() as u64;
                if let Some(bound) = at_most.filter(|bound| count > *bound) {
                    say("Schema", format!("has {count} entries; at most {bound} are allowed"));
                }
                if let Some(bound) = at_least.filter(|bound| count < *bound) {
                    say("Schema", format!("has {count} entries; at least {bound} needed"));
                }
                entries.iter_mut().for_each(|(key, value)| values.check(value, Path::Key(&path, key), problems));
            }
            (Shape::List { items, at_least, at_most, unique }, Value::Array(list)) => {
                let count = list.len() as u64;
                if let Some(bound) = at_most.filter(|bound| count > *bound) {
                    say("Schema", format!("has {count} items; at most {bound} are allowed"));
                }
                if let Some(bound) = at_least.filter(|bound| count < *bound) {
                    say("Schema", format!("has {count} items; at least {bound} needed"));
                }
                for (place, value) in list.iter_mut().enumerate() {
                    items.check(value, Path::Item(&path, place), problems);
                }
                twice(list, unique, path, problems);
            }
            (Shape::Text { at_least, at_most, pattern, is_time }, Value::String(text)) => {
                let count = text.chars().count() as u64;
                if let Some(bound) = at_most.filter(|bound| count > *bound) {
                    say("Schema", format!("is {count} characters long; at most {bound} are allowed"));
                }
                if let Some(bound) = at_least.filter(|bound| count < *bound) {
                    let message = if count == 0 {
                        "must not be empty".to_owned()
                    } else {
                        format!("must have at least {bound} characters")
                    };
                    say("Schema", message);
                } else if let Some(pattern) = pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
                    let what = self.description.as_deref().map(|what| format!(": {}", sentence(what)));
                    let what = what.unwrap_or_default();
                    say("Schema", format!("{text:?} is not possible here{what}; it must match {}", pattern.as_str()));
                }
                if *is_time && chrono::DateTime::parse_from_rfc3339(text).is_err() {
                    say("Schema", format!("{text:?} is no time such as 2026-12-31T00:00:00Z"));
                }
                if !self.allowed.is_empty() && !self.allowed.iter().any(|allowed| allowed == text.as_str()) {
                    let known = || self.allowed.iter().filter_map(Value::as_str);
                    let list = known().collect::<Vec<_>>().join(", ");
                    say("Schema", format!("{text:?} is none of {list}{}", suggestion(text, known())));
                }
            }
            (Shape::Integer { at_least, at_most }, Value::Number(number)) => {
                let Some(whole) = number.as_f64().filter(|number| number.fract() == 0.0) else {
                    say("Schema", format!("{number} must be a whole number"));
                    return;
                };
                if let Some(bound) = at_most.filter(|bound| whole > *bound) {
                    say("Schema", format!("{number} is more than {bound}"));
                }
                if let Some(bound) = at_least.filter(|bound| whole < *bound) {
                    say("Schema", format!("{number} is less than {bound}"));
                }
            }
            (Shape::Number, Value::Number(_)) | (Shape::Boolean, Value::Bool(_)) => {}
            (shape, value) => {
                let wanted = shape.wanted();
                let quoted = matches!(shape, Shape::Text { .. }) && (value.is_number() || value.is_boolean());
                let quotes = if quoted { "; put it in quotes" } else { "" };
                say("Schema", format!("must be {wanted}, not {}{quotes}", describe(value)));
            }
        }
    }
}

impl Shape {
    fn wanted(&self) -> &'static str {
        match self {
            Self::Any => "something",
            Self::Object { .. } | Self::Map { .. } => "a mapping",
            Self::List { .. } => "a list",
            Self::Text { .. } => "text",
            Self::Integer { .. } => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "true or false",
        }
    }
}

/// The first sentence of a description, without its full stop.
fn sentence(text: &str) -> &str {
    text.split(". ").next().unwrap_or(text).split('\n').next().unwrap_or(text).trim_end_matches('.')
}

/// Items that come twice in a list where they may not.
fn twice(list: &[Value], unique: &Unique, path: Path<'_>, problems: &mut Vec<Problem>) {
    let key_of = |value: &Value| match unique {
        Unique::Nothing => None,
        Unique::Items => Some(value.to_string()),
        Unique::Keys(keys) => Some(
            keys.iter()
                .map(|key| value.get(key).map(ToString::to_string).unwrap_or_default())
                .collect::<Vec<_>>()
                .join(", "),
        ),
    };
    let mut seen = HashSet::new();
    for (place, value) in list.iter().enumerate() {
        if let Some(key) = key_of(value).filter(|key| !seen.insert(key.clone())) {
            let path = Path::Item(&path, place).steps();
            problems.push(Problem { path, reason: "Schema", message: format!("{key} is in the list already") });
        }
    }
}
