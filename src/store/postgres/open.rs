//! Opens the store: checks the connection string, connects securely, and brings the schema up to date. Called by
//! `store::open`, and by `audit`.

use std::{net::IpAddr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection as _, PgConnection,
    migrate::{Migrate, MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};

use super::{PostgresStore, error::classify};
use crate::store::{Connection, PostgresLocation, Secrets, StoreError};

/// Largest number of connections of one store, apart from the listening one.
const CONNECTIONS: u32 = 8;
/// Longest wait for a connection.
const ACQUIRE: Duration = Duration::from_secs(5);
/// Longest statement, longest wait for a lock, and longest idle transaction.
const TIMEOUTS: [(&str, &str); 3] =
    [("statement_timeout", "60s"), ("lock_timeout", "15s"), ("idle_in_transaction_session_timeout", "10s")];
/// Oldest supported version: the first whose views can run with the rights of the caller.
const OLDEST: i32 = 15;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/postgres/migrations");

impl PostgresStore {
    /// Opens the store and reads its secrets. Creates the schema, or brings it up to date, if the database role may.
    ///
    /// # Errors
    /// `Unavailable` when the server cannot be reached or verified, `Denied` when it refuses the role or the role lacks
    /// rights, `Invalid` when the connection string is not valid, there is no such database, or a newer Roster has
    /// written it. Each message contains the attempted action and the server; none contains the connection string.
    pub async fn open(place: &PostgresLocation, secrets: &dyn Secrets) -> Result<Self, StoreError> {
        open(place, secrets).await
    }

    /// Opens the store read-only: nothing is created or brought up to date, and applying is refused; a standby is
    /// enough. Returns `None` if there is no store: no schema, or an empty one.
    ///
    /// # Errors
    /// As [`Self::open`], and `Invalid` if the schema is older than the one this release reads.
    pub async fn open_to_read(place: &PostgresLocation, secrets: &dyn Secrets) -> Result<Option<Self>, StoreError> {
        open_to_read(place, secrets).await
    }
}

async fn open(place: &PostgresLocation, secrets: &dyn Secrets) -> Result<PostgresStore, StoreError> {
    valid_schema(&place.schema)?;
    let (options, location) = options(place, secrets).await?;
    // Not from the pool: it would retry, and report only a timeout.
    let mut first = connect(&options, &location).await?;
    prepare(&mut first, place, &location).await?;
    // The connection has done its work; an error on closing has no effect.
    let _ = first.close().await;
    Ok(store(options, place, location, false))
}

/// Opens without writing anything. Returns `None` if there is no store.
async fn open_to_read(place: &PostgresLocation, secrets: &dyn Secrets) -> Result<Option<PostgresStore>, StoreError> {
    valid_schema(&place.schema)?;
    let (options, location) = options(place, secrets).await?;
    let options = options.options([("default_transaction_read_only", "on")]);
    let mut first = connect(&options, &location).await?;
    is_supported(&first, &location)?;
    match schema(&mut first, &location).await? {
        Schema::Absent => return Ok(None),
        Schema::Old => {
            return Err(StoreError::Invalid(format!(
                "{location}: schema {} does not match this release; if an older Roster has written it, update it with \
                 `roster migrate --store postgres://…`",
                place.schema
            )));
        }
        Schema::Current => {}
    }
    sees_all(&mut first, place, &location).await?;
    let _ = first.close().await;
    Ok(Some(store(options, place, location, true)))
}

fn store(options: PgConnectOptions, place: &PostgresLocation, location: String, read_only: bool) -> PostgresStore {
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE);
    let pool = pool.idle_timeout(Duration::from_mins(5)).max_lifetime(Duration::from_mins(30));
    let listener = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE).max_lifetime(None);
    PostgresStore {
        pool: pool.connect_lazy_with(options.clone()),
        listener: listener.idle_timeout(None).connect_lazy_with(options),
        schema: place.schema.clone(),
        read_only,
        location,
    }
}

/// Checks the schema's name, which is part of SQL and of the search path. Nothing else may get there, even if the API's
/// schema let it pass.
fn valid_schema(schema: &str) -> Result<(), StoreError> {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins = schema.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if !begins || schema.len() > 63 || !schema.chars().all(fine) || schema.starts_with("pg_") {
        return Err(StoreError::Invalid(format!(
            "{schema:?} is not a valid schema name: 1 to 63 lower-case letters, digits and '_', not pg_…"
        )));
    }
    Ok(())
}

