//! Cycles of imports: no two files of a crate import each other, directly or through others.
//!
//! Of a cycle each file can only be understood together with all others. What both need goes into a file of its own.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::{Crate, Imports};

/// Sources of the crates.
const CRATES: [&str; 4] = ["src", "crates/roster-core/src", "crates/roster-reference/src", "crates/roster-testkit/src"];

/// Modules that each module imports from.
type Graph<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn graph(imports: &Imports) -> Graph<'_> {
    let mut graph = Graph::new();
    for (from, to) in imports.keys() {
        graph.entry(from).or_default().insert(to);
    }
    graph
}

/// Returns the shortest way from one module to another by imports.
fn way<'a>(graph: &Graph<'a>, from: &'a str, to: &'a str) -> Option<Vec<&'a str>> {
    let mut ways = vec![vec![from]];
    let mut seen = BTreeSet::new();
    let mut next = 0;
    while let Some(way) = ways.get(next).cloned() {
        next += 1;
        for step in graph.get(way.last().unwrap()).into_iter().flatten().copied() {
            let further: Vec<&str> = way.iter().copied().chain([step]).collect();
            if step == to {
                return Some(further);
            }
            if seen.insert(step) {
                ways.push(further);
            }
        }
    }
    None
}

/// Returns a cycle through each module that is in one, as text: which module takes what from the next one.
fn cycles(imports: &Imports) -> BTreeSet<String> {
    let graph = graph(imports);
    let mut found = BTreeSet::new();
    let mut reported = BTreeSet::new();
    for module in graph.keys().copied() {
        if reported.contains(module) {
            continue;
        }
        let Some(way) = way(&graph, module, module) else { continue };
        reported.extend(way.iter().copied());
        let steps = way.windows(2).map(|step| {
            let names = &imports[&(step[0].to_owned(), step[1].to_owned())];
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            format!("{} takes {} from {}", shown(step[0]), names.join(", "), shown(step[1]))
        });
        found.insert(steps.collect::<Vec<_>>().join("; "));
    }
    found
}

fn shown(module: &str) -> &str {
    if module.is_empty() { "lib" } else { module }
}

#[test]
fn no_files_import_each_other() {
    for folder in CRATES {
        let imports = Crate::read(folder).imports();
        assert_eq!(cycles(&imports), BTreeSet::new(), "{folder}");
    }
}

#[test]
fn a_cycle_is_found_across_files_and_re_exports() {
    let mut sources = Crate::default();
    for (module, text) in [
        ("", "mod a; mod b; pub use b::c::C; pub use a::A as Renamed;"),
        (
            "a",
            "use crate::{C, b::{self, d}}; pub struct A(C, b::B); // crate::a::A\nfn f() { d::f(\"crate::b\", '\"') }",
        ),
        ("b", "pub mod c; pub mod d; mod e; use e::*; pub struct B;"),
        ("b::c", "pub(crate) struct C(super::d::D);"),
        ("b::d", "use super::super::Renamed; pub struct D(Renamed); pub fn f() {} mod inner { use super::super::E; }"),
        ("b::e", "use super::B; pub struct E(B);"),
    ] {
        sources.add(module, text);
    }
    let imports = sources.imports();
    let found: Vec<(&str, &str)> = imports.keys().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    let expected =
        [("a", "b"), ("a", "b::c"), ("a", "b::d"), ("b::c", "b::d"), ("b::d", "a"), ("b::d", "b::e"), ("b::e", "b")];
    assert_eq!(found, expected);
    let both = [
        "a takes f from b::d; b::d takes Renamed from a",
        "b::c takes D from b::d; b::d takes Renamed from a; a takes C from b::c",
    ];
    assert_eq!(cycles(&imports), BTreeSet::from(both.map(str::to_owned)));
}
