//! Tests README and tutorials: every command in them that needs no server is run, in order, and prints what the
//! document shows. `ROSTER_UPDATE=1` writes the output into them instead. `tests/it/contract/*/docs.rs` runs those that
//! need a server.

use crate::doc_commands::{Setting, assert_commands_print_what_is_written};

/// Blocks with these are shown by `make demo`, on a real cluster.
const NEEDS_A_CLUSTER: [&str; 4] = ["kubectl", "sql>", "Valid=", "The Membership"];

/// Blocks with these are run by `tests/it/cli/tutorial.rs`, on a cluster of its own.
const NEEDS_A_CONTROLLER: [&str; 5] =
    ["kubectl create", "kubectl wait", "kubectl patch", "--account acme/acme", "kill %1"];

#[test]
fn the_commands_of_the_documents_print_the_documented_output() {
    for name in ["README.md", "docs/tutorials/pull-requests.md"] {
        let folder = tempfile::tempdir().unwrap();
        let setting = Setting {
            folder: folder.path(),
            programs: None,
            environment: vec![],
            names: vec![],
            without: &NEEDS_A_CLUSTER,
        };
        assert_commands_print_what_is_written(name, &setting);
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_first_portal_is_as_the_tutorial_says_and_its_query_answers() {
    let folder = tempfile::tempdir().unwrap();
    let name = "docs/tutorials/first-portal.md";
    let setting = Setting {
        folder: folder.path(),
        programs: None,
        environment: vec![],
        names: vec![],
        without: &NEEDS_A_CONTROLLER,
    };
    assert_commands_print_what_is_written(name, &setting);
    let document = std::fs::read_to_string(crate::support::repository(name)).unwrap();
    let (_, query) = document.split_once("```sql\n").expect("a query");
    let (query, _) = query.split_once("```").unwrap();
    let rows = crate::seed_store::rows(&folder.path().join("try.db"), query).await;
    assert_eq!(rows, ["invoices Pay", "orders View"]);
}

#[test]
fn tables_of_kubectl_in_the_documents_have_the_columns_of_the_definitions() {
    let columns = |singular: &str| {
        let definitions = roster::api::crds();
        let definition = definitions.into_iter().find(|it| it.spec.names.singular.as_deref() == Some(singular));
        let printed = definition.expect(singular).spec.versions.remove(0).additional_printer_columns.unwrap();
        let shown = printed.into_iter().filter(|column| column.priority.unwrap_or(0) == 0);
        shown.map(|column| column.name.to_uppercase()).collect::<Vec<_>>().join(" ")
    };
    let mut tables = 0;
    for name in ["README.md", "docs/tutorials/first-portal.md", "docs/tutorials/pull-requests.md"] {
        let document = std::fs::read_to_string(crate::support::repository(name)).unwrap();
        let lines: Vec<&str> = document.lines().collect();
        for pair in lines.windows(2) {
            let [header, row] = pair else { continue };
            let kind = row.split_once(".roster.dev/").map(|(kind, _)| kind);
            let (Some(kind), Some(header)) = (kind, header.strip_prefix("NAME ")) else { continue };
            let header = header.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(header, columns(kind), "{name}: {row}");
            tables += 1;
        }
    }
    assert!(tables >= 3, "only {tables} tables found");
}
