//! Tests two replicas: one leads, and a former leader writes nothing more.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{ADMIN, NONE, Site, VIEWER};
use crate::support::{ControlPlane, Controller, ControllerProcess, PATIENCE, eventually};

const WAITING: &str = "waiting for the lease";

/// A replica that stands by.
async fn standby(plane: &ControlPlane, site: &Site<'_>) -> ControllerProcess {
    let mut process = Controller::spawn(plane, site.file().path().parent().unwrap(), |_| {});
    process.logged(WAITING).await;
    process
}

/// A replica has written nothing, and looked at nothing either.
async fn is_idle(process: &mut ControllerProcess) {
    for metric in ["roster_api_writes_total", "roster_passes_total", "roster_changes_total", "roster_leader"] {
        assert!(process.metric(metric).await == 0.0, "{metric}:\n{}", process.get("/metrics").await);
    }
}

#[tokio::test]
async fn a_replica_takes_over_and_a_suspended_one_writes_nothing_more() {
    let plane = ControlPlane::own("replicas").await;
    let folder = plane.data().join("stores");
    let mut first = Controller::process(&plane, &folder).await;
    first.leading().await;
    let site = Site::on(&plane, &folder, "replicas").await;
    let mut second = standby(&plane, &site).await;
    site.store("").await;
    site.account("acme", "").await;
    site.members(&["ann", "bob", "cid"], "viewer").await;
    site.members_ready(&["ann", "bob", "cid"]).await;
    site.ready("Account", "acme").await;
    is_idle(&mut second).await;
    assert!(second.get("/readyz").await.starts_with("HTTP/1.1 200"));

    // One is killed: what is asked for meanwhile is done by the other.
    first.kill().await;
    let killed = Instant::now();
    site.member("ann", "admin").await;
    second.leading().await;
    // The lease lasts 15 s, and docs/operations/high-availability.md says up to 20 s; this machine may be very busy.
    assert!(killed.elapsed() < Duration::from_secs(60), "it took {:?}", killed.elapsed());
    let mut third = standby(&plane, &site).await;
    site.view("ann", ADMIN).await;
    site.ready("Membership", "ann").await;
    assert!(second.metric("roster_leader").await == 1.0);

    // One is frozen between what it has read and what it is about to write: somebody else has the file just then.
    let file = site.file();
    let mut lock = file.connect().await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut lock).await.unwrap();
    let observed =
        "roster_store_call_duration_seconds_count{store=\"$it\",call=\"observe\"}".replace("$it", site.name());
    let before = second.metric(&observed).await;
    site.member("bob", "admin").await;
    eventually(PATIENCE, "the pass has read", async || (second.metric(&observed).await > before).then_some(())).await;
    second.freeze().await;
    sqlx::query("ROLLBACK").execute(&mut lock).await.unwrap();
    // What it was about to write is not wanted any more, so for the other there is nothing to write.
    site.member("bob", "viewer").await;
    third.leading().await;
    eventually(PATIENCE, "a whole pass of the other", async || {
        (third.metric("roster_passes_total{scope=\"account\",outcome=\"ok\"}").await >= 1.0).then_some(())
    })
    .await;
    let fourth = standby(&plane, &site).await;
    let (dump, statuses) = (file.dump().await, statuses(&site).await);
    second.signal("CONT");
    second.logged("no longer leading").await;
    assert!(second.metric("roster_lease_losses_total").await == 1.0);
    assert_eq!(file.dump().await, dump, "who led once must not write into the store");
    assert_eq!(self::statuses(&site).await, statuses, "who led once must not write statuses");

    // It stands by, and leads again when it is its turn.
    site.patch("Membership", "cid", json!({"spec": {"suspended": true}})).await;
    site.view("cid", NONE).await;
    site.view("bob", VIEWER).await;
    assert!(second.metric("roster_leader").await == 0.0);
    second.logged(WAITING).await;
    assert_eq!(fourth.stop().await.code(), Some(0));
    assert_eq!(third.stop().await.code(), Some(0));
    second.logged_after("\"message\":\"leading\"", 1).await;
    site.member("bob", "admin").await;
    site.view("bob", ADMIN).await;
    site.members_ready(&["ann", "bob", "cid"]).await;
    file.verify().await;
}

/// The leader is frozen within its transaction, with the lock on PostgreSQL's tables in its hand.
#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_replica_suspended_in_a_transaction_neither_delays_its_successor_nor_writes() {
    use super::postgres;
    use crate::contract::postgres::Postgres;

    let plane = ControlPlane::own("replicas-pg").await;
    let folder = plane.data().join("stores");
    let mut first = Controller::process(&plane, &folder).await;
    first.leading().await;
    let (site, backend) = (Site::on(&plane, &folder, "replicas-pg").await, Postgres::fresh().await);
    let mut second = standby(&plane, &site).await;
    postgres::secret(&site, &backend.server.url(&backend.owner), site.name()).await;
    postgres::store(&site, &backend, "accountDefaults: {drift: {checkEvery: 24h}}").await;
    site.account("acme", "").await;
    site.members(&["ann", "bob"], "viewer").await;
    site.members_ready(&["ann", "bob"]).await;
    site.ready("Account", "acme").await;
    let written = backend.number("SELECT count(*) FROM audit").await;

    let mut lock = backend.connect().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE fence IN EXCLUSIVE MODE").execute(&mut lock).await.unwrap();
    site.member("bob", "admin").await;
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'fence'::regclass";
    eventually(PATIENCE, "the leader waits in its transaction", async || {
        (backend.number(waits).await == 1).then_some(())
    })
    .await;
    first.freeze().await;
    // From here on the lock is the frozen leader's.
    sqlx::raw_sql("ROLLBACK").execute(&mut lock).await.unwrap();
    site.member("bob", "viewer").await;
    site.member("ann", "admin").await;
    second.leading().await;
    postgres::view(&site, &backend, "ann", ADMIN).await;
    site.members_ready(&["ann", "bob"]).await;
    let (dump, statuses) = (backend.number("SELECT count(*) FROM audit").await, bob(&site).await);
    assert_eq!(dump, written + 1, "one change was made, by the successor");
    let fences = "SELECT count(*) FROM fence WHERE first = 0 AND last = 65535";
    assert_eq!(backend.number(fences).await, 1, "the successor has claimed everything");
    first.signal("CONT");
    first.logged("no longer leading").await;
    first.logged(WAITING).await;
    assert_eq!(backend.number("SELECT count(*) FROM audit").await, written + 1);
    assert_eq!(bob(&site).await, statuses);
    postgres::view(&site, &backend, "bob", VIEWER).await;
    assert_eq!(second.stop().await.code(), Some(0));
}

async fn bob(site: &Site<'_>) -> serde_json::Value {
    site.status("Membership", "bob").await
}

async fn statuses(site: &Site<'_>) -> Vec<serde_json::Value> {
    let objects = [("Account", "acme"), ("Membership", "ann"), ("Membership", "bob"), ("Membership", "cid")];
    let mut statuses = Vec::new();
    for (kind, name) in objects {
        statuses.push(site.status(kind, name).await);
    }
    statuses
}
