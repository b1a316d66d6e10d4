//! Tests `roster validate`: each kind of bad input, and the examples, which are valid.

use std::fs;

use crate::support::{repository, roster};

const INPUT: &str = "tests/cli/input/validate";

/// `roster validate` on files of this name below the input folder.
fn printed(files: &str) -> String {
    let files: Vec<String> = files.split(' ').map(|file| format!("-f {INPUT}/{file}")).collect();
    roster(&format!("validate {}", files.join(" "))).printed()
}

#[test]
fn broken_yaml_is_shown_and_other_documents_are_read() {
    insta::assert_snapshot!(printed("base.yaml syntax"));
}

#[test]
fn schema_errors_come_with_the_allowed_values() {
    insta::assert_snapshot!(printed("base.yaml schema"));
}

#[test]
fn wrong_kinds_and_versions_get_a_suggestion() {
    insta::assert_snapshot!(printed("kinds"));
}

#[test]
fn a_duplicate_object_is_shown_at_both_positions() {
    insta::assert_snapshot!(printed("base.yaml twice"));
}

#[test]
fn objects_of_other_kinds_are_skipped_with_a_note() {
    insta::assert_snapshot!(printed("others"));
}

#[test]
fn lists_and_json_are_read() {
    insta::assert_snapshot!(printed("base.yaml lists"));
}

#[test]
fn findings_of_the_engine_are_shown() {
    insta::assert_snapshot!(printed("base.yaml engine"));
}

/// What is valid and does nothing is advised, with the name that was probably meant.
#[test]
fn what_has_no_effect_is_advised() {
    insta::assert_snapshot!(printed("base.yaml effect"));
}

/// A rule, an override, a restriction or a block that does nothing is advised.
#[test]
fn rules_without_effect_are_advised() {
    insta::assert_snapshot!(printed("without-effect"));
}

/// Levels and roles get a suggestion, also of the other kind of role. A value without quotes is suggested as it is
/// written, and a Namespace that is misspelt is no object of another kind.
#[test]
fn near_names_and_unquoted_values_get_a_suggestion() {
    insta::assert_snapshot!(printed("near"));
}

/// The labels that would be right are named, and why a parent refuses: whoever has the files may know it.
#[test]
fn a_refusal_says_what_would_be_right() {
    insta::assert_snapshot!(printed("admission"));
}

#[test]
fn a_fault_that_schema_and_engine_know_is_reported_once() {
    insta::assert_snapshot!(printed("twice-said"));
}

/// An invalid address is reported once, in the words of the engine. An address that may have lost its end has advice.
#[test]
fn an_invalid_address_is_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let of = |email: &str| {
        format!(
            "{{apiVersion: roster.dev/v1alpha1, kind: Membership, metadata: {{name: ida, namespace: acme}}, spec: {{accountRef: {{name: acme}}, user: {{email: '{email}'}}}}}}"
        )
    };
    let printed = |email: &str| {
        fs::write(folder.path().join("ida.yaml"), of(email)).unwrap();
        let base = repository(&format!("{INPUT}/base.yaml"));
        roster(&format!("validate -f {} -f ida.yaml", base.display())).within(folder.path()).printed()
    };
    let broken = printed("ida museum.example");
    let lines = broken.lines().filter(|line| line.contains("spec.user.email"));
    assert_eq!(lines.count(), 1, "{broken}");
    let local = printed("ida@museum");
    assert!(local.contains("the domain \"museum\" has no dot"), "{local}");
}

#[test]
fn references_outside_of_the_files_are_marked() {
    insta::assert_snapshot!(printed("lists/list.yaml"));
}

#[test]
fn json_for_programs_and_annotations_for_a_workflow() {
    insta::assert_snapshot!("json", roster(&format!("validate -f {INPUT}/kinds -o json")).printed());
    insta::assert_snapshot!(
        "github",
        roster(&format!("validate -f {INPUT}/kinds -f {INPUT}/others -o github")).printed()
    );
}

#[test]
fn standard_input_is_read_and_strict_counts_advice() {
    let text = fs::read_to_string(repository(&format!("{INPUT}/base.yaml"))).unwrap();
    let text = text.replace("minimumHolders: 1", "minimumHolders: 2");
    insta::assert_snapshot!("advice", roster("validate -f -").stdin(&text).printed());
    assert!(roster("validate -f - --strict").stdin(&text).printed().starts_with("exit code 1\n"));
}

#[test]
fn a_missing_file_is_an_error() {
    insta::assert_snapshot!(printed("nowhere.yaml"));
}

#[test]
fn nothing_is_wider_than_the_screen() {
    for files in ["base.yaml syntax", "base.yaml schema", "kinds", "base.yaml engine", "others", "near", "admission"] {
        for line in printed(files).lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

#[test]
fn every_portal_of_the_examples_is_valid() {
    let store = "-f examples/store.yaml";
    for portal in ["secondary-users", "field-operations", "developer-platform", "service-provider", "partner-accounts"]
    {
        let printed = roster(&format!("validate -f examples/{portal} {store}")).printed();
        insta::assert_snapshot!(format!("example_{portal}"), printed);
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
            let printed = roster(&format!("validate -f {file}")).printed();
            assert!(
                printed.contains("1 object in 1 file: valid")
                    && printed.contains("skipped, not kinds of Roster: Secret"),
                "{file}: {printed}"
            );
        }
    }
}
