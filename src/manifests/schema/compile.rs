//! Compiles the schemas of the CRDs for walking. Used by `walk`, `cel` and `differences`; patterns and rules are
//! compiled when they are first needed.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use regex::Regex;
use serde_json::Value;

use super::rule::Rule;
use crate::api::{pattern_of, pattern_of_rule};

/// All kinds, with other names that users may write.
#[derive(Debug)]
pub struct Kinds {
    kinds: BTreeMap<String, Kind>,
}

/// Kind with its schema.
#[derive(Debug)]
pub struct Kind {
    /// Name of the kind.
    pub name: String,
    /// Whether its objects are in namespaces.
    pub is_namespaced: bool,
    /// Schema of `spec`.
    pub(super) spec: Node,
    /// Plural, singular and short names.
    names: Vec<String>,
}

impl Kinds {
    /// Compiles definitions.
    #[must_use]
    pub fn new(crds: &[CustomResourceDefinition]) -> Self {
        let kinds = crds.iter().filter_map(|crd| {
            let names = &crd.spec.names;
            let schema = crd.spec.versions.first()?.schema.as_ref()?.open_api_v3_schema.as_ref()?;
            let mut called = vec![names.plural.clone()];
            called.extend(names.singular.clone());
            called.extend(names.short_names.iter().flatten().cloned());
            let kind = Kind {
                name: names.kind.clone(),
                is_namespaced: crd.spec.scope == "Namespaced",
                spec: Node::new(schema.properties.as_ref()?.get("spec")?),
                names: called,
            };
            Some((names.kind.clone(), kind))
        });
        Self { kinds: kinds.collect() }
    }

    /// Returns the kind with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Kind> {
        self.kinds.get(name)
    }

    /// Returns the names of all kinds.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    /// Returns the kind that an unknown name probably means: by plural, short name or spelling.
    #[must_use]
    pub fn meant(&self, name: &str) -> Option<&str> {
        let lower = name.to_lowercase();
        let exactly = self.kinds.values().find(|kind| {
            let mut plural = kind.name.to_lowercase();
            plural.push('s');
            lower == plural || kind.names.contains(&lower)
        });
        exactly.map(|kind| kind.name.as_str()).or_else(|| {
            let names: Vec<&str> = self.names().collect();
            crate::model::suggest::meant(name, names.iter().copied())
        })
    }
}

/// Schema of a value.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Type,
    pub(super) properties: BTreeMap<String, Node>,
    pub(super) required: Vec<String>,
    pub(super) values: Option<Box<Node>>,
    pub(super) items: Option<Box<Node>>,
    pub(super) default: Option<Value>,
    pub(super) choices: Vec<Value>,
    pub(super) pattern: Option<Pattern>,
    pub(super) is_time: bool,
    pub(super) length: Bounds,
    pub(super) number: (Option<f64>, Option<f64>),
    pub(super) list: List,
    pub(super) rules: Vec<Rule>,
}

impl Node {
    /// Returns whether a text has an allowed length and matches the pattern.
    pub(super) fn admits(&self, text: &str) -> bool {
        let count = text.chars().count();
        let is_long = self.length.most.is_some_and(|most| count > most);
        let is_short = self.length.least.is_some_and(|least| count < least);
        !is_long && !is_short && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
    }
}

/// Minimum and maximum number of characters, items or properties.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    pub(super) least: Option<usize>,
    pub(super) most: Option<usize>,
}

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    Any,
}

/// Identity of the items of a list.
#[derive(Debug)]
pub(super) enum List {
    Atomic,
    Set,
    Map(Vec<String>),
}

/// Pattern, compiled when it is first needed.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) text: String,
    compiled: OnceLock<Option<Arc<Regex>>>,
}

impl Pattern {
    /// Returns whether the pattern matches. A pattern that is not valid matches everything; a test finds it.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.compiled().is_none_or(|regex| regex.is_match(text))
    }

    pub(super) fn compiled(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| Regex::new(&self.text).ok().map(Arc::new)).as_deref()
    }
}

