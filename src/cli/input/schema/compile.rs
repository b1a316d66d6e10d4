//! From the definitions to schemas that can be asked.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use regex::Regex;

use super::{Schema, Shape, Unique, rules::Rule};

fn length(bound: Option<i64>) -> Option<u64> {
    bound.and_then(|bound| u64::try_from(bound).ok())
}

/// A schema of a definition, compiled.
pub(super) fn schema(props: &JSONSchemaProps) -> Schema {
    let shape = shape(props);
    let rules: Vec<Rule> = props.x_kubernetes_validations.iter().flatten().filter_map(Rule::compile).collect();
    let inside = match &shape {
        Shape::Object { properties, .. } => properties.values().any(|schema| schema.has_rules),
        Shape::Map { values: inner, .. } | Shape::List { items: inner, .. } => inner.has_rules,
        _ => false,
    };
    Schema {
        has_rules: inside || !rules.is_empty(),
        shape,
        description: props.description.clone(),
        default: props.default.clone().map(|default| default.0),
        allowed: props.enum_.iter().flatten().map(|value| value.0.clone()).collect(),
        rules,
    }
}

/// The schema of a whole object, which has some fields that no definition needs to name.
pub(super) fn root(props: &JSONSchemaProps) -> Schema {
    let mut schema = schema(props);
    if let Shape::Object { properties, .. } = &mut schema.shape {
        for name in ["apiVersion", "kind", "metadata"] {
            properties.insert(name.to_owned(), Schema::default());
        }
        // Whatever stands there, the server drops it.
        properties.insert("status".to_owned(), Schema::default());
    }
    schema
}

fn shape(props: &JSONSchemaProps) -> Shape {
    match props.type_.as_deref() {
        Some("object") => match (&props.properties, &props.additional_properties) {
            (_, Some(JSONSchemaPropsOrBool::Schema(values))) => {
                let (at_least, at_most) = (length(props.min_properties), length(props.max_properties));
                Shape::Map { values: Box::new(schema(values)), at_least, at_most }
            }
            (Some(properties), _) => Shape::Object {
                properties: properties.iter().map(|(name, props)| (name.clone(), schema(props))).collect(),
                required: props.required.clone().unwrap_or_default(),
            },
            // `metadata`, which is judged apart.
            (None, _) => Shape::Any,
        },
        Some("array") => {
            let items = match &props.items {
                Some(JSONSchemaPropsOrArray::Schema(items)) => schema(items),
                _ => Schema::default(),
            };
            let unique = match props.x_kubernetes_list_type.as_deref() {
                Some("set") => Unique::Items,
                Some("map") => Unique::Keys(props.x_kubernetes_list_map_keys.clone().unwrap_or_default().into()),
                _ => Unique::Nothing,
            };
            let (at_least, at_most) = (length(props.min_items), length(props.max_items));
            Shape::List { items: Box::new(items), at_least, at_most, unique }
        }
        Some("string") => Shape::Text {
            at_least: length(props.min_length),
            at_most: length(props.max_length),
            // Its own tests show that every pattern is one.
            pattern: props.pattern.as_deref().and_then(|pattern| Regex::new(pattern).ok()),
            is_time: props.format.as_deref() == Some("date-time"),
        },
        Some("integer") => Shape::Integer { at_least: props.minimum, at_most: props.maximum },
        Some("number") => Shape::Number,
        Some("boolean") => Shape::Boolean,
        _ => Shape::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api;

    fn every(props: &JSONSchemaProps, see: &mut impl FnMut(&JSONSchemaProps)) {
        see(props);
        props.properties.iter().flat_map(|properties| properties.values()).for_each(|props| every(props, see));
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &props.items {
            every(items, see);
        }
        if let Some(JSONSchemaPropsOrBool::Schema(values)) = &props.additional_properties {
            every(values, see);
        }
    }

    #[test]
    fn every_pattern_and_every_rule_is_understood() {
        let (mut patterns, mut rules) = (0, 0);
        for crd in api::crds() {
            let root = crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
            every(root, &mut |props| {
                if let Some(pattern) = &props.pattern {
                    patterns += 1;
                    Regex::new(pattern).unwrap();
                }
                for rule in props.x_kubernetes_validations.iter().flatten() {
                    rules += 1;
                    assert!(Rule::compile(rule).is_some() != rule.rule.contains("oldSelf"), "{}", rule.rule);
                }
            });
        }
        assert!(patterns > 20 && rules > 25, "{patterns} patterns, {rules} rules");
    }
}
