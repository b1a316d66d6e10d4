//! Tests least privilege with the SQL of `docs/stores/postgresql.md`.

use super::{Postgres, SecretsOf, server::Server};
use crate::contract::{
    Backend,
    world::{CLAIM, World, email, member, ranks, world},
};
use roster::{
    model::{AccountKey, RoleName, Scope},
    store::{
        StoreError,
        postgres::{PostgresStore, verify_audit},
    },
};
use sqlx::{AssertSqlSafe, Row};

/// The SQL behind a mark in the docs, with the names of this test.
fn documented(part: &str, names: &Names) -> String {
    let docs = include_str!("../../../../docs/stores/postgresql.md");
    let after = docs.split(&format!("<!-- test: {part} -->\n```sql\n")).nth(1).unwrap_or_else(|| panic!("no {part}"));
    names.put(after.split("```").next().unwrap())
}

struct Names {
    schema: String,
    owner: String,
    writer: String,
    reader: String,
}

impl Names {
    fn put(&self, sql: &str) -> String {
        sql.replace("roster_owner", &self.owner)
            .replace("roster_writer", &self.writer)
            .replace("portal_reader", &self.reader)
            .replace("roster.account =", "\u{0}")
            .replace("SCHEMA roster ", &format!("SCHEMA {} ", self.schema))
            .replace("roster.", &format!("{}.", self.schema))
            .replace('\u{0}', "roster.account =")
    }
}

/// The setup of the docs.
struct Documented {
    backend: Postgres<'static>,
    names: Names,
}

impl Documented {
    async fn new(name: &str) -> Self {
        let server = Server::shared().await;
        let [schema, owner, writer, reader] = ["s", "o", "w", "r"].map(|part| format!("{name}_{part}"));
        let names = Names { schema: schema.clone(), owner: owner.clone(), writer, reader };
        server.run(&documented("roles", &names)).await.unwrap();
        for role in [&names.owner, &names.writer, &names.reader] {
            server.run(&format!("ALTER ROLE {role} PASSWORD 'pw'")).await.unwrap();
        }
        let backend = Postgres { server, schema, owner };
        // `roster migrate` opens it as the owner.
        backend.store().await.close().await;
        backend.run(&documented("grants", &names)).await.unwrap();
        Self { backend, names }
    }

    async fn writer(&self) -> PostgresStore {
        let place = self.backend.place_at(&self.names.writer, self.backend.server.port());
        PostgresStore::open(&place, &SecretsOf::default()).await.unwrap()
    }

    async fn filled(&self) -> (PostgresStore, World) {
        let store = self.writer().await;
        let world = portal("acme", "acme");
        world.converge(&store).await;
        portal("bolt", "bolt").converge(&store).await;
        (store, world)
    }

    async fn rows(&self, sql: &str) -> Result<Vec<sqlx::postgres::PgRow>, sqlx::Error> {
        let mut connection = self.backend.connect_as(&self.names.reader).await?;
        sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await
    }

