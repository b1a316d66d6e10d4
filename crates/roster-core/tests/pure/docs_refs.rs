//! Tests references to documents: each document and heading that a source names exists, and no source names the former
//! design outside the repository.

use std::{fs, path::Path};

use crate::support::{read, repository};

/// Folders without Roster's own text, and one whose text must not change: migrations are frozen.
const SKIPPED: [&str; 4] = ["target", "node_modules", "bench-results", "migrations"];

/// Ends of the names of sources, scripts and documents.
const ENDS: [&str; 7] = [".rs", ".md", ".sh", ".yaml", ".toml", "Makefile", "Containerfile"];

/// The folder of the former design.
const DESIGN: &str = "design/";

/// A document that a source names, and the heading in quotes after it, if there is one.
#[derive(Debug, PartialEq, Eq)]
struct Reference {
    path: String,
    heading: Option<String>,
}

/// Returns path and text of every source, script and document of the repository.
fn texts() -> Vec<(String, String)> {
    let mut found = Vec::new();
    gather(&repository("."), &mut found);
    found
}

fn gather(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap_or_default());
        if entry.file_type().unwrap().is_dir() {
            if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                gather(&path, found);
            }
        } else if ENDS.iter().any(|end| name.ends_with(*end)) {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Returns the text of a source in which each comment is one line.
fn flowing(source: &str) -> String {
    let mut text = String::new();
    for line in source.lines().map(str::trim) {
        match ["//!", "///", "//"].iter().find_map(|mark| line.strip_prefix(*mark)) {
            Some(comment) => {
                text.push(' ');
                text.push_str(comment.trim());
            }
            None => {
                text.push('\n');
                text.push_str(line);
            }
        }
    }
    text
}

/// Returns whether a path may have this character.
fn is_of_path(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '/' | '.' | '-' | '_')
}

/// Returns the path that a text begins with, without the full stop of a sentence.
fn path_of(text: &str) -> &str {
    let end = text.find(|character: char| !is_of_path(character)).unwrap_or(text.len());
    text[..end].trim_end_matches('.')
}

fn references(source: &str) -> Vec<Reference> {
    let text = flowing(source);
    let mut found = Vec::new();
    for (at, _) in text.match_indices("docs/") {
        let is_inside = text[..at].chars().next_back().is_some_and(is_of_path);
        let path = path_of(&text[at..]);
        if is_inside || !path.ends_with(".md") {
            continue;
        }
        let quoted = text[at + path.len()..].strip_prefix(" \"");
        let heading = quoted.and_then(|rest| rest.split('"').next()).map(str::to_owned);
        found.push(Reference { path: path.to_owned(), heading });
    }
    found
}

fn has_heading(document: &str, heading: &str) -> bool {
    document.lines().any(|line| line.starts_with('#') && line.trim_start_matches('#').trim() == heading)
}

/// Returns the files of the former design that a text names.
fn designs(text: &str) -> Vec<String> {
    let paths = text.match_indices(DESIGN).map(|(at, _)| path_of(&text[at..]));
    paths.filter(|path| path.ends_with(".md")).map(str::to_owned).collect()
}

#[test]
fn every_document_and_heading_that_a_source_names_is_there() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for (file, text) in texts() {
        if !file.ends_with(".rs") {
            continue;
        }
        for Reference { path, heading } in references(&text) {
            seen += 1;
            if !repository(&path).is_file() {
                wrong.push(format!("{file}: {path}"));
            } else if let Some(heading) = heading
                && !has_heading(&read(&path), &heading)
            {
                wrong.push(format!("{file}: {path} {heading:?}"));
            }
        }
    }
    assert!(seen > 50, "{seen}");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn nothing_names_a_file_of_the_former_design() {
    let mut wrong = Vec::new();
    for (file, text) in texts() {
        if file.ends_with("CHANGELOG.md") || file.contains("docs/decisions/") {
            continue;
        }
        wrong.extend(designs(&text).into_iter().map(|path| format!("{file}: {path}")));
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn references_are_read_across_lines_of_a_comment() {
    // Assembled at run time, so that these texts are not references themselves.
    let docs = "docs";
    let source =
        format!("//! As {docs}/one.md\n//! \"Two words\" says, and {docs}/two.md.\nread(\"{docs}/three.md\", \"x\")");
    let of = |path: &str, heading: Option<&str>| Reference {
        path: format!("{docs}/{path}"),
        heading: heading.map(str::to_owned),
    };
    assert_eq!(references(&source), [of("one.md", Some("Two words")), of("two.md", None), of("three.md", None)]);
    assert!(references(&format!("../{docs}/one.md and {docs}/two")).is_empty());
    assert!(has_heading("# One\n\n## Two words\n", "Two words") && !has_heading("Two words\n", "Two words"));
    assert_eq!(designs(&format!("see {DESIGN}one.md, {DESIGN}two")), [format!("{DESIGN}one.md")]);
}
