//! Tests that the cost of one member does not depend on the number of members: no statement for a few rows may scan a
//! table, whatever plan SQLite chooses.

use sqlx::SqlitePool;

use super::{SqliteStore, statements::indexed_statements};

async fn steps(store: &SqlitePool, sql: &str) -> Vec<String> {
    let sql = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let rows: Vec<(i64, i64, i64, String)> = sqlx::query_as(sql).fetch_all(store).await.unwrap();
    rows.into_iter().map(|(_, _, _, step)| step).collect()
}

#[tokio::test]
async fn a_few_rows_are_found_by_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("roster.db")).await.unwrap();
    for sql in indexed_statements() {
        let steps = steps(&store.writer, sql).await;
        assert!(steps.iter().any(|step| step.contains("SEARCH")) || sql.contains("INSERT"), "{sql}: {steps:?}");
        for step in steps {
            // Scans of arguments, and of the single row of constants in the query of an account, read no table.
            let passed = ["SCAN j VIRTUAL TABLE", "SCAN json_each VIRTUAL TABLE"];
            let one_row = ["SCAN CONSTANT ROW", "SCAN o"].contains(&step.as_str());
            let no_table = one_row || passed.iter().any(|known| step.starts_with(known));
            assert!(!step.contains("SCAN") || no_table, "{sql}: {step}");
        }
    }
}

/// Statistics of a large account could change the planner's choice.
#[tokio::test]
async fn statistics_change_nothing_about_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("roster.db")).await.unwrap();
    let fill = "
        INSERT INTO account_ids (id, key) VALUES (1, 'shop/acme');
        INSERT INTO owners VALUES (1, 'cluster', 'shop/acme', 'uid');
        WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 5000)
            INSERT INTO members (account_id, email, ranks) SELECT 1, 'm' || n, '00' FROM n;
        INSERT INTO marks SELECT 1, 'member', email, 1, zeroblob(16) FROM members;
        ANALYZE;";
    sqlx::raw_sql(fill).execute(&store.writer).await.unwrap();
    for sql in indexed_statements() {
        for step in steps(&store.writer, sql).await {
            let of_members = step.starts_with("SCAN m") || step.starts_with("SCAN k");
            assert!(!of_members, "{sql}: {step}");
        }
    }
}
