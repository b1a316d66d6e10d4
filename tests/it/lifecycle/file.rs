//! Reads and changes a store's file through SQL. Used by the tests of this folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use roster::store::sqlite::verify_audit;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions as _, Row as _, SqliteConnection, ValueRef as _};

/// The file of a store.
pub struct StoreFile(PathBuf);

/// One change in the audit.
#[derive(Clone, Debug)]
pub struct Audited {
    pub kind: String,
    pub name: String,
    pub cause: String,
    pub origin: String,
    pub before: Value,
    pub after: Value,
}

/// A row, as text.
pub type Line = String;

impl StoreFile {
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A connection of a portal, or of somebody who tampers.
    pub async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(&self.0).busy_timeout(Duration::from_secs(20));
        options.disable_statement_logging().connect().await.unwrap_or_else(|error| panic!("{:?}: {error}", self.0))
    }

    /// Changes something behind Roster's back; how many rows.
    pub async fn tamper(&self, sql: &str) -> u64 {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connect().await).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}")).rows_affected()
    }

    /// The rows of a query, each as text with ` | ` between columns.
    pub async fn rows(&self, sql: &str) -> Vec<Line> {
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut self.connect().await).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error}")).iter().map(line).collect()
    }

    /// A number.
    pub async fn number(&self, sql: &str) -> i64 {
        let number = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut self.connect().await).await;
        number.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Number of audit records.
    pub async fn audit_length(&self) -> i64 {
        self.number("SELECT count(*) FROM audit").await
    }

    /// The audit from a record on.
    pub async fn audit_since(&self, length: i64) -> Vec<Audited> {
        const SQL: &str =
            "SELECT kind, name, cause, coalesce(origin, ''), before, after FROM audit WHERE seq > ? ORDER BY seq";
        type Columns = (String, String, String, String, Option<String>, Option<String>);
        let rows: Vec<Columns> =
            sqlx::query_as(SQL).bind(length).fetch_all(&mut self.connect().await).await.expect("the audit");
        let json = |text: Option<String>| text.map_or(Value::Null, |text| serde_json::from_str(&text).expect("JSON"));
        rows.into_iter()
            .map(|(kind, name, cause, origin, before, after)| Audited {
                kind,
                name,
                cause,
                origin,
                before: json(before),
                after: json(after),
            })
            .collect()
    }

    /// Everything in the file that matters, the audit included: two dumps are equal if nothing was written in between.
    pub async fn dump(&self) -> Vec<Line> {
        let mut dump = Vec::new();
        for table in [
            "account_ids",
            "accounts",
            "layouts",
            "sections",
            "levels",
            "roles",
            "groups",
            "members",
            "owners",
            "marks",
            "fence",
            "audit",
        ] {
            let rows = self.rows(&format!("SELECT * FROM {table}")).await;
            dump.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
        }
        dump
    }

    /// Returns the rows of the accounts, without who wrote them and when.
    pub async fn content(&self) -> Vec<Line> {
        let mut content = self.rows("SELECT * FROM effective_permissions ORDER BY 1, 2, 3").await;
        for sql in [
            "SELECT display_name, catalog, owner, parent FROM accounts ORDER BY 1",
            "SELECT key, name, title, ranks FROM roles JOIN account_ids ON id = account_id ORDER BY 1, 2",
            "SELECT key, name, title, ranks FROM groups JOIN account_ids ON id = account_id ORDER BY 1, 2",
            "SELECT key, email, display_name, role, groups, ranks, starts_at, expires_at, ended
             FROM members JOIN account_ids ON id = account_id ORDER BY 1, 2",
        ] {
            content.extend(self.rows(sql).await);
        }
        content
    }

    /// The audit's chain holds, from the first record to the last.
    pub async fn verify(&self) {
        let report = verify_audit(&self.0).await.expect("the audit can be read");
        assert!(report.fault.is_none(), "{report:?}");
    }

    /// Tampers with a member's ranks: one digit for each section.
    pub async fn set_ranks(&self, account: &str, name: &str, ranks: &str) {
        let changed = self
            .tamper(&format!(
                "UPDATE members SET ranks = '{ranks}' WHERE email = '{name}@acme.example'
                 AND account_id = (SELECT id FROM account_ids WHERE key = '{account}')"
            ))
            .await;
        assert_eq!(changed, 1, "no such member: {name}");
    }

    /// Inserts a member nobody declared.
    pub async fn insert_member(&self, account: &str, name: &str, role: &str, ranks: &str) {
        let inserted = self
            .tamper(&format!(
                "INSERT INTO members (account_id, email, role, ranks)
                 SELECT id, '{name}@acme.example', '{role}', '{ranks}' FROM account_ids WHERE key = '{account}'"
            ))
            .await;
        assert_eq!(inserted, 1, "no such account: {account}");
    }

    /// The stored row of a member: role, ranks, why it has ended.
    pub async fn member(&self, account: &str, name: &str) -> Option<Line> {
        let sql = format!(
            "SELECT role, ranks, ended FROM members JOIN account_ids ON id = account_id
             WHERE key = '{account}' AND email = '{name}@acme.example'"
        );
        self.rows(&sql).await.into_iter().next()
    }
}

fn line(row: &SqliteRow) -> Line {
    let column = |index: usize| {
        if row.try_get_raw(index).is_ok_and(|value| value.is_null()) {
            return "NULL".to_owned();
        }
        row.try_get_unchecked::<String, _>(index)
            .or_else(|_| row.try_get_unchecked::<Vec<u8>, _>(index).map(|bytes| format!("{bytes:02x?}")))
            .unwrap_or_else(|error| panic!("{}: {error}", row.column(index).name()))
    };
    (0..row.len()).map(column).collect::<Vec<_>>().join(" | ")
}