    async fn accounts(&self) -> Vec<String> {
        let rows = self.rows("SELECT DISTINCT account FROM effective_permissions ORDER BY 1").await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

fn portal(namespace: &str, name: &str) -> World {
    let mut world = world(name);
    world.policy.mark.account = AccountKey::new(namespace, name);
    world.members.insert(email("dana@acme.example"), member(&[2, 0, 0]));
    world
}

#[tokio::test]
async fn the_writer_does_all_of_its_work() {
    let documented = Documented::new("doc_writer").await;
    let (store, mut world) = documented.filled().await;
    world.assert_held(&world.observe(&store).await);
    world.members.insert(email("dana@acme.example"), member(&[0, 1, 0]));
    world.roles.remove(&RoleName::custom("admin"));
    world.converge(&store).await;
    world.assert_held(&world.observe(&store).await);
    let plan = roster::evaluate::delete(&world.observe(&store).await, world.mark());
    assert!(world.apply(&store, &plan).await.iter().all(Result::is_ok));
    let place = documented.backend.place_at(&documented.names.writer, documented.backend.server.port());
    let report = verify_audit(&place, &SecretsOf::default()).await.unwrap();
    assert!(report.is_whole() && report.records > 15, "{report}");
}

#[tokio::test]
async fn the_writer_cannot_do_more() {
    let documented = Documented::new("doc_more").await;
    documented.filled().await;
    for sql in [
        "UPDATE audit SET cause = 'x'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "UPDATE audit_head SET seq = 0",
        "DELETE FROM audit_head",
        "DROP TRIGGER audit_keeps ON audit",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "ALTER TABLE members NO FORCE ROW LEVEL SECURITY",
        "SET session_replication_role = replica",
        "CREATE TABLE more (id int)",
        "DROP TABLE members",
        "TRUNCATE members",
        "INSERT INTO visible_to VALUES ('x', '*')",
        "SELECT * FROM visible_to",
        "SELECT announce(ARRAY[1])",
    ] {
        let mut connection = documented.backend.connect_as(&documented.names.writer).await.unwrap();
        let error = sqlx::raw_sql(sql).execute(&mut connection).await.expect_err(sql);
        let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
        assert_eq!(code, "42501", "{sql}: {error}");
    }
}

#[tokio::test]
async fn a_reader_reads_the_view_and_writes_nothing() {
    let documented = Documented::new("doc_reader").await;
    documented.filled().await;
    assert_eq!(documented.accounts().await, ["acme/acme", "bolt/bolt"]);
    for sql in [
        "UPDATE members SET ranks = '213'",
        "DELETE FROM members",
        "INSERT INTO members (account_id, email, ranks) VALUES (1, 'x@y.example', '213')",
        "TRUNCATE members",
        "SELECT display_name FROM members",
        "SELECT * FROM audit",
        "SELECT * FROM marks",
        "SELECT * FROM visible_to",
        "INSERT INTO visible_to VALUES ('x', '*')",
        "UPDATE fence SET epoch = 0",
        "CREATE TABLE more (id int)",
    ] {
        let error = documented.rows(sql).await.map(|_| ()).expect_err(sql);
        let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
        assert_eq!(code, "42501", "{sql}: {error}");
    }
}

#[tokio::test]
async fn a_bound_reader_sees_one_account() {
    let documented = Documented::new("doc_bound").await;
    documented.filled().await;
    documented.backend.run(&super::roles::documented("bind", &documented.names)).await.unwrap();
    assert_eq!(documented.accounts().await, ["acme/acme"]);
    for (sql, expected) in [
        ("SELECT count(*) FROM effective_permissions", 9),
        ("SELECT count(*) FROM effective_permissions WHERE account = 'bolt/bolt'", 0),
        ("SELECT count(email) FROM members", 3),
        ("SELECT count(key) FROM account_ids", 1),
        ("SELECT count(id) FROM accounts", 1),
    ] {
        assert_eq!(documented.rows(sql).await.unwrap()[0].get::<i64, _>(0), expected, "{sql}");
    }
    // It cannot ask for another one, nor for none.
    for (account, seen) in [("bolt/bolt", 0), ("acme/acme", 9), ("*", 0), ("", 9)] {
        let mut connection = documented.backend.connect_as(&documented.names.reader).await.unwrap();
        sqlx::query("SELECT set_config('roster.account', $1, false)")
            .bind(account)
            .execute(&mut connection)
            .await
            .unwrap();
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM effective_permissions").fetch_one(&mut connection).await.unwrap();
        assert_eq!(count, seen, "{account:?}");
    }
    // And one that nobody named sees nothing.
    documented.backend.run("DELETE FROM visible_to WHERE account <> '*'").await.unwrap();
    assert_eq!(documented.accounts().await, Vec::<String>::new());
}

/// Row-level security also keeps what a role writes to the accounts it sees, whatever its privileges.
#[tokio::test]
async fn nobody_writes_rows_that_they_cannot_see() {
    let documented = Documented::new("doc_write").await;
    let (store, world) = documented.filled().await;
    let (schema, reader) = (&documented.names.schema, &documented.names.reader);
    documented.backend.run(&super::roles::documented("bind", &documented.names)).await.unwrap();
    documented.backend.force(&format!("GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {reader}")).await.unwrap();
    let mut connection = documented.backend.connect_as(reader).await.unwrap();
    let changed = sqlx::query("UPDATE members SET ranks = '213'").execute(&mut connection).await.unwrap();
    assert_eq!(changed.rows_affected(), 3, "of acme only");
    let bolt = documented.backend.number("SELECT id FROM account_ids WHERE key = 'bolt/bolt'").await;
    let insert = format!("INSERT INTO members (account_id, email, ranks) VALUES ({bolt}, 'x@y.example', '213')");
    let error = sqlx::query(AssertSqlSafe(insert)).execute(&mut connection).await.unwrap_err().to_string();
    assert!(error.contains("row-level security"), "{error}");
    assert!(!world.plan(&store, Scope::Account).await.changes.is_empty());
}

#[tokio::test]
async fn the_queries_of_the_docs_answer() {
    let documented = Documented::new("doc_queries").await;
    documented.filled().await;
    let sql = |part| super::roles::documented(part, &documented.names);
    assert!(documented.rows(&sql("may")).await.unwrap()[0].get::<bool, _>(0));
    let no = sql("may").replace("'View'", "'Edit'").replace("dana@acme", "ben@shop");
    assert!(!documented.rows(&no).await.unwrap()[0].get::<bool, _>(0));
    let all = documented.rows(&sql("all")).await.unwrap();
    let all: Vec<(String, String)> = all.iter().map(|row| (row.get(0), row.get(1))).collect();
    let expected = [("orders", "Edit"), ("payments", "Denied"), ("users", "Hide")];
    assert_eq!(all, expected.map(|(section, level)| (section.to_owned(), level.to_owned())));
    let mut connection = documented.backend.connect_as(&documented.names.reader).await.unwrap();
    for (part, expected) in [
        ("lists", &["acme/acme", "bolt/bolt", "ann@shop.example", "dana@acme.example"][..]),
        ("narrow", &["acme/acme"]),
    ] {
        let mut rows: Vec<String> = Vec::new();
        for row in sqlx::raw_sql(AssertSqlSafe(sql(part))).fetch_all(&mut connection).await.unwrap() {
            rows.push(row.get(0));
        }
        rows[..].sort();
        let mut expected: Vec<&str> = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(rows, expected, "{part}");
    }
}

#[tokio::test]
async fn a_missing_privilege_is_denied_until_it_is_granted() {
    let documented = Documented::new("doc_denied").await;
    let (store, mut world) = documented.filled().await;
    let writer = &documented.names.writer;
    documented.backend.run(&format!("REVOKE INSERT ON members FROM {writer}")).await.unwrap();
    world.members.insert(email("new@acme.example"), member(&[1, 0, 0]));
    let plan = world.plan(&store, Scope::Account).await;
    let outcomes = world.apply(&store, &plan).await;
    assert!(
        matches!(&outcomes[..], [Err(StoreError::Denied(why))] if why.contains("permission denied")),
        "{outcomes:?}"
    );
    documented.backend.run(&format!("GRANT INSERT ON members TO {writer}")).await.unwrap();
    assert_eq!(world.apply(&store, &plan).await, [Ok(())]);
    // Opening without seeing all accounts: a part would read as all there is.
    documented
        .backend
        .run(&format!("UPDATE visible_to SET account = 'acme/acme' WHERE role = '{writer}'"))
        .await
        .unwrap();
    let place = documented.backend.place_at(writer, documented.backend.server.port());
    let error = PostgresStore::open(&place, &SecretsOf::default()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Denied(why) if why.contains("visible_to")), "{error}");
    // And without tables, a role that may not make any.
    let other = roster::store::PostgresLocation { schema: "doc_denied_other".into(), ..place };
    let error = PostgresStore::open(&other, &SecretsOf::default()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Denied(why) if why.contains("roster migrate")), "{error}");
    let _ = (CLAIM, ranks(&[]), documented.backend.open().await.totals().await.unwrap());
}
