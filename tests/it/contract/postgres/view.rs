//! Tests what portals read, and that it is the same as in SQLite.

use std::time::Duration;

use jiff::Timestamp;
use roster::resolve::{RevocationReason, Window};
use sqlx::AssertSqlSafe;

use super::Postgres;
use crate::{
    contract::{
        Backend,
        world::{email, member, members, world},
    },
    support::{PATIENCE, eventually},
};

const NONE: [&str; 3] = ["orders Hide 0", "payments Denied 0", "users Hide 0"];

async fn of(backend: &Postgres<'_>, email: &str) -> Vec<String> {
    let sql = format!(
        "SELECT section || ' ' || level || ' ' || rank FROM effective_permissions WHERE email = '{email}' ORDER BY 1"
    );
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut backend.connect().await).await.unwrap()
}

#[tokio::test]
async fn revoked_members_have_no_access_but_stay_in_the_view() {
    let backend = Postgres::fresh().await;
    let mut world = world("acme");
    world.members.get_mut(&email("ann@shop.example")).unwrap().ended = Some(RevocationReason::Suspended);
    world.converge(&*backend.open().await).await;
    assert_eq!(of(&backend, "ann@shop.example").await, NONE);
}

#[tokio::test]
async fn the_view_uses_the_current_time() {
    let backend = Postgres::fresh().await;
    let store = backend.open().await;
    let mut world = world("acme");
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let hour = Duration::from_secs(3600);
    let (past, future) = (Some(now - hour), Some(now + hour));
    for (starts_at, expires_at, access) in [
        (past, None, true),
        (None, future, true),
        (past, future, true),
        (Some(now), future, true),
        (future, None, false),
        (None, past, false),
        (past, Some(now), false),
        (future, past, false),
    ] {
        world.members.get_mut(&email("ann@shop.example")).unwrap().window = Window { starts_at, expires_at };
        world.converge(&*store).await;
        let seen = of(&backend, "ann@shop.example").await;
        assert_eq!(seen != NONE, access, "{starts_at:?} to {expires_at:?}: {seen:?}");
    }
}

#[tokio::test]
async fn unreadable_rows_grant_nothing_and_are_corrected() {
    let backend = Postgres::fresh().await;
    let store = backend.open().await;
    let world = world("acme");
    world.converge(&*store).await;
    for (text, seen) in [
        ("213", ["orders Edit 2", "payments Allowed 1", "users Delete 3"]),
        ("3f4", NONE),
        ("f13", ["orders Hide 0", "payments Allowed 1", "users Delete 3"]),
        ("2 3", ["orders Edit 2", "payments Denied 0", "users Delete 3"]),
        ("2B3", ["orders Edit 2", "payments Denied 0", "users Delete 3"]),
        ("2é3", ["orders Edit 2", "payments Denied 0", "users Delete 3"]),
        ("", NONE),
        ("21", NONE),
        ("2130", NONE),
    ] {
        let update = sqlx::query("UPDATE members SET ranks = $1 WHERE email = 'ann@shop.example'").bind(text);
        update.execute(&mut backend.connect().await).await.unwrap();
        assert_eq!(of(&backend, "ann@shop.example").await, seen, "{text:?}");
        world.converge(&*store).await;
        world.assert_held(&world.observe(&*store).await);
    }
}

