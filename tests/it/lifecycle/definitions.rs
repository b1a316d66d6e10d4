//! Tests the deletion of Roster's definitions, and with them of all objects: while the controller runs, and while it
//! does not.

use std::time::Duration;

use serde_json::json;

use super::{
    NONE, Site, VIEWER,
    deletion_while_down::{Left, StaffedSite},
};
use crate::support::{ControlPlane, Controller, PATIENCE, eventually_or, ready, wait_condition};

/// Deletes the definitions of all our kinds; they go once their objects have.
async fn delete_definitions(plane: &ControlPlane) {
    let mut args = vec!["delete".to_owned(), "--wait=false".to_owned(), "crd".to_owned()];
    args.extend(roster::api::crds().into_iter().filter_map(|crd| crd.metadata.name));
    plane.kubectl_ok(&args.iter().map(String::as_str).collect::<Vec<_>>(), None).await;
}

/// Waits until no more than so many definitions are left.
async fn definitions_left(plane: &ControlPlane, wanted: usize) {
    eventually_or(PATIENCE, format!("{wanted} definitions left"), async || {
        let left = plane.kubectl_ok(&["get", "crd", "-o", "name"], None).await;
        if left.lines().count() <= wanted { Ok(()) } else { Err(left) }
    })
    .await;
}

#[tokio::test]
async fn deleted_definitions_follow_the_deletion_policy_and_can_be_restored() {
    let plane = ControlPlane::own("definitions").await;
    let folder = plane.data().join("stores");
    let mut roster = Controller::process(&plane, &folder).await;
    let (orphan, delete) = tokio::join!(
        StaffedSite::new(&plane, &folder, "crds-orphan", "Orphan"),
        StaffedSite::new(&plane, &folder, "crds-delete", "Delete"),
    );
    orphan.ready().await;
    delete.ready().await;
    let content = delete.file().content().await;

    // While the controller runs: it survives, and says what it misses.
    let before = [orphan.left().await, delete.left().await];
    delete_definitions(&plane).await;
    definitions_left(&plane, 0).await;
    assert_eq!(orphan.left().await, before[0]);
    delete.only_the_account_is_removed(&before[1]).await;
    ready(&mut roster, "the API server does not have").await;

    // They are back, and the objects, too: what was left is taken back as it is, the rest is made again.
    Controller::prepare(&plane).await;
    ready(&mut roster, "200 OK").await;
    for site in [&orphan, &delete] {
        site.apply_all().await;
        site.ready().await;
    }
    assert_eq!(delete.file().content().await, content);
    adopted(&before[0], &orphan.left().await);

    // The same while it is down. What has no finalizer is gone when it comes back.
    assert_eq!(roster.stop().await.code(), Some(0));
    let before = [orphan.left().await, delete.left().await];
    delete_definitions(&plane).await;
    // Accounts, stores and catalogs wait.
    definitions_left(&plane, 3).await;
    assert_eq!([orphan.left().await, delete.left().await], before);
    let mut roster = Controller::spawn(&plane, &folder, |_| {});
    definitions_left(&plane, 0).await;
    assert_eq!(orphan.left().await, before[0]);
    delete.only_the_account_is_removed(&before[1]).await;
    Controller::prepare(&plane).await;
    for site in [&orphan, &delete] {
        site.apply_all().await;
        site.ready().await;
        site.file().verify().await;
    }
    assert_eq!(delete.file().content().await, content);
    adopted(&before[0], &orphan.left().await);
    assert_eq!(roster.ended(), None);
}

/// Checks that entries that were left are Roster's again, and that nothing else happened to them.
fn adopted(before: &Left, now: &Left) {
    assert_eq!(now.content, before.content);
    let since = &now.audit[before.audit.len()..];
    assert!(since.iter().all(|change| change.starts_with("adoption")), "{since:#?}");
}

#[tokio::test]
async fn the_controller_waits_for_current_definitions_and_reports_an_unreached_store() {
    let plane = ControlPlane::own("earlier").await;
    let folder = plane.data().join("stores");
    Controller::prepare(&plane).await;
    let release = async |release: &str| {
        let annotation = format!("roster.dev/release={release}");
        plane.kubectl_ok(&["annotate", "--overwrite", "crd/accounts.roster.dev", &annotation], None).await;
    };
    release("0.1.0").await;
    let mut roster = Controller::spawn(&plane, &folder, |_| {});
    ready(&mut roster, "accounts.roster.dev is from an earlier release (0.1.0").await;
    let site = Site::on(&plane, &folder, "earlier").await;
    site.account("acme", "").await;
    site.member("ann", "viewer").await;
    assert!(roster.metric("roster_leader").await == 0.0);
    release("99.0.0").await;
    roster.leading().await;
    ready(&mut roster, "200 OK").await;

    // The only store there is cannot be reached; a second one can.
    site.store_as("$it", "postgres: {connectionSecretRef: {name: none, key: uri}}").await;
    ready(&mut roster, "no IdentityStore could be reached yet").await;
    site.store_as("second", "sqlite: {file: second.db}").await;
    site.ready("IdentityStore", "second").await;
    ready(&mut roster, "200 OK").await;

    // Installed over a controller that leads: it stops until they are back.
    release("0.1.0").await;
    roster.logged("no longer leading").await;
    ready(&mut roster, "is from an earlier release").await;
    release(env!("CARGO_PKG_VERSION")).await;
    roster.logged_after("\"message\":\"leading\"", 1).await;
    ready(&mut roster, "200 OK").await;
    assert!(roster.get("/healthz").await.starts_with("HTTP/1.1 200"));
    plane.kubectl_ok(&["delete", "identitystore/second"], None).await;
}