/// Opens a single connection. Returns it with the store's name for errors.
pub(super) async fn once(
    place: &PostgresLocation,
    secrets: &dyn Secrets,
) -> Result<(PgConnection, String), StoreError> {
    valid_schema(&place.schema)?;
    let (options, location) = options(place, secrets).await?;
    Ok((connect(&options, &location).await?, location))
}

async fn connect(options: &PgConnectOptions, location: &str) -> Result<PgConnection, StoreError> {
    match tokio::time::timeout(ACQUIRE, options.connect()).await {
        Ok(connected) => connected.map_err(|error| classify(&format!("{location}: connecting"), &error)),
        Err(_) => {
            Err(StoreError::Unavailable(format!("{location}: connecting: no response within {} s", ACQUIRE.as_secs())))
        }
    }
}

/// Returns the connection options, and the store's name for errors.
async fn options(place: &PostgresLocation, secrets: &dyn Secrets) -> Result<(PgConnectOptions, String), StoreError> {
    let (text, from) = match &place.connection {
        Connection::Secret(secret) => (secrets.read(secret).await?, secret.to_string()),
        Connection::Inline(given) => (given.secret().clone(), "the connection string".to_owned()),
    };
    let mut options = parse(&text, &from)?;
    let explicit = options.get_ssl_mode();
    if let Some(ca) = &place.ca {
        if matches!(explicit, PgSslMode::Disable) {
            return Err(StoreError::Invalid(format!("{from} says sslmode=disable, but there is a caSecretRef")));
        }
        let pem = secrets.read(ca).await?;
        options = options.ssl_root_cert_from_pem(pem.expose_secret().as_bytes().to_vec());
    }
    let is_local = options.get_socket().is_some() || is_loopback(options.get_host());
    options = options.ssl_mode(ssl_mode(explicit, place.ca.is_some(), is_local));
    let location = format!(
        "PostgreSQL {}:{}/{}",
        options.get_socket().map_or_else(|| options.get_host().to_owned(), |socket| socket.display().to_string()),
        options.get_port(),
        options.get_database().unwrap_or_else(|| options.get_username()),
    );
    options = options.application_name("roster").options(TIMEOUTS).options([("search_path", place.schema.as_str())]);
    Ok((options.disable_statement_logging(), location))
}

/// Parses a connection string. The error does not contain the part that is not valid: that could be a part of the
/// password.
fn parse(text: &SecretString, from: &str) -> Result<PgConnectOptions, StoreError> {
    let text = text.expose_secret().trim();
    // sqlx accepts any scheme, and would look for PostgreSQL at another database's address.
    let is_ours = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    let parsed = if is_ours { text.parse().ok() } else { None };
    parsed.ok_or_else(|| StoreError::Invalid(format!("{from}: write postgres://user:password@host:port/database")))
}

/// Returns the TLS mode. A server on another machine is always verified, unless the connection string explicitly
/// disables TLS. With CA certificates, the server is verified on this machine, too.
const fn ssl_mode(given: PgSslMode, has_ca: bool, is_local: bool) -> PgSslMode {
    match given {
        PgSslMode::VerifyCa if !has_ca => PgSslMode::VerifyCa,
        _ if has_ca => PgSslMode::VerifyFull,
        PgSslMode::Disable => PgSslMode::Disable,
        given if is_local => given,
        _ => PgSslMode::VerifyFull,
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.is_empty()
        || host == "localhost"
        || host.starts_with('/')
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Brings the schema up to date, and checks that the database role can do its work.
async fn prepare(connection: &mut PgConnection, place: &PostgresLocation, location: &str) -> Result<(), StoreError> {
    is_supported(connection, location)?;
    match schema(connection, location).await? {
        Schema::Current => {}
        Schema::Absent | Schema::Old => migrate(connection, &place.schema, location).await?,
    }
    sees_all(connection, place, location).await
}

fn is_supported(connection: &PgConnection, location: &str) -> Result<(), StoreError> {
    let version = connection.server_version_num().unwrap_or(0).cast_signed();
    if version < OLDEST * 10_000 {
        return Err(StoreError::Invalid(format!(
            "{location}: PostgreSQL {} is too old; {OLDEST} or newer is needed",
            version / 10_000
        )));
    }
    Ok(())
}

/// Checks that the database role sees all accounts. A role that sees only some would take the others for deleted.
async fn sees_all(connection: &mut PgConnection, place: &PostgresLocation, location: &str) -> Result<(), StoreError> {
    let failed = |doing: &str, error: &sqlx::Error| classify(&format!("{location}: {doing}"), error);
    let sees_all: bool = sqlx::query_scalar("SELECT NOT row_security_active('members') OR sees_all(current_user)")
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| failed("checking the rights of this role", &error))?;
    if !sees_all {
        return Err(StoreError::Denied(format!(
            "{location}: this role does not see all accounts; the owner of schema {0} must run: INSERT INTO {0}.visible_to \
             VALUES ('<role>', '*')",
            place.schema
        )));
    }
    Ok(())
}

/// State of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schema {
    /// The schema does not exist, or is empty.
    Absent,
    /// Some migrations are missing.
    Old,
    /// All migrations are done, so the role need not have the right to migrate.
    Current,
}