/// Roster notices and corrects everything that somebody writes.
#[tokio::test]
async fn all_other_tampering_is_noticed_and_corrected() {
    let backend = Postgres::fresh().await;
    let store = backend.open().await;
    let world = world("acme");
    world.converge(&*store).await;
    for sql in [
        "UPDATE accounts SET parent = 'nonsense'",
        "UPDATE accounts SET owner = NULL",
        "UPDATE roles SET ranks = '99999' WHERE name = 'custom:admin'",
        "UPDATE groups SET ranks = 'x'",
        "UPDATE layouts SET sections = 2",
        "UPDATE sections SET name = 'Orders' WHERE position = 0",
        "DELETE FROM sections WHERE position = 1",
        "DELETE FROM sections",
        "DELETE FROM levels",
        "UPDATE levels SET name = 'Look' WHERE name = 'View'",
        "UPDATE levels SET rank = 9 WHERE rank = 2",
        "DELETE FROM accounts; DELETE FROM layouts",
        "DELETE FROM roles; DELETE FROM groups; DELETE FROM members",
        "TRUNCATE members",
        "UPDATE members SET starts_at = 9223372036854775807",
        "UPDATE members SET groups = '{}', role = 'custom:'",
        "UPDATE marks SET fingerprint = 'x'",
        "DELETE FROM marks; DELETE FROM owners",
    ] {
        backend.run(sql).await.expect(sql);
        assert!(!world.plan(&*store, roster::model::Scope::Account).await.changes.is_empty(), "not seen: {sql}");
        world.converge(&*store).await;
        world.converge(&*store).await;
        world.assert_held(&world.observe(&*store).await);
        assert_eq!(
            backend.number("SELECT count(*) FROM effective_permissions WHERE level IS NOT NULL").await,
            6,
            "{sql}"
        );
        assert_eq!(backend.number("SELECT members FROM account_ids").await, 2, "{sql}");
    }
}

/// One person, or one account, is looked up by an index.
#[tokio::test]
async fn reading_a_part_is_not_reading_all() {
    let backend = Postgres::fresh().await;
    let mut world = world("acme");
    for n in 0..3_000 {
        world.members.insert(email(&format!("m{n}@shop.example")), member(&[1, 1, 1]));
    }
    world.converge(&*backend.open().await).await;
    backend.run("ANALYZE members").await.unwrap();
    for which in
        ["email = 'ann@shop.example'", "account = 'shop/acme' AND email = 'ann@shop.example' AND section = 'orders'"]
    {
        let sql = format!("EXPLAIN SELECT * FROM effective_permissions WHERE {which}");
        let plan: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut backend.connect().await).await.unwrap();
        assert!(!plan.iter().any(|step| step.contains("Seq Scan on members")), "{which}: {plan:#?}");
    }
}

/// The cost of one member does not depend on their number, even after PostgreSQL has seen a statement often enough to
/// keep one plan for it.
#[tokio::test]
async fn one_member_is_found_by_an_index() {
    let backend = Postgres::fresh().await;
    let mut world = world("acme");
    for n in 0..3_000 {
        world.members.insert(email(&format!("m{n}@shop.example")), member(&[1, 1, 1]));
    }
    world.converge(&*backend.open().await).await;
    backend.run("ANALYZE members; ANALYZE marks; ANALYZE audit").await.unwrap();
    let scans = format!(
        "SELECT coalesce(sum(seq_scan), 0)::bigint, coalesce(sum(idx_scan), 0)::bigint FROM pg_stat_all_tables
         WHERE schemaname = '{}' AND relname IN ('members', 'marks', 'audit')",
        backend.schema
    );
    let others = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()";
    let scans = async || -> (i64, i64) {
        // A connection tells what it has counted when it ends.
        eventually(PATIENCE, "all connections to end", async || (backend.number(others).await == 0).then_some(()))
            .await;
        sqlx::query_as(AssertSqlSafe(scans.clone())).fetch_one(&mut backend.connect().await).await.unwrap()
    };
    let before = scans().await;
    let store = backend.store().await;
    for round in 0..12_u8 {
        let one = email("m7@shop.example");
        world.members.insert(one.clone(), member(&[round % 3, 0, 1]));
        world.converge_in(&store, members(&[&one])).await;
    }
    store.close().await;
    let after = scans().await;
    assert!(after.1 >= before.1 + 24, "{before:?} {after:?}");
    assert_eq!(after.0, before.0, "a table was read from one end to the other");
}
