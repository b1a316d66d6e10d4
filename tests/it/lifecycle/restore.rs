//! Tests restores from backups (docs/operations/backup-and-restore.md): a store to an earlier state, and a cluster
//! without statuses.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::file::StoreFile;
use super::{ADMIN, NONE, Site, VIEWER};
use crate::support::{ControlPlane, Controller, PATIENCE, eventually_or};

/// A backup of a store's file, made while it is in use, with the command that the document gives.
async fn backup(file: &StoreFile, to: &Path) {
    file.tamper(&format!("VACUUM INTO '{}'", to.display())).await;
}

/// Puts a backup in a file's place.
fn restore(from: &Path, file: &StoreFile) {
    for ending in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{ending}", file.path().display()));
    }
    fs::copy(from, file.path()).expect("a copy");
}

#[tokio::test]
async fn a_restored_store_gives_nobody_revoked_access_back() {
    let plane = ControlPlane::own("restore-store").await;
    let folder = plane.data().join("stores");
    let roster = Controller::process(&plane, &folder).await;
    let site = Site::on(&plane, &folder, "restore").await;
    let file = site.file();
    // Also if drift is only reported: what a restore brings back is not drift, but a change that must be made again.
    site.store("accountDefaults: {drift: {policy: Report}}").await;
    site.account("acme", "").await;
    let all = ["dana", "eve", "finn", "gail", "hal", "ida", "jon", "kim"];
    site.members(&all, "admin").await;
    site.members_ready(&all).await;
    let copy = folder.join("backup");
    backup(&file, &copy).await;

    // After the backup: one has less, one is gone, one has ended, one has come.
    site.member("dana", "viewer").await;
    site.delete("Membership", "eve").await;
    site.patch("Membership", "finn", json!({"spec": {"suspended": true}})).await;
    site.member("new", "viewer").await;
    site.view("dana", VIEWER).await;
    site.view("eve", "").await;
    site.view("finn", NONE).await;
    site.members_ready(&["new", "dana", "finn"]).await;
    let content = file.content().await;

    // And somebody changed the store just before the backup was taken away.
    assert_eq!(roster.stop().await.code(), Some(0));
    restore(&copy, &file);
    file.set_ranks(&site.key("acme"), "gail", "10").await;
    site.view("eve", ADMIN).await;
    let mut roster = Controller::spawn(&plane, &folder, |_| {});
    site.view("dana", VIEWER).await;
    site.view("eve", "").await;
    site.view("finn", NONE).await;
    site.view("new", VIEWER).await;
    // What was changed in the backup is drift, and is shown.
    site.wait("Membership", "gail", "Drifted", "True").await;
    site.wait("Account", "acme", "Synced", "False DriftReported").await;
    site.view("gail", VIEWER).await;
    file.set_ranks(&site.key("acme"), "gail", "21").await;
    site.check("acme").await;
    site.ready("Account", "acme").await;
    assert_eq!(file.content().await, content);
    file.verify().await;
    assert_eq!(roster.ended(), None);
}

#[tokio::test]
async fn many_removals_since_the_backup_wait_for_approval() {
    let site = Site::shared("restore-many").await;
    let file = site.file();
    site.store("").await;
    site.account("acme", "").await;
    let all = ["dana", "eve", "finn", "gail"];
    site.members(&all, "viewer").await;
    site.members_ready(&all).await;
    let copy = file.path().with_extension("backup");
    backup(&file, &copy).await;
    // Few enough to pass, as on many days before.
    for name in ["dana", "eve"] {
        site.delete("Membership", name).await;
        site.view(name, "").await;
    }
    site.account("acme", "removalGuard: {maximumPercent: 25, minimumCount: 2}").await;
    site.ready("Account", "acme").await;

    restore(&copy, &file);
    site.check("acme").await;
    let message = site.wait("Account", "acme", "Synced", "False RemovalGuarded").await;
    assert!(message.contains("dana@acme.example") || message.contains("2 of 4 members"), "{message}");
    site.view("dana", VIEWER).await;
    let (_, hash) = message.split_once("roster.dev/approve-removal=").expect("a hash to approve");
    let hash = hash.split_whitespace().next().expect("a hash");
    site.annotate("Account", "acme", "roster.dev/approve-removal", Some(hash)).await;
    site.view("dana", "").await;
    site.view("eve", "").await;
    site.ready("Account", "acme").await;
    file.verify().await;
}

