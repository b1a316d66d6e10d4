//! Tests the five portals of `examples/`: every cell of their `expected.csv`, and which of their objects are valid.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::pedantic,
    clippy::cloned_ref_to_slice_refs,
    reason = "tests end by panicking, and their tables read better as they stand"
)]

mod support;

use roster_reference::{Statement, World};
use support::{example, now, read};

const PORTALS: [&str; 5] =
    ["secondary-users", "service-provider", "partner-accounts", "developer-platform", "field-operations"];

/// Rows of the view `effective_permissions`, as CSV: each member and each section of the catalog.
fn shown(world: &World) -> Vec<String> {
    let mut rows = Vec::new();
    for ((namespace, name), account) in &world.accounts {
        let catalog = &world.catalogs[&account.spec.catalog_ref.name].spec;
        let answer = world.account(namespace, name, now()).unwrap();
        for (address, member) in &answer.members {
            assert!(matches!(member.statement, Statement::Exactly | Statement::Ended(_)), "{address}");
            for section in &catalog.sections {
                let first = section.levels.as_ref().map_or("Denied", |levels| levels[0].as_str());
                let level = member.levels.get(&section.name).map_or(first, String::as_str);
                rows.push(format!("{namespace}/{name},{address},{},{level}", section.name));
            }
        }
    }
    rows.sort();
    rows
}

#[test]
fn every_cell_of_every_expected_csv_is_the_models_answer() {
    for portal in PORTALS {
        let text = read(&format!("examples/{portal}/expected.csv"));
        let (header, rows) = text.split_once('\n').unwrap();
        assert_eq!(header, "account,email,section,level");
        let rows: Vec<&str> = rows.lines().collect();
        assert_eq!(shown(&example(portal)), rows, "{portal}");
    }
}

#[test]
fn the_example_objects_are_valid_unless_they_say_otherwise() {
    let mut invalid = Vec::new();
    for portal in PORTALS {
        let world = example(portal);
        for (namespace, name) in world.accounts.keys() {
            let answer = world.account(namespace, name, now()).unwrap();
            assert!(answer.resolves, "{namespace}/{name}");
            for (id, reasons) in answer.reasons.iter().filter(|(_, reasons)| !reasons.is_empty()) {
                invalid.push(format!("{namespace}/{name} {:?} {}: {reasons:?}", id.kind, id.name));
            }
        }
    }
    assert_eq!(
        invalid,
        [
            r#"developer-platform/hobby Invitation hobby-mika: {"PlanNotEligible"}"#,
            r#"field-operations/meridian-west Account meridian-west: {"ApprovalPending"}"#,
            r#"field-operations/meridian-west Membership hector: {"ApprovalPending"}"#,
            r#"field-operations/meridian-west Membership stella: {"ApprovalPending"}"#,
        ]
    );
}
