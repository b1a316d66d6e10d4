//! Tests the field reference: it is as `make generate` writes it, and its examples are valid together.

use std::{fs, path::Path};

use crate::support::{repository, roster};

/// All files of a folder, by name.
fn files(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn the_pages_are_as_generated() {
    let folder = tempfile::tempdir().unwrap();
    let printed = roster("crds --markdown --output").arg(folder.path()).printed();
    assert_eq!(printed, "exit code 0\n");
    assert_eq!(files(folder.path()), files(&repository("docs/reference")), "run `make generate`");
    // Without a folder all pages are printed.
    let printed = roster("crds --markdown").printed();
    assert!(printed.contains("# Field reference\n") && printed.contains("\n# Invitation\n"), "{printed}");
}

/// Every example is accepted.
#[test]
fn the_examples_are_valid_together() {
    let folder = tempfile::tempdir().unwrap();
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: acme}\n";
    fs::write(folder.path().join("namespace.yaml"), namespace).unwrap();
    let mut seen = 0;
    for (name, page) in files(&repository("docs/reference")) {
        for example in page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            fs::write(folder.path().join(&name).with_extension("yaml"), example).unwrap();
            seen += 1;
        }
    }
    assert_eq!(seen, 7);
    let printed = roster("validate -f .").within(folder.path()).printed();
    assert!(printed.starts_with("exit code 0") && printed.contains("8 objects in 8 files: valid"), "{printed}");
}
