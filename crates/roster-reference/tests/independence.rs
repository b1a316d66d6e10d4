//! Tests that the model shares nothing with the engine except the types of the API.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::pedantic,
    clippy::cloned_ref_to_slice_refs,
    reason = "tests end by panicking, and their tables read better as they stand"
)]

mod support;

use std::{fs, path::Path};

use support::repository;

fn gather(folder: &Path, sources: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, sources);
        } else {
            sources.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn the_sources_name_nothing_of_the_core_but_its_api() {
    let mut sources = Vec::new();
    gather(&repository("crates/roster-reference/src"), &mut sources);
    assert!(sources.len() > 5);
    for (path, text) in &sources {
        for (start, _) in text.match_indices("roster_core") {
            let rest = &text[start + "roster_core".len()..];
            assert!(
                rest.starts_with("::api::") || rest.starts_with("::api`]"),
                "{path}: roster_core{}",
                &rest[..30.min(rest.len())]
            );
        }
        assert!(!text.contains("InvalidReason"), "{path}: reasons are strings here");
    }
}

#[test]
fn a_source_file_has_at_most_400_lines() {
    let mut sources = Vec::new();
    gather(&repository("crates/roster-reference/src"), &mut sources);
    for (path, text) in sources {
        assert!(text.lines().count() <= 400, "{path}");
    }
}
