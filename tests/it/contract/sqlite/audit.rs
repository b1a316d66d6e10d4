//! Tests the audit: its content, that it only grows, and that tampering is detected.

use super::Sqlite;
use crate::contract::{
    Backend,
    world::{NOW, World, email, ladder, member, ranks, world},
};
use roster::{
    model::{Layout, Scope},
    store::{
        AuditFault, StoreError,
        sqlite::{SqliteStore, verify_audit},
    },
};
use serde_json::{Value, json};

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct RecordedChange {
    kind: String,
    name: String,
    cause: String,
    before: Option<String>,
    after: Option<String>,
    origin: Option<String>,
    epoch: i64,
    counted: i64,
    at: i64,
    account: String,
}

async fn records_after(backend: &Sqlite, after: i64) -> Vec<RecordedChange> {
    let sql = "SELECT * FROM audit WHERE seq > ?1 ORDER BY seq";
    sqlx::query_as(sql).bind(after).fetch_all(&mut backend.connect().await).await.unwrap()
}

fn parsed(text: Option<&String>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap())
}

#[tokio::test]
async fn every_change_is_audited() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    let mut world = world("acme");
    let plan = world.converge(&*store).await;
    let first = records_after(&backend, 0).await;
    assert_eq!(first.len(), plan.changes.len());
    assert!(first.iter().all(|record| record.before.is_none() && record.after.is_some() && record.cause == "spec"));
    assert!(first.iter().all(|r| (r.epoch, r.at, r.account.as_str()) == (7, NOW.as_microsecond(), "shop/acme")));
    assert_eq!(
        parsed(first[0].after.as_ref()),
        json!({
            "displayName": "Shop of shops", "catalog": "portal", "owner": "owner@shop.example", "parent": "partners/mother",
            "sections": [
                {"name": "orders", "levels": ["Hide", "View", "Edit"]},
                {"name": "payments", "levels": ["Denied", "Allowed"]},
                {"name": "users", "levels": ["Hide", "View", "Edit", "Delete"]},
            ],
        })
    );
    // The audit has the former content that was really there, not the one that Roster wrote last.
    backend
        .run("UPDATE members SET ranks = '102', display_name = 'Hacked' WHERE email = 'ann@shop.example'")
        .await
        .unwrap();
    world.members.remove(&email("ben@shop.example"));
    world.converge(&*store).await;
    let records = records_after(&backend, 6).await;
    let ann = json!({"displayName": "Somebody", "role": "admin",
        "permissions": {"orders": "Edit", "payments": "Allowed", "users": "Delete"}});
    let hacked = json!({"displayName": "Hacked", "role": "admin", "permissions": {"orders": "View", "users": "Edit"}});
    let ben = json!({"displayName": "Somebody", "role": "admin", "permissions": {"orders": "View"}});
    let brief: Vec<_> = records
        .iter()
        .map(|r| (r.name.as_str(), r.cause.as_str(), parsed(r.before.as_ref()), parsed(r.after.as_ref()), r.counted))
        .collect();
    assert_eq!(
        brief,
        [("ben@shop.example", "unwanted", ben, Value::Null, 1), ("ann@shop.example", "drift", hacked, ann, 0),]
    );
    let origin = |record: &RecordedChange| record.origin.clone();
    assert_eq!(
        records.iter().map(origin).collect::<Vec<_>>(),
        [None, Some("Membership ann@shop.example@3".to_owned())]
    );
    assert!(verify_audit(&backend.file()).await.unwrap().is_whole());
}

