//! Tests `roster validate`: each kind of bad input, and the examples, which are valid.

use std::fs;

use crate::support::{repository, roster};

const INPUT: &str = "tests/cli/input/validate";

/// `roster validate` on files of this name below the input folder.
fn said(files: &str) -> String {
    let files: Vec<String> = files.split(' ').map(|file| format!("-f {INPUT}/{file}")).collect();
    roster(&format!("validate {}", files.join(" "))).said()
}

#[test]
fn broken_yaml_is_shown_and_the_other_documents_are_read() {
    insta::assert_snapshot!(said("base.yaml syntax"));
}

#[test]
fn what_the_api_server_would_refuse_is_said_with_what_would_be_right() {
    insta::assert_snapshot!(said("base.yaml schema"));
}

#[test]
fn wrong_kinds_and_versions_are_guessed() {
    insta::assert_snapshot!(said("kinds"));
}

#[test]
fn an_object_that_is_there_twice_is_shown_at_both_places() {
    insta::assert_snapshot!(said("base.yaml twice"));
}

#[test]
fn what_is_not_ours_is_passed_over_with_a_note() {
    insta::assert_snapshot!(said("others"));
}

#[test]
fn lists_and_json_are_read() {
    insta::assert_snapshot!(said("base.yaml lists"));
}

#[test]
fn what_the_engine_would_say_is_said() {
    insta::assert_snapshot!(said("base.yaml engine"));
}

/// An invalid address is reported once, in the words of the engine. An address that may have lost its end has advice.
#[test]
fn an_address_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let of = |email: &str| {
        format!(
            "{{apiVersion: roster.dev/v1alpha1, kind: Membership, metadata: {{name: ida, namespace: acme}}, spec: {{accountRef: {{name: acme}}, user: {{email: '{email}'}}}}}}"
        )
    };
    let said = |email: &str| {
        fs::write(folder.path().join("ida.yaml"), of(email)).unwrap();
        let base = repository(&format!("{INPUT}/base.yaml"));
        roster(&format!("validate -f {} -f ida.yaml", base.display())).within(folder.path()).said()
    };
    let broken = said("ida museum.example");
    let lines = broken.lines().filter(|line| line.contains("spec.user.email"));
    assert_eq!(lines.count(), 1, "{broken}");
    let local = said("ida@museum");
    assert!(local.contains("the domain \"museum\" has no dot"), "{local}");
}

#[test]
fn what_is_not_in_the_files_is_said_so() {
    insta::assert_snapshot!(said("lists/list.yaml"));
}

#[test]
fn json_for_programs_and_annotations_for_a_workflow() {
    insta::assert_snapshot!("json", roster(&format!("validate -f {INPUT}/kinds -o json")).said());
    insta::assert_snapshot!("github", roster(&format!("validate -f {INPUT}/kinds -f {INPUT}/others -o github")).said());
}

#[test]
fn standard_input_is_read_and_advice_counts_where_it_is_asked_to() {
    let text = fs::read_to_string(repository(&format!("{INPUT}/base.yaml"))).unwrap();
    let text = text.replace("minimumHolders: 1", "minimumHolders: 2");
    insta::assert_snapshot!("advice", roster("validate -f -").stdin(&text).said());
    assert!(roster("validate -f - --strict").stdin(&text).said().starts_with("exit code 1\n"));
}

#[test]
fn a_file_that_is_not_there_ends_it() {
    insta::assert_snapshot!(said("nowhere.yaml"));
}

#[test]
fn nothing_is_wider_than_the_screen() {
    for files in ["base.yaml syntax", "base.yaml schema", "kinds", "base.yaml engine", "others"] {
        for line in said(files).lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

#[test]
fn every_portal_of_the_examples_is_valid() {
    let store = "-f examples/store.yaml";
    for portal in ["secondary-users", "field-operations", "developer-platform", "service-provider", "partner-accounts"]
    {
        let said = roster(&format!("validate -f examples/{portal} {store}")).said();
        insta::assert_snapshot!(format!("example_{portal}"), said);
    }
}

/// Each backend's store as an example, and as its document shows it.
#[test]
fn every_store_of_the_examples_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    for backend in ["postgres", "keycloak"] {
        let document = if backend == "postgres" { "postgresql" } else { backend };
        let text = fs::read_to_string(repository(&format!("docs/stores/{document}.md"))).unwrap();
        let shown = text.split("```yaml\n").nth(1).and_then(|after| after.split("```").next()).unwrap();
        let path = folder.path().join(format!("{backend}.yaml"));
        fs::write(&path, shown).unwrap();
        for file in [format!("examples/stores/{backend}.yaml"), path.display().to_string()] {
            let said = roster(&format!("validate -f {file}")).said();
            assert!(
                said.contains("1 object in 1 file: valid") && said.contains("skipped, not kinds of Roster: Secret"),
                "{file}: {said}"
            );
        }
    }
}
