//! Tests that Roster notices and corrects whatever somebody writes into the file.

use super::Sqlite;
use crate::contract::{
    Backend,
    world::{NOW, email, member_key, members, world},
};
use roster::{
    model::Scope,
    plan::{Cause, ObjectKey, Pause},
    store::sqlite::verify_audit,
};

const MEMBER: &[&str] = &[
    "UPDATE members SET ranks = ''",
    "UPDATE members SET ranks = 'xyz'",
    "UPDATE members SET ranks = '2F3'",
    "UPDATE members SET ranks = 'fff'",
    "UPDATE members SET ranks = '2133'",
    "UPDATE members SET ranks = '21é'",
    "UPDATE members SET ranks = printf('%.10000c', '2')",
    "UPDATE members SET ranks = CAST(x'32ff33' AS TEXT)",
    "UPDATE members SET groups = 'desk'",
    "UPDATE members SET groups = '{\"a\": 1}'",
    "UPDATE members SET groups = '[1, null]'",
    "UPDATE members SET groups = ''",
    "UPDATE members SET groups = CAST(x'5b22ff225d' AS TEXT)",
    "UPDATE members SET starts_at = 9223372036854775807",
    "UPDATE members SET starts_at = -9223372036854775808",
    "UPDATE members SET expires_at = 9223372036854775807",
    "UPDATE members SET expires_at = 0",
    "UPDATE members SET ended = 'Whatever'",
    "UPDATE members SET ended = ''",
    "UPDATE members SET role = ''",
    "UPDATE members SET role = 'custom:'",
    "UPDATE members SET role = NULL",
    "UPDATE members SET display_name = CAST(x'ff00fe' AS TEXT)",
    "UPDATE members SET display_name = 'a' || char(0) || 'b'",
    "UPDATE members SET external_id = ''",
];

#[tokio::test]
async fn a_tampered_member_row_is_corrected() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    let world = world("acme");
    world.converge(&*store).await;
    let (ann, ben) = (email("ann@shop.example"), email("ben@shop.example"));
    for sql in MEMBER {
        let sql = format!("{sql} WHERE email = '{ann}'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone())).execute(&mut backend.connect().await).await.unwrap();
        for scope in [members(&[&ann, &ben]), Scope::Account] {
            let seen = store.observe(world.key(), &scope, NOW).await.expect(&sql);
            assert_eq!(seen.members[&ben].content.as_ref(), Some(&world.members[&ben]), "{sql}");
            let content = seen.members[&ann].content.as_ref().expect(&sql);
            assert_ne!(content, &world.members[&ann], "{sql}");
        }
        let plan = world.converge(&*store).await;
        let changed: Vec<_> = plan.changes.iter().map(|change| (&change.object, change.cause)).collect();
        assert_eq!(changed, [(&member_key(&ann), Cause::Drift)], "{sql}");
        world.assert_held(&world.observe(&*store).await);
    }
    assert!(verify_audit(&backend.file()).await.unwrap().is_whole());
}

