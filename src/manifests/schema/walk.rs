//! Walks an object along its schema and collects faults. Called by `schema::check`.

use std::collections::HashSet;

use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

use super::{
    Problem,
    cel::whole,
    compile::{Kind, List, Node, Type},
    problem::{is_boolean_in_kubectl, misread_by_kubectl, needs_quotes},
};
use crate::{
    api,
    manifests::{
        DiagnosticReason,
        path::{DocumentPath, Step},
    },
    model::suggest::{meant, suggestion},
};

/// Form of a date-time, without leap seconds. chrono finds the values that have this form and are still not valid, as
/// the rules need it.
static TIME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)^\d{4}-\d\d-\d\dt\d\d:\d\d:[0-5]\d(\.\d+)?(z|[+-]\d\d:\d\d)$").ok());

/// Longest value that a message repeats, in characters.
const QUOTED: usize = 60;

pub(super) fn check(kind: &Kind, object: &Value, problems: &mut Vec<Problem>) {
    let mut walker = Walker { path: Vec::new(), problems, plain: Vec::new() };
    let known = ["apiVersion", "kind", "metadata", "spec", "status"];
    for name in object.as_object().into_iter().flat_map(|object| object.keys()) {
        if !known.contains(&name.as_str()) {
            walker.within(Way::Field(name), |walker| walker.unknown(name, known));
        }
    }
    walker.within(Way::Field("spec"), |walker| match &object["spec"] {
        Value::Null => walker.report(DiagnosticReason::Schema, "is required"),
        spec => walker.node(&kind.spec, spec),
    });
    let plain = walker.plain;
    problems.extend(plain);
}

/// One borrowed step: a path is built only for a fault.
#[derive(Clone, Copy)]
enum Way<'a> {
    Field(&'a str),
    Item(usize),
}

struct Walker<'a, 'p> {
    path: Vec<Way<'a>>,
    problems: &'p mut Vec<Problem>,
    /// Faults that exist only without quotes, and must not hide others.
    plain: Vec<Problem>,
}

