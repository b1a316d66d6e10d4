//! Tests what an operator sees of an unhealthy installation: readiness with its reason, and the metrics of the chart's
//! alerts.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{ADMIN, Site};
use crate::support::{ControlPlane, Controller, ControllerProcess, PATIENCE, SYSTEM, eventually_or};

/// Waits until `/readyz` is 503 with this text.
async fn unready(roster: &mut ControllerProcess, wanted: &str) {
    eventually_or(PATIENCE, format!("/readyz to be 503 and say {wanted}"), async || {
        let response = roster.get("/readyz").await;
        if response.starts_with("HTTP/1.1 503") && response.contains(wanted) { Ok(()) } else { Err(response) }
    })
    .await;
}

async fn ready(roster: &mut ControllerProcess) {
    eventually_or(PATIENCE, "/readyz to be 200".to_owned(), async || {
        let response = roster.get("/readyz").await;
        if response.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(response) }
    })
    .await;
}

/// Waits until a metric is as it should be.
async fn metric(roster: &mut ControllerProcess, start: &str, is: impl Fn(f64) -> bool) {
    eventually_or(PATIENCE, format!("{start} to be so"), async || {
        let value = roster.metric(start).await;
        if is(value) { Ok(()) } else { Err(value.to_string()) }
    })
    .await;
}

/// The controller's kubeconfig with something else in it.
fn kubeconfig(plane: &ControlPlane, name: &str, change: impl FnOnce(&mut serde_json::Value)) -> PathBuf {
    let text = fs::read_to_string(plane.data().join("controller.kubeconfig")).unwrap();
    let mut config = serde_json::from_str(&text).unwrap();
    change(&mut config);
    let path = plane.data().join(name);
    fs::write(&path, config.to_string()).unwrap();
    path
}

fn spawn(plane: &ControlPlane, folder: &Path, kubeconfig: &Path, args: &[&str]) -> ControllerProcess {
    Controller::spawn(plane, folder, |command| {
        command.args(args).env("KUBECONFIG", kubeconfig);
    })
}

#[tokio::test]
async fn a_replica_without_api_server_is_not_ready_and_says_why() {
    let plane = ControlPlane::own("unreached").await;
    let folder = plane.data().join("stores");
    Controller::prepare(&plane).await;
    let at = |name: &str, address: String| {
        kubeconfig(&plane, name, |config| config["clusters"][0]["cluster"]["server"] = json!(address))
    };
    // Nobody listens; somebody listens and never answers.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = at("closed", "https://127.0.0.1:1".to_owned());
    let mute = at("mute", format!("https://{}", mute.local_addr().unwrap()));
    // With an id given, and several shards, the first thing that is asked for is another one.
    for (kubeconfig, args) in [
        (&closed, &[][..]),
        (&closed, &["--cluster-id=prod"]),
        (&mute, &[]),
        (&mute, &["--cluster-id=prod"]),
        (&closed, &["--shards=4"]),
    ] {
        let mut roster = spawn(&plane, &folder, kubeconfig, args);
        unready(&mut roster, "the API server does not respond").await;
        if kubeconfig == &closed {
            unready(&mut roster, "Connection refused").await;
        }
        let shards = if args.contains(&"--shards=4") { 4.0 } else { 1.0 };
        assert!(roster.metric("roster_shards ").await == shards, "an alert needs to know how many nobody looks after");
        assert!(roster.metric("roster_shards_held ").await == 0.0);
        assert!(roster.get("/healthz").await.starts_with("HTTP/1.1 200"), "nothing would be better for a new start");
        assert_eq!(roster.stop().await.code(), Some(0));
    }
}