/// The tables refuse values that they cannot hold.
#[tokio::test]
async fn columns_keep_their_types() {
    let backend = Sqlite::fresh();
    world("acme").converge(&*backend.open().await).await;
    for sql in [
        "UPDATE members SET expires_at = 'never'",
        "UPDATE members SET starts_at = 1.5",
        "UPDATE members SET ranks = x'00'",
        "UPDATE members SET ranks = NULL",
        "UPDATE members SET groups = NULL",
    ] {
        assert!(backend.run(sql).await.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn all_other_tampering_is_noticed_and_corrected() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    let world = world("acme");
    world.converge(&*store).await;
    for sql in [
        "UPDATE accounts SET parent = 'nonsense'",
        "UPDATE accounts SET parent = NULL",
        "UPDATE accounts SET parent = '/'",
        "UPDATE accounts SET owner = 'nobody'",
        "UPDATE accounts SET owner = NULL",
        "UPDATE accounts SET catalog = CAST(x'ff' AS TEXT)",
        "UPDATE accounts SET layout_id = 999",
        "UPDATE roles SET ranks = '99999' WHERE name = 'custom:admin'",
        "UPDATE roles SET title = CAST(x'ff' AS TEXT)",
        "UPDATE groups SET ranks = 'x'",
        "UPDATE layouts SET sections = 2",
        "UPDATE sections SET name = 'Orders' WHERE position = 0",
        "UPDATE sections SET name = CAST(x'ff' AS TEXT) WHERE position = 0",
        "UPDATE sections SET position = 7 WHERE position = 2",
        "DELETE FROM sections WHERE position = 1",
        "DELETE FROM sections",
        "DELETE FROM levels",
        "UPDATE levels SET name = 'Look' WHERE name = 'View'",
        "UPDATE levels SET rank = rank + 1 WHERE position = 1 AND rank = 1",
        "DELETE FROM levels WHERE rank = 0",
        "UPDATE levels SET rank = CASE rank WHEN 2 THEN 9 ELSE rank END",
        "UPDATE levels SET rank = -1 WHERE rank = 0",
        "INSERT INTO levels SELECT layout_id, 1, 2, 'More' FROM layouts CROSS JOIN (SELECT id AS layout_id FROM layouts)",
        "DELETE FROM layouts",
        "DELETE FROM accounts",
        "DELETE FROM roles; DELETE FROM groups; DELETE FROM members",
        "UPDATE marks SET fingerprint = x'00'",
        "UPDATE marks SET fingerprint = zeroblob(16) WHERE kind = 'member'",
    ] {
        backend.run(sql).await.expect(sql);
        let plan = world.plan(&*store, Scope::Account).await;
        assert!(!plan.changes.is_empty(), "not seen: {sql}");
        // A definition that changes below the members may need a second look.
        world.converge(&*store).await;
        world.converge(&*store).await;
        world.assert_held(&world.observe(&*store).await);
        assert_eq!(world.plan(&*store, Scope::Account).await.changes, [], "{sql}");
        let (rows,): (i64,) = sqlx::query_as("SELECT count(*) FROM effective_permissions WHERE level IS NOT NULL")
            .fetch_one(&mut backend.connect().await)
            .await
            .unwrap();
        assert_eq!(rows, 6, "{sql}");
    }
    assert!(verify_audit(&backend.file()).await.unwrap().is_whole());
}

/// Ranks never refer to sections that somebody changed and Roster corrected.
#[tokio::test]
async fn repairing_sections_takes_nobodys_access() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    let world = world("acme");
    world.converge(&*store).await;
    backend.run("UPDATE sections SET name = 'other'; UPDATE levels SET name = 'Other'").await.unwrap();
    let plan = world.converge(&*store).await;
    assert_eq!(plan.changes.iter().map(|change| &change.object).collect::<Vec<_>>(), [&ObjectKey::Account]);
    world.assert_held(&world.observe(&*store).await);
}

/// While drift is only reported, or the store is paused, damaged sections hold back no revocation.
#[tokio::test]
async fn damaged_sections_do_not_delay_revocations() {
    for (sql, paused) in [
        ("UPDATE layouts SET sections = 2", false),
        ("DELETE FROM levels WHERE rank = 0", false),
        ("DELETE FROM levels", true),
        ("DELETE FROM sections", true),
    ] {
        let backend = Sqlite::fresh();
        let store = backend.open().await;
        let mut world = world("acme");
        world.policy.drift = roster::api::DriftPolicy::Report;
        world.converge(&*store).await;
        backend.run(sql).await.unwrap();
        world.policy.paused = paused.then_some(Pause::Asked);
        let ann = world.members.get_mut(&email("ann@shop.example")).unwrap();
        ann.ranks.clear();
        ann.ended = Some(roster::resolve::RevocationReason::Suspended);
        world.converge(&*store).await;
        let access = "SELECT coalesce(sum(rank), 0) FROM effective_permissions WHERE email = 'ann@shop.example'";
        let access: i64 = sqlx::query_scalar(access).fetch_one(&mut backend.connect().await).await.unwrap();
        assert_eq!(access, 0, "{sql}");
        let ended = "SELECT ended IS NOT NULL FROM members WHERE email = 'ann@shop.example'";
        let ended: bool = sqlx::query_scalar(ended).fetch_one(&mut backend.connect().await).await.unwrap();
        assert!(ended, "{sql}");
        (world.policy.drift, world.policy.paused) = (roster::api::DriftPolicy::Correct, None);
        world.converge(&*store).await;
        world.converge(&*store).await;
        world.assert_held(&world.observe(&*store).await);
    }
}

#[tokio::test]
async fn marks_without_an_owner_are_none() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    let world = world("acme");
    world.converge(&*store).await;
    backend.run("DELETE FROM owners").await.unwrap();
    let observed = world.observe(&*store).await;
    assert!(crate::contract::world::marks(&observed).iter().all(Option::is_none));
    let plan = world.converge(&*store).await;
    assert!(plan.changes.iter().all(|change| change.cause == Cause::Adoption), "{:?}", plan.changes);
    world.assert_held(&world.observe(&*store).await);
}

/// REPLACE by others runs no triggers on DELETE, so that the count goes wrong; opening puts it right.
#[tokio::test]
async fn a_wrong_count_is_corrected() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    let world = world("acme");
    world.converge(&*store).await;
    backend.run("INSERT OR REPLACE INTO members SELECT * FROM members").await.unwrap();
    let scope = members(&[&email("ann@shop.example")]);
    assert_eq!(store.observe(world.key(), &scope, NOW).await.unwrap().member_count, 4, "the premise of this test");
    world.assert_held(&world.observe(&*store).await);
    let store = backend.open().await;
    assert_eq!(store.observe(world.key(), &scope, NOW).await.unwrap().member_count, 2);
    assert_eq!(store.totals().await.unwrap().members, 2);
}

/// Rows moved between accounts are counted where they are.
#[tokio::test]
async fn members_are_counted_in_their_account() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    let (acme, bolt) = (world("acme"), world("bolt"));
    acme.converge(&*store).await;
    bolt.converge(&*store).await;
    backend
        .run("UPDATE members SET account_id = 2, email = 'moved@shop.example' WHERE account_id = 1 AND email LIKE 'ann%'")
        .await
        .unwrap();
    let scope = members(&[]);
    assert_eq!(store.observe(acme.key(), &scope, NOW).await.unwrap().member_count, 1);
    assert_eq!(store.observe(bolt.key(), &scope, NOW).await.unwrap().member_count, 3);
}
