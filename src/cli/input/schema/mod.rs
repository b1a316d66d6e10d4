//! What the API server says of one object by itself, without one: the structural schemas of [`api::crds`] with their
//! defaults, and their CEL rules.
//!
//! A walker of our own rather than a JSON Schema library: defaults, pruned nulls, list types, unknown fields and
//! `x-kubernetes-validations` are what a structural schema is about, and a library knows none of them. `tests/rules`
//! shows for each rule that this says what the real server says.

mod compile;
mod metadata;
mod path;
mod rules;
mod walk;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use regex::Regex;
use serde_json::Value;

pub use self::path::{Path, Step};
use self::rules::Rule;
use crate::api;

/// One thing that the server would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub path: Vec<Step>,
    /// One word: `Schema`, `UnknownField`, `Rule`, `Metadata`.
    pub reason: &'static str,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// The schemas of the seven kinds, by kind; compiled when first needed.
static KINDS: LazyLock<HashMap<String, Kind>> = LazyLock::new(|| {
    let kinds = api::crds().into_iter().map(|crd| {
        let namespaced = crd.spec.scope == "Namespaced";
        let root = crd.spec.versions.into_iter().find_map(|version| version.schema?.open_api_v3_schema);
        let schema = root.as_ref().map(compile::root).unwrap_or_default();
        (crd.spec.names.kind, Kind { schema, namespaced, plural: crd.spec.names.plural })
    });
    kinds.collect()
});

/// One of the seven kinds.
pub struct Kind {
    schema: Schema,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
    /// The plural, as in a URL.
    pub plural: String,
}

/// The kind of that name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.get(name)
}

/// Names of all kinds.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.keys().map(String::as_str)
}

impl Kind {
    /// Everything the server would refuse about `object`, which gets the server's defaults and loses its nulls. As on the
    /// server, rules are asked only where the schema holds.
    pub fn check(&self, object: &mut Value) -> Vec<Problem> {
        let mut problems = metadata::check(object, self.namespaced);
        self.schema.check(object, Path::Root, &mut problems);
        if problems.is_empty() {
            self.schema.ask(object, Path::Root, &mut problems);
        }
        problems
    }
}

/// A structural schema, ready to be asked.
#[derive(Default)]
struct Schema {
    shape: Shape,
    /// What the field is, in the words of its description.
    description: Option<String>,
    default: Option<Value>,
    allowed: Vec<Value>,
    rules: Vec<Rule>,
    /// Whether this or anything in it has rules.
    has_rules: bool,
}

/// What a value has to be.
#[derive(Default)]
enum Shape {
    /// Anything, kept as it is.
    #[default]
    Any,
    Object {
        properties: HashMap<String, Schema>,
        required: Vec<String>,
    },
    Map {
        values: Box<Schema>,
        at_least: Option<u64>,
        at_most: Option<u64>,
    },
    List {
        items: Box<Schema>,
        at_least: Option<u64>,
        at_most: Option<u64>,
        unique: Unique,
    },
    Text {
        at_least: Option<u64>,
        at_most: Option<u64>,
        pattern: Option<Regex>,
        is_time: bool,
    },
    Integer {
        at_least: Option<f64>,
        at_most: Option<f64>,
    },
    Number,
    Boolean,
}

/// What in a list may not come twice.
enum Unique {
    /// Everything may.
    Nothing,
    /// No item may.
    Items,
    /// No two items with the same values of these fields.
    Keys(Arc<[String]>),
}