impl<'a> Walker<'a, '_> {
    fn within(&mut self, way: Way<'a>, look: impl FnOnce(&mut Self)) {
        self.path.push(way);
        look(self);
        self.path.pop();
    }

    fn problem(&self, reason: DiagnosticReason, message: impl Into<String>) -> Problem {
        let steps = self.path.iter().map(|way| match way {
            Way::Field(name) => Step::Field((*name).to_owned()),
            Way::Item(place) => Step::Item(*place),
        });
        let path = DocumentPath(steps.collect());
        Problem { path, reason, message: message.into(), is_key: false, if_plain: false, unquoted: false }
    }

    fn report(&mut self, reason: DiagnosticReason, message: impl Into<String>) {
        let problem = self.problem(reason, message);
        self.problems.push(problem);
    }

    fn unknown<'k>(&mut self, name: &str, known: impl IntoIterator<Item = &'k str>) {
        let known: Vec<&str> = known.into_iter().collect();
        let hint = match meant(name, known.iter().copied()) {
            Some(meant) => format!("; did you mean {meant:?}?"),
            None if known.is_empty() => String::new(),
            None => format!("; known fields: {}", known.join(", ")),
        };
        let message = format!("unknown field {name:?}{hint}");
        let problem = Problem { is_key: true, ..self.problem(DiagnosticReason::UnknownField, message) };
        self.problems.push(problem);
    }

    fn node(&mut self, node: &'a Node, value: &'a Value) {
        let before = self.problems.len();
        match (node.kind, value) {
            (Type::Object, Value::Object(_)) => self.object(node, value),
            (Type::Array, Value::Array(items)) => self.array(node, items),
            (Type::String, Value::String(text)) => self.string(node, text),
            (Type::Boolean, Value::Bool(_)) | (Type::Any, _) => {}
            (Type::Number, Value::Number(number)) => self.number(node, number.as_f64().unwrap_or(f64::NAN)),
            (Type::Integer, Value::Number(number)) if is_whole(number) => {
                self.number(node, number.as_f64().unwrap_or(f64::NAN));
            }
            _ => self.wrong_type(node, value),
        }
        if !node.choices.is_empty() && self.problems.len() == before && !node.choices.contains(value) {
            let choices: Vec<&str> = node.choices.iter().filter_map(Value::as_str).collect();
            let hint = value.as_str().map(|word| suggestion(word, choices.iter().copied())).unwrap_or_default();
            self.report(
                DiagnosticReason::Schema,
                format!("{} is not one of {}{hint}", shown(value), choices.join(", ")),
            );
        }
        // Like the server: rules apply only to values that fit the schema.
        if self.problems.len() > before {
            return;
        }
        for rule in &node.rules {
            if let Some(message) = rule.broken_by(node, value) {
                let mut problem = self.problem(DiagnosticReason::Rule, message);
                problem.path.0.extend(rule.field.iter().flat_map(|field| field.0.iter().cloned()));
                self.problems.push(problem);
            }
        }
    }

    fn object(&mut self, node: &'a Node, value: &'a Value) {
        let Value::Object(fields) = value else { return };
        self.size(node, fields.len(), "entry", "entries");
        for (name, value) in fields {
            // Null counts as absent.
            if value.is_null() && (node.properties.contains_key(name) || node.values.is_some()) {
                continue;
            }
            if let Some(node) = node.properties.get(name) {
                self.within(Way::Field(name), |walker| walker.node(node, value));
            } else if let Some(values) = &node.values {
                self.within(Way::Field(name), |walker| {
                    walker.node(values, value);
                    if let Some(message) = misread_by_kubectl(name) {
                        let problem = Problem {
                            if_plain: true,
                            is_key: true,
                            ..walker.problem(DiagnosticReason::Schema, message)
                        };
                        walker.plain.push(problem);
                    }
                });
            } else {
                let known = node.properties.keys().map(String::as_str);
                self.within(Way::Field(name), |walker| walker.unknown(name, known));
            }
        }
        for name in &node.required {
            if node.field(value, name).is_none() {
                self.within(Way::Field(name), |walker| walker.report(DiagnosticReason::Schema, "is required"));
            }
        }
    }

    fn array(&mut self, node: &'a Node, items: &'a [Value]) {
        self.size(node, items.len(), "item", "items");
        let Some(item_node) = node.items.as_deref() else { return };
        for (place, item) in items.iter().enumerate() {
            self.within(Way::Item(place), |walker| walker.node(item_node, item));
        }
        let mut seen = HashSet::new();
        for (place, item) in items.iter().enumerate() {
            let (same, what) = match &node.list {
                List::Atomic => return,
                List::Set => (item.to_string(), shown(item)),
                List::Map(keys) => {
                    let fields = keys.iter().map(|key| item_node.field(item, key).map(|(_, value)| value));
                    let values: Vec<String> = fields.map(|value| value.map_or_else(String::new, shown)).collect();
                    let words = std::iter::zip(keys, &values).map(|(key, value)| format!("{key} {value}"));
                    (values.join("\n"), words.collect::<Vec<_>>().join(", "))
                }
            };
            if !seen.insert(same) {
                self.within(Way::Item(place), |walker| {
                    walker.report(DiagnosticReason::Schema, format!("exists twice: {what}"));
                });
            }
        }
    }

    fn string(&mut self, node: &'a Node, text: &str) {
        let length = || text.chars().count();
        if let Some(most) = node.length.most.filter(|most| text.len() > *most && length() > *most) {
            self.report(
                DiagnosticReason::Schema,
                format!("is too long: {} characters, and {most} are allowed", length()),
            );
        }
        if node.length.least.is_some_and(|least| text.len() < least) {
            self.report(DiagnosticReason::Schema, "must not be empty");
        } else if let Some(pattern) = node.pattern.as_ref().filter(|pattern| !pattern.matches(text)) {
            let quoted = shown(&Value::String(text.to_owned()));
            let right = api::pattern_in_words(&pattern.text)
                .map_or_else(|| format!("must match {}", pattern.text), |words| format!("must be {words}"));
            self.report(DiagnosticReason::Schema, format!("{quoted} {right}"));
        }
        if node.is_time && !is_time(text) {
            let quoted = shown(&Value::String(text.to_owned()));
            self.report(DiagnosticReason::Schema, format!("{quoted} is not a valid time; {}", right_time(text)));
        }
        if let Some(message) = misread_by_kubectl(text) {
            let problem = Problem { if_plain: true, ..self.problem(DiagnosticReason::Schema, message) };
            self.plain.push(problem);
        }
    }

    fn number(&mut self, node: &Node, number: f64) {
        let (least, most) = node.number;
        if let Some(least) = least.filter(|least| number < *least) {
            self.report(DiagnosticReason::Schema, format!("{number} is too low; the minimum is {least}"));
        }
        if let Some(most) = most.filter(|most| number > *most) {
            self.report(DiagnosticReason::Schema, format!("{number} is too high; the maximum is {most}"));
        }
    }

    fn size(&mut self, node: &Node, count: usize, one: &str, several: &str) {
        if let Some(least) = node.length.least.filter(|least| count < *least) {
            self.report(
                DiagnosticReason::Schema,
                format!("must have at least {least} {}", if least == 1 { one } else { several }),
            );
        }
        if let Some(most) = node.length.most.filter(|most| count > *most) {
            self.report(DiagnosticReason::Schema, format!("has {count} {several}, and {most} are allowed"));
        }
    }

    fn wrong_type(&mut self, node: &Node, value: &Value) {
        let wanted = match node.kind {
            Type::Object => "a mapping",
            Type::Array => "a list",
            Type::String => "a string",
            Type::Integer => "a whole number",
            Type::Number => "a number",
            Type::Boolean => "true or false",
            Type::Any => return,
        };
        let hint = match (node.kind, value) {
            // In quotes it would still be no duration, for example.
            (Type::String, Value::Bool(_) | Value::Number(_)) if !node.admits(&value.to_string()) => {
                let words = node.pattern.as_ref().and_then(|pattern| api::pattern_in_words(&pattern.text));
                words.map(|words| format!("; write {words}")).unwrap_or_default()
            }
            (Type::String, Value::Bool(_) | Value::Number(_)) => {
                let problem = self.problem(DiagnosticReason::Schema, needs_quotes(&value.to_string()));
                return self.problems.push(Problem { unquoted: true, ..problem });
            }
            (Type::Boolean, Value::String(text)) if text == "true" || text == "false" => "; without quotes".to_owned(),
            (Type::Boolean, Value::String(text)) => {
                let right = meant_boolean(text).map(|meant| {
                    let kubectl = format!(" (kubectl takes {text} without quotes for {meant}, other tools do not)");
                    format!("; write {meant}{}", if is_boolean_in_kubectl(text) { &kubectl } else { "" })
                });
                right.unwrap_or_default()
            }
            // A reference with one field, or a user of whom only the address is required.
            (Type::Object, Value::String(_)) => match node.required.as_slice() {
                [field] => format!("; write {{{field}: {}}}", shown(value).trim_matches('"')),
                _ => String::new(),
            },
            (Type::Array, Value::Object(_)) => "; begin the item with \"- \"".to_owned(),
            _ => String::new(),
        };
        self.report(DiagnosticReason::Schema, format!("must be {wanted}, but {}{hint}", described(value)));
    }
}