impl Node {
    pub(super) fn new(schema: &JSONSchemaProps) -> Self {
        let kind = match schema.type_.as_deref() {
            Some("object") => Type::Object,
            Some("array") => Type::Array,
            Some("string") => Type::String,
            Some("integer") => Type::Integer,
            Some("number") => Type::Number,
            Some("boolean") => Type::Boolean,
            _ => Type::Any,
        };
        let (least, most) = match kind {
            Type::Array => (schema.min_items, schema.max_items),
            Type::Object => (schema.min_properties, schema.max_properties),
            _ => (schema.min_length, schema.max_length),
        };
        let bound = |number: Option<i64>| number.and_then(|number| usize::try_from(number).ok());
        let values = match &schema.additional_properties {
            Some(JSONSchemaPropsOrBool::Schema(values)) => Some(Box::new(Self::new(values))),
            _ => None,
        };
        let items = match &schema.items {
            Some(JSONSchemaPropsOrArray::Schema(items)) => Some(Box::new(Self::new(items))),
            _ => None,
        };
        let rules = schema.x_kubernetes_validations.iter().flatten();
        Self {
            kind,
            properties: schema
                .properties
                .iter()
                .flatten()
                .map(|(name, schema)| (name.clone(), Self::new(schema)))
                .collect(),
            required: schema.required.clone().unwrap_or_default(),
            values,
            items,
            default: schema.default.as_ref().map(|default| default.0.clone()),
            choices: schema.enum_.iter().flatten().map(|choice| choice.0.clone()).collect(),
            pattern: pattern_of(schema).map(|text| Pattern { text: text.to_owned(), compiled: OnceLock::new() }),
            is_time: schema.format.as_deref() == Some("date-time"),
            length: Bounds { least: bound(least), most: bound(most) },
            number: (schema.minimum, schema.maximum),
            list: match schema.x_kubernetes_list_type.as_deref() {
                Some("set") => List::Set,
                Some("map") => List::Map(schema.x_kubernetes_list_map_keys.clone().unwrap_or_default()),
                _ => List::Atomic,
            },
            // A rule about a transition cannot be evaluated with one state.
            rules: rules
                .filter(|rule| !rule.rule.contains("oldSelf") && pattern_of_rule(rule).is_none())
                .map(Rule::new)
                .collect(),
        }
    }

    /// Returns a field as the server sees it: null counts as absent, and an absent field has its default.
    pub(super) fn field<'a>(&'a self, object: &'a Value, name: &str) -> Option<(&'a Node, &'a Value)> {
        let node = self.properties.get(name)?;
        let value = object.get(name).filter(|value| !value.is_null()).or(node.default.as_ref())?;
        Some((node, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifests::schema::KINDS;

    fn each(node: &Node, look: &mut impl FnMut(&Node)) {
        look(node);
        let below = node.properties.values().chain(node.values.as_deref()).chain(node.items.as_deref());
        below.for_each(|node| each(node, look));
    }

    #[test]
    fn every_pattern_and_every_rule_compiles() {
        let (mut patterns, mut rules) = (0, 0);
        for kind in KINDS.kinds.values() {
            each(&kind.spec, &mut |node| {
                if let Some(pattern) = &node.pattern {
                    assert!(pattern.compiled().is_some(), "{}", pattern.text);
                    assert!(crate::api::pattern_in_words(&pattern.text).is_some(), "{}", pattern.text);
                    patterns += 1;
                }
                for rule in &node.rules {
                    rule.compiled().as_ref().unwrap_or_else(|error| panic!("{error}"));
                    rules += 1;
                }
            });
        }
        assert!(patterns > 40 && rules > 20, "{patterns} patterns, {rules} rules");
    }

    #[test]
    fn a_kind_is_found_by_what_people_call_it() {
        for (called, meant) in [
            ("Memberships", Some("Membership")),
            ("memberships", Some("Membership")),
            ("AccessRole", Some("Role")),
            ("accessroles", Some("Role")),
            ("Usergroup", Some("UserGroup")),
            ("mship", Some("Membership")),
            ("Invittation", Some("Invitation")),
            ("Deployment", None),
        ] {
            assert_eq!(KINDS.meant(called), meant, "{called}");
        }
    }
}
