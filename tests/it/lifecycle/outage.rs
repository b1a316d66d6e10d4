//! Tests an API server, or its etcd, that is unavailable: portals keep reading, and everything else waits and heals by
//! itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::json;

use super::{ADMIN, NONE, Site, VIEWER};
use crate::support::{Component, ControlPlane, Controller, LEADING, SYSTEM};

const SIX: [&str; 6] = ["ann", "bob", "cid", "dan", "eva", "fay"];

#[tokio::test]
async fn the_store_serves_during_an_api_outage_and_recovers_afterwards() {
    let plane = ControlPlane::own("outage").await;
    let folder = plane.data().join("stores");
    let mut roster = Controller::process(&plane, &folder).await;
    let site = Site::on(&plane, &folder, "outage").await;
    site.store("").await;
    site.account("acme", "").await;
    site.members(&SIX, "viewer").await;
    site.members_ready(&SIX).await;
    site.ready("Account", "acme").await;
    let (file, length) = (site.file(), site.file().audit_length().await);

    // Changed at the last moment, in the store and in the cluster; nobody waits until it is done.
    file.set_ranks(&site.key("acme"), "ann", "21").await;
    site.member("bob", "admin").await;
    site.delete("Membership", "cid").await;
    plane.stop(Component::ApiServer).await;
    file.set_ranks(&site.key("acme"), "dan", "00").await;
    roster.logged("no longer leading").await;
    let away = file.dump().await;
    site.view("ann", ADMIN).await;
    site.view("eva", VIEWER).await;
    assert!(roster.get("/healthz").await.starts_with("HTTP/1.1 200"), "it waits, and that is no fault of its own");
    assert!(roster.metric("roster_lease_losses_total").await == 1.0);
    // The disk of the store is not well either.
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(file.dump().await, away, "without the lease nothing is written");

    plane.start(Component::ApiServer).await;
    let back = Timestamp::now();
    site.patch("Membership", "eva", json!({"spec": {"suspended": true}})).await;
    roster.logged_after(LEADING, 1).await;
    // It takes its own lease back: it does not wait once more for as long as that lasts (15 s), as others would have to.
    let leases: Api<Lease> = Api::namespaced(plane.client().await, SYSTEM);
    let lease = leases.get("roster").await.unwrap().spec.unwrap();
    let (taken, lasts) = (lease.acquire_time.unwrap().0, lease.lease_duration_seconds.unwrap());
    let most = SignedDuration::from_secs(lasts.into()) * 2 / 3;
    assert!(taken.duration_since(back) < most, "back at {back}, taken at {taken}");
    for (kind, name) in [("IdentityStore", site.name()), ("Account", "acme"), ("Membership", "eva")] {
        let message = site.wait(kind, name, "Synced", "False StoreRejected").await;
        assert!(message.contains("no permission to write it"), "{kind}: {message}");
    }
    assert_eq!(file.dump().await, away);
    // What was opened meanwhile, by this test, may have left a log of the same mode.
    for end in ["", "-wal", "-shm"] {
        let mut name = file.path().as_os_str().to_owned();
        name.push(end);
        let permitted = fs::set_permissions(&name, fs::Permissions::from_mode(0o600));
        assert!(permitted.is_ok() || !end.is_empty(), "{permitted:?}");
    }
    for (name, wanted) in
        [("ann", VIEWER), ("bob", ADMIN), ("cid", ""), ("dan", VIEWER), ("eva", NONE), ("fay", VIEWER)]
    {
        site.view(name, wanted).await;
    }
    site.members_ready(&["ann", "bob", "dan", "eva", "fay"]).await;
    site.ready("Account", "acme").await;
    site.ready("IdentityStore", site.name()).await;

    // Now what the API server itself lives on. It answers meanwhile, if only with errors.
    let warned = roster.times("the lease; trying again") + roster.times("the renewal of the lease; trying again");
    site.member("new", "admin").await;
    plane.stop(Component::Etcd).await;
    file.set_ranks(&site.key("acme"), "fay", "00").await;
    roster.logged_after("lease; trying again", warned).await;
    plane.start(Component::Etcd).await;
    site.check("acme").await;
    site.view("fay", VIEWER).await;
    site.view("new", ADMIN).await;
    site.members_ready(&["ann", "bob", "dan", "eva", "fay", "new"]).await;
    site.ready("Account", "acme").await;

    let audit = file.audit_since(length).await;
    let removed: Vec<_> = audit.iter().filter(|change| change.after.is_null()).collect();
    assert!(removed.len() == 1 && removed[0].name == "cid@acme.example", "{removed:#?}");
    file.verify().await;
    assert_eq!(roster.ended(), None, "it is the same process");
}