fn is_whole(number: &serde_json::Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|number| whole(number).is_some())
}

fn is_time(text: &str) -> bool {
    TIME.as_ref().is_none_or(|shape| shape.is_match(text)) && chrono::DateTime::parse_from_rfc3339(text).is_ok()
}

/// Returns the boolean that a word means.
fn meant_boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "y" | "on" => Some(true),
        "false" | "no" | "n" | "off" => Some(false),
        _ => None,
    }
}

fn described(value: &Value) -> String {
    match value {
        Value::Null => "there is none".to_owned(),
        Value::Object(_) => "this is a mapping".to_owned(),
        Value::Array(_) => "this is a list".to_owned(),
        other => format!("this is {}", shown(other)),
    }
}

/// Formats a value for a message: on one line, with control characters escaped, at most [`QUOTED`] characters.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    if text.chars().count() <= QUOTED {
        return text;
    }
    text.chars().take(QUOTED).chain("…".chars()).collect()
}

/// Returns how a text that was meant as a time is written, if that can be guessed: a date, or a time without its zone,
/// its seconds or the `T`.
fn right_time(text: &str) -> String {
    let text = text.trim();
    let (date, rest) = text.split_at_checked(10).unwrap_or((text, ""));
    let rest = rest.trim_start_matches(['T', 't', ' ']);
    let zone_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(zone_at);
    let time = match time.trim().len() {
        0 => "00:00:00".to_owned(),
        5 => format!("{}:00", time.trim()),
        _ => time.trim().to_owned(),
    };
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let zone = match (zone.get(..1), digits.len()) {
        (Some(sign @ ("+" | "-")), 4) => format!("{sign}{}:{}", &digits[..2], &digits[2..]),
        (Some(sign @ ("+" | "-")), 2) => format!("{sign}{digits}:00"),
        _ => "Z".to_owned(),
    };
    let meant = format!("{date}T{time}{zone}");
    if !is_time(&meant) {
        return "write a time such as 2026-12-31T00:00:00Z".to_owned();
    }
    if zone == "Z" { format!("in UTC, write {meant}") } else { format!("write {meant}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_can_be_guessed_is_suggested_and_no_other() {
        for (text, right) in [
            ("2027-03-01", "in UTC, write 2027-03-01T00:00:00Z"),
            ("2027-03-01T00:00:00", "in UTC, write 2027-03-01T00:00:00Z"),
            ("2027-03-01T12:30Z", "in UTC, write 2027-03-01T12:30:00Z"),
            ("2027-03-01 12:30:00Z", "in UTC, write 2027-03-01T12:30:00Z"),
            ("2027-03-01t12:30:00z", "in UTC, write 2027-03-01T12:30:00Z"),
            ("2027-03-01T12:30:00+0200", "write 2027-03-01T12:30:00+02:00"),
            ("2027-02-30T12:30:00Z", "write a time such as 2026-12-31T00:00:00Z"),
            ("2027-03-01T24:00:00Z", "write a time such as 2026-12-31T00:00:00Z"),
            ("tomorrow", "write a time such as 2026-12-31T00:00:00Z"),
            ("zwölf Uhr", "write a time such as 2026-12-31T00:00:00Z"),
        ] {
            assert_eq!(right_time(text), right, "{text}");
        }
    }
}
