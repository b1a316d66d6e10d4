//! Reads worlds from YAML, and files of the repository. Used by all tests of this crate.
#![allow(dead_code, reason = "each test crate uses a part")]

pub mod base;

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use roster_reference::{AccountAnswer, Kind, MemberAnswer, ObjectId, World};
use serde::Deserialize;
use serde_yaml_ng::Value;

/// A path in the repository.
pub fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// A text file of the repository.
#[track_caller]
pub fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Adds the objects of some YAML; those without a namespace are in `acme`.
#[track_caller]
pub fn add(world: &mut World, yaml: &str) {
    for document in serde_yaml_ng::Deserializer::from_str(yaml) {
        let value = Value::deserialize(document).unwrap();
        if !value.is_null() {
            add_one(world, value);
        }
    }
}

#[track_caller]
fn add_one(world: &mut World, value: Value) {
    fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_yaml_ng::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value:?}"))
    }
    let mut value = value;
    let kind = value["kind"].as_str().unwrap().to_owned();
    let api_version = if kind == "Namespace" { "v1" } else { "roster.dev/v1alpha1" };
    value["apiVersion"] = api_version.into();
    let name = value["metadata"]["name"].as_str().unwrap().to_owned();
    let namespace = value["metadata"]["namespace"].as_str().unwrap_or("acme").to_owned();
    let key = (namespace, name.clone());
    match kind.as_str() {
        "Namespace" => {
            let labels = object::<Namespace>(value).metadata.labels.unwrap_or_default();
            world.namespaces.insert(name, labels);
        }
        "PermissionCatalog" => drop(world.catalogs.insert(name, Arc::new(object(value)))),
        "IdentityStore" => drop(world.stores.insert(name, Arc::new(object(value)))),
        "Account" => drop(world.accounts.insert(key, Arc::new(object(value)))),
        "Role" => drop(world.roles.insert(key, Arc::new(object(value)))),
        "UserGroup" => drop(world.groups.insert(key, Arc::new(object(value)))),
        "Membership" => drop(world.memberships.insert(key, Arc::new(object(value)))),
        "Invitation" => drop(world.invitations.insert(key, Arc::new(object(value)))),
        other => panic!("{other} is no kind of ours"),
    }
}

/// A world with the objects of some YAML.
#[track_caller]
pub fn world(yaml: &str) -> World {
    let mut world = World::default();
    add(&mut world, yaml);
    world
}

/// Everything that `kubectl apply -f examples/store.yaml -f examples/<portal>/` would bring.
pub fn example(portal: &str) -> World {
    let mut world = world(&read("examples/store.yaml"));
    let folder = format!("examples/{portal}");
    let entries = fs::read_dir(repository(&folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<String> = names.filter(|name| name.ends_with(".yaml")).collect();
    for name in names {
        add(&mut world, &read(&format!("{folder}/{name}")));
    }
    world
}

/// Time of most tests.
pub fn now() -> Timestamp {
    at("2026-11-23T12:00:00Z")
}

/// A time.
pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The answer about an account, `namespace/name`.
#[track_caller]
pub fn ask(world: &World, account: &str) -> AccountAnswer {
    let (namespace, name) = account.split_once('/').unwrap();
    world.account(namespace, name, now()).unwrap_or_else(|| panic!("no account {account}"))
}

/// The answer about a member of `acme/portal`.
#[track_caller]
pub fn member(world: &World, address: &str) -> MemberAnswer {
    let answer = ask(world, "acme/portal");
    answer.members.get(address).unwrap_or_else(|| panic!("no member {address}: {:?}", answer.members.keys())).clone()
}

/// Levels as `section=Level section=Level`.
pub fn levels(levels: &std::collections::BTreeMap<String, String>) -> String {
    levels.iter().map(|(section, level)| format!("{section}={level}")).collect::<Vec<_>>().join(" ")
}

/// The reasons of an object in namespace `acme`, or of a cluster-scoped one, joined by spaces.
#[track_caller]
pub fn reasons(world: &World, kind: Kind, name: &str) -> String {
    let cluster = matches!(kind, Kind::PermissionCatalog | Kind::IdentityStore);
    let id = ObjectId::new(kind, if cluster { "" } else { "acme" }, name);
    let reasons = world.reasons(&id, now()).unwrap_or_else(|| panic!("no {kind:?} {name}"));
    reasons.into_iter().collect::<Vec<_>>().join(" ")
}
