//! The rooms of `src/`: who may do I/O, and who may know whom (design/architecture.md "Rooms").

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::{files, repository};

/// Every room in the order the data flows, with the rooms its code may name besides itself.
const MAY_NAME: [(&str, &[&str]); 8] = [
    ("api", &[]),
    ("model", &["api"]),
    ("resolve", &["api", "model"]),
    ("plan", &["api", "model", "resolve"]),
    ("store", &["api", "model", "resolve", "plan"]),
    ("telemetry", &[]),
    ("controller", &["api", "model", "resolve", "plan", "store", "telemetry"]),
    ("cli", &["api", "model", "resolve", "plan", "store", "telemetry", "controller"]),
];

/// The rooms without I/O.
const PURE: [&str; 4] = ["api", "model", "resolve", "plan"];

/// What a room without I/O must not name: a Kubernetes client, tokio, a database, the clock, files, the network. The
/// derive macros and metadata types of kube stay: they say what a kind is, and ask nobody.
const IMPURE: [&str; 20] = [
    "kube::Api",
    "kube::Client",
    "kube::Config",
    "kube::api",
    "kube::client",
    "kube::config",
    "kube::runtime",
    "tokio",
    "sqlx",
    "rusqlite",
    "reqwest",
    "hyper",
    "axum",
    "Timestamp::now",
    "Zoned::now",
    "Instant::now",
    "SystemTime",
    "std::fs",
    "std::net",
    "std::env",
];

/// A file of the sources, without comments and without tests.
struct Source {
    path: String,
    code: String,
}

/// The sources of a room. Test modules live in files of their own, named `*_tests.rs`, or at the end of a file.
fn sources(room: &str) -> Vec<Source> {
    let mut found = Vec::new();
    gather(&repository("src").join(room), &mut found);
    let file = repository(&format!("src/{room}.rs"));
    if file.exists() {
        found.push(read(&file));
    }
    found
}

fn gather(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.to_str().unwrap().ends_with("_tests.rs") {
            found.push(read(&path));
        }
    }
}

fn read(path: &Path) -> Source {
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

/// Whether the code names this path, as a whole word at its beginning and at its end.
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

#[test]
fn a_room_without_io_names_no_client_no_runtime_no_database_and_no_clock() {
    let mut found = Vec::new();
    for room in PURE {
        let sources = sources(room);
        assert!(!sources.is_empty(), "no room {room}");
        for source in sources {
            found.extend(
                IMPURE.iter().filter(|path| names(&source.code, path)).map(|path| format!("{}: {path}", source.path)),
            );
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn every_room_names_only_the_rooms_before_it() {
    let rooms: BTreeSet<&str> = MAY_NAME.iter().map(|(room, _)| *room).collect();
    let mut found = Vec::new();
    for (room, allowed) in MAY_NAME {
        for source in sources(room) {
            let others = rooms.iter().filter(|other| **other != room && !allowed.contains(*other));
            let named = others.filter(|other| names(&source.code, &format!("crate::{other}")));
            found.extend(named.map(|other| format!("{}: crate::{other}", source.path)));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn every_room_is_in_the_table() {
    let mut rooms: BTreeSet<String> = files("src", ".rs").into_iter().map(|name| name.replace(".rs", "")).collect();
    rooms.retain(|name| name != "lib" && name != "main");
    let folders = fs::read_dir(repository("src")).unwrap().map(|entry| entry.unwrap());
    rooms.extend(folders.filter(|e| e.path().is_dir()).map(|e| e.file_name().into_string().unwrap()));
    let listed: BTreeSet<String> = MAY_NAME.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(rooms, listed);
}

#[test]
fn what_is_not_allowed_is_seen() {
    let code = code_of(
        "use std::{collections::BTreeMap, fs};\n// tokio\nuse kube::{api::Api, core::Metadata};\nfn f() { let now = jiff::Timestamp::now(); crate::store::Batch }",
    );
    for path in ["std::fs", "kube::api", "Timestamp::now", "crate::store"] {
        assert!(names(&code, path), "{path} in {code}");
    }
    for path in ["tokio", "kube::Client", "std::net", "crate::plan"] {
        assert!(!names(&code, path), "{path} in {code}");
    }
}
