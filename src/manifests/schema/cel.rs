//! Evaluates CEL rules as the API server does: on typed values with their defaults. Called by `walk`.

use std::{collections::HashMap, sync::Arc};

use ::cel::{
    Context,
    objects::{Key, Map, Value as Cel},
};
use serde_json::Value;

use super::{
    compile::{Node, Type},
    rule::{ENVIRONMENT, Rule},
};

impl Rule {
    /// Returns the message if a value breaks this rule.
    pub(super) fn broken_by(&self, node: &Node, value: &Value) -> Option<String> {
        let program = match self.compiled() {
            Ok(program) => program,
            Err(error) => return Some(error.clone()),
        };
        let mut context = Context::with_env(ENVIRONMENT.clone());
        context.add_variable_from_value("self", convert(node, value, Some(&self.text)));
        match program.execute(&context) {
            Ok(Cel::Bool(true)) => None,
            Ok(_) => Some(self.message.clone()),
            Err(error) => Some(format!("{}: {error}", self.message)),
        }
    }
}

/// Converts a value for a rule. Objects contain only the fields that the rule names: rules of the API name them as
/// `self.field`, and converting all others would be most of the cost.
fn convert(node: &Node, value: &Value, rule: Option<&str>) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(integer) if node.kind == Type::Number => Cel::Float(float(integer)),
            Some(integer) => Cel::Int(integer),
            // An integer may be written as 5.0.
            None => number.as_f64().map_or(Cel::Null, |number| match whole(number) {
                Some(integer) if node.kind == Type::Integer => Cel::Int(integer),
                _ => Cel::Float(number),
            }),
        },
        Value::String(text) if node.is_time => {
            // Unlike the server's schema, its rules do not accept lower-case letters in a time.
            let time = chrono::DateTime::parse_from_rfc3339(text).ok().filter(|_| !text.contains(['t', 'z']));
            time.map_or_else(|| word(text), Cel::Timestamp)
        }
        Value::String(text) => word(text),
        Value::Array(items) => {
            let convert = |item| node.items.as_deref().map_or(Cel::Null, |node| convert(node, item, None));
            Cel::List(Arc::new(items.iter().map(convert).collect()))
        }
        Value::Object(fields) => {
            let mut map: HashMap<Key, Cel> = HashMap::new();
            if let Some(values) = &node.values {
                let present = fields.iter().filter(|(_, value)| !value.is_null());
                map.extend(present.map(|(name, value)| (key(name), convert(values, value, None))));
            }
            for name in node.properties.keys() {
                if rule.is_none_or(|rule| rule.contains(name.as_str()))
                    && let Some((node, value)) = node.field(value, name)
                {
                    map.insert(key(name), convert(node, value, None));
                }
            }
            Cel::Map(Map { map: Arc::new(map) })
        }
    }
}

fn word(text: &str) -> Cel {
    Cel::String(Arc::new(text.to_owned()))
}

fn key(name: &str) -> Key {
    Key::String(Arc::new(name.to_owned()))
}

#[allow(clippy::cast_precision_loss, reason = "as JSON has it")]
const fn float(integer: i64) -> f64 {
    integer as f64
}

#[allow(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
pub(super) fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}
