//! Tests the bill of materials: it lists everything in the binary, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::built::{IMAGE, json, judging_materials};
use crate::support::tools::{repository, stderr_of, stdout_of};

fn key(component: &Value) -> String {
    format!("{} {}", component["name"].as_str().unwrap(), component["version"].as_str().unwrap())
}

fn components() -> Vec<Value> {
    json(&IMAGE.materials)["components"].as_array().unwrap().clone()
}

fn is_crate(component: &Value) -> bool {
    component["purl"].as_str().unwrap().starts_with("pkg:cargo/")
}

#[test]
fn it_is_a_document_of_cyclonedx() {
    stdout_of(&mut judging_materials(&IMAGE.materials));
    // One that is wrong is found.
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = json(&IMAGE.materials);
    wrong["components"][0]["type"] = json!("wood");
    let file = folder.path().join("wrong.json");
    fs::write(&file, wrong.to_string()).unwrap();
    assert!(stderr_of(&judging_materials(&file).output().unwrap()).contains("/components/0/type"));
}

#[test]
fn the_bill_of_materials_is_next_to_the_image_and_in_it() {
    assert!(IMAGE.file("usr/share/doc/roster/roster.cdx.json") == fs::read(&IMAGE.materials).unwrap());
    let about = &json(&IMAGE.materials)["metadata"];
    assert_eq!(about["component"]["name"], "roster");
    assert_eq!(about["component"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(about["timestamp"].as_str().unwrap()[..19], IMAGE.config["created"].as_str().unwrap()[..19]);
    let text = fs::read_to_string(&IMAGE.materials).unwrap();
    for path in [env!("CARGO_MANIFEST_DIR"), "file://", "path+"] {
        assert!(!text.contains(path), "{path}");
    }
}

#[test]
fn it_names_the_crates_that_cargo_links_for_this_target_and_no_other() {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let edges = ["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"];
    let tree = stdout_of(
        Command::new(env!("CARGO"))
            .args(["tree", "--locked", "--offline", "--target", &target])
            .args(edges)
            .current_dir(repository("")),
    );
    let mut linked: BTreeSet<String> = BTreeSet::new();
    for line in tree.lines() {
        let mut words = line.split(' ');
        let (name, version) = (words.next().unwrap(), words.next().unwrap().trim_start_matches('v'));
        linked.insert(format!("{name} {version}"));
    }
    assert!(linked.remove(concat!("roster ", env!("CARGO_PKG_VERSION"))));
    let output: BTreeSet<_> = components().iter().filter(|one| is_crate(one)).map(key).collect();
    assert_eq!(output, linked);
    for (name, is_linked) in [("ring", true), ("kube", true), ("insta", false), ("serde_derive", false), ("cc", false)]
    {
        assert_eq!(output.iter().any(|one| one.starts_with(&format!("{name} "))), is_linked, "{name}");
    }
}

#[test]
fn what_is_not_a_crate_is_there_in_the_version_that_is_said() {
    let binary = IMAGE.file("roster");
    let all = components();
    let others: BTreeMap<_, _> = all
        .iter()
        .filter(|one| !is_crate(one))
        .map(|one| (one["name"].as_str().unwrap(), one["version"].as_str().unwrap()))
        .collect();
    assert_eq!(others.keys().copied().collect::<Vec<_>>(), ["musl", "rust", "sqlite"]);
    let has = |text: &str| binary.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has(others["sqlite"]), "{others:?}");
    let rust = said_by_rustc();
    assert!(rust.starts_with(&format!("rustc {} ", others["rust"])), "{rust}");
}

fn said_by_rustc() -> String {
    stdout_of(Command::new("rustc").arg("--version").current_dir(repository("")))
}

#[test]
fn each_has_a_licence_and_a_place_in_the_graph() {
    let document = json(&IMAGE.materials);
    let root = document["metadata"]["component"]["bom-ref"].as_str().unwrap();
    let edges: BTreeMap<&str, Vec<&str>> = document["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let on = one["dependsOn"].as_array().into_iter().flatten().map(|on| on.as_str().unwrap()).collect();
            (one["ref"].as_str().unwrap(), on)
        })
        .collect();
    let mut reached = BTreeSet::new();
    let mut next = vec![root];
    while let Some(one) = next.pop() {
        if reached.insert(one) {
            next.extend(&edges[one]);
        }
    }
    assert!(reached.remove(root));
    let all = components();
    assert_eq!(reached, all.iter().map(|one| one["bom-ref"].as_str().unwrap()).collect());
    let bare: Vec<_> = all.iter().filter(|one| one["licenses"].as_array().is_none_or(Vec::is_empty)).map(key).collect();
    assert_eq!(bare, Vec::<String>::new());
    // Our own crates come from no registry, so they have no checksum.
    let unsure = all.iter().filter(|one| is_crate(one) && one["hashes"].is_null()).map(key);
    let unsure: Vec<_> = unsure.filter(|one| *one != concat!("roster-core ", env!("CARGO_PKG_VERSION"))).collect();
    assert_eq!(unsure, Vec::<String>::new());
}
