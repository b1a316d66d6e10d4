//! Runs the contract suite against PostgreSQL, and tests what only a real server can show.

mod audit;
mod cli;
mod cut;
mod docs;
mod failure;
mod notify;
pub mod proxy;
mod roles;
pub mod server;
mod view;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use roster::{
    model::{AccountKey, Email},
    plan::ObjectKey,
    store::{
        AuditReport, Connection, PostgresLocation, RedactedSecret, SecretRef, Secrets, Store, StoreError,
        postgres::{PostgresStore, verify_audit},
    },
};
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, postgres::PgConnectOptions};

use self::server::Server;
use super::Backend;

/// A store in a schema of its own, whose owner is `owner_<n>`.
pub struct Postgres<'s> {
    pub server: &'s Server,
    pub schema: String,
    pub owner: String,
}

impl Postgres<'static> {
    pub async fn fresh() -> Self {
        Self::on(Server::shared().await).await
    }
}

impl<'s> Postgres<'s> {
    pub async fn on(server: &'s Server) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let owner = format!("owner_{number}");
        // One after the other, in one transaction each: PostgreSQL refuses two that change the rights on a database at once.
        let sql = format!(
            "SELECT pg_advisory_xact_lock(1); CREATE ROLE {owner} LOGIN PASSWORD 'pw'; \
             GRANT CREATE ON DATABASE postgres TO {owner}"
        );
        server.run(&sql).await.unwrap();
        Self { server, schema: format!("roster_{number}"), owner }
    }

    /// The store, as `role` by `port`.
    pub fn place_at(&self, role: &str, port: u16) -> PostgresLocation {
        self.place_of(&self.server.url_at(role, port))
    }

    pub fn place_of(&self, url: &str) -> PostgresLocation {
        PostgresLocation {
            connection: Connection::Inline(RedactedSecret::new(url)),
            schema: self.schema.clone(),
            ca: None,
        }
    }

    pub fn place(&self) -> PostgresLocation {
        self.place_at(&self.owner, self.server.port())
    }

    pub async fn store(&self) -> PostgresStore {
        PostgresStore::open(&self.place(), &SecretsOf::default()).await.unwrap()
    }

    /// A connection as some other program would have it: it knows nothing of Roster.
    pub async fn connect(&self) -> PgConnection {
        self.connect_as(&self.owner).await.unwrap()
    }

    pub async fn connect_as(&self, role: &str) -> Result<PgConnection, sqlx::Error> {
        let options: PgConnectOptions = self.server.url(role).parse()?;
        options.disable_statement_logging().options([("search_path", &self.schema)]).connect().await
    }

    /// Runs statements behind Roster's back, as the owner.
    pub async fn run(&self, sql: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connect().await).await.map(|_| ())
    }

    /// Runs statements as the superuser, who passes by every privilege.
    pub async fn force(&self, sql: &str) -> Result<(), sqlx::Error> {
        self.server.run(&format!("SET search_path = {}; {sql}", self.schema)).await
    }

    pub async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut self.connect().await).await.unwrap()
    }

    async fn tamper(&self, what: &str, account: &AccountKey, object: &ObjectKey) {
        let (table, name, value) = match object {
            ObjectKey::Account => ("accounts", "''", String::new()),
            ObjectKey::Role(name) => ("roles", "name", name.to_string()),
            ObjectKey::Group(name) => ("groups", "name", name.to_string()),
            ObjectKey::Member(email) => ("members", "email", email.to_string()),
        };
        let id = if *object == ObjectKey::Account { "id" } else { "account_id" };
        let sql = format!("{what} WHERE {id} = (SELECT id FROM account_ids WHERE key = $1) AND {name} = $2");
        let sql = sql.replace("TABLE", table);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(account.to_string()).bind(value);
        assert_eq!(query.execute(&mut self.connect().await).await.unwrap().rows_affected(), 1);
    }
}

/// Secrets of a test, by name.
#[derive(Default)]
pub struct SecretsOf(Mutex<BTreeMap<String, String>>);

impl SecretsOf {
    pub fn set(&self, name: &str, value: &str) {
        self.0.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }
}

#[async_trait]
impl Secrets for SecretsOf {
    async fn read(&self, secret: &SecretRef) -> Result<SecretString, StoreError> {
        let secrets = self.0.lock().unwrap();
        let found = secrets.get(secret.name.as_str());
        found.map(|value| SecretString::from(value.as_str())).ok_or_else(|| StoreError::Unavailable(secret.to_string()))
    }
}

pub fn secret(name: &str) -> SecretRef {
    SecretRef { store: "main".into(), name: name.into(), key: "value".into() }
}

#[async_trait]
impl Backend for Postgres<'_> {
    async fn open(&self) -> Box<dyn Store> {
        Box::new(self.store().await)
    }

    async fn open_read_only(&self) -> Option<Box<dyn Store>> {
        let store = PostgresStore::open_to_read(&self.place(), &SecretsOf::default()).await.unwrap();
        store.map(|store| Box::new(store) as Box<dyn Store>)
    }

    async fn verify_audit(&self) -> AuditReport {
        verify_audit(&self.place(), &SecretsOf::default()).await.unwrap()
    }

    async fn delete(&self, account: &AccountKey, object: &ObjectKey) {
        self.tamper("DELETE FROM TABLE", account, object).await;
    }

    async fn insert_member(&self, account: &AccountKey, email: &Email) {
        let query =
            "INSERT INTO members (account_id, email, ranks) SELECT id, $2, '102' FROM account_ids WHERE key = $1";
        let query = sqlx::query(query).bind(account.to_string()).bind(email.as_str());
        assert_eq!(query.execute(&mut self.connect().await).await.unwrap().rows_affected(), 1);
    }

    async fn change(&self, account: &AccountKey, object: &ObjectKey) {
        let change = match object {
            ObjectKey::Account => "UPDATE TABLE SET display_name = 'Hacked'",
            ObjectKey::Role(_) | ObjectKey::Group(_) => "UPDATE TABLE SET title = 'Hacked'",
            // Drift of one field: the section it has access to.
            ObjectKey::Member(_) => "UPDATE TABLE SET ranks = '211'",
        };
        self.tamper(change, account, object).await;
    }
}

super::contract_suite!(Postgres::fresh().await);
