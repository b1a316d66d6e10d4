//! Tests the file: to whom it belongs, whether it can be used, and the errors otherwise.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use super::Sqlite;
use crate::contract::{
    Backend,
    world::{NOW, email, member, ranks, world},
};
use roster::{
    model::Scope,
    plan::Observed,
    store::{Store, StoreError, sqlite::SqliteStore},
};

async fn refusal(file: &Path) -> StoreError {
    SqliteStore::open(file).await.expect_err("it opened")
}

fn assert_says(error: &StoreError, file: &Path, words: &str) {
    let message = error.to_string();
    assert!(message.contains(&file.display().to_string()) && message.contains(words), "{message}");
}

#[tokio::test]
async fn files_are_readable_by_their_owner_only() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    world("acme").converge(&*store).await;
    for entry in fs::read_dir(backend.file().parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
    }
    // An administrator has opened the file to the portal's group: it stays open.
    fs::set_permissions(backend.file(), fs::Permissions::from_mode(0o640)).unwrap();
    backend.open().await;
    assert_eq!(fs::metadata(backend.file()).unwrap().permissions().mode() & 0o777, 0o640);
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let backend = Sqlite::fresh();
    let file = backend.file().with_file_name("nowhere").join("roster.db");
    let error = refusal(&file).await;
    assert!(matches!(error, StoreError::Unavailable(_)));
    assert_says(&error, &file, "there is no folder");
}

#[tokio::test]
async fn a_folder_that_must_not_be_written_is_named() {
    // Not even root may write here.
    let file = Path::new("/sys/kernel/roster.db");
    let error = refusal(file).await;
    assert!(matches!(error, StoreError::Denied(_)), "{error}");
    assert_says(&error, file, "no permission");
}

#[tokio::test]
async fn a_folder_is_no_file() {
    let backend = Sqlite::fresh();
    fs::create_dir(backend.file()).unwrap();
    let error = refusal(&backend.file()).await;
    assert!(matches!(error, StoreError::Invalid(_)));
    assert_says(&error, &backend.file(), "not a file");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_unavailable_until_it_is_removed() {
    let backend = Sqlite::fresh();
    let content = "#!/bin/sh\necho this is no database\n".repeat(200);
    fs::write(backend.file(), &content).unwrap();
    let error = refusal(&backend.file()).await;
    assert!(matches!(error, StoreError::Unavailable(_)));
    assert_says(&error, &backend.file(), "file is not a database");
    assert_eq!(fs::read_to_string(backend.file()).unwrap(), content, "nothing was written to it");
    fs::remove_file(backend.file()).unwrap();
    let world = world("acme");
    world.converge(&*backend.open().await).await;
}

#[tokio::test]
async fn a_damaged_file_is_unavailable() {
    let backend = Sqlite::fresh();
    let mut world = world("acme");
    for n in 0..500 {
        world.members.insert(email(&format!("m{n}@shop.example")), member(&[1, 1, 1]));
    }
    let store = SqliteStore::open(&backend.file()).await.unwrap();
    world.converge(&store).await;
    store.close().await;
    let mut bytes = fs::read(backend.file()).unwrap();
    // The first page still tells whose it is.
    let second = 4096;
    assert!(bytes.len() > 10 * second);
    bytes[second..].fill(0xa5);
    fs::write(backend.file(), bytes).unwrap();
    let error = match SqliteStore::open(&backend.file()).await {
        Err(error) => error,
        Ok(store) => store.observe(world.key(), &Scope::Account, NOW).await.expect_err("it was read"),
    };
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert_says(&error, &backend.file(), "malformed");
}

#[tokio::test]
async fn a_database_of_another_application_is_not_changed() {
    for sql in [
        "CREATE TABLE theirs (n INTEGER); INSERT INTO theirs VALUES (1);",
        "PRAGMA application_id = 77;",
        "PRAGMA application_id = 77; CREATE TABLE accounts (id INTEGER);",
    ] {
        let backend = Sqlite::fresh();
        fs::write(backend.file(), "").unwrap();
        backend.run(sql).await.unwrap();
        let before = fs::read(backend.file()).unwrap();
        let error = refusal(&backend.file()).await;
        assert!(matches!(error, StoreError::Denied(_)), "{error}");
        assert_says(&error, &backend.file(), "another application");
        assert_eq!(fs::read(backend.file()).unwrap(), before);
    }
}

#[tokio::test]
async fn an_empty_file_becomes_a_store() {
    let backend = Sqlite::fresh();
    fs::write(backend.file(), "").unwrap();
    let world = world("acme");
    world.converge(&*backend.open().await).await;
    world.assert_held(&world.observe(&*backend.open().await).await);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let backend = Sqlite::fresh();
    backend.open().await;
    let newer = "INSERT INTO _sqlx_migrations VALUES (9000, 'later', '2030-01-01', 1, x'00', 1)";
    backend.run(newer).await.unwrap();
    let error = refusal(&backend.file()).await;
    assert!(matches!(error, StoreError::Invalid(_)));
    assert_says(&error, &backend.file(), "a newer Roster has written it (schema 9000");
}

#[tokio::test]
async fn a_removed_or_replaced_file_is_not_written() {
    let (backend, other) = (Sqlite::fresh(), Sqlite::fresh());
    let world = world("acme");
    let store = backend.open().await;
    world.converge(&*store).await;
    let plan =
        roster_core::testing::plan(&world.desired(Scope::Account), &roster::plan::Observed::default(), &world.policy);
    other.open().await;
    let asserts_unusable = async |words: &str| {
        let error = store.observe(world.key(), &Scope::Account, NOW).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)));
        assert_says(&error, &backend.file(), words);
        for outcome in world.apply(&*store, &plan).await {
            assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
        }
        assert!(matches!(store.accounts().await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.totals().await, Err(StoreError::Unavailable(_))));
    };
    let name = |suffix: &str| backend.file().with_file_name(format!("roster.db{suffix}"));
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(name(suffix)).unwrap();
    }
    asserts_unusable("the file was deleted").await;
    assert!(!backend.file().exists());
    fs::copy(other.file(), backend.file()).unwrap();
    asserts_unusable("the file was replaced").await;
    // Opened again it is a different, empty store, and is filled again.
    let store = backend.open().await;
    world.assert_nothing(&*store).await;
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
}