#[tokio::test]
async fn rejected_credentials_and_missing_rights_are_reported_until_fixed() {
    let plane = ControlPlane::own("unaccepted").await;
    let folder = plane.data().join("stores");
    Controller::prepare(&plane).await;
    let revoked = kubeconfig(&plane, "revoked", |config| config["users"][0]["user"]["token"] = json!("revoked"));
    let mut roster = spawn(&plane, &folder, &revoked, &[]);
    unready(&mut roster, "does not accept this controller's credentials (Unauthorized); renew its token").await;
    assert!(!roster.log().contains("Status {"), "no dump:\n{}", roster.log());
    assert_eq!(roster.stop().await.code(), Some(0));

    // A right to write is as good as one to read.
    let roles = plane.kubectl_ok(&["get", "clusterrole", "-o", "name"], None).await;
    let role = roles.lines().find(|name| name.ends_with("roster-controller")).unwrap().to_owned();
    let rules = plane.kubectl_ok(&["get", &role, "-o", "json"], None).await;
    let rules: serde_json::Value = serde_json::from_str(&rules).unwrap();
    let allow = async |without: &str| {
        let mut rules = rules["rules"].clone();
        rules.as_array_mut().unwrap().retain_mut(|rule| {
            let resources = rule["resources"].as_array_mut().unwrap();
            resources.retain(|resource| resource != without);
            !resources.is_empty()
        });
        let patch = json!({"rules": rules}).to_string();
        plane.kubectl_ok(&["patch", &role, "--type=merge", "-p", &patch], None).await;
    };
    allow("memberships/status").await;
    let mut roster = Controller::spawn(&plane, &folder, |_| {});
    let site = Site::on(&plane, &folder, "unaccepted").await;
    site.store("").await;
    site.account("acme", "").await;
    site.member("ann", "admin").await;
    unready(&mut roster, "cannot patch resource \"memberships/status\"").await;
    assert!(roster.get("/readyz").await.contains("give the controller's account its rights"));
    site.view("ann", ADMIN).await;
    metric(&mut roster, "roster_api_writes_total{what=\"status\",outcome=\"failed\"}", |failed| failed > 0.0).await;
    allow("nothing").await;
    site.members_ready(&["ann"]).await;
    ready(&mut roster).await;
    assert_eq!(roster.stop().await.code(), Some(0));

    // And one that is needed to see whether the definitions are of this release.
    allow("customresourcedefinitions").await;
    let mut roster = Controller::spawn(&plane, &folder, |_| {});
    unready(&mut roster, "cannot get resource \"customresourcedefinitions\"").await;
    assert!(roster.metric("roster_leader").await == 0.0);
    allow("nothing").await;
    roster.leading().await;
    ready(&mut roster).await;
    assert!(roster.get("/healthz").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn the_metrics_of_the_alerts_change_as_expected() {
    let plane = ControlPlane::own("alerts").await;
    let folder = plane.data().join("stores");
    let mut roster = Controller::process(&plane, &folder).await;
    let site = Site::on(&plane, &folder, "alerts").await;
    site.store("accountDefaults: {drift: {policy: Report}}").await;
    site.account("acme", "").await;
    let eight = ["ann", "bob", "cid", "dan", "eva", "fay", "gus", "hal"];
    site.members(&eight, "viewer").await;
    site.members_ready(&eight).await;
    site.ready("Account", "acme").await;
    ready(&mut roster).await;
    let pending = "roster_oldest_pending_revocation_age_seconds ";
    for at_rest in [pending, "roster_drifted_objects", "roster_guarded_accounts ", "roster_stopped_rollouts "] {
        metric(&mut roster, at_rest, |value| value == 0.0).await;
    }

    // RosterDriftForLong.
    site.file().set_ranks(&site.key("acme"), "ann", "21").await;
    site.check("acme").await;
    metric(&mut roster, "roster_drifted_objects{kind=\"Membership\"}", |drifted| drifted == 1.0).await;

    // RosterRemovalsHeld.
    for name in ["bob", "cid", "dan", "eva", "fay", "gus"] {
        site.delete("Membership", name).await;
    }
    site.wait("Account", "acme", "Stalled", "True RemovalGuarded").await;
    metric(&mut roster, "roster_guarded_accounts ", |guarded| guarded == 1.0).await;
    site.members(&["bob", "cid", "dan", "eva", "fay", "gus"], "viewer").await;
    metric(&mut roster, "roster_guarded_accounts ", |guarded| guarded == 0.0).await;
    metric(&mut roster, pending, |age| age == 0.0).await;

    // RosterRevocationPending, RosterPassesFailing, RosterStoreUnavailable: the age grows over all attempts, longer than the
    // wait between any two of them.
    let mut lock = site.file().connect().await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut lock).await.unwrap();
    site.patch("Membership", "hal", json!({"spec": {"suspended": true}})).await;
    let errors = format!("roster_store_errors_total{{store=\"{}\",kind=\"unavailable\"}}", site.name());
    metric(&mut roster, &errors, |errors| errors >= 2.0).await;
    metric(&mut roster, "roster_passes_total{scope=\"account\",outcome=\"failed\"}", |failed| failed >= 2.0).await;
    let failed = roster.metric(pending).await;
    metric(&mut roster, pending, |age| age > failed + 5.0).await;
    sqlx::query("ROLLBACK").execute(&mut lock).await.unwrap();
    metric(&mut roster, pending, |age| age == 0.0).await;

    // RosterStoreNotReady: a store that is set up wrongly.
    for (url, says) in [
        ("postgres://nobody@127.0.0.1:1/none", "False StoreUnavailable"),
        ("mysql://nobody@127.0.0.1/none", "False StoreRejected"),
    ] {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {
                "name": "wrong", "namespace": SYSTEM, "annotations": {"roster.dev/store": "wrong"},
            }, "stringData": {"uri": url},
        });
        plane.kubectl_ok(&["apply", "-f", "-"], Some(&secret.to_string())).await;
        site.store_as("wrong", "postgres: {connectionSecretRef: {name: wrong, key: uri}}").await;
        let message = site.wait("IdentityStore", "wrong", "Ready", says).await;
        assert!(message.contains("Secret") || message.contains("127.0.0.1"), "{message}");
        assert!(!message.contains("nobody@"), "no connection string in a status: {message}");
        metric(&mut roster, "roster_objects{kind=\"IdentityStore\",ready=\"False\"}", |stores| stores == 1.0).await;
        plane.kubectl_ok(&["delete", "identitystore/wrong"], None).await;
    }
}

