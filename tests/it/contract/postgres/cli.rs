//! The command line on a PostgreSQL store, with the password from where PostgreSQL's own programs have it.

use std::process::{Command, Output};

use super::Postgres;
use crate::contract::{Backend as _, world::world};

fn roster(arguments: &[&str], password: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roster"));
    command.args(arguments).env_remove("PGPASSFILE").env("PGPASSWORD", password).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).trim().to_owned()
}

#[tokio::test]
async fn a_store_is_made_and_its_audit_checked() {
    let backend = Postgres::fresh().await;
    let url = backend.server.url(&backend.owner).replace(":pw@", "@");
    let store = format!("{url}#{}", backend.schema);
    let refused = roster(&["migrate", "--store", &store], "hush");
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        said(&refused).contains("password authentication failed") && !said(&refused).contains("hush"),
        "{refused:?}"
    );
    for _ in 0..2 {
        let made = roster(&["migrate", "--store", &store], "pw");
        assert_eq!(said(&made), format!("PostgreSQL, schema {}: up to date", backend.schema));
        assert_eq!(made.status.code(), Some(0));
    }
    world("acme").converge(&*backend.open().await).await;
    let whole = roster(&["audit", "verify", &store], "pw");
    assert!(said(&whole).starts_with("the audit is whole: 6 records, head sha256:"), "{whole:?}");
    backend.run("ALTER TABLE audit DISABLE TRIGGER USER; DELETE FROM audit WHERE seq = 3").await.unwrap();
    let broken = roster(&["audit", "verify", &store], "pw");
    assert_eq!(broken.status.code(), Some(1));
    assert!(said(&broken).contains("records 3 to 3 are missing"), "{broken:?}");
}
