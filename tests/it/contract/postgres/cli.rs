//! Tests the command line on a PostgreSQL store, with the password from the places that PostgreSQL's own programs use.

use std::process::Output;

use super::Postgres;
use crate::contract::{
    Backend as _,
    round::{self, output_text, there_and_back},
    world::world,
};

fn roster(arguments: &[&str], password: &str) -> Output {
    round::roster(arguments, &[("PGPASSWORD", password)])
}

impl Postgres<'_> {
    /// The store without its password.
    fn given(&self) -> String {
        format!("{}#{}", self.server.url(&self.owner).replace(":pw@", "@"), self.schema)
    }
}

#[tokio::test]
async fn files_are_applied_to_a_schema_and_come_back() {
    for portal in ["secondary-users", "partner-accounts"] {
        there_and_back(portal, &Postgres::fresh().await.given(), &[("PGPASSWORD", "pw")]);
    }
}

#[tokio::test]
async fn a_store_is_created_and_its_audit_verified() {
    let backend = Postgres::fresh().await;
    let store = backend.given();
    let refused = roster(&["migrate", "--store", &store], "hush");
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        output_text(&refused).contains("password authentication failed") && !output_text(&refused).contains("hush"),
        "{refused:?}"
    );
    for _ in 0..2 {
        let made = roster(&["migrate", "--store", &store], "pw");
        assert_eq!(output_text(&made), format!("PostgreSQL, schema {}: up to date", backend.schema));
        assert_eq!(made.status.code(), Some(0));
    }
    world("acme").converge(&*backend.open().await).await;
    let whole = roster(&["audit", "verify", &store], "pw");
    assert!(output_text(&whole).starts_with("the audit is complete: 6 records, head sha256:"), "{whole:?}");
    backend.run("ALTER TABLE audit DISABLE TRIGGER USER; DELETE FROM audit WHERE seq = 3").await.unwrap();
    let broken = roster(&["audit", "verify", &store], "pw");
    assert_eq!(broken.status.code(), Some(1));
    assert!(output_text(&broken).contains("records 3 to 3 are missing"), "{broken:?}");
}