#[tokio::test]
async fn a_start_with_nothing_to_do_writes_nothing() {
    let plane = ControlPlane::own("restart").await;
    let folder = plane.data().join("stores");
    let roster = Controller::process(&plane, &folder).await;
    let site = Site::on(&plane, &folder, "restart").await;
    site.store("blocked: [{email: mallory@acme.example}]").await;
    site.account("acme", "owner: {email: olga@acme.example}").await;
    site.member("ann", "viewer").await;
    site.members_ready(&["ann"]).await;
    for (kind, name) in [("Account", "acme"), ("IdentityStore", site.name()), ("PermissionCatalog", site.name())] {
        site.ready(kind, name).await;
    }
    eventually_or(PATIENCE, "the block to be in force, and the catalog to be noted".to_owned(), async || {
        let in_force = site.status("IdentityStore", site.name()).await["blockedInForce"].clone();
        let record = plane.kubectl_ok(&["get", "configmaps", "-n", SYSTEM, "-o", "name"], None).await;
        if in_force == 1 && record.contains("roster-catalog-") { Ok(()) } else { Err(format!("{in_force} {record}")) }
    })
    .await;
    assert_eq!(roster.stop().await.code(), Some(0));

    let audit = site.file().audit_length().await;
    let passes = "roster_passes_total{scope=\"account\",outcome=\"ok\"}";
    let mut wrote = Vec::new();
    // Several times, since the order of the events differs each time. The controller that was stopped first may have had
    // counts to write, so writes by the second one do not count.
    for number in 0..5 {
        let before = versions(&plane).await;
        let mut roster = Controller::spawn(&plane, &folder, |_| {});
        metric(&mut roster, passes, |passes| passes >= 1.0).await;
        site.check("acme").await;
        metric(&mut roster, passes, |passes| passes >= 2.0).await;
        metric(&mut roster, "roster_queue_depth", |waiting| waiting == 0.0).await;
        let metrics = roster.get("/metrics").await;
        assert_eq!(roster.stop().await.code(), Some(0));
        if number > 0 {
            // The check was asked for by an annotation of the Account, which is a write of this test.
            let now = versions(&plane).await.into_iter().filter(|now| !now.contains("Account"));
            wrote.extend(now.filter(|now| !before.contains(now)));
            wrote.extend(metrics.lines().filter(|line| line.starts_with("roster_api_writes_total")).map(str::to_owned));
        }
    }
    assert_eq!(wrote, Vec::<String>::new());
    assert_eq!(site.file().audit_length().await, audit);
}

/// The versions of all that Roster writes.
async fn versions(plane: &ControlPlane) -> Vec<String> {
    let kinds = "permissioncatalogs,identitystores,accounts,memberships,configmaps,events";
    let columns = "KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name,VERSION:.metadata.resourceVersion";
    let args = ["get", kinds, "--all-namespaces", "--no-headers", "-o", &format!("custom-columns={columns}")];
    plane.kubectl_ok(&args, None).await.lines().map(str::to_owned).collect()
}
