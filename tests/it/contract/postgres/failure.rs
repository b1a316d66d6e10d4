//! Tests all classes of errors, provoked on a real server.

use std::{collections::BTreeSet, time::Duration};

use super::{Postgres, SecretsOf, secret, server::Server};
use crate::{
    contract::{
        Backend,
        world::{email, member, ranks, world},
    },
    support::Authority,
};
use roster::{
    model::Scope,
    plan::Observed,
    store::{Connection, PostgresLocation, Store, StoreError, Totals, postgres::PostgresStore},
};
use sqlx::Connection as _;

async fn open(place: &PostgresLocation) -> Result<PostgresStore, StoreError> {
    PostgresStore::open(place, &SecretsOf::default()).await
}

#[tokio::test]
async fn a_refused_login_is_denied() {
    let backend = Postgres::fresh().await;
    let url = backend.server.url(&backend.owner);
    for (url, why) in [
        (url.replace(":pw@", ":hush@"), "password authentication failed"),
        (url.replace(":pw@", "@"), "password"),
        (url.replace(&backend.owner, "nobody_there"), "password authentication failed"),
    ] {
        let error = open(&backend.place_of(&url)).await.unwrap_err();
        assert!(matches!(&error, StoreError::Denied(message) if message.contains(why)), "{url}: {error}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
}

#[tokio::test]
async fn impossible_settings_are_invalid() {
    let backend = Postgres::fresh().await;
    let url = backend.server.url(&backend.owner);
    for (url, why) in [
        ("host=db password=hush".to_owned(), "write postgres://"),
        (url.replace("/postgres?", "/nothing?"), "does not exist"),
    ] {
        let error = open(&backend.place_of(&url)).await.unwrap_err();
        assert!(matches!(&error, StoreError::Invalid(message) if message.contains(why)), "{url}: {error}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
    let place = PostgresLocation { schema: "a; DROP TABLE x".into(), ..backend.place() };
    let error = open(&place).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Invalid(message) if message.contains("is not a valid schema name")),
        "{error}"
    );
}

#[tokio::test]
async fn a_store_of_a_newer_release_is_not_changed() {
    let backend = Postgres::fresh().await;
    backend.open().await;
    backend.run("INSERT INTO _sqlx_migrations VALUES (9999, 'later', now(), true, 'x', 0)").await.unwrap();
    let error = open(&backend.place()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Invalid(message) if message.contains("a newer Roster")), "{error}");
}

/// Takes a store back to the schema of the first release.
const FIRST_RELEASE: &str =
    "DROP TABLE store_id; DROP TABLE fence; CREATE TABLE fence (id bigint PRIMARY KEY CHECK (id = 1), epoch bigint NOT NULL);
    INSERT INTO fence VALUES (1, 9000000000000000); ALTER TABLE account_ids DROP COLUMN approvals;
    DELETE FROM _sqlx_migrations WHERE version > 1";

#[tokio::test]
async fn a_store_of_the_first_release_is_migrated() {
    let (backend, world) = (Postgres::fresh().await, world("acme"));
    let store = backend.open().await;
    world.converge(&*store).await;
    let before = world.observe(&*store).await;
    store.close().await;
    backend.run(FIRST_RELEASE).await.unwrap();
    let error = PostgresStore::open_to_read(&backend.place(), &SecretsOf::default()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Invalid(message) if message.contains("roster migrate")), "{error}");
    let store = backend.open().await;
    let after = world.observe(&*store).await;
    assert!(after.store.is_some(), "it has an id now");
    assert_eq!(after, Observed { store: after.store.clone(), ..before });
    assert_eq!(world.plan(&*store, Scope::Account).await.changes, []);
    // Its one number was of no cluster in particular, and shuts nobody out.
    let mut world = world;
    world.members.get_mut(&email("ann@shop.example")).unwrap().ranks = ranks(&[0, 0, 1]);
    world.converge(&*store).await;
}

#[tokio::test]
async fn read_only_opening_refuses_other_schemas() {
    let newer = "INSERT INTO _sqlx_migrations VALUES (9999, 'later', now(), true, 'x', 0)";
    let other = "UPDATE _sqlx_migrations SET checksum = 'x'";
    for (sql, words) in [(newer, "a newer Roster has written it (schema 9999"), (other, "roster migrate")] {
        let backend = Postgres::fresh().await;
        backend.open().await;
        backend.run(sql).await.unwrap();
        let error = PostgresStore::open_to_read(&backend.place(), &SecretsOf::default()).await.unwrap_err();
        assert!(matches!(&error, StoreError::Invalid(message) if message.contains(words)), "{error}");
    }
    // A schema of another owner is not Roster's, and stays as it is.
    let backend = Postgres::fresh().await;
    let theirs = format!("CREATE SCHEMA {0}; CREATE TABLE {0}.theirs (n int)", backend.schema);
    backend.run(&theirs).await.unwrap();
    assert!(backend.open_read_only().await.is_none());
    let tables = format!("SELECT count(*) FROM pg_tables WHERE schemaname = '{}'", backend.schema);
    assert_eq!(backend.number(&tables).await, 1);
}

