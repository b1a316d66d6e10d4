//! CEL rules of one node.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use cel::{
    Context, Env, Program, Value as Cel,
    objects::{Key, Map},
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;
use serde_json::Value;

use super::{Path, Problem, Schema, Shape, Step};

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// One rule that a single state of an object can be asked about.
pub(super) struct Rule {
    program: Program,
    message: String,
    /// The field it is about, below its node.
    field: Vec<Step>,
}

impl Rule {
    /// Compiles a rule; nothing where it compares with an earlier state, or is none.
    pub(super) fn compile(rule: &ValidationRule) -> Option<Self> {
        if rule.rule.contains("oldSelf") {
            return None;
        }
        let program = ENVIRONMENT.compile(&rule.rule).ok()?;
        let message = rule.message.clone().unwrap_or_else(|| format!("failed rule: {}", rule.rule));
        Some(Self { program, message, field: Step::parse(rule.field_path.as_deref().unwrap_or_default()) })
    }
}

impl Schema {
    /// Asks all rules in `value`, for which the schema holds.
    pub(super) fn ask(&self, value: &Value, path: Path<'_>, problems: &mut Vec<Problem>) {
        if !self.has_rules {
            return;
        }
        if !self.rules.is_empty() {
            let mut context = Context::with_env(ENVIRONMENT.clone());
            context.add_variable_from_value("self", self.cel(value));
            for rule in &self.rules {
                // As on the server, a rule that cannot be worked out does not hold.
                if !matches!(rule.program.execute(&context), Ok(Cel::Bool(true))) {
                    let path = [path.steps(), rule.field.clone()].concat();
                    problems.push(Problem { path, reason: "Rule", message: rule.message.clone() });
                }
            }
        }
        match (&self.shape, value) {
            (Shape::Object { properties, .. }, Value::Object(fields)) => {
                for (name, value) in fields {
                    if let Some(schema) = properties.get(name) {
                        schema.ask(value, Path::Key(&path, name), problems);
                    }
                }
            }
            (Shape::Map { values, .. }, Value::Object(entries)) => {
                entries.iter().for_each(|(key, value)| values.ask(value, Path::Key(&path, key), problems));
            }
            (Shape::List { items, .. }, Value::Array(list)) => {
                let list = list.iter().enumerate();
                list.for_each(|(place, value)| items.ask(value, Path::Item(&path, place), problems));
            }
            _ => {}
        }
    }

    /// What a rule sees of a value: by its schema, so that times are times.
    fn cel(&self, value: &Value) -> Cel {
        match (&self.shape, value) {
            (_, Value::Null) => Cel::Null,
            (_, Value::Bool(truth)) => Cel::Bool(*truth),
            (Shape::Integer { .. }, Value::Number(number)) => Cel::Int(number.as_i64().unwrap_or_default()),
            (_, Value::Number(number)) => Cel::Float(number.as_f64().unwrap_or_default()),
            (Shape::Text { is_time: true, .. }, Value::String(text)) => {
                chrono::DateTime::parse_from_rfc3339(text).map_or(Cel::Null, Cel::Timestamp)
            }
            (_, Value::String(text)) => Cel::String(Arc::new(text.clone())),
            (Shape::List { items, .. }, Value::Array(list)) => {
                Cel::List(Arc::new(list.iter().map(|value| items.cel(value)).collect()))
            }
            (Shape::Object { properties, .. }, Value::Object(fields)) => {
                map(fields.iter().filter_map(|(name, value)| Some((name, properties.get(name)?.cel(value)))))
            }
            (Shape::Map { values, .. }, Value::Object(entries)) => {
                map(entries.iter().map(|(key, value)| (key, values.cel(value))))
            }
            _ => Cel::Null,
        }
    }
}

fn map<'a>(entries: impl Iterator<Item = (&'a String, Cel)>) -> Cel {
    let entries = entries.map(|(key, value)| (Key::String(Arc::new(key.clone())), value));
    Cel::Map(Map { map: Arc::new(entries.collect::<HashMap<_, _>>()) })
}