#[tokio::test]
async fn a_pass_without_changes_is_not_audited() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    let mut world = world("acme");
    let plan = world.converge(&*store).await;
    let version = async || -> (i64, i64) {
        let mut connection = backend.connect().await;
        let seq = sqlx::query_scalar("SELECT max(seq) FROM audit").fetch_one(&mut connection).await.unwrap();
        (seq, sqlx::query_scalar("PRAGMA main.data_version").fetch_one(&mut connection).await.unwrap())
    };
    let wal = || std::fs::metadata(backend.file().with_extension("db-wal")).unwrap().len();
    let before = (version().await.0, wal());
    for _ in 0..3 {
        world.apply(&*store, &plan).await;
    }
    assert_eq!((version().await.0, wal()), before, "nothing was written");
    // Another section changes every row, and says nothing about people to whom nothing happens.
    let mut ladders = world.account.layout.ladders().to_vec();
    ladders.push(ladder("new", &["No", "Yes"]));
    world.account.layout = Layout::new(ladders);
    let longer = |ranks: &mut roster::model::Ranks| *ranks = ranks.as_slice().iter().copied().chain([0]).collect();
    world.members.values_mut().for_each(|member| longer(&mut member.ranks));
    world.roles.values_mut().for_each(|role| longer(&mut role.ranks));
    world.groups.values_mut().for_each(|group| longer(&mut group.ranks));
    assert_eq!(world.converge(&*store).await.changes.len(), 6);
    assert_eq!(
        records_after(&backend, before.0).await.iter().map(|r| r.kind.as_str()).collect::<Vec<_>>(),
        ["account"]
    );
    world.assert_held(&world.observe(&*store).await);
}

#[tokio::test]
async fn lost_sections_of_remaining_members_are_audited() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    let mut world = world("acme");
    world.converge(&*store).await;
    backend.insert_member(world.key(), &email("stranger@shop.example")).await;
    world.account.layout = Layout::new(world.account.layout.ladders()[..2].to_vec());
    world.members.values_mut().for_each(|member| member.ranks = ranks(&[1, 0]));
    world.roles.values_mut().for_each(|role| role.ranks = ranks(&[1, 0]));
    world.groups.values_mut().for_each(|group| group.ranks = ranks(&[1, 0]));
    world.converge(&*store).await;
    let records = records_after(&backend, 6).await;
    let lost: Vec<_> = records.iter().filter(|record| record.cause == "sections-changed").collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].name, "stranger@shop.example");
    assert_eq!(parsed(lost[0].before.as_ref()), json!({"permissions": {"orders": "View", "users": "Edit"}}));
    assert_eq!(parsed(lost[0].after.as_ref()), json!({"permissions": {"orders": "View"}}));
}

async fn filled(backend: &Sqlite) -> World {
    let mut world = world("acme");
    for n in 0..20 {
        world.members.insert(email(&format!("m{n}@shop.example")), member(&[1, 1, 1]));
    }
    world.converge(&*backend.open().await).await;
    world
}

#[tokio::test]
async fn the_audit_only_grows() {
    const ROW: &str = "at, account, kind, name, cause, before, after, origin, epoch, counted";
    let backend = Sqlite::fresh();
    let world = filled(&backend).await;
    let copy = |verb: &str, seq: &str, previous: &str| {
        format!(
            "{verb} INTO audit (seq, {ROW}, previous, hash) SELECT {seq}, {ROW}, {previous}, hash FROM audit WHERE seq = 3"
        )
    };
    let last = "(SELECT hash FROM audit ORDER BY seq DESC LIMIT 1)";
    let mut attempts: Vec<String> = [
        "UPDATE audit SET cause = 'drift' WHERE seq = 3",
        "UPDATE OR IGNORE audit SET cause = 'drift' WHERE seq = 3",
        "UPDATE OR REPLACE audit SET seq = 4 WHERE seq = 3",
        "UPDATE audit SET hash = hash",
        "DELETE FROM audit WHERE seq = 3",
        "DELETE FROM audit",
        "UPDATE audit_head SET seq = seq - 1",
        "UPDATE audit_head SET seq = seq + 1",
        "UPDATE audit_head SET hash = zeroblob(32)",
        "UPDATE audit_head SET seq = 0, hash = zeroblob(32)",
        "UPDATE audit_head SET id = 2",
        "DELETE FROM audit_head",
        "INSERT INTO audit_head VALUES (2, 0, zeroblob(32))",
        "INSERT OR REPLACE INTO audit_head VALUES (1, 0, zeroblob(32))",
        "INSERT INTO audit_head VALUES (1, 0, zeroblob(32)) ON CONFLICT DO UPDATE SET seq = 0",
    ]
    .map(str::to_owned)
    .to_vec();
    for verb in ["INSERT", "INSERT OR REPLACE", "REPLACE", "INSERT OR IGNORE", "INSERT OR FAIL"] {
        // In the place of another, far behind, before the first, without a number; and next, but linked to another.
        for (seq, previous) in
            [("3", "previous"), ("5", last), ("100", last), ("0", last), ("NULL", "previous"), ("27", "previous")]
        {
            attempts.push(copy(verb, seq, previous));
        }
    }
    attempts.push(format!("{} ON CONFLICT DO UPDATE SET cause = 'drift'", copy("INSERT", "3", "previous")));
    let before = records_after(&backend, 0).await;
    assert_eq!(before.len(), 26);
    for recursive in ["OFF", "ON"] {
        for attempt in &attempts {
            let sql = format!("PRAGMA recursive_triggers = {recursive}; {attempt}");
            let result = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut backend.connect().await).await;
            let error = result.expect_err(attempt).to_string();
            assert!(error.contains("the audit") || error.contains("the head of the audit"), "{attempt}: {error}");
            assert_eq!(records_after(&backend, 0).await, before, "{attempt}");
        }
    }
    let report = verify_audit(&backend.file()).await.unwrap();
    assert!(report.is_whole(), "{report}");
    assert_eq!(report.records, 26);
    // And it still grows.
    let store = backend.open().await;
    let plan = roster::evaluate::delete(&world.observe(&*store).await, world.mark());
    world.apply(&*store, &plan).await;
    assert_eq!(verify_audit(&backend.file()).await.unwrap().records, 52);
}

