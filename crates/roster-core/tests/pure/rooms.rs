//! Tests the rooms (modules) of the core and of `src/`: which room may use which, and which crates the core may use
//! (docs/architecture.md "Rooms").

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::{files, read, repository};

/// The rooms of the core in the order the data flows, with the rooms that each may name besides itself.
const CORE: [(&str, &[&str]); 12] = [
    ("api", &[]),
    ("model", &["api"]),
    ("state", &["api", "model"]),
    ("resolve", &["api", "model", "state"]),
    ("limits", &["api", "model", "state", "resolve"]),
    ("plan", &["api", "model", "state", "resolve"]),
    ("contract", &["api", "model", "state", "resolve", "plan"]),
    ("evaluate", &["api", "model", "state", "resolve", "plan"]),
    ("authority", &["api", "model", "state", "resolve", "limits", "plan", "evaluate"]),
    ("report", &["api", "model", "state", "resolve", "plan", "contract", "evaluate"]),
    ("control", &["api", "model", "state", "resolve", "plan", "contract", "evaluate", "authority", "report"]),
    ("testing", &["resolve", "plan"]),
];

/// The rooms of `src/`, which may all name the core.
const OUTER: [(&str, &[&str]); 7] = [
    ("store", &[]),
    ("telemetry", &[]),
    ("cluster", &["store", "telemetry"]),
    ("controller", &["store", "telemetry", "cluster"]),
    ("webhook", &["telemetry", "cluster"]),
    ("manifests", &["cluster"]),
    ("cli", &["store", "telemetry", "cluster", "controller", "webhook", "manifests"]),
];

/// Crates that do I/O, run tasks or read a clock: none of them may be a dependency of the core.
const IMPURE: [&str; 10] =
    ["async-std", "axum", "futures", "hyper", "kube", "kube-client", "reqwest", "rusqlite", "sqlx", "tokio"];

/// A file of the sources, without comments and without tests.
struct Source {
    path: String,
    code: String,
}

/// The sources of a room in a folder. Test modules live in files of their own, named `*_tests.rs`, or at the end of a
/// file.
fn sources(folder: &str, room: &str) -> Vec<Source> {
    let mut found = Vec::new();
    gather(&repository(folder).join(room), &mut found);
    let file = repository(&format!("{folder}/{room}.rs"));
    if file.exists() {
        found.push(source(&file));
    }
    found
}

fn gather(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.to_str().unwrap().ends_with("_tests.rs") {
            found.push(source(&path));
        }
    }
}

fn source(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    Source { path: path.display().to_string(), code: code_of(text) }
}

/// The code without its comments, and imports in braces written out: `a::{b, c}` as `a::b a::c`.
fn code_of(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join(" ");
    let mut out = String::new();
    let mut prefixes: Vec<(String, bool)> = Vec::new();
    let mut path = String::new();
    for character in code.chars() {
        match character {
            '{' => {
                let opens_path = path.ends_with("::");
                prefixes.push((if opens_path { path.clone() } else { String::new() }, opens_path));
            }
            '}' => {
                out.push_str(&path);
                out.push(' ');
                prefixes.pop();
                path.clear();
                continue;
            }
            character if character.is_alphanumeric() || character == '_' || character == ':' => {
                path.push(character);
                continue;
            }
            _ => {}
        }
        out.push_str(&path);
        out.push(' ');
        path = prefixes.last().map(|(prefix, _)| prefix.clone()).unwrap_or_default();
        if character == ';' {
            path.clear();
        }
    }
    out.push_str(&path);
    out
}

/// Returns whether the code names this path, with a word boundary on both sides.
fn names(code: &str, path: &str) -> bool {
    code.split_whitespace().any(|word| {
        word.match_indices(path).any(|(at, _)| {
            let before = word[..at].chars().next_back();
            let after = word[at + path.len()..].chars().next();
            let part = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
            !part(before) && !part(after)
        })
    })
}

/// Returns the rooms that a folder uses but may not use.
fn trespasses(folder: &str, rooms: &[(&str, &[&str])]) -> Vec<String> {
    let mut found = Vec::new();
    for (room, allowed) in rooms {
        let sources = sources(folder, room);
        assert!(!sources.is_empty(), "no room {room}");
        for source in sources {
            let others =
                rooms.iter().map(|(other, _)| other).filter(|other| *other != room && !allowed.contains(*other));
            let named = others.filter(|other| names(&source.code, &format!("crate::{other}")));
            found.extend(named.map(|other| format!("{}: crate::{other}", source.path)));
        }
    }
    found
}

/// The rooms that a folder has.
fn rooms_of(folder: &str) -> BTreeSet<String> {
    let mut rooms: BTreeSet<String> = files(folder, ".rs").into_iter().map(|name| name.replace(".rs", "")).collect();
    rooms.retain(|name| name != "lib" && name != "main");
    let folders = fs::read_dir(repository(folder)).unwrap().map(|entry| entry.unwrap());
    rooms.extend(folders.filter(|e| e.path().is_dir()).map(|e| e.file_name().into_string().unwrap()));
    rooms
}

#[test]
fn every_module_imports_only_modules_before_it() {
    assert_eq!(trespasses("crates/roster-core/src", &CORE), Vec::<String>::new());
    assert_eq!(trespasses("src", &OUTER), Vec::<String>::new());
}

#[test]
fn every_module_is_in_the_table() {
    for (folder, table) in [("crates/roster-core/src", CORE.as_slice()), ("src", OUTER.as_slice())] {
        let listed: BTreeSet<String> = table.iter().map(|(room, _)| (*room).to_owned()).collect();
        assert_eq!(rooms_of(folder), listed, "{folder}");
    }
}

#[test]
fn the_core_depends_on_nothing_that_does_io() {
    let manifest = read("crates/roster-core/Cargo.toml");
    let (_, rest) = manifest.split_once("[dependencies]").unwrap();
    let dependencies = rest.split("\n[").next().unwrap();
    let names: Vec<&str> = dependencies
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .collect();
    assert!(names.contains(&"serde"), "the list has moved: {names:?}");
    let found: Vec<&&str> = names.iter().filter(|name| IMPURE.contains(name)).collect();
    assert_eq!(found, Vec::<&&str>::new());
}

#[test]
fn forbidden_imports_are_found() {
    let code =
        code_of("// crate::plan\nuse crate::{api::Account, store::{Batch, Claim}};\nfn f() { crate::cli::run() }");
    for path in ["crate::api", "crate::store", "crate::cli"] {
        assert!(names(&code, path), "{path} in {code}");
    }
    for path in ["crate::plan", "crate::st", "crate::model"] {
        assert!(!names(&code, path), "{path} in {code}");
    }
}
