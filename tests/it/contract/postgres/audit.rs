//! Tests that the audit only grows, also for the owner of the tables, and that dropping the triggers is detected.

use roster::store::{AuditFault, postgres::verify_audit};

use super::{Postgres, SecretsOf};
use crate::contract::{
    Backend,
    world::{World, email, member, world},
};

async fn filled(backend: &Postgres<'_>) -> World {
    let mut world = world("acme");
    for n in 0..20 {
        world.members.insert(email(&format!("m{n}@shop.example")), member(&[1, 1, 1]));
    }
    world.converge(&*backend.open().await).await;
    world
}

async fn report(backend: &Postgres<'_>) -> roster::store::AuditReport {
    verify_audit(&backend.place(), &SecretsOf::default()).await.unwrap()
}

#[tokio::test]
async fn the_audit_only_grows() {
    const ROW: &str = "at, account, kind, name, cause, before, after, origin, epoch, counted";
    let backend = Postgres::fresh().await;
    let world = filled(&backend).await;
    let copy = |seq: &str, previous: &str| {
        format!(
            "INSERT INTO audit (seq, {ROW}, previous, hash) SELECT {seq}, {ROW}, {previous}, hash FROM audit WHERE seq = 3"
        )
    };
    let last = "(SELECT hash FROM audit ORDER BY seq DESC LIMIT 1)";
    let mut attempts: Vec<String> = [
        "UPDATE audit SET cause = 'drift' WHERE seq = 3",
        "UPDATE audit SET hash = hash",
        "DELETE FROM audit WHERE seq = 3",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "TRUNCATE audit, audit_head",
        "TRUNCATE audit_head",
        "UPDATE audit_head SET seq = seq - 1",
        "UPDATE audit_head SET seq = seq + 1",
        "UPDATE audit_head SET hash = decode(repeat('00', 32), 'hex')",
        "UPDATE audit_head SET seq = 0, hash = decode(repeat('00', 32), 'hex')",
        "DELETE FROM audit_head",
        "INSERT INTO audit_head VALUES (1, 0, decode(repeat('00', 32), 'hex')) ON CONFLICT (id) DO UPDATE SET seq = 0",
    ]
    .map(str::to_owned)
    .to_vec();
    for (seq, previous) in [("5", last), ("100", last), ("0", last), ("27", "previous")] {
        attempts.push(copy(seq, previous));
    }
    // One after the other is right only if each follows.
    attempts.push(format!("{} UNION ALL SELECT 28, {ROW}, previous, hash FROM audit WHERE seq = 6", copy("27", last)));
    attempts.push(format!("{} ON CONFLICT (seq) DO UPDATE SET cause = 'drift'", copy("3", "previous")));
    for as_superuser in [false, true] {
        for attempt in &attempts {
            let result = if as_superuser { backend.force(attempt).await } else { backend.run(attempt).await };
            let error = result.expect_err(attempt).to_string();
            let is_refused =
                ["the audit", "the head of the audit", "duplicate key"].iter().any(|part| error.contains(part));
            assert!(is_refused, "{attempt}: {error}");
        }
    }
    let before = report(&backend).await;
    assert!(before.is_whole() && before.records == 26, "{before}");
    let store = backend.open().await;
    let plan = roster::evaluate::delete(&world.observe(&*store).await, world.mark());
    world.apply(&*store, &plan).await;
    assert_eq!(report(&backend).await.records, 52);
}

#[tokio::test]
async fn tampering_is_detected() {
    const UNLOCK: &str = "ALTER TABLE audit DISABLE TRIGGER USER; ALTER TABLE audit_head DISABLE TRIGGER USER;";
    for (sql, fault) in [
        ("UPDATE audit SET at = at + 1 WHERE seq = 5", AuditFault::Modified { seq: 5 }),
        ("UPDATE audit SET after = NULL WHERE seq = 5", AuditFault::Modified { seq: 5 }),
        ("UPDATE audit SET counted = 7 WHERE seq = 5", AuditFault::Modified { seq: 5 }),
        ("UPDATE audit SET hash = 'x' WHERE seq = 5", AuditFault::Modified { seq: 5 }),
        ("DELETE FROM audit WHERE seq = 1", AuditFault::Missing { seq: 1, next: 2 }),
        ("DELETE FROM audit WHERE seq BETWEEN 5 AND 9", AuditFault::Missing { seq: 5, next: 10 }),
        ("TRUNCATE audit", AuditFault::Missing { seq: 1, next: 27 }),
        ("DELETE FROM audit_head", AuditFault::HeadMissing),
        ("UPDATE audit_head SET seq = 3", AuditFault::HeadModified { seq: 3 }),
    ] {
        let backend = Postgres::fresh().await;
        filled(&backend).await;
        backend.run(&format!("{UNLOCK}{sql}")).await.unwrap();
        assert_eq!(report(&backend).await.fault, Some(fault), "{sql}");
    }
}

/// Without its head the chain cannot continue, so no change can be made.
#[tokio::test]
async fn every_change_is_recorded() {
    let backend = Postgres::fresh().await;
    let mut world = filled(&backend).await;
    backend.run("ALTER TABLE audit_head DISABLE TRIGGER USER; DELETE FROM audit_head").await.unwrap();
    let store = backend.open().await;
    let before = world.observe(&*store).await;
    world.members.clear();
    let plan = world.plan(&*store, roster::model::Scope::Account).await;
    assert!(world.apply(&*store, &plan).await.iter().all(Result::is_err));
    assert_eq!(world.observe(&*store).await, before);
}