/// Returns the state of the schema.
///
/// # Errors
/// `Invalid` if a newer Roster wrote it.
async fn schema(connection: &mut PgConnection, location: &str) -> Result<Schema, StoreError> {
    let failed = |error: &sqlx::Error| classify(&format!("{location}: reading its schema"), error);
    let there: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| failed(&error))?;
    if !there {
        return Ok(Schema::Absent);
    }
    let made: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(&mut *connection)
            .await
            .map_err(|error| failed(&error))?;
    let known: Vec<(i64, Vec<u8>)> = MIGRATIONS.iter().map(|one| (one.version, one.checksum.to_vec())).collect();
    if let Some((version, _)) = made.iter().find(|(version, _)| known.iter().all(|(known, _)| known != version)) {
        return Err(StoreError::Invalid(format!(
            "{location}: a newer Roster has written it (schema {version}; this release knows {}); use the newer release, \
             or another schema",
            MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
        )));
    }
    Ok(match made.is_empty() {
        true => Schema::Absent,
        false if made == known => Schema::Current,
        false => Schema::Old,
    })
}

/// Creates the schema and runs the missing migrations. Other processes that migrate at the same time wait.
async fn migrate(connection: &mut PgConnection, schema: &str, location: &str) -> Result<(), StoreError> {
    let location = format!("{location}: updating schema {schema}");
    let failed = |error: &sqlx::Error| match classify(&location, error) {
        StoreError::Denied(why) => {
            StoreError::Denied(format!("{why}; the owner of the schema can do it: roster migrate --store postgres://…"))
        }
        other => other,
    };
    let exists: bool = sqlx::query_scalar("SELECT to_regnamespace($1) IS NOT NULL")
        .bind(schema)
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| failed(&error))?;
    if !exists {
        // Another process may create the schema at the same time, and the migrations' lock is not held yet.
        Migrate::lock(&mut *connection)
            .await
            .map_err(|error| StoreError::Unavailable(format!("{location}: {error}")))?;
        let made = sqlx::query(AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {schema}")));
        let made = made.execute(&mut *connection).await;
        let unlocked = Migrate::unlock(&mut *connection).await;
        made.map_err(|error| failed(&error))?;
        unlocked.map_err(|error| StoreError::Unavailable(format!("{location}: {error}")))?;
    }
    MIGRATIONS.run_direct(None, connection, false).await.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed(&error),
        error => StoreError::Invalid(format!("{location}: {error}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_servers_are_verified() {
        use PgSslMode::{Allow, Disable, Prefer, Require, VerifyCa, VerifyFull};
        for (given, has_ca, is_local, mode) in [
            (Prefer, false, false, VerifyFull),
            (Allow, false, false, VerifyFull),
            (Require, false, false, VerifyFull),
            (VerifyCa, false, false, VerifyCa),
            (VerifyFull, false, false, VerifyFull),
            (Disable, false, false, Disable),
            (Prefer, false, true, Prefer),
            (Require, false, true, Require),
            (Disable, false, true, Disable),
            (Prefer, true, true, VerifyFull),
            (Require, true, false, VerifyFull),
            (VerifyCa, true, false, VerifyFull),
        ] {
            let found = ssl_mode(given, has_ca, is_local);
            assert_eq!(format!("{found:?}"), format!("{mode:?}"), "{given:?} {has_ca} {is_local}");
        }
    }

    #[test]
    fn local_addresses_are_recognized() {
        for (host, expected) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("127.8.0.1", true),
            ("::1", true),
            ("[::1]", true),
            ("/run/postgresql", true),
            ("db.example", false),
            ("localhost.example", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }

    #[test]
    fn a_wrong_connection_string_is_not_repeated() {
        for text in [
            "host=db password=hush",
            "mysql://u:hush@db/x",
            "postgres://u:hush@db:port/x",
            "postgres://u@db/x?sslmode=hush",
        ] {
            let error = parse(&SecretString::from(text), "Secret pg, key uri").unwrap_err();
            assert!(matches!(&error, StoreError::Invalid(message) if !message.contains("hush")), "{error}");
        }
        assert!(parse(&SecretString::from("postgres://u:p@db/x\n"), "").is_ok());
    }
}
