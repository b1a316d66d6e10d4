//! Tests `roster init`: it writes a valid portal that every command accepts, and overwrites no file.

use std::{fs, path::Path};

use insta::assert_snapshot;

use crate::support::roster;

fn printed(folder: &Path, arguments: &str) -> String {
    roster(arguments).env("ROSTER_NOW", "2026-11-24T12:00:00Z").within(folder).printed()
}

#[test]
fn init_writes_a_portal_and_prints_the_next_steps() {
    let folder = tempfile::tempdir().unwrap();
    let output = printed(folder.path(), "init");
    assert_snapshot!(output);
    let commands: Vec<&str> = output.lines().filter_map(|line| line.strip_prefix("  roster ")).collect();
    assert_eq!(commands.len(), 4, "{output}");
    for command in commands {
        let (command, _) = command.split_once('#').unwrap();
        let yes = if command.starts_with("apply") { " --yes" } else { "" };
        let done = printed(folder.path(), &format!("{command}{yes}"));
        assert!(done.starts_with("exit code 0"), "{command}: {done}");
    }
    assert!(printed(folder.path(), "plan -f access --store try.db").contains("No changes"));
    assert_snapshot!("it_is_valid", printed(folder.path(), "validate -f access --strict"));
    assert_snapshot!("who_may_do_what", printed(folder.path(), "matrix -f access --account acme --rows people"));
}

#[test]
fn a_portal_of_any_name_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    for (number, options) in [
        "--name shop --namespace customers --owner olivia@shop.example",
        "--name no --owner dana@no.example",
        "--name 12 --owner o'brien@acme.example",
    ]
    .into_iter()
    .enumerate()
    {
        assert!(printed(folder.path(), &format!("init a/{number} {options}")).starts_with("exit code 0"), "{options}");
        let valid = printed(folder.path(), &format!("validate -f a/{number} --strict"));
        assert!(valid.contains("8 objects in 7 files: valid\n"), "{options}: {valid}");
    }
    let account = fs::read_to_string(folder.path().join("a/0/account.yaml")).unwrap();
    assert!(account.contains("name: shop\n  namespace: customers\n") && account.contains("olivia@shop.example"));
}

#[test]
fn an_existing_file_stays_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let access = folder.path().join("access");
    fs::create_dir(&access).unwrap();
    fs::write(access.join("people.yaml"), "mine").unwrap();
    assert_snapshot!(printed(folder.path(), "init"));
    assert_eq!(fs::read_to_string(access.join("people.yaml")).unwrap(), "mine");
    assert_eq!(fs::read_dir(&access).unwrap().count(), 1);
    // Other files do not matter.
    fs::rename(access.join("people.yaml"), access.join("notes.txt")).unwrap();
    assert!(printed(folder.path(), "init").starts_with("exit code 0"));
}

#[test]
fn invalid_names_and_addresses_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (options, why) in [
        ("--name My_Shop", "must be a DNS label"),
        ("--namespace a.b", "must be a DNS label"),
        ("--owner olivia", "olivia"),
        ("--owner a..b@acme.example", "must be an e-mail address"),
    ] {
        let refused = printed(folder.path(), &format!("init {options}"));
        assert!(refused.starts_with("exit code 2") && refused.contains(why), "{options}: {refused}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