#[tokio::test]
async fn tampering_is_detected() {
    const UNLOCK: &str = "DROP TRIGGER audit_links; DROP TRIGGER audit_advances; DROP TRIGGER audit_keeps_updated;
        DROP TRIGGER audit_keeps_deleted; DROP TRIGGER audit_head_updated; DROP TRIGGER audit_head_deleted;";
    let modified = |seq| AuditFault::Modified { seq };
    let missing = |seq, next| AuditFault::Missing { seq, next };
    for (sql, fault) in [
        ("UPDATE audit SET at = at + 1 WHERE seq = 5", modified(5)),
        ("UPDATE audit SET account = 'shop/bolt' WHERE seq = 5", modified(5)),
        ("UPDATE audit SET kind = 'role' WHERE seq = 7", modified(7)),
        ("UPDATE audit SET name = 'x' WHERE seq = 1", modified(1)),
        ("UPDATE audit SET cause = 'drift' WHERE seq = 26", modified(26)),
        ("UPDATE audit SET before = '' WHERE seq = 5", modified(5)),
        ("UPDATE audit SET before = after, after = before WHERE seq = 5", modified(5)),
        ("UPDATE audit SET after = NULL WHERE seq = 5", modified(5)),
        ("UPDATE audit SET origin = NULL WHERE seq = 5", modified(5)),
        ("UPDATE audit SET epoch = 8 WHERE seq = 5", modified(5)),
        ("UPDATE audit SET counted = 1 WHERE seq = 5", modified(5)),
        ("UPDATE audit SET counted = 7 WHERE seq = 5", modified(5)),
        ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 5", modified(5)),
        ("UPDATE audit SET hash = x'00' WHERE seq = 5", modified(5)),
        ("UPDATE audit SET previous = zeroblob(32) WHERE seq = 5", modified(5)),
        ("UPDATE audit SET seq = -seq WHERE seq IN (5, 6); UPDATE audit SET seq = 11 + seq WHERE seq < 0", modified(5)),
        ("UPDATE audit SET name = CAST(x'ff' AS TEXT) WHERE seq = 5", modified(5)),
        ("DELETE FROM audit WHERE seq = 1", missing(1, 2)),
        ("DELETE FROM audit WHERE seq = 5", missing(5, 6)),
        ("DELETE FROM audit WHERE seq BETWEEN 5 AND 9", missing(5, 10)),
        ("DELETE FROM audit WHERE seq = 26", missing(26, 27)),
        ("DELETE FROM audit WHERE seq > 20", missing(21, 27)),
        ("DELETE FROM audit", missing(1, 27)),
        ("DELETE FROM audit_head", AuditFault::HeadMissing),
        ("UPDATE audit_head SET seq = 3", AuditFault::HeadModified { seq: 3 }),
        ("UPDATE audit_head SET hash = zeroblob(32)", AuditFault::HeadModified { seq: 26 }),
    ] {
        let backend = Sqlite::fresh();
        filled(&backend).await;
        backend.run(UNLOCK).await.unwrap();
        backend.run(sql).await.unwrap();
        let report = verify_audit(&backend.file()).await.unwrap();
        assert_eq!(report.fault.as_ref(), Some(&fault), "{sql}");
        let whole = match fault {
            AuditFault::Modified { seq } | AuditFault::Missing { seq, .. } | AuditFault::Unlinked { seq } => seq - 1,
            AuditFault::HeadMissing | AuditFault::HeadModified { .. } => 26,
        };
        assert_eq!(i64::try_from(report.records).unwrap(), whole, "{sql}");
        assert!(report.to_string().contains("broken") && report.to_string().contains(&fault.to_string()), "{report}");
    }
}

