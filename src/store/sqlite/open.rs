//! Opens the file: checks that it is ours, and brings its schema up to date. Called by `store::open`, and by `audit`.

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{SqliteStore, error::classify, file_id::FileId};
use crate::store::StoreError;

/// Application id of Roster's databases: "Rost".
const APPLICATION_ID: i32 = 0x526f_7374;

/// Largest number of concurrent observations; more wait.
const READERS: u32 = 4;

/// Longest wait for a lock that a portal or another process holds.
const BUSY: Duration = Duration::from_secs(5);

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/sqlite/migrations");

impl SqliteStore {
    /// Opens the store in `file`. Creates the file (readable by its owner only) if it does not exist, and brings its
    /// schema up to date.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached or is damaged, `Denied` when permissions forbid it or the file belongs
    /// to another application, `Invalid` when a newer Roster has written it. Each message contains the attempted action
    /// and the file.
    pub async fn open(file: &Path) -> Result<Self, StoreError> {
        open(file).await
    }

    /// Opens the store in `file` read-only: nothing is created, claimed or migrated, and applying is refused. Returns
    /// `None` if there is no store: no file, an empty one, or one to which nothing was written yet.
    ///
    /// # Errors
    /// As [`Self::open`], and `Invalid` if the schema is older than the one this release reads.
    pub async fn open_to_read(file: &Path) -> Result<Option<Self>, StoreError> {
        open_to_read(file).await
    }
}

async fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    make(path)?;
    let failed = |doing: &str, error: &sqlx::Error| classify(&format!("{}: {doing}", path.display()), error);
    let file = FileId::of(path).map_err(|error| refused_by_system(path, &error))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    // Before anything is written, the journal mode included: the file may belong to another application.
    let mut first = options.clone().connect().await.map_err(|error| failed("opening", &error))?;
    claim(&mut first, path).await?;
    first.close().await.map_err(|error| failed("opening", &error))?;

    // Keeps a large batch from leaving a large log.
    let writing = options.clone().journal_mode(SqliteJournalMode::Wal).pragma("journal_size_limit", "16777216");
    let writer = pool(1).connect_with(writing).await.map_err(|error| failed("opening", &error))?;
    migrate(&writer, path).await?;
    recount(&writer).await.map_err(|error| failed("counting members", &error))?;
    let readers = pool(READERS).connect_lazy_with(options.read_only(true));
    Ok(SqliteStore { file, writer, readers })
}

/// Opens without writing anything. Returns `None` if there is no store.
async fn open_to_read(path: &Path) -> Result<Option<SqliteStore>, StoreError> {
    let unreadable = |error: &io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied => {
            StoreError::Denied(format!("{}: opening: no permission to read it: {error}", path.display()))
        }
        _ => StoreError::Unavailable(format!("{}: opening: {error}", path.display())),
    };
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => return Err(StoreError::Invalid(format!("{}: not a file", path.display()))),
        Ok(_) => drop(fs::File::open(path).map_err(|error| unreadable(&error))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(&error)),
    }
    let failed = |doing: &str, error: &sqlx::Error| classify(&format!("{}: {doing}", path.display()), error);
    let file = FileId::of(path).map_err(|error| unreadable(&error))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(true)
        .busy_timeout(BUSY)
        .disable_statement_logging();
    let (options, mut first) = match connect_to_read(&options, path).await {
        // If no other process has the store open, a reader creates files next to it. If it may not, the file alone is
        // complete.
        Err(StoreError::Unavailable(_) | StoreError::Denied(_)) if !log_of(path).exists() => {
            let options = options.immutable(true);
            let first = connect_to_read(&options, path).await?;
            (options, first)
        }
        connection => (options, connection?),
    };
    let is_ours = owner(&mut first, path).await?;
    let is_there = is_ours && has_known_schema(&mut first, path).await?;
    first.close().await.map_err(|error| failed("opening", &error))?;
    let pool = |connections| pool(connections).connect_lazy_with(options.clone());
    Ok(is_there.then(|| SqliteStore { file, writer: pool(1), readers: pool(READERS) }))
}

/// Opens a connection for reading.
async fn connect_to_read(options: &SqliteConnectOptions, path: &Path) -> Result<SqliteConnection, StoreError> {
    let failed = |error: sqlx::Error| classify(&format!("{}: opening", path.display()), &error);
    let mut connection = options.clone().connect().await.map_err(failed)?;
    owner(&mut connection, path).await?;
    Ok(connection)
}

