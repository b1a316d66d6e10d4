//! Tests the command line on a store in both directions: files are planned and applied, and read back by `import`.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output},
};

/// Runs `roster` with these variables only, of those that name secrets.
pub fn roster(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roster"));
    command.args(arguments).env_remove("PGPASSFILE").env_remove("KUBECONFIG").env("NO_COLOR", "1");
    command.env_remove("ROSTER_KEYCLOAK_CLIENT_SECRET").envs(variables.iter().copied()).output().unwrap()
}

pub fn output_text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).trim().to_owned()
}

/// A portal's files, applied to an empty store and imported from it, are the same people; everything in between says so.
pub fn there_and_back(portal: &str, store: &str, variables: &[(&str, &str)]) {
    let files = format!("{}/examples/{portal}", env!("CARGO_MANIFEST_DIR"));
    let run = |arguments: &[&str], code: i32| {
        let output = roster(&[arguments, &["--store", store]].concat(), variables);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", output_text(&output));
        output_text(&output)
    };
    let plan = |files: &str, code| run(&["plan", "-f", files, "--detailed-exitcode"], code);
    plan(&files, 2);
    assert!(run(&["apply", "-f", &files, "--yes"], 0).contains("Applied "));
    assert!(plan(&files, 0).contains("No changes"));
    assert!(run(&["drift", "-f", &files], 0).contains("No drift"));
    let folder = tempfile::tempdir().unwrap();
    let imported = folder.path().join("imported");
    run(&["import", "--output", imported.to_str().unwrap()], 0);
    plan(imported.to_str().unwrap(), 0);
    let table = fs::read_to_string(format!("{files}/expected.csv")).unwrap();
    let expected: BTreeSet<String> =
        table.lines().skip(1).map(|row| row.split(',').nth(1).unwrap().to_owned()).collect();
    assert!(expected.len() > 2, "{table}");
    let mut people = BTreeSet::new();
    addresses(&imported, &mut people);
    assert_eq!(people, expected);
    // People who are no longer in the files are removed from the store, once somebody has approved it.
    let none = folder.path().join("none");
    fs::create_dir(&none).unwrap();
    for entry in fs::read_dir(&files).unwrap().map(Result::unwrap) {
        if entry.file_name() != "people.yaml" {
            fs::copy(entry.path(), none.join(entry.file_name())).unwrap();
        }
    }
    let none = none.to_str().unwrap();
    let held = run(&["apply", "-f", none, "--yes"], 1);
    let hashes = held.split("--approve ").skip(1).map(|after| after.split(|c: char| !c.is_ascii_alphanumeric()).next());
    let hashes: BTreeSet<&str> = hashes.map(Option::unwrap).collect();
    assert!(!hashes.is_empty(), "nobody is held back: {held}");
    let approve = hashes.into_iter().flat_map(|hash| ["--approve", hash]);
    run(&["apply", "-f", none, "--yes"].into_iter().chain(approve).collect::<Vec<_>>(), 0);
    plan(none, 0);
}

fn addresses(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            addresses(&path, found);
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let words = text.split(|c: char| c.is_whitespace() || "\"'{}[],".contains(c));
        found.extend(words.filter(|word| word.contains('@') && word.contains('.')).map(str::to_owned));
    }
}
