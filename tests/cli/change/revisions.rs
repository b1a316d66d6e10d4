//! Tests `roster plan` between two revisions of files.

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
        assert!(said.contains("No changes: both revisions have the same effect"), "{said}");
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

/// Both ways use the same engine: a plan against a store lists the same changes as a plan between revisions.
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

#[test]
fn a_store_need_not_be_among_the_files() {
    let desk = Desk::new();
    let said = desk.said("plan --from EXAMPLES/secondary-users/account.yaml --to EXAMPLES/secondary-users");
    assert!(said.contains("petra@tidewater.example"), "{said}");
    assert!(said.contains("could not be resolved before"), "{said}");
}

/// Sections and levels come and go; what nobody changed is not told.
#[test]
fn a_catalog_that_changes_is_told_of_everybody_it_concerns() {
    let desk = Desk::new();
    desk.revised("one", |text| text);
    desk.revised("two", |text| {
        text.replace("  - {name: billing}\n", "  - {name: reports, levels: [Hide, View, Edit]}\n")
            .replace("  - {name: no-billing, caps: {billing: Denied}}", "  - {name: no-reports, caps: {reports: Hide}}")
            .replace("billing: Allowed", "reports: View")
            .replace("orders: View, settings: View", "orders: View, reports: Edit")
    });
    assert_snapshot!(desk.said("plan --from one --to two"));
}

#[test]
fn fields_that_must_not_change_and_an_owner_who_stays() {
    let desk = Desk::new();
    desk.revised("one", |text| text);
    desk.revised("two", |text| {
        text.replace("olga@acme.example", "oscar@acme.example")
            .replace("file: shop.db", "file: other.db")
            .replace("title: Night shift,", "title: Night shift, basedOn: viewer,")
            .replace("catalogRef: {name: shop}", "catalogRef: {name: shop}\n  storeRef: {name: elsewhere}")
    });
    assert_snapshot!(desk.said("plan --from one --to two"));
}

/// With `--prune`, a namespace that the files no longer have is deleted, with the accounts that they still have in it.
#[test]
fn a_namespace_that_is_taken_out_goes_with_everything_in_it() {
    let desk = Desk::new();
    for revision in ["from", "to"] {
        desk.revised(revision, |text| text);
    }
    std::fs::write(desk.path("from/a.yaml"), "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}").unwrap();
    let told = "pruning deletes it with its content: 1 account with 4 Memberships, which these files still contain";
    for format in ["text", "markdown"] {
        let said = desk.said(&format!("plan --from from --to to -o {format}"));
        assert!(said.replace("\n", " ").split_whitespace().collect::<Vec<_>>().join(" ").contains(told), "{said}");
    }
    assert_eq!(desk.run("plan --from from --to to -o name").output().stdout, b"Namespace shop\n");
}

/// Templates of a chart are not manifests yet: a plan reports that they were skipped.
#[test]
fn templates_that_are_passed_over_are_told() {
    let desk = Desk::new();
    desk.revised("portal", |text| text);
    std::fs::create_dir_all(desk.path("portal/chart/templates")).unwrap();
    std::fs::write(desk.path("portal/chart/Chart.yaml"), "name: chart\n").unwrap();
    std::fs::write(desk.path("portal/chart/templates/account.yaml"), "kind: {{ .Values.kind }}\n").unwrap();
    let said = desk.said("plan -f portal --store new.db");
    assert!(said.contains("note: 1 Helm template not read, first portal/chart/templates/account.yaml;"), "{said}");
}