#[tokio::test]
async fn a_writer_waits_for_another_process() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    let world = world("acme");
    let mut other = backend.connect().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let mut pass = Box::pin(world.converge(&*store));
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut pass).await.is_err(), "it did not wait");
    // Reading does not wait.
    world.assert_nothing(&*store).await;
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    pass.await;
    world.assert_held(&world.observe(&*store).await);
}

#[tokio::test]
async fn a_refusal_by_foreign_triggers_affects_one_object() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    let mut world = world("acme");
    for n in 0..40 {
        world.members.insert(email(&format!("m{n}@shop.example")), member(&[1, 1, 1]));
    }
    let rule =
        "CREATE TRIGGER theirs BEFORE INSERT ON members WHEN NEW.email IN ('m7@shop.example', 'm8@shop.example') BEGIN
        SELECT RAISE(ABORT, 'not with us'); END";
    backend.run(rule).await.unwrap();
    let plan = world.plan(&*store, Scope::Account).await;
    let outcomes = world.apply(&*store, &plan).await;
    let refused = [email("m7@shop.example"), email("m8@shop.example")];
    for (change, outcome) in plan.changes.iter().zip(outcomes) {
        match &change.object {
            roster::plan::ObjectKey::Member(email) if refused.contains(email) => {
                let error = outcome.unwrap_err();
                assert!(matches!(&error, StoreError::Invalid(why) if why.contains("not with us")), "{error}");
            }
            object => assert_eq!(outcome, Ok(()), "{object}"),
        }
    }
    refused.iter().for_each(|email| drop(world.members.remove(email)));
    world.assert_held(&world.observe(&*store).await);
    assert!(roster::store::sqlite::verify_audit(&backend.file()).await.unwrap().is_whole());
}