/// A part of the chain that was computed again does not fit the records after it.
#[tokio::test]
async fn records_of_another_chain_are_detected() {
    let (backend, other) = (Sqlite::fresh(), Sqlite::fresh());
    filled(&backend).await;
    let store = other.open().await;
    let mut theirs = world("acme");
    theirs.account.display_name = "Another".into();
    theirs.converge(&*store).await;
    drop(store);
    backend.run("DROP TRIGGER audit_keeps_updated; DROP TRIGGER audit_keeps_deleted; DROP TRIGGER audit_links; DROP TRIGGER audit_advances")
        .await
        .unwrap();
    let sql = format!(
        "ATTACH '{}' AS other; DELETE FROM main.audit WHERE seq = 3; INSERT INTO main.audit SELECT * FROM other.audit WHERE seq = 3",
        other.file().display()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut backend.connect().await).await.unwrap();
    let report = verify_audit(&backend.file()).await.unwrap();
    assert_eq!(report.fault, Some(AuditFault::Unlinked { seq: 3 }));
}

#[tokio::test]
async fn verification_runs_while_others_write() {
    let backend = Sqlite::fresh();
    let store = backend.open().await;
    let mut world = world("acme");
    let (mut last, mut checks) = (0, 0);
    let writing = async {
        for round in 0..60_u8 {
            world.members.insert(email(&format!("m{round}@shop.example")), member(&[round % 3, 0, 0]));
            world.converge(&*store).await;
        }
    };
    let mut writing = Box::pin(writing);
    let mut done = false;
    while !done {
        let check = async {
            let report = verify_audit(&backend.file()).await.unwrap();
            assert!(report.is_whole() && report.records >= last, "{report}");
            last = report.records;
            checks += 1;
        };
        tokio::select! {
            () = &mut writing => done = true,
            () = check => {}
        }
    }
    assert!(checks > 3, "{checks} checks");
    drop(writing);
    let report = verify_audit(&backend.file()).await.unwrap();
    assert_eq!(report.records, 66);
    assert!(report.to_string().starts_with("the audit is complete: 66 records, head sha256:"), "{report}");
}

#[tokio::test]
async fn a_file_that_is_no_store_has_no_audit() {
    let backend = Sqlite::fresh();
    let missing = verify_audit(&backend.file()).await.unwrap_err();
    assert!(matches!(&missing, StoreError::Unavailable(why) if why.contains("roster.db")), "{missing}");
    assert!(!backend.file().exists());
    std::fs::write(backend.file(), "").unwrap();
    assert!(matches!(verify_audit(&backend.file()).await, Err(StoreError::Invalid(_))));
    std::fs::write(backend.file(), "no database".repeat(1_000)).unwrap();
    assert!(matches!(verify_audit(&backend.file()).await, Err(StoreError::Unavailable(_))));
    std::fs::remove_file(backend.file()).unwrap();
    let store = SqliteStore::open(&backend.file()).await.unwrap();
    let report = verify_audit(&backend.file()).await.unwrap();
    assert_eq!(report.to_string(), "the audit is empty and complete");
    store.close().await;
    assert_eq!(world("acme").plan(&*backend.open().await, Scope::Account).await.changes.len(), 6);
}
