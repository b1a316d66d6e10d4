//! Cycles of imports: no two files of a crate import each other, directly or through others.
//!
//! Of a cycle each file can only be understood together with all others. What both need goes into a file of its own.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::{Crate, Imports};

/// Sources of the crates.
const CRATES: [(&str, &[(&str, &str)]); 4] = [
    ("src", &[]),
    ("crates/roster-core/src", &CORE),
    ("crates/roster-reference/src", &[]),
    ("crates/roster-testkit/src", &TESTKIT),
];

/// Imports that close a cycle, each by the module that imports and the one that defines. Without them there is none. The
/// lists only get shorter: an import that closes no cycle any more must be taken out.
const CORE: [(&str, &str); 16] = [
    ("control", "control::blocks"),
    ("control", "control::refreshes"),
    ("control", "control::shard_changes"),
    ("control", "control::warnings"),
    ("control::causes", "control::pass"),
    ("control::deletion", "control::reconcile"),
    ("control::event", "control::rollout_pace"),
    ("control::event", "control::statuses"),
    ("control::leases", "control::leases::held_lease"),
    ("control::leases", "control::leases::round"),
    ("control::orphaned_accounts", "control::refreshes"),
    ("model::finding::findings", "model::finding::builder"),
    ("model::finding::kinds", "model::finding::findings"),
    ("state::catalog_record", "state::catalog_rollout"),
    ("state::index", "state::tally"),
    ("state::index", "state::unreadable"),
];

/// As [`CORE`].
const TESTKIT: [(&str, &str); 6] = [
    ("sim::calls", "sim::run"),
    ("sim::check", "sim::revocation_deadlines"),
    ("sim::people", "sim::specs"),
    ("sim::people", "sim::faults"),
    ("sim::replica", "sim::lease_driver"),
    ("sim::run", "sim::lease_driver"),
];

/// Modules that each module imports from.
type Graph<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn graph<'a>(imports: &'a Imports, allowed: &[(&str, &str)]) -> Graph<'a> {
    let mut graph = Graph::new();
    for (from, to) in imports.keys().filter(|(from, to)| !allowed.contains(&(from.as_str(), to.as_str()))) {
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
fn cycles(imports: &Imports, allowed: &[(&str, &str)]) -> BTreeSet<String> {
    let graph = graph(imports, allowed);
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
    for (folder, allowed) in CRATES {
        let imports = Crate::read(folder).imports();
        assert_eq!(cycles(&imports, allowed), BTreeSet::new(), "{folder}");
    }
}

#[test]
fn each_import_that_may_close_a_cycle_does() {
    for (folder, allowed) in CRATES {
        let imports = Crate::read(folder).imports();
        let graph = graph(&imports, allowed);
        for (from, to) in allowed {
            let is_there = imports.contains_key(&((*from).to_owned(), (*to).to_owned()));
            assert!(is_there && way(&graph, to, from).is_some(), "{folder}: {from} from {to} closes no cycle any more");
        }
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
    assert_eq!(cycles(&imports, &[]), BTreeSet::from(both.map(str::to_owned)));
    assert_eq!(cycles(&imports, &[("b::d", "a")]), BTreeSet::new());
}