/// Returns the path of SQLite's write-ahead log.
fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Returns whether the schema is the one that this release reads; `false` if there is none yet.
///
/// # Errors
/// `Invalid` if the schema is of another release.
async fn has_known_schema(connection: &mut SqliteConnection, path: &Path) -> Result<bool, StoreError> {
    const THERE: &str = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let failed = |error: sqlx::Error| classify(&format!("{}: reading its schema's version", path.display()), &error);
    let there: i64 = sqlx::query_scalar(THERE).fetch_one(&mut *connection).await.map_err(failed)?;
    if there == 0 {
        return Ok(false);
    }
    let sql = "SELECT max(version) FROM _sqlx_migrations WHERE success";
    let found: Option<i64> = sqlx::query_scalar(sql).fetch_one(connection).await.map_err(failed)?;
    let known = MIGRATIONS.iter().map(|migration| migration.version).max();
    match found {
        None => Ok(false),
        found if found == known => Ok(true),
        Some(found) => {
            let (known, than) = (known.unwrap_or_default(), if Some(found) > known { "a newer" } else { "an older" });
            Err(StoreError::Invalid(format!(
                "{}: {than} Roster has written it (schema {found}; this release reads {known}); use that release, or \
                 let this release update an older schema (the controller or `roster apply`)",
                path.display()
            )))
        }
    }
}

/// Builds a pool that keeps its connections: a new one might open another file of the same name.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(30))
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Creates the file for its owner only, if it does not exist; SQLite gives its log the same mode. An existing file
/// keeps its mode: somebody may let a portal's group read it.
fn make(path: &Path) -> Result<(), StoreError> {
    match fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
                return Err(StoreError::Invalid(format!("{}: not a file", path.display())));
            }
            // Fails here if the file is not writable: SQLite would silently open it read-only.
            fs::OpenOptions::new()
                .read(true)
                .write(true)
                .open(path)
                .map_err(|error| refused_by_system(path, &error))?;
            Ok(())
        }
        Err(error) => Err(refused_by_system(path, &error)),
    }
}

fn refused_by_system(path: &Path, error: &io::Error) -> StoreError {
    let folder = path.parent().unwrap_or(path);
    let context = format!("{}: opening", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::Denied(format!("{context}: no permission to write it: {error}"))
        }
        io::ErrorKind::NotFound if !folder.is_dir() => {
            StoreError::Unavailable(format!("{context}: there is no folder {}", folder.display()))
        }
        _ => StoreError::Unavailable(format!("{context}: {error}")),
    }
}

/// Checks that the database is ours, and claims an empty one.
async fn claim(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    if owner(connection, path).await? {
        return Ok(());
    }
    // A single statement, so that a crash never leaves a partly claimed database.
    sqlx::query("PRAGMA application_id = 0x526f7374")
        .execute(connection)
        .await
        .map_err(|error| classify(&format!("{}: initializing the store", path.display()), &error))?;
    Ok(())
}

/// Returns whether the database is ours; `false` if it is empty and unclaimed.
///
/// # Errors
/// When it cannot be read or belongs to another application.
pub(super) async fn owner(connection: &mut SqliteConnection, path: &Path) -> Result<bool, StoreError> {
    let (id, tables): (i32, i64) =
        sqlx::query_as("SELECT application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id")
            .fetch_one(connection)
            .await
            .map_err(|error| classify(&format!("{}: reading its application id", path.display()), &error))?;
    match (id, tables) {
        (APPLICATION_ID, _) => Ok(true),
        (0, 0) => Ok(false),
        _ => Err(StoreError::Denied(format!(
            "{}: it is the database of another application (application id {id:#x}, {tables} tables and indexes)",
            path.display()
        ))),
    }
}

async fn migrate(writer: &SqlitePool, path: &Path) -> Result<(), StoreError> {
    let context = format!("{}: updating its schema", path.display());
    MIGRATIONS.run(writer).await.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => classify(&context, &error),
        MigrateError::VersionMissing(version) => StoreError::Invalid(format!(
            "{context}: a newer Roster has written it (schema {version}; this release knows {}); use the newer release, \
             or another file",
            MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
        )),
        error => StoreError::Invalid(format!("{context}: {error}")),
    })
}

/// Corrects member counts that other writers made wrong: their REPLACE runs no triggers on DELETE.
async fn recount(writer: &SqlitePool) -> Result<(), sqlx::Error> {
    const SQL: &str = "UPDATE account_ids SET members = (SELECT count(*) FROM members WHERE account_id = id)
        WHERE members <> (SELECT count(*) FROM members WHERE account_id = id)";
    sqlx::query(SQL).execute(writer).await?;
    Ok(())
}
