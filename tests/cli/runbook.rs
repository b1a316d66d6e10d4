//! Tests runbook and operations documents: they have an entry for every reason, event and alert and no other entry,
//! links to existing headings, and commands that the command line knows.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use crate::support::repository;

/// Reasons that are not variants of an enum, each with the source that writes it.
const TEXT_REASONS: [(&str, &str); 10] = [
    ("ManagedAccountsExist", "crates/roster-core/src/control/finish_deletion.rs"),
    ("AccessWithheld", "crates/roster-core/src/report/outcome.rs"),
    ("FinalizerMissing", "crates/roster-core/src/report/revocations_only.rs"),
    ("Terminating", "crates/roster-core/src/report/revocations_only.rs"),
    ("DefinitionRecreated", "crates/roster-core/src/report/revocations_only.rs"),
    ("DefinitionsMissing", "crates/roster-core/src/report/revocations_only.rs"),
    ("InUse", "crates/roster-core/src/report/status.rs"),
    ("NotReconciled", "src/cli/status/reason.rs"),
    ("AdviceApplies", "crates/roster-core/src/report/render.rs"),
    ("Corrected", "crates/roster-core/src/report/render.rs"),
];

fn text(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The variants of an enum, as its source has them.
fn variants(path: &str, name: &str) -> BTreeSet<String> {
    let source = text(path);
    let (_, body) = source.split_once(&format!("pub enum {name} {{\n")).unwrap_or_else(|| panic!("{name} in {path}"));
    let (body, _) = body.split_once("\n}\n").unwrap();
    let found: BTreeSet<_> = body.lines().filter_map(|line| line.trim().strip_suffix(',')).map(str::to_owned).collect();
    assert!(found.len() > 1, "{name}: {found:?}");
    found
}

/// Collects the names of alerts in all charts.
fn alerts(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            alerts(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let names = text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("alert: "));
            found.extend(names.map(|name| name.trim_matches('"').to_owned()));
        }
    }
}

/// The documents of this part.
fn documents() -> Vec<String> {
    let folder = fs::read_dir(repository("docs/operations")).unwrap().flatten();
    let names = folder.map(|entry| format!("docs/operations/{}", entry.file_name().to_str().unwrap()));
    let mut all: Vec<String> = names.filter(|name| name.ends_with(".md")).collect();
    all.extend(["docs/runbook.md".to_owned(), "docs/api-versioning.md".to_owned()]);
    all
}

#[test]
fn every_reason_event_and_alert_has_exactly_one_entry() {
    let mut wanted = variants("crates/roster-core/src/api/conditions.rs", "InvalidReason");
    wanted.extend(variants("crates/roster-core/src/api/conditions.rs", "SyncReason"));
    wanted.extend(variants("crates/roster-core/src/api/conditions.rs", "RolloutReason"));
    // A notice that holds one of the reasons above is published under that reason's name.
    let notices = variants("crates/roster-core/src/report/notice.rs", "NoticeReason");
    wanted.extend(notices.into_iter().filter(|name| !name.contains('(')));
    for (name, source) in TEXT_REASONS {
        assert!(text(source).contains(&format!("\"{name}\"")), "{source} does not say {name}");
        wanted.insert(name.to_owned());
    }
    alerts(&repository("charts"), &mut wanted);
    let runbook = text("docs/runbook.md");
    let entries: Vec<&str> = runbook.split("\n### ").skip(1).collect();
    let mut found = BTreeSet::new();
    for entry in entries {
        let (name, body) = entry.split_once('\n').unwrap();
        assert!(found.insert(name.to_owned()), "{name} is there twice");
        for part in ["**Means.** ", "**Look.**", "**Do.** "] {
            assert!(body.contains(part), "{name} has no {part}");
        }
    }
    assert_eq!(found, wanted);
}

#[test]
fn links_are_valid() {
    let mut documents = documents();
    documents.extend(["README.md", "CONTRIBUTING.md", "examples/README.md"].map(str::to_owned));
    for folder in ["docs/decisions", "docs/reference", "docs/stores", "docs/tutorials"] {
        let files = fs::read_dir(repository(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        documents.extend(files.map(|file| format!("{folder}/{}", file.to_str().unwrap())));
    }
    for name in &documents {
        let document = text(name);
        for link in document.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let path = if file.is_empty() { repository(name) } else { repository(name).with_file_name("").join(file) };
            assert!(path.exists(), "{name}: {link}");
            let target = if path.is_dir() { String::new() } else { fs::read_to_string(&path).unwrap() };
            let anchors: BTreeSet<String> = target.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
            assert!(heading.is_empty() || anchors.contains(heading), "{name}: {link}: {anchors:?}");
        }
    }
}

/// Returns the anchor of a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn every_roster_command_exists() {
    let mut seen = 0;
    for name in documents() {
        let document = text(&name);
        for block in document.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            for line in block.lines().filter(|line| line.starts_with("roster ")) {
                // With --help it prints help once it has parsed the other arguments.
                let (command, _) = line.split_once(" | ").unwrap_or((line, ""));
                let script = format!("exec 2>&1; {command} --help");
                let binary = Path::new(env!("CARGO_BIN_EXE_roster")).parent().unwrap();
                let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
                let output = Command::new("bash").args(["-c", &script]).env("PATH", path).output().unwrap();
                assert!(output.status.success(), "{name}: {line}\n{}", String::from_utf8_lossy(&output.stdout));
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen}");
}
