//! Describes one field of a schema: type, bounds, default and values. Called by `crds::reference`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::Value;

use crate::api;

/// Returns the anchor of a heading.
pub(super) fn anchor(heading: &str) -> String {
    heading.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Returns the object that a field, or each of its items, is, with its path.
pub(super) fn of_object<'a>(field: &'a JSONSchemaProps, path: &str) -> Option<(String, &'a JSONSchemaProps)> {
    let has_fields = |schema: &JSONSchemaProps| schema.properties.is_some();
    match items(field) {
        Some(items) if has_fields(items) => Some((format!("{path}[]"), items)),
        None if has_fields(field) => Some((path.to_owned(), field)),
        _ => None,
    }
}

fn items(field: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match field.items.as_ref()? {
        JSONSchemaPropsOrArray::Schema(items) => Some(items),
        JSONSchemaPropsOrArray::Schemas(_) => None,
    }
}

fn values(field: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match field.additional_properties.as_ref()? {
        JSONSchemaPropsOrBool::Schema(values) => Some(values),
        JSONSchemaPropsOrBool::Bool(_) => None,
    }
}

/// Returns the type of a field, with a link to the table of an object.
pub(super) fn type_of(field: &JSONSchemaProps, path: &str) -> String {
    let plain = |field: &JSONSchemaProps| match (field.type_.as_deref(), field.format.as_deref()) {
        (_, Some("date-time")) => "time".to_owned(),
        (type_, _) => type_.unwrap_or("any").to_owned(),
    };
    match (of_object(field, path), items(field), values(field)) {
        (Some((path, _)), Some(_), _) => format!("[list of objects](#{})", anchor(&path)),
        (Some((path, _)), None, _) => format!("[object](#{})", anchor(&path)),
        (None, Some(items), _) => format!("list of {}s", plain(items)),
        (None, None, Some(values)) => format!("map of {}s", plain(values)),
        (None, None, None) => plain(field),
    }
}

/// Returns the description of a field for the cell of a table.
pub(super) fn cell(field: &JSONSchemaProps, with_bounds: bool) -> String {
    let mut texts = vec![field.description.clone().unwrap_or_default()];
    texts.extend(one_of(field));
    texts.extend(default(field).map(|value| format!("Default: `{value}`")));
    if with_bounds {
        texts.extend(bounds(field));
        if let Some(items) = items(field).filter(|items| items.properties.is_none()) {
            texts.extend(one_of(items).or_else(|| bounds(items)).map(|text| format!("Each: {text}")));
        }
        if let Some(values) = values(field) {
            texts.extend(bounds(values).map(|text| format!("Each value: {text}")));
        }
        // The rules of an object are printed below its table.
        if field.properties.is_none() {
            let rules = field.x_kubernetes_validations.iter().flatten();
            // Patterns are listed with the bounds.
            let rules = rules.filter(|rule| api::pattern_of_rule(rule).is_none());
            texts.extend(rules.filter_map(|rule| rule.message.as_deref().map(as_rule)));
        }
    }
    let sentences = texts.iter().map(|text| sentence(text)).filter(|text| !text.is_empty());
    sentences.collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// Returns the message of a broken rule as a rule.
fn as_rule(message: &str) -> String {
    let is_rule = message.contains("must") || message.contains("refused");
    if is_rule { message.to_owned() } else { format!("refused where {message}") }
}

fn sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let end = if text.ends_with(['.', '…', ':']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), letters.as_str())
}

/// Returns the default, unless the fields of an object have it themselves.
fn default(field: &JSONSchemaProps) -> Option<String> {
    let value = &field.default.as_ref()?.0;
    let own = |name: &String| field.properties.as_ref()?.get(name)?.default.as_ref();
    let is_said = |object: &serde_json::Map<String, Value>| {
        object.iter().all(|(name, value)| own(name).is_some_and(|default| default.0 == *value))
    };
    match value {
        Value::Object(object) if is_said(object) => None,
        Value::String(text) if text.is_empty() => None,
        value => Some(flow(value)),
    }
}

/// Returns a value as YAML on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {}", flow(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        value => value.to_string(),
    }
}

/// Returns the values of an enumeration.
fn one_of(field: &JSONSchemaProps) -> Option<String> {
    let mut values: Vec<String> = field.enum_.iter().flatten().map(|value| format!("`{}`", flow(&value.0))).collect();
    let last = values.pop()?;
    Some(if values.is_empty() { last } else { format!("{} or {last}", values.join(", ")) })
}

/// Returns the bounds that the schema sets.
fn bounds(field: &JSONSchemaProps) -> Option<String> {
    let pattern = api::pattern_of(field).and_then(api::pattern_in_words).map(str::to_owned);
    let length = range(field.min_length, field.max_length, "character");
    let entries = range(field.min_properties, field.max_properties, "entry");
    let list = range(field.min_items, field.max_items, "item");
    let once = match (field.x_kubernetes_list_type.as_deref(), field.x_kubernetes_list_map_keys.as_deref()) {
        (Some("set"), _) => Some("without repetition".to_owned()),
        (Some("map"), Some(keys)) => {
            let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            Some(format!("each {} once", keys.join(" and ")))
        }
        _ => None,
    };
    let number = match (field.minimum, field.maximum) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}")),
        (Some(least), None) => Some(format!("{least} or more")),
        (None, most) => most.map(|most| format!("at most {most}")),
    };
    let all: Vec<String> = [pattern, length, entries, list, once, number].into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn range(least: Option<i64>, most: Option<i64>, what: &str) -> Option<String> {
    let most = most?;
    let many = if what == "entry" { "entries".to_owned() } else { format!("{what}s") };
    Some(match least.filter(|least| *least > 0) {
        Some(least) => format!("{least} to {most} {many}"),
        None => format!("at most {most} {many}"),
    })
}
