//! README and tutorials: every command in them that needs no server is run, in order, and prints what they say.
//! `ROSTER_UPDATE=1` writes what was printed into them instead. Those that need one: `tests/it/contract/*/docs.rs`.

use crate::retell::{Setting, assert_retold};

/// Blocks with these are shown by `make demo`, on a real cluster.
const NEEDS_A_CLUSTER: [&str; 4] = ["kubectl", "sql>", "Valid=", "The Membership"];

/// Blocks with these are run by `tests/it/cli/tutorial.rs`, on a cluster of its own.
const NEEDS_A_CONTROLLER: [&str; 5] =
    ["kubectl create", "kubectl wait", "kubectl patch", "--account acme/acme", "kill %1"];

#[test]
fn the_documents_print_what_they_say() {
    for name in ["README.md", "docs/tutorials/pull-requests.md"] {
        let folder = tempfile::tempdir().unwrap();
        let setting = Setting {
            folder: folder.path(),
            programs: None,
            environment: vec![],
            names: vec![],
            without: &NEEDS_A_CLUSTER,
        };
        assert_retold(name, &setting);
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
    assert_retold(name, &setting);
    let document = std::fs::read_to_string(crate::support::repository(name)).unwrap();
    let (_, query) = document.split_once("```sql\n").expect("a query");
    let (query, _) = query.split_once("```").unwrap();
    let rows = crate::keep::rows(&folder.path().join("try.db"), query).await;
    assert_eq!(rows, ["invoices Pay", "orders View"]);
}
