//! Tests formats of output, and how they fit a terminal.

use serde_json::Value;

use crate::support::{Roster, roster};

fn ask(arguments: &str) -> Roster {
    roster(arguments).arg("examples").env("ROSTER_NOW", "2026-06-01T12:00:00Z")
}

fn data(run: Roster) -> Vec<u8> {
    run.output().stdout
}

/// Commands that print lists or other data, from files alone.
const DATA: [&str; 6] = [
    "validate",
    "who-can Edit settings",
    "explain hector@west.example",
    "explain sven@acme.example --account acme-direct",
    "matrix --account field-operations/meridian",
    "review",
];

#[test]
fn yaml_says_the_same_as_json() {
    for command in DATA {
        let json: Value = serde_json::from_slice(&data(ask(&format!("{command} -o json")))).expect(command);
        let yaml: Value = serde_yaml_ng::from_slice(&data(ask(&format!("{command} -o yaml")))).expect(command);
        assert_eq!(json, yaml, "{command}");
        assert_eq!(json["apiVersion"], "cli.roster.dev/v1", "{command}");
    }
}

#[test]
fn tables_follow_the_terminal_and_break_no_word() {
    let plan = "plan --from tests/cli/input/change/before --to";
    for command in ["who-can Edit settings", "explain rob@northline.example --account northline", "review", plan] {
        for columns in [60, 100, 160] {
            let printed = ask(command).env("COLUMNS", &columns.to_string()).printed();
            for line in printed.lines() {
                let fits = line.chars().count() <= columns || !line.trim().contains(' ');
                assert!(fits, "{command} in {columns}: {line}");
            }
        }
    }
    let narrow = ask("who-can Edit settings").env("COLUMNS", "60").printed();
    let wide = ask("who-can Edit settings").env("COLUMNS", "160").printed();
    for word in ["developer-platform/acme-direct", "sven@acme.example"] {
        assert!(narrow.contains(word) && wide.contains(word), "{word}: {narrow}{wide}");
    }
    assert!(narrow.lines().count() > wide.lines().count(), "{narrow}{wide}");
}

#[test]
fn names_and_more_columns() {
    let names = ask("who-can Edit settings -o name").printed();
    assert!(names.lines().skip(2).all(|line| line.contains('@') && !line.contains(' ')), "{names}");
    let wide = ask("who-can Edit settings -o wide").env("COLUMNS", "200").printed();
    assert!(wide.contains("NAME"), "{wide}");
    let accounts = ask("explain sven@acme.example -o name").printed();
    assert!(accounts.lines().skip(2).all(|line| line.contains('/') && !line.contains(' ')), "{accounts}");
    let input = "tests/cli/input/validate";
    let invalid = roster(&format!("validate {input}/base.yaml {input}/engine {input}/syntax -o name")).printed();
    assert!(invalid.starts_with("exit code 1") && invalid.contains("\nMembership "), "{invalid}");
    assert!(invalid.contains(&format!("\n{input}/syntax/members.yaml\n")), "{invalid}");
    let valid = "validate examples/store.yaml examples/secondary-users -o name";
    assert_eq!(roster(valid).printed(), "exit code 0\n");
    assert!(roster(&format!("{valid} --strict")).printed().contains("\nMembership "));
    // The former word for text.
    assert_eq!(ask("who-can Edit settings -o table").printed(), ask("who-can Edit settings").printed());
}

#[test]
fn paths_need_no_option() {
    let by_path = roster("validate examples/store.yaml examples/secondary-users").printed();
    assert_eq!(by_path, roster("validate -f examples/store.yaml -f examples/secondary-users").printed());
    assert!(by_path.starts_with("exit code 0"), "{by_path}");
    assert!(roster("validate examples --context kind-dev").printed().starts_with("exit code 2"));
    assert!(roster("plan examples --from examples --to examples").printed().starts_with("exit code 2"));
}

#[test]
fn the_version_is_a_command_too() {
    let printed = roster("version").printed();
    assert!(
        printed.contains(&format!("roster {}\nobjects roster.dev/v1alpha1\n", env!("CARGO_PKG_VERSION"))),
        "{printed}"
    );
    let data: Value = serde_json::from_slice(&data(roster("version -o json"))).unwrap();
    assert_eq!(data["kind"], "Version");
}
