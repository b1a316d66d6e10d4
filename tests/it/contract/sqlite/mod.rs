//! Runs the contract suite against SQLite, and tests what only a file can show.

mod audit;
mod files;
mod kill;
mod tampering;
mod view;

use std::path::PathBuf;

use async_trait::async_trait;
use roster::{
    model::{AccountKey, Email},
    plan::ObjectKey,
    store::{
        AuditReport, Store,
        sqlite::{SqliteStore, verify_audit},
    },
};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::Backend;

/// A store in a file of its own.
pub struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    pub fn fresh() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("roster.db")
    }

    /// A connection as some other program would have it: it knows nothing of Roster.
    pub async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.file()).foreign_keys(false);
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    /// Runs statements behind Roster's back.
    pub async fn run(&self, sql: &'static str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(sql).execute(&mut self.connect().await).await.map(|_| ())
    }
}

/// Table, column of the name, and name of an object.
fn place(object: &ObjectKey) -> (&'static str, &'static str, String) {
    match object {
        ObjectKey::Account => ("accounts", "''", String::new()),
        ObjectKey::Role(name) => ("roles", "name", name.to_string()),
        ObjectKey::Group(name) => ("groups", "name", name.to_string()),
        ObjectKey::Member(email) => ("members", "email", email.to_string()),
    }
}

impl Sqlite {
    async fn tamper(&self, what: &str, account: &AccountKey, object: &ObjectKey) {
        let (table, name, value) = place(object);
        let id = if *object == ObjectKey::Account { "id" } else { "account_id" };
        let sql = format!("{what} WHERE {id} = (SELECT id FROM account_ids WHERE key = ?1) AND {name} = ?2");
        let sql = sql.replace("TABLE", table);
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(account.to_string()).bind(value);
        assert_eq!(query.execute(&mut self.connect().await).await.unwrap().rows_affected(), 1);
    }
}

#[async_trait]
impl Backend for Sqlite {
    async fn open(&self) -> Box<dyn Store> {
        Box::new(SqliteStore::open(&self.file()).await.unwrap())
    }

    async fn open_read_only(&self) -> Option<Box<dyn Store>> {
        let store = SqliteStore::open_to_read(&self.file()).await.unwrap();
        store.map(|store| Box::new(store) as Box<dyn Store>)
    }

    async fn verify_audit(&self) -> AuditReport {
        verify_audit(&self.file()).await.unwrap()
    }

    async fn delete(&self, account: &AccountKey, object: &ObjectKey) {
        self.tamper("DELETE FROM TABLE", account, object).await;
    }

    async fn insert_member(&self, account: &AccountKey, email: &Email) {
        let query =
            "INSERT INTO members (account_id, email, ranks) SELECT id, ?2, '102' FROM account_ids WHERE key = ?1";
        let query = sqlx::query(query).bind(account.to_string()).bind(email.as_str());
        assert_eq!(query.execute(&mut self.connect().await).await.unwrap().rows_affected(), 1);
    }

    async fn change(&self, account: &AccountKey, object: &ObjectKey) {
        let change = match object {
            ObjectKey::Account => "UPDATE TABLE SET display_name = 'Hacked'",
            ObjectKey::Role(_) | ObjectKey::Group(_) => "UPDATE TABLE SET title = 'Hacked'",
            ObjectKey::Member(_) => "UPDATE TABLE SET ranks = '000'",
        };
        // Drift of one field each: of a member, the section it has access to.
        let change =
            if let ObjectKey::Member(_) = object { change.replace("'000'", "'211'") } else { change.to_owned() };
        self.tamper(&change, account, object).await;
    }
}

super::contract_suite!(Sqlite::fresh());
