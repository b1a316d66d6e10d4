//! Evaluates CEL rules as the API server does: on typed values with their defaults. Called by `walk`.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{Arc, LazyLock, OnceLock},
};

use ::cel::{
    Context, Env, ExecutionError, Program,
    common::types::{CelBool, CelString},
    objects::{Key, Map, Value as Cel},
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;
use regex::Regex;
use serde_json::Value;
use url::Url;

use super::compile::{Node, Type};
use crate::manifests::path::DocumentPath;

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // Fails only if the function exists already, which is as good.
    let _ = ::cel::add_member_overload!(env, fn matches: (CelString, CelString) -> Result<CelBool>);
    // Only those of Kubernetes' own functions that our rules need. A URL stays a text.
    let _ = ::cel::add_member_overload!(env, fn lower_ascii: (CelString) -> CelString);
    let _ = ::cel::add_overload!(env, fn is_url: (CelString) -> CelBool, name = "isURL");
    let _ = ::cel::add_overload!(env, fn url: (CelString) -> CelString);
    let _ = ::cel::add_member_overload!(env, fn get_scheme: (CelString) -> CelString);
    let _ = ::cel::add_member_overload!(env, fn get_hostname: (CelString) -> CelString);
    Arc::new(env)
});

thread_local! {
    static PATTERNS: RefCell<HashMap<String, Option<Regex>>> = RefCell::new(HashMap::new());
}

/// Implements `matches`. Rules call it for every key of a map, so each pattern is compiled once.
fn matches(text: &CelString<'_>, pattern: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    PATTERNS.with_borrow_mut(|patterns| {
        if !patterns.contains_key(pattern.inner()) {
            patterns.insert(pattern.inner().to_owned(), Regex::new(pattern.inner()).ok());
        }
        match patterns.get(pattern.inner()) {
            Some(Some(compiled)) => Ok(CelBool::from(compiled.is_match(text.inner()))),
            _ => Err(ExecutionError::function_error("matches", format!("{:?} is no pattern", pattern.inner()))),
        }
    })
}

fn lower_ascii(text: &CelString<'_>) -> CelString<'static> {
    CelString::from(text.inner().to_ascii_lowercase())
}

fn is_url(text: &CelString<'_>) -> CelBool {
    CelBool::from(Url::parse(text.inner()).is_ok())
}

fn url(text: &CelString<'_>) -> CelString<'static> {
    CelString::from(text.inner().to_owned())
}

fn get_scheme(url: &CelString<'_>) -> CelString<'static> {
    CelString::from(Url::parse(url.inner()).map(|url| url.scheme().to_owned()).unwrap_or_default())
}

fn get_hostname(url: &CelString<'_>) -> CelString<'static> {
    let url = Url::parse(url.inner()).ok();
    CelString::from(url.and_then(|url| url.host_str().map(ToOwned::to_owned)).unwrap_or_default())
}

/// CEL rule, compiled when it is first needed: the parser is slow.
#[derive(Debug)]
pub(super) struct Rule {
    text: String,
    /// Message of the rule.
    pub(super) message: String,
    /// Field at fault, relative to the rule's field.
    pub(super) field: Option<DocumentPath>,
    compiled: OnceLock<Result<Program, String>>,
}

impl Rule {
    pub(super) fn new(rule: &ValidationRule) -> Self {
        let message = rule.message.clone().unwrap_or_else(|| format!("breaks the rule {}", rule.rule));
        let field = rule.field_path.as_deref().map(DocumentPath::parse);
        Self { text: rule.rule.clone(), message, field, compiled: OnceLock::new() }
    }

    pub(super) fn compiled(&self) -> &Result<Program, String> {
        self.compiled.get_or_init(|| ENVIRONMENT.compile(&self.text).map_err(|error| format!("{}: {error}", self.text)))
    }

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
