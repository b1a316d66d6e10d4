use insta::assert_snapshot;

use super::desk::{Desk, PORTALS};

#[test]
fn two_revisions_as_text() {
    let desk = Desk::new();
    assert_snapshot!(desk.said("plan --from BEFORE --to AFTER"));
    assert_eq!(desk.files("."), Vec::<String>::new());
}

#[test]
fn two_revisions_as_markdown() {
    assert_snapshot!(Desk::new().said("plan --from BEFORE --to AFTER -o markdown"));
}

#[test]
fn two_revisions_as_json() {
    assert_snapshot!(Desk::new().said("plan --from BEFORE --to AFTER -o json"));
}

#[test]
fn a_revision_and_itself_are_the_same() {
    for portal in PORTALS {
        let said = Desk::new().said(&format!(
            "plan --from EXAMPLES/store.yaml --from EXAMPLES/{portal} --to EXAMPLES/store.yaml --to EXAMPLES/{portal} --detailed-exitcode"
        ));
        assert!(said.starts_with("exit code 0"), "{said}");
        assert!(said.contains("No changes: both revisions mean the same"), "{said}");
    }
}

#[test]
fn both_sides_are_needed_and_nothing_else() {
    let desk = Desk::new();
    for arguments in ["plan --from BEFORE", "plan --to AFTER", "plan --from BEFORE --to AFTER -f AFTER"] {
        let said = desk.said(arguments);
        assert!(said.starts_with("exit code 2"), "{arguments}: {said}");
    }
}

/// The same engine on both ways: what a store would be told is what the revisions say.
#[test]
fn a_store_and_the_revision_applied_to_it_are_told_the_same() {
    let desk = Desk::applied();
    let people = |arguments: &str| {
        let json: serde_json::Value = serde_json::from_slice(&desk.run(arguments).output().stdout).unwrap();
        (json["accounts"][0]["people"].clone(), json["accounts"][0]["changes"].clone())
    };
    let store = people("plan -f AFTER --store shop.db -o json");
    assert_eq!(store, people("plan --from BEFORE --to AFTER -o json"));
    assert!(store.0.as_array().unwrap().len() > 3);
}
