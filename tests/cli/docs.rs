//! README and tutorials: every command in them that needs no server is run, in order, and prints what they say.
//! `ROSTER_UPDATE=1` writes what was printed into them instead. Those that need one: `tests/it/contract/*/docs.rs`.

use crate::retell::{Setting, assert_retold};

/// Blocks with these are shown by `make demo`, on a real cluster.
const NEEDS_A_CLUSTER: [&str; 4] = ["kubectl", "sql>", "Valid=", "The Membership"];

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