/// A constraint of another owner refuses one member; the others are applied.
#[tokio::test]
async fn a_constraint_refuses_one_object_only() {
    let backend = Postgres::fresh().await;
    let (store, mut world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    backend.run("ALTER TABLE members ADD CHECK (email NOT LIKE '%@competitor.example')").await.unwrap();
    for n in 0..30 {
        world.members.insert(email(&format!("m{n}@shop.example")), member(&[1, 1, 1]));
    }
    let refused = email("x@competitor.example");
    world.members.insert(refused.clone(), member(&[1, 1, 1]));
    let plan = world.plan(&*store, Scope::Account).await;
    let outcomes = world.apply(&*store, &plan).await;
    let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.is_err()).collect();
    assert!(
        matches!(&failed[..], [Err(StoreError::Invalid(message))] if message.contains(refused.as_str())),
        "{failed:?}"
    );
    world.members.remove(&refused);
    world.assert_held(&world.observe(&*store).await);
}

/// A row that somebody else changes while a pass runs is a conflict, and the pass is repeated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_at_the_same_time_is_a_conflict() {
    let backend = Postgres::fresh().await;
    let (store, mut world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    let mut other = backend.connect().await;
    let mut theirs = other.begin().await.unwrap();
    sqlx::query("UPDATE members SET role = 'x' WHERE email = 'ann@shop.example'").execute(&mut *theirs).await.unwrap();
    world.members.insert(email("ann@shop.example"), member(&[0, 0, 1]));
    let plan = world.plan(&*store, Scope::Account).await;
    let (outcomes, ()) = tokio::join!(world.apply(&*store, &plan), async {
        // The pass waits for their row; then it is no longer the one that was seen.
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO members%'
            AND usename = current_user";
        while backend.number(waiting).await == 0 {
            tokio::task::yield_now().await;
        }
        theirs.commit().await.unwrap();
    });
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(StoreError::Conflict(_)))), "{outcomes:?}");
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
}

#[tokio::test]
async fn a_stopped_server_is_unavailable_until_it_returns() {
    let server = Server::start().await;
    let backend = Postgres::on(&server).await;
    let (store, mut world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    world.members.insert(email("new@shop.example"), member(&[1, 0, 0]));
    let plan = world.plan(&*store, Scope::Account).await;
    server.stop();
    for _ in 0..2 {
        let error = store.totals().await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        let outcomes = world.apply(&*store, &plan).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(StoreError::Unavailable(_)))), "{outcomes:?}");
    }
    assert!(matches!(open(&backend.place()).await, Err(StoreError::Unavailable(_))));
    server.up().await;
    // The same store works again, too.
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
}

#[tokio::test]
async fn a_rotated_password_is_denied_until_the_secret_is_read_again() {
    let backend = Postgres::fresh().await;
    let secrets = SecretsOf::default();
    secrets.set("db", &backend.server.url(&backend.owner));
    let place = PostgresLocation { connection: Connection::Secret(secret("db")), ..backend.place() };
    let store = PostgresStore::open(&place, &secrets).await.unwrap();
    world("acme").converge(&store).await;
    // Those that are open stay; a new connection needs the new one.
    let exchange = format!(
        "ALTER ROLE {0} PASSWORD 'new'; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{0}'",
        backend.owner
    );
    backend.server.run(&exchange).await.unwrap();
    let denied = async || {
        for _ in 0..20 {
            if let Err(StoreError::Denied(_)) = store.totals().await {
                return true;
            }
        }
        false
    };
    assert!(denied().await);
    assert!(matches!(PostgresStore::open(&place, &secrets).await, Err(StoreError::Denied(_))));
    secrets.set("db", &backend.server.url(&backend.owner).replace(":pw@", ":new@"));
    let store = PostgresStore::open(&place, &secrets).await.unwrap();
    assert_eq!(store.totals().await.unwrap().members, 2);
}

