//! Tests several active replicas: each writes its share of the accounts.

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, api::ListParams};
use roster::{
    model::AccountKey,
    store::{Slots, slot},
};
use serde_json::json;

use super::{ADMIN, NONE, Site, VIEWER};
use crate::support::{ControlPlane, Controller, ControllerProcess, PATIENCE, SYSTEM, eventually, eventually_or};

/// Names of eight accounts, two in each of four shards.
fn accounts(site: &Site<'_>) -> Vec<String> {
    let mut left = [2; 4];
    let names = (0..).map(|number| format!("a{number}")).filter(|name| {
        let shard = Slots::part_of(slot(&AccountKey::new(site.name(), name)), 4);
        let left = &mut left[usize::from(shard)];
        let wanted = *left > 0;
        *left -= i32::from(wanted);
        wanted
    });
    names.take(8).collect()
}

pub(super) fn replica(plane: &ControlPlane, shards: u16) -> ControllerProcess {
    let shards = shards.to_string();
    Controller::spawn(plane, &plane.data().join("stores"), |command| {
        command.args(["--shards", &shards]);
    })
}

/// Waits until the replicas hold so many shards.
pub(super) async fn hold(replicas: &mut [&mut ControllerProcess], wanted: &[u32]) {
    eventually_or(PATIENCE, format!("{wanted:?} shards to be held"), async || {
        let mut held = Vec::new();
        for replica in &mut *replicas {
            held.push(replica.metric("roster_shards_held ").await);
        }
        held.sort_by(f64::total_cmp);
        if held == wanted.iter().copied().map(f64::from).collect::<Vec<_>>() {
            Ok(())
        } else {
            Err(format!("{held:?}"))
        }
    })
    .await;
}

/// Gives the member of every account a role.
async fn everywhere(site: &Site<'_>, role: &str) {
    for account in &accounts(site) {
        site.member_of(account, "m", &format!("roleRef: {{name: {role}}}")).await;
    }
}

/// Waits until the store has the change in every account, and every status is ready.
async fn is_everywhere(site: &Site<'_>, wanted: &str) {
    for account in &accounts(site) {
        site.view_of(account, "m", wanted).await;
        site.ready("Membership", &format!("{account}-m")).await;
        site.ready("Account", account).await;
    }
}