/// Returns the objects as in a backup: without anything that a server added.
async fn exported(plane: &ControlPlane, namespace: &str) -> String {
    let mut list: Vec<Value> = Vec::new();
    for kinds in ["permissioncatalogs,identitystores", "accounts.roster.dev,accessroles,usergroups,memberships"] {
        let json = plane.kubectl_ok(&["get", kinds, "-n", namespace, "-o", "json"], None).await;
        let json: Value = serde_json::from_str(&json).expect("JSON");
        for item in json["items"].as_array().expect("items") {
            let kept = |field: &str| item["metadata"].get(field).cloned().unwrap_or_default();
            list.push(json!({
                "apiVersion": item["apiVersion"], "kind": item["kind"], "spec": item["spec"],
                "metadata": {"name": kept("name"), "namespace": kept("namespace"), "annotations": kept("annotations")}
            }));
        }
    }
    json!({"apiVersion": "v1", "kind": "List", "items": list}).to_string()
}

#[tokio::test]
async fn a_cluster_restored_without_status_takes_its_store_back_as_it_is() {
    let first = ControlPlane::own("restore-before").await;
    let folder = first.data().join("stores");
    let roster = Controller::process(&first, &folder).await;
    let site = Site::on(&first, &folder, "restore").await;
    site.store("").await;
    site.account("acme", "").await;
    site.apply(
        "{apiVersion: roster.dev/v1alpha1, kind: Role, metadata: {name: staff}, spec: {accountRef: {name: acme}, \
         permissions: {orders: Edit}}}",
    )
    .await;
    site.members(&["dana", "eve"], "admin").await;
    site.member_of("acme", "finn", "roleRef: {kind: Role, name: staff}").await;
    site.patch("Membership", "eve", json!({"spec": {"suspended": true}})).await;
    site.members_ready(&["dana", "eve", "finn"]).await;
    site.ready("Account", "acme").await;
    let objects = exported(&first, site.name()).await;
    let id = first.kubectl_ok(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"], None).await;
    assert_eq!(roster.stop().await.code(), Some(0));
    let (file, content) = (site.file(), site.file().content().await);

    let second = ControlPlane::own("restore-after").await;
    Controller::prepare(&second).await;
    second.kubectl_ok(&["create", "namespace", site.name()], None).await;
    second.kubectl_ok(&["apply", "--server-side", "-f", "-"], Some(&objects)).await;
    let is = async |kind: &str, name: &str, of: &str, wanted: &str| {
        let client = second.client().await;
        crate::support::wait_condition(&client, kind, site.name(), name, of, wanted).await;
    };
    // As a cluster of its own it takes nothing that is another's.
    let dump = file.dump().await;
    let roster = Controller::spawn(&second, &folder, |_| {});
    is("Account", "acme", "Synced", "False NotOwned").await;
    is("Membership", "dana", "Ready", "False").await;
    assert_eq!(roster.stop().await.code(), Some(0));
    let fence = |dump: Vec<String>| dump.into_iter().filter(|line| !line.starts_with("fence")).collect::<Vec<_>>();
    assert_eq!(fence(file.dump().await), fence(dump));

    // With the former cluster's id, it takes over what is as declared.
    let length = file.audit_length().await;
    let mut roster = Controller::spawn(&second, &folder, |command| {
        command.args(["--cluster-id", id.trim()]);
    });
    for (kind, name) in [("Membership", "dana"), ("Membership", "eve"), ("Membership", "finn"), ("Account", "acme")] {
        is(kind, name, "Ready", "True").await;
    }
    assert_eq!(file.content().await, content, "nobody has more than before, and nobody less");
    let audit = file.audit_since(length).await;
    assert!(audit.iter().all(|change| change.cause == "adoption" && change.before == change.after), "{audit:#?}");
    site.view("eve", NONE).await;
    // Roster also keeps it so: tampering is corrected.
    file.set_ranks(&site.key("acme"), "dana", "00").await;
    let note = format!("roster.dev/reconcile-at={}", jiff::Timestamp::now());
    second.kubectl_ok(&["annotate", "account.roster.dev", "acme", "-n", site.name(), &note], None).await;
    site.view("dana", ADMIN).await;
    eventually_or(PATIENCE, "no orphaned accounts".to_owned(), async || {
        let args =
            ["get", "identitystore", site.name(), "-o", "jsonpath={.status.accounts} {.status.orphanedAccounts}"];
        let output = second.kubectl_ok(&args, None).await;
        if output.trim() == "1" { Ok(()) } else { Err(output) }
    })
    .await;
    file.verify().await;
    assert_eq!(roster.ended(), None);
}
