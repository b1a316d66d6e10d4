//! Reads the portals of `examples/` as API types. Used by the tests.

use std::{fs, path::PathBuf};

use k8s_openapi::api::core::v1::Namespace;
use roster_core::api;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_yaml_ng::Value;

use super::World;

/// A path in the repository.
pub fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// A text file of the repository.
#[track_caller]
pub fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files of a folder whose names end so, in order.
pub fn files(folder: &str, end: &str) -> Vec<String> {
    let entries = fs::read_dir(repository(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(end)).collect();
    names.sort();
    names
}

/// Everything that `kubectl apply -f examples/store.yaml -f examples/<portal>/` would bring.
pub fn example(portal: &str) -> World {
    let mut world = World::of(&read("examples/store.yaml"));
    for file in files(&format!("examples/{portal}"), ".yaml") {
        let file = format!("examples/{portal}/{file}");
        for document in serde_yaml_ng::Deserializer::from_str(&read(&file)) {
            let value = Value::deserialize(document).unwrap();
            says_only_what_its_type_knows(&file, &value);
            world.add_one(value);
        }
    }
    world
}

/// A field that no type knows would be dropped in silence here, and refused by the API server.
fn says_only_what_its_type_knows(file: &str, value: &Value) {
    let known = match value["kind"].as_str().unwrap() {
        "Namespace" => again::<Namespace>(value),
        "PermissionCatalog" => again::<api::PermissionCatalog>(value),
        "IdentityStore" => again::<api::IdentityStore>(value),
        "Account" => again::<api::Account>(value),
        "Role" => again::<api::Role>(value),
        "UserGroup" => again::<api::UserGroup>(value),
        "Membership" => again::<api::Membership>(value),
        "Invitation" => again::<api::Invitation>(value),
        other => panic!("{file}: {other} is no kind of ours"),
    };
    let mut lost = Vec::new();
    compare("", value, &known, &mut lost);
    assert!(lost.is_empty(), "{file}, {:?}: no type knows {lost:?}", value["metadata"]["name"]);
}

fn again<T: Serialize + DeserializeOwned>(value: &Value) -> Value {
    let object: T = serde_yaml_ng::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value:?}"));
    serde_yaml_ng::to_value(object).unwrap()
}

/// Adds to `lost` the values of `written` that `known` lacks. `known` leaves out defaults, so a value must be equal
/// only if it has one.
fn compare(path: &str, written: &Value, known: &Value, lost: &mut Vec<String>) {
    match (written, known) {
        (Value::Mapping(written), Value::Mapping(known)) => {
            for (key, value) in written {
                let path = format!("{path}.{}", key.as_str().unwrap());
                match known.get(key) {
                    Some(known) => compare(&path, value, known, lost),
                    None => lost.push(path),
                }
            }
        }
        (Value::Sequence(written), Value::Sequence(known)) if written.len() == known.len() => {
            for (place, (written, known)) in written.iter().zip(known).enumerate() {
                compare(&format!("{path}[{place}]"), written, known, lost);
            }
        }
        _ if written == known => {}
        _ => lost.push(format!("{path}: {written:?}")),
    }
}

#[test]
#[should_panic(expected = ".spec.dispayName")]
fn a_field_that_no_type_knows_is_found() {
    let text = "{apiVersion: roster.dev/v1alpha1, kind: Account, metadata: {name: a}, spec: {catalogRef: {name: c}, dispayName: A}}";
    says_only_what_its_type_knows("a.yaml", &serde_yaml_ng::from_str(text).unwrap());
}