/// SQLite ends the transaction by itself, as when the disk is full.
#[tokio::test]
async fn a_transaction_that_sqlite_ends_leaves_a_working_store() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    let world = world("acme");
    let rule = "CREATE TRIGGER theirs BEFORE INSERT ON members BEGIN SELECT RAISE(ROLLBACK, 'all of it'); END";
    backend.run(rule).await.unwrap();
    let plan = world.plan(&*store, Scope::Account).await;
    for outcome in world.apply(&*store, &plan).await {
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    }
    world.assert_nothing(&*store).await;
    backend.run("DROP TRIGGER theirs").await.unwrap();
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
}

#[tokio::test]
async fn opening_read_only_creates_nothing() {
    let backend = Sqlite::fresh();
    let files = || fs::read_dir(backend.file().parent().unwrap()).unwrap().count();
    assert!(SqliteStore::open_to_read(&backend.file()).await.unwrap().is_none());
    assert!(SqliteStore::open_to_read(&backend.file().with_file_name("nowhere").join("x.db")).await.unwrap().is_none());
    assert_eq!(files(), 0);
    fs::write(backend.file(), "").unwrap();
    assert!(SqliteStore::open_to_read(&backend.file()).await.unwrap().is_none());
    assert_eq!(fs::read(backend.file()).unwrap(), b"", "an empty file is not claimed");
    // Claimed, and then its maker died.
    backend.run("PRAGMA application_id = 0x526f7374").await.unwrap();
    let before = fs::read(backend.file()).unwrap();
    assert!(SqliteStore::open_to_read(&backend.file()).await.unwrap().is_none());
    assert_eq!(fs::read(backend.file()).unwrap(), before);
}

/// Takes a store back to the schema of the first release.
const FIRST_RELEASE: &str = "ALTER TABLE account_ids DROP COLUMN approvals;
    DROP TABLE store_id;
    DROP TABLE fence;
    CREATE TABLE fence (id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL) STRICT;
    INSERT INTO fence VALUES (1, 9000000000000000);
    DELETE FROM _sqlx_migrations WHERE version > 1";

#[tokio::test]
async fn a_store_of_the_first_release_is_migrated() {
    let (backend, world) = (Sqlite::fresh(), world("acme"));
    let store = backend.open().await;
    world.converge(&*store).await;
    let before = world.observe(&*store).await;
    store.close().await;
    for sql in FIRST_RELEASE.split(';') {
        backend.run(sql).await.unwrap();
    }
    let store = backend.open().await;
    let after = world.observe(&*store).await;
    assert!(after.store.is_some(), "it has an id now");
    assert_eq!(after, Observed { store: after.store.clone(), ..before });
    assert_eq!(world.plan(&*store, Scope::Account).await.changes, []);
    assert!(backend.verify_audit().await.fault.is_none());
    // Its one number was of no cluster in particular, and shuts nobody out.
    let mut world = world;
    world.members.get_mut(&email("ann@shop.example")).unwrap().ranks = ranks(&[0, 0, 1]);
    world.converge(&*store).await;
}

#[tokio::test]
async fn read_only_opening_refuses_other_schemas() {
    let looked = async |backend: &Sqlite| SqliteStore::open_to_read(&backend.file()).await.expect_err("it opened");
    let newer = "INSERT INTO _sqlx_migrations VALUES (9000, 'later', '2030-01-01', 1, x'00', 1)";
    let older = "DELETE FROM _sqlx_migrations WHERE version > 1";
    for (sql, words) in [(newer, "a newer Roster has written it (schema 9000"), (older, "an older Roster")] {
        let backend = Sqlite::fresh();
        backend.open().await;
        backend.run(sql).await.unwrap();
        let error = looked(&backend).await;
        assert!(matches!(error, StoreError::Invalid(_)));
        assert_says(&error, &backend.file(), words);
    }
    let backend = Sqlite::fresh();
    fs::write(backend.file(), "").unwrap();
    backend.run("CREATE TABLE theirs (n INTEGER)").await.unwrap();
    assert!(matches!(looked(&backend).await, StoreError::Denied(_)));
    let backend = Sqlite::fresh();
    fs::create_dir(backend.file()).unwrap();
    assert!(matches!(looked(&backend).await, StoreError::Invalid(_)));
}
