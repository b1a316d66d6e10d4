//! Tests what portals read: `effective_permissions` (docs/concepts.md "What a portal reads").

use std::time::Duration;

use super::Sqlite;
use crate::contract::{
    Backend,
    world::{World, email, member, members, ranks, world},
};
use jiff::Timestamp;
use roster::{
    model::Scope,
    resolve::{RevocationReason, Window},
    store::Store,
};

type Row = (String, String, String, String, i64);

async fn rows(backend: &Sqlite, which: &str) -> Vec<Row> {
    let sql = format!("SELECT account, email, section, level, rank FROM effective_permissions {which}");
    sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(&mut backend.connect().await).await.unwrap()
}

/// Returns the rows of the view for one person, as `section level rank`.
async fn of(backend: &Sqlite, email: &str) -> Vec<String> {
    let rows = rows(backend, &format!("WHERE email = '{email}' ORDER BY account, section")).await;
    rows.into_iter().map(|(_, _, section, level, rank)| format!("{section} {level} {rank}")).collect()
}

const NONE: [&str; 3] = ["orders Hide 0", "payments Denied 0", "users Hide 0"];

#[tokio::test]
async fn there_is_a_row_for_each_member_and_section() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    world("acme").converge(&*store).await;
    let mut bolt = world("bolt");
    bolt.members.insert(email("ann@shop.example"), member(&[0, 1, 2]));
    bolt.converge(&*store).await;
    assert_eq!(rows(&backend, "").await.len(), 2 * 2 * 3);
    assert_eq!(
        rows(&backend, "WHERE account = 'shop/acme' AND email = 'ben@shop.example' ORDER BY section").await,
        [("orders", "View", 1), ("payments", "Denied", 0), ("users", "Hide", 0)].map(|(section, level, rank)| {
            ("shop/acme".to_owned(), "ben@shop.example".to_owned(), section.to_owned(), level.to_owned(), rank)
        })
    );
    assert_eq!(
        of(&backend, "ann@shop.example").await,
        [
            "orders Edit 2",
            "payments Allowed 1",
            "users Delete 3",
            "orders Hide 0",
            "payments Allowed 1",
            "users Edit 2"
        ]
    );
    let plan = roster::evaluate::delete(&bolt.observe(&*store).await, bolt.mark());
    bolt.apply(&*store, &plan).await;
    assert_eq!(rows(&backend, "WHERE account = 'shop/bolt'").await, []);
}

#[tokio::test]
async fn revoked_members_have_no_access_but_stay_in_the_view() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    let mut world = world("acme");
    // Even if their ranks were left.
    world.members.get_mut(&email("ann@shop.example")).unwrap().ended = Some(RevocationReason::Suspended);
    world.converge(&*store).await;
    assert_eq!(of(&backend, "ann@shop.example").await, NONE);
}

#[tokio::test]
async fn the_view_uses_the_current_time() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    let mut world = world("acme");
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let hour = Duration::from_secs(3600);
    let (past, future) = (Some(now - hour), Some(now + hour));
    for (starts_at, expires_at, access) in [
        (past, None, true),
        (None, future, true),
        (past, future, true),
        (Some(now), Some(now + hour), true),
        (future, None, false),
        (None, past, false),
        (past, Some(now), false),
        (future, past, false),
    ] {
        world.members.get_mut(&email("ann@shop.example")).unwrap().window = Window { starts_at, expires_at };
        world.converge(&*store).await;
        let seen = of(&backend, "ann@shop.example").await;
        assert_eq!(seen != NONE, access, "{starts_at:?} to {expires_at:?}: {seen:?}");
        assert_eq!(seen.len(), 3);
    }
}

/// Tampered ranks never give more than what can be understood of them, and the controller sees what the portal sees.
#[tokio::test]
async fn unreadable_rows_grant_nothing() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    let world = world("acme");
    world.converge(&*store).await;
    for (text, seen) in [
        ("213", ["orders Edit 2", "payments Allowed 1", "users Delete 3"]),
        ("3f4", NONE),
        ("f13", ["orders Hide 0", "payments Allowed 1", "users Delete 3"]),
        ("2 3", ["orders Edit 2", "payments Denied 0", "users Delete 3"]),
        ("2B3", ["orders Edit 2", "payments Denied 0", "users Delete 3"]),
        ("2-3", ["orders Edit 2", "payments Denied 0", "users Delete 3"]),
        ("2é3", ["orders Edit 2", "payments Denied 0", "users Delete 3"]),
        ("", NONE),
        ("21", NONE),
        ("2130", NONE),
        ("222222222222222222222222", NONE),
    ] {
        let update = sqlx::query("UPDATE members SET ranks = ?1 WHERE email = 'ann@shop.example'").bind(text);
        update.execute(&mut backend.connect().await).await.unwrap();
        assert_eq!(of(&backend, "ann@shop.example").await, seen, "{text:?}");
        let observed = world.observe(&*store).await;
        let content = observed.members[&email("ann@shop.example")].content.clone().unwrap();
        let highest: Vec<u8> = seen.iter().map(|row| row.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        let observed = &content.ranks.as_slice()[..3];
        assert!(observed.iter().zip(&highest).all(|(observed, viewed)| observed <= viewed), "{text:?}: {observed:?}");
        assert_eq!(content.ranks == ranks(&[2, 1, 3]), text == "213", "{text:?}");
    }
}

async fn large(store: &dyn Store) -> World {
    let mut world = world("acme");
    for n in 0..2_000 {
        world.members.insert(email(&format!("m{n}@shop.example")), member(&[1, 1, 1]));
    }
    world.converge(store).await;
    world
}

/// One person, or one account, is looked up by an index.
#[tokio::test]
async fn reading_a_part_is_not_reading_all() {
    let backend = Sqlite::fresh();
    large(&*backend.open().await).await;
    for which in [
        "email = 'ann@shop.example'",
        "account = 'shop/acme'",
        "account = 'shop/acme' AND email = 'ann@shop.example'",
        "email = 'ann@shop.example' AND section = 'orders'",
        "account = 'shop/acme' AND email = 'ann@shop.example' AND section = 'orders'",
    ] {
        let sql = format!("EXPLAIN QUERY PLAN SELECT * FROM effective_permissions WHERE {which}");
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(&mut backend.connect().await).await.unwrap();
        assert!(plan.len() >= 6);
        for (_, _, _, step) in plan {
            assert!(!step.starts_with("SCAN") || step == "SCAN CONSTANT ROW", "{which}: {step}");
        }
    }
}

#[tokio::test]
async fn the_view_and_the_store_agree() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    let world = large(&*store).await;
    let all: Vec<_> = world.members.keys().collect();
    let observed = store.observe(world.key(), &members(&all), crate::contract::world::NOW).await.unwrap();
    let named = observed.members.iter().map(|(email, seen)| {
        let ranks = &seen.content.as_ref().unwrap().ranks;
        let levels = observed.layout.ladders().iter().zip(ranks.as_slice());
        levels.map(|(l, r)| {
            (email.to_string(), l.section.to_string(), l.levels[usize::from(*r)].to_string(), i64::from(*r))
        })
    });
    let mut named: Vec<_> = named.flatten().collect();
    named.sort();
    let viewed = rows(&backend, "ORDER BY email, section").await;
    let viewed: Vec<_> =
        viewed.into_iter().map(|(_, email, section, level, rank)| (email, section, level, rank)).collect();
    assert_eq!(viewed, named);
    assert_eq!(world.plan(&*store, Scope::Account).await.changes, []);
}