#[tokio::test]
async fn tls_is_verified() {
    let backend = Postgres::fresh().await;
    let url = backend.server.url(&backend.owner).replace("?sslmode=disable", "");
    let secrets = SecretsOf::default();
    secrets.set("db", &url);
    secrets.set("ca", &backend.server.ca);
    let place =
        PostgresLocation { connection: Connection::Secret(secret("db")), ca: Some(secret("ca")), ..backend.place() };
    let store = PostgresStore::open(&place, &secrets).await.unwrap();
    world("acme").converge(&store).await;
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE ssl AND application_name = 'roster' AND usename = current_user";
    let encrypted: i64 = sqlx::query_scalar(encrypted).fetch_one(&mut backend.connect().await).await.unwrap();
    assert!(encrypted > 0);
    let plain = url.clone() + "?sslmode=disable";
    let localhost = url.replace("127.0.0.1", "localhost");
    for (url, ca, why) in [
        // Another authority, no certificate at all, and a name that the certificate does not have.
        (&url, Authority::new().pem, "invalid peer certificate"),
        (&url, "nonsense".to_owned(), ""),
        (&localhost, backend.server.ca.clone(), "not valid for name"),
        (&plain, backend.server.ca.clone(), "sslmode=disable"),
    ] {
        secrets.set("db", url);
        secrets.set("ca", &ca);
        let error = PostgresStore::open(&place, &secrets).await.unwrap_err();
        assert!(error.to_string().contains(why), "{why}: {error}");
    }
}

/// A server that takes this role's connections only encrypted.
#[tokio::test]
async fn a_server_can_require_tls() {
    let server = Server::start().await;
    let mut backend = Postgres::on(&server).await;
    server
        .run("CREATE ROLE tls_only LOGIN PASSWORD 'pw'; GRANT CREATE ON DATABASE postgres TO tls_only")
        .await
        .unwrap();
    server.run(&format!("ALTER ROLE {} RENAME TO unused", backend.owner)).await.unwrap();
    backend.owner = "tls_only".to_owned();
    let hba = "local all all trust\nhostssl all tls_only 127.0.0.1/32 scram-sha-256\n";
    server.allow(hba).await;
    let error = open(&backend.place()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Denied(message) if message.contains("no encryption")), "{error}");
    let secrets = SecretsOf::default();
    secrets.set("ca", &server.ca);
    let url = server.url("tls_only").replace("?sslmode=disable", "");
    let place = PostgresLocation { ca: Some(secret("ca")), ..backend.place_of(&url) };
    assert_eq!(PostgresStore::open(&place, &secrets).await.unwrap().totals().await.unwrap(), Totals::default());
}

/// Replicas and the command line start at the same time: the schema is made once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_can_open_it_at_once() {
    let backend = Postgres::fresh().await;
    let place = backend.place();
    let opened = futures::future::join_all((0..8).map(|_| open(&place))).await;
    for store in opened {
        assert_eq!(store.unwrap().totals().await.unwrap(), Totals::default());
    }
    assert_eq!(backend.number("SELECT count(*) FROM _sqlx_migrations").await, 4, "each migration once");
}

/// One person in many accounts is a row in each, and leaves one without leaving the others.
#[tokio::test]
async fn one_person_in_many_accounts() {
    let backend = Postgres::fresh().await;
    let store = backend.open().await;
    let mut worlds: Vec<_> = (0..12).map(|n| world(&format!("account-{n}"))).collect();
    for world in &worlds {
        world.converge(&*store).await;
    }
    let accounts = "SELECT count(DISTINCT account) FROM effective_permissions WHERE email = 'ann@shop.example'";
    for (gone, world) in worlds.iter_mut().enumerate() {
        assert_eq!(backend.number(accounts).await, 12 - i64::try_from(gone).unwrap());
        world.members.remove(&email("ann@shop.example"));
        world.converge(&*store).await;
    }
    assert_eq!(backend.number(accounts).await, 0);
    assert_eq!(worlds.iter().map(|world| world.key().clone()).collect::<BTreeSet<_>>().len(), 12);
}

/// A lock that somebody else holds is waited for, and not for ever.
#[tokio::test]
async fn connections_have_limits() {
    let backend = Postgres::fresh().await;
    let store = backend.store().await;
    world("acme").converge(&store).await;
    let passes = (0..40).map(|_| store.totals());
    futures::future::try_join_all(passes).await.unwrap();
    let open = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND application_name = 'roster'";
    let open = backend.number(open).await;
    assert!((1..=8).contains(&open), "{open} connections");
    store.close().await;
    let error = tokio::time::timeout(Duration::from_secs(5), store.totals()).await.unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
}