/// Waits until the block is reported as in force for the present generation of the store.
async fn in_force(site: &Site<'_>) {
    eventually_or(PATIENCE, "the block to be in force".to_owned(), async || {
        let store = site.get("IdentityStore", site.name()).await;
        let generation = store.metadata.generation;
        let status = store.data["status"].clone();
        if status["blockedInForce"].as_i64() == generation { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
}

async fn leases(site: &Site<'_>) -> Vec<String> {
    let leases: Api<Lease> = Api::namespaced(site.client.clone(), SYSTEM);
    let leases = leases.list(&ListParams::default()).await.unwrap().items;
    leases.into_iter().filter_map(|lease| lease.metadata.name).collect()
}

#[tokio::test]
async fn accounts_are_distributed_and_move_with_the_replicas() {
    let plane = ControlPlane::own("shards").await;
    Controller::prepare(&plane).await;
    let mut first = replica(&plane, 4);
    hold(&mut [&mut first], &[4]).await;
    let site = Site::on(&plane, &plane.data().join("stores"), "shards").await;
    site.store("").await;
    for account in &accounts(&site) {
        site.account(account, "").await;
    }
    everywhere(&site, "viewer").await;
    is_everywhere(&site, VIEWER).await;
    hold(&mut [&mut first], &[4]).await;

    // One joins: half is its own, and each change is made once, by one of them.
    let mut second = replica(&plane, 4);
    hold(&mut [&mut first, &mut second], &[2, 2]).await;
    let before = site.file().audit_length().await;
    let passes = "roster_changes_total{object=\"member\"";
    let (one, two) = (first.metric(passes).await, second.metric(passes).await);
    everywhere(&site, "admin").await;
    is_everywhere(&site, ADMIN).await;
    assert_eq!(site.file().audit_length().await, before + 8, "each change is made once");
    let (one, two) = (first.metric(passes).await - one, second.metric(passes).await - two);
    assert_eq!((one, two), (4.0, 4.0), "each by whoever has its shard");
    let counted = "roster_objects{kind=\"Account\"";
    eventually_or(PATIENCE, "each account to be counted once".to_owned(), async || {
        let counts = (first.metric(counted).await, second.metric(counted).await);
        if counts == (4.0, 4.0) { Ok(()) } else { Err(format!("{counts:?}")) }
    })
    .await;

    // The block is reported as in force when all replicas have reconciled their accounts.
    // One of these people is in a single account, which one of the replicas writes.
    let some = &accounts(&site)[0];
    site.member_of(some, "n", "roleRef: {name: viewer}").await;
    site.view_of(some, "n", VIEWER).await;
    let blocked = ["m@acme.example", "n@acme.example"].map(|email| json!({"email": email, "reason": "left"}));
    site.patch("IdentityStore", site.name(), json!({"spec": {"blocked": blocked}})).await;
    in_force(&site).await;
    for account in &accounts(&site) {
        site.view_of(account, "m", NONE).await;
    }
    site.view_of(some, "n", NONE).await;
    site.patch("IdentityStore", site.name(), json!({"spec": {"blocked": [blocked[0]]}})).await;
    in_force(&site).await;
    site.patch("IdentityStore", site.name(), json!({"spec": {"blocked": []}})).await;
    is_everywhere(&site, ADMIN).await;

    // A third one joins, and one is killed: nobody is left without.
    let mut third = replica(&plane, 4);
    hold(&mut [&mut first, &mut second, &mut third], &[1, 1, 2]).await;
    second.kill().await;
    everywhere(&site, "viewer").await;
    hold(&mut [&mut first, &mut third], &[2, 2]).await;
    is_everywhere(&site, VIEWER).await;

    // A rolling upgrade: a new one comes, an old one goes, and its accounts are not left waiting for its lease to
    // expire.
    first.signal("TERM");
    first.logged("released the lease").await;
    assert_eq!(first.end().await.code(), Some(0));
    everywhere(&site, "admin").await;
    is_everywhere(&site, ADMIN).await;
    hold(&mut [&mut third], &[4]).await;
    site.file().verify().await;

    // Another number of shards: it waits for the last one of the former, who misses nothing meanwhile, and then has
    // everything.
    let mut other = replica(&plane, 8);
    other.logged("waiting for replicas of another number of shards").await;
    everywhere(&site, "viewer").await;
    is_everywhere(&site, VIEWER).await;
    hold(&mut [&mut third, &mut other], &[0, 4]).await;
    assert_eq!(other.stop().await.code(), Some(0));
    let mut fourth = replica(&plane, 1);
    fourth.logged("waiting for replicas of another number of shards").await;
    assert!(fourth.metric("roster_shards_held ").await == 0.0);
    assert!(fourth.get("/readyz").await.starts_with("HTTP/1.1 200"), "a rolling upgrade must not wait for it");
    assert_eq!(third.stop().await.code(), Some(0));
    fourth.leading().await;
    everywhere(&site, "admin").await;
    is_everywhere(&site, ADMIN).await;
    eventually(PATIENCE, "leases of the former number are gone", async || {
        (leases(&site).await == ["roster"]).then_some(())
    })
    .await;
    assert_eq!(fourth.stop().await.code(), Some(0));
}

#[tokio::test]
async fn accounts_of_a_suspended_replica_are_taken_over_and_it_writes_nothing_more() {
    let plane = ControlPlane::own("shards-frozen").await;
    Controller::prepare(&plane).await;
    let mut first = replica(&plane, 2);
    hold(&mut [&mut first], &[2]).await;
    let site = Site::on(&plane, &plane.data().join("stores"), "shards-frozen").await;
    site.store("").await;
    for account in &accounts(&site) {
        site.account(account, "").await;
    }
    everywhere(&site, "viewer").await;
    is_everywhere(&site, VIEWER).await;
    let mut second = replica(&plane, 2);
    hold(&mut [&mut first, &mut second], &[1, 1]).await;
    first.freeze().await;
    everywhere(&site, "admin").await;
    hold(&mut [&mut second], &[2]).await;
    is_everywhere(&site, ADMIN).await;
    // Claims may be written again if the machine is slow and leases are lost.
    let content = async || {
        let mut dump = site.file().dump().await;
        dump.retain(|line| !line.starts_with("fence: "));
        dump
    };
    let before = content().await;
    first.signal("CONT");
    first.logged("no longer leading").await;
    // It comes back, and gets a share again.
    hold(&mut [&mut first, &mut second], &[1, 1]).await;
    is_everywhere(&site, ADMIN).await;
    assert_eq!(content().await, before, "nothing was to be written");
    everywhere(&site, "viewer").await;
    is_everywhere(&site, VIEWER).await;
}
