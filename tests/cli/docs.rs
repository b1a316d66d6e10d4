//! README and tutorials: every command in them that needs no cluster is run, in order, and prints what they say. `ROSTER_UPDATE=1` writes what was
//! printed into them instead.

use std::{fs, path::Path, process::Command};

use crate::support::repository;

/// What the tutorials on files begin with.
const OPENING: &str = "```console";

/// Blocks with these are shown by `make demo`, on a real cluster.
const NEEDS_A_CLUSTER: [&str; 4] = ["kubectl", "sql>", "Valid=", "The Membership"];

/// One command and what it is said to print.
struct Run {
    command: String,
    /// Lines of the document after the command.
    said: String,
}

/// Runs all `$ …` of the `console` blocks of a document in one folder with a copy of `examples/`; the document as it
/// would be with what they printed.
fn retold(document: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    copy(&repository("examples"), &folder.path().join("examples"));
    let mut told = String::new();
    let mut rest = document;
    while let Some(at) = rest.find(OPENING) {
        let (before, block) = rest.split_at(at + OPENING.len() + 1);
        let (block, after) = block.split_once("```").expect("a block that ends");
        told += before;
        rest = after;
        if NEEDS_A_CLUSTER.iter().any(|word| block.contains(word)) {
            told += &format!("{block}```");
            continue;
        }
        let mut code = 0;
        for run in runs(block) {
            let (printed, ended) = shell(&run.command, code, folder.path());
            told += &format!("$ {}\n{printed}", run.command);
            code = ended;
            assert!(!run.said.contains("$ "));
        }
        told += "```";
    }
    told + rest
}

fn runs(block: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), runs.last_mut()) {
            (Some(command), _) => runs.push(Run { command: command.to_owned(), said: String::new() }),
            (None, Some(run)) => run.said += line,
            (None, None) => panic!("a block begins with a command: {line}"),
        }
    }
    runs
}

/// `$?` is that of the command before.
fn shell(command: &str, before: i32, folder: &Path) -> (String, i32) {
    let binary = Path::new(env!("CARGO_BIN_EXE_roster")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let script = format!("exec 2>&1; (exit {before}); {command}");
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(folder).env("PATH", path).env("ROSTER_NOW", "2026-11-24T12:00:00Z");
    bash.env_remove("KUBECONFIG").env_remove("RUST_LOG").env("HOME", "/nonexistent");
    let output = bash.output().expect("bash starts");
    (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), &target).map(drop).unwrap()
        }
    }
}

#[test]
fn the_documents_print_what_they_say() {
    for name in ["README.md", "docs/tutorials/pull-requests.md"] {
        let path = repository(name);
        let document = fs::read_to_string(&path).unwrap();
        let told = retold(&document);
        if std::env::var_os("ROSTER_UPDATE").is_some() {
            fs::write(&path, told).unwrap();
        } else {
            assert_eq!(document, told, "{name}: run the test again with ROSTER_UPDATE=1 and read what changed");
        }
    }
}