/// Like `kubectl replace --force`: the definition is deleted with all its objects, and is back at once. Nobody is
/// removed before an annotation confirms that all objects exist again; a block is made nevertheless.
#[tokio::test]
async fn a_recreated_definition_removes_nobody_until_it_is_approved() {
    let plane = ControlPlane::own("recreated").await;
    let folder = plane.data().join("stores");
    let _roster = Controller::process(&plane, &folder).await;
    let site = StaffedSite::new(&plane, &folder, "recreated", "Delete").await;
    site.ready().await;
    let before = site.left().await;
    // Definitions are made to the second.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    plane.kubectl_ok(&["delete", "crd", "memberships.roster.dev"], None).await;
    Controller::prepare(&plane).await;
    let message = site.wait("Account", "acme", "Ready", "False DefinitionRecreated").await;
    assert!(message.contains("memberships.roster.dev was recreated after this Account"), "{message}");
    let since = site.left().await.audit[before.audit.len()..].to_vec();
    assert!(since.is_empty(), "{since:#?}");

    // Back from Git, everything is as before. A block is made; a removal by hand waits for the annotation.
    site.apply_all().await;
    site.ready().await;
    let unguarded = "accountDefaults: {removalGuard: {maximumPercent: 100}}";
    site.store(&format!("{unguarded}, blocked: [{{email: bob@acme.example}}]")).await;
    site.view("bob", NONE).await;
    site.delete("Membership", "ann").await;
    site.wait("Account", "acme", "Ready", "False DefinitionRecreated").await;
    site.view("ann", VIEWER).await;
    // To look again, or another time, approves nothing.
    site.check("acme").await;
    site.annotate("Account", "acme", "roster.dev/approve-definition", Some("2999-01-01T00:00:00Z")).await;
    let message = site.wait("Account", "acme", "Ready", "False DefinitionRecreated").await;
    let (_, made) = message.split_once("roster.dev/approve-definition=").unwrap();
    site.view("ann", VIEWER).await;
    site.annotate("Account", "acme", "roster.dev/approve-definition", Some(made)).await;
    site.view("ann", "").await;
    site.wait("Account", "acme", "Ready", "True").await;
}

/// A definition is loosened, and objects come that this release cannot read. They affect nobody else: a suspended
/// member loses access, also in their account, and a new member gets it.
#[tokio::test]
async fn an_unreadable_object_stops_nothing_else() {
    let plane = ControlPlane::own("unreadable").await;
    let folder = plane.data().join("stores");
    let roster = Controller::process(&plane, &folder).await;
    let site = StaffedSite::new(&plane, &folder, "unreadable", "Delete").await;
    site.ready().await;
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    let any = json!({"x-kubernetes-preserve-unknown-fields": true});
    let loosened = json!([
        {"op": "replace", "path": format!("{path}/properties/suspended"), "value": any},
        {"op": "remove", "path": format!("{path}/x-kubernetes-validations")},
    ]);
    let args = ["patch", "crd", "memberships.roster.dev", "--type=json", "-p", &loosened.to_string()];
    plane.kubectl_ok(&args, None).await;

    // One that counted, and one that comes new. The server takes them once it knows the definition.
    eventually_or(PATIENCE, "the loosened definition".to_owned(), async || {
        let patch = json!({"spec": {"suspended": "yes"}}).to_string();
        let args = ["patch", "-n", site.name(), "membership", "ann", "--type=merge", "-p", &patch];
        let out = plane.kubectl(&args, None).await;
        if out.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&out.stderr).into_owned()) }
    })
    .await;
    site.member_of("acme", "gus", "roleRef: {kind: Role, name: staff}, suspended: 'yes'").await;
    for name in ["ann", "gus"] {
        let condition = site.wait("Membership", name, "Valid", "False").await;
        let wanted = "spec.suspended: the object cannot be read; Roster makes no changes for it: invalid type: string \
                      \"yes\"";
        assert!(condition.starts_with(wanted), "{condition}");
    }
    site.patch("Membership", "bob", json!({"spec": {"suspended": true}})).await;
    site.view("bob", NONE).await;
    site.member_of("acme", "hal", "roleRef: {kind: Role, name: staff}").await;
    site.view("hal", VIEWER).await;
    site.view("ann", VIEWER).await;
    assert!(site.file().member("acme", "gus").await.is_none());

    // After a start their former version is unknown: nobody gains or loses anything by them, except by explicit
    // revocations.
    assert_eq!(roster.stop().await.code(), Some(0));
    let mut roster = Controller::process(&plane, &folder).await;
    let condition = site.wait("Account", "acme", "Ready", "False").await;
    assert!(condition.starts_with("Membership ann cannot be read: spec.suspended: invalid type"), "{condition}");
    site.patch("Membership", "cid", json!({"spec": {"suspended": true}})).await;
    site.view("cid", NONE).await;
    site.view("ann", VIEWER).await;

    // Once fixed, everything is as it should be.
    site.delete("Membership", "gus").await;
    site.patch("Membership", "ann", json!({"spec": {"suspended": true}})).await;
    site.view("ann", NONE).await;
    wait_condition(&site.client, "Account", site.name(), "acme", "Ready", "True").await;
    assert_eq!(roster.ended(), None);
}
