//! Tests of every definition: everything has bounds and a description, and `crds/` is as generated. Run as part of
//! `crds`.

use std::path::Path;

use super::*;
use crate::api::{NOT_ENFORCED, immutable_fields};

/// Calls `visit` with the path of every schema of every kind.
fn each_schema(mut visit: impl FnMut(&str, &JSONSchemaProps)) {
    fn walk(path: &str, schema: &JSONSchemaProps, visit: &mut impl FnMut(&str, &JSONSchemaProps)) {
        visit(path, schema);
        for (name, property) in schema.properties.iter().flatten() {
            walk(&format!("{path}.{name}"), property, visit);
        }
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
            walk(&format!("{path}[]"), items, visit);
        }
        if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
            walk(&format!("{path}{{}}"), values, visit);
        }
    }
    for crd in crds() {
        for version in &crd.spec.versions {
            let schema = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref()).unwrap();
            walk(&crd.spec.names.kind, schema, &mut visit);
        }
    }
}

fn faults(fault: impl Fn(&str, &JSONSchemaProps) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    each_schema(|path, schema| {
        if fault(path, schema) {
            found.push(path.to_owned());
        }
    });
    found
}

#[test]
fn every_field_is_described() {
    let undescribed = faults(|path, schema| !path.ends_with([']', '}']) && schema.description.is_none());
    assert!(undescribed.is_empty(), "without description: {undescribed:#?}");
}

#[test]
fn every_string_list_and_map_is_bounded() {
    let unbounded = faults(|path, schema| match schema.type_.as_deref() {
        Some("string") => {
            schema.max_length.is_none() && schema.enum_.is_none() && schema.format.as_deref() != Some("date-time")
        }
        Some("array") => schema.max_items.is_none() || schema.x_kubernetes_list_type.is_none(),
        Some("object") => schema.additional_properties.is_some() && schema.max_properties.is_none(),
        Some("integer") => schema.minimum.is_none() && !path.ends_with(".status.observedGeneration"),
        _ => false,
    });
    assert!(unbounded.is_empty(), "without bounds or list type: {unbounded:#?}");
}

#[test]
fn keys_of_maps_in_the_spec_are_bounded_by_a_rule() {
    let unbounded = faults(|path, schema| {
        path.contains(".spec.")
            && schema.additional_properties.is_some()
            && !schema.x_kubernetes_validations.iter().flatten().any(|rule| rule.rule.starts_with("self.all(k, "))
    });
    assert!(unbounded.is_empty(), "maps with any key: {unbounded:#?}");
}

#[test]
fn every_rule_has_a_message() {
    let mute = faults(|_, schema| schema.x_kubernetes_validations.iter().flatten().any(|rule| rule.message.is_none()));
    assert!(mute.is_empty(), "rules without message: {mute:#?}");
}

/// kubectl reads YAML 1.1, in which these words are booleans unless they are quoted, and users do not quote enum
/// values.
#[test]
fn no_value_reads_as_a_boolean() {
    let booleans = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~"];
    let found = faults(|path, schema| {
        !path.ends_with(".conditions[].status")
            && schema
                .enum_
                .iter()
                .flatten()
                .any(|value| value.0.as_str().is_some_and(|text| booleans.contains(&text.to_lowercase().as_str())))
    });
    assert!(found.is_empty(), "enums with values that need quotes: {found:#?}");
}

#[test]
fn inherited_fields_and_status_have_no_defaults() {
    let inherited = ["Account.spec.drift", "Account.spec.removalGuard", "Account.spec.enforcement"];
    let with_default = faults(|path, schema| {
        schema.default.is_some() && (path.contains(".status.") || inherited.iter().any(|field| path.starts_with(field)))
    });
    assert!(with_default.is_empty(), "must not have a default: {with_default:#?}");
}

#[test]
fn fields_without_effect_say_so_in_their_description() {
    let mut seen = Vec::new();
    each_schema(|path, schema| {
        if path.ends_with(".enforcement") || path.ends_with(".administration") {
            let description = schema.description.as_deref().unwrap_or_default();
            assert!(description.contains(NOT_ENFORCED), "{path}: {description}");
            seen.push(path.to_owned());
        }
    });
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[test]
fn a_new_object_does_not_read_as_current() {
    let mut kinds = 0;
    each_schema(|path, schema| {
        if path.matches('.').count() == 1 && path.ends_with(".status") {
            kinds += 1;
            assert_eq!(schema.default, Some(JSON(json!({"observedGeneration": -1}))), "{path}");
        }
    });
    assert_eq!(kinds, 7);
}

#[test]
fn nothing_is_nullable_or_of_a_format_kubernetes_does_not_know() {
    let formats = ["int32", "int64", "date-time"];
    let found = faults(|_, schema| {
        schema.nullable.is_some()
            || schema.any_of.is_some()
            || schema.one_of.is_some()
            || schema.format.as_deref().is_some_and(|format| !formats.contains(&format))
    });
    assert!(found.is_empty(), "{found:#?}");
}

/// `ROSTER_UPDATE=1 cargo test -p roster-core crds` writes the files instead, as `make generate` does.
#[test]
fn the_generated_files_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds");
    let files = crds_files().unwrap();
    if std::env::var_os("ROSTER_UPDATE").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, yaml) in &files {
            std::fs::write(folder.join(name), yaml).unwrap();
        }
    }
    let mut present: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let mut wanted: Vec<_> = files.iter().map(|(name, _)| name.clone()).collect();
    present.sort();
    wanted.sort();
    assert_eq!(present, wanted, "crds/ holds other files than the kinds; run `make generate` and remove the rest");
    for (name, yaml) in files {
        let file = std::fs::read_to_string(folder.join(&name)).unwrap();
        assert!(file == yaml, "crds/{name} differs from the types; run `make generate`");
    }
}

#[test]
fn one_text_holds_all_definitions() {
    use serde::Deserialize as _;
    let yaml = crds_yaml().unwrap();
    let read: Vec<_> = serde_yaml_ng::Deserializer::from_str(&yaml)
        .map(|document| CustomResourceDefinition::deserialize(document).unwrap())
        .collect();
    assert_eq!(read, crds());
}

/// Flux with `force` deletes and recreates an object if an answer has that word.
#[test]
fn no_rule_says_immutable() {
    each_schema(|path, schema| {
        for rule in schema.x_kubernetes_validations.iter().flatten() {
            let message = rule.message.as_deref().unwrap_or_default();
            assert!(!message.to_lowercase().contains("immutable"), "{path}: {message}");
        }
    });
}

#[test]
fn the_rules_keep_just_the_fields_that_never_change() {
    for crd in crds() {
        let kind = &crd.spec.names.kind;
        let schema = crd.spec.versions[0].schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
        let spec = &schema.unwrap().properties.as_ref().unwrap()["spec"];
        let rules = spec.x_kubernetes_validations.iter().flatten();
        let kept: Vec<&str> = rules
            .map(|rule| rule.rule.as_str())
            .filter(|rule| rule.contains("oldSelf") && !rule.contains(">="))
            .collect();
        let fields = immutable_fields(kind);
        for field in fields {
            let rule = kept.iter().find(|rule| rule.contains(&format!("oldSelf.{field}")));
            assert!(rule.is_some(), "no rule keeps spec.{field} of {kind}");
        }
        for rule in kept {
            let field = fields.iter().find(|field| rule.contains(&format!("oldSelf.{field}")));
            assert!(field.is_some(), "{kind}: {rule} keeps a field that is not listed");
        }
    }
}
