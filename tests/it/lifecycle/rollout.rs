//! Tests rollouts: a changed catalog reaches one account after another, and stops at the first guard that fires
//! (docs/decisions/0020-catalog-rollouts.md).

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use roster::model::AccountKey;
use roster::store::{Slots, slot};
use serde_json::json;

use super::shards::{hold, replica};
use super::{ADMIN, NONE, Site, VIEWER};
use crate::support::{
    ControlPlane, Controller, ControllerProcess, PATIENCE, SYSTEM, eventually_or, find, forget_leader,
};

const TWELVE: [&str; 12] = ["a01", "a02", "a03", "a04", "a05", "a06", "a07", "a08", "a09", "a10", "a11", "a12"];
const FOUR: [&str; 4] = ["east", "north", "south", "west"];
const THREE: [&str; 3] = ["ann", "bob", "cid"];
const GUARD: &str = "removalGuard: {maximumPercent: 25, minimumCount: 2}";
const APPROVE: &str = "roster.dev/approve-removal";
const ROLLOUT: &str = "roster.dev/rollout";
/// Permissions of viewers when they may edit orders.
const EDITOR: &str = "orders=Edit users=Denied";

/// Accounts with a viewer each, once the catalog's present revision is noted.
async fn accounts(site: &Site<'_>, names: &[&str]) {
    site.store("").await;
    for account in names {
        site.account(account, "").await;
        site.member_of(account, "ann", "roleRef: {name: viewer}").await;
    }
    for account in names {
        site.view_of(account, "ann", VIEWER).await;
        site.ready("Account", account).await;
    }
    noted(site).await;
}

/// Four accounts with three viewers each, whom nobody may take away all at once.
async fn guarded(site: &Site<'_>) {
    site.store("").await;
    for account in FOUR {
        site.account(account, GUARD).await;
        for name in THREE {
            site.member_of(account, name, "roleRef: {name: viewer}").await;
        }
    }
    for account in FOUR {
        for name in THREE {
            site.view_of(account, name, VIEWER).await;
        }
        site.ready("Account", account).await;
    }
    noted(site).await;
}

/// Sets the permissions of viewers in the catalog.
async fn viewers(site: &Site<'_>, permissions: serde_json::Value) {
    let roles = json!([
        {"name": "admin", "title": "Admin", "permissions": {"orders": "Edit", "users": "Allowed"}},
        {"name": "viewer", "title": "Viewer", "permissions": permissions},
    ]);
    site.patch("PermissionCatalog", site.name(), json!({"spec": {"roles": roles}})).await;
}

async fn generation(site: &Site<'_>) -> i64 {
    site.get("PermissionCatalog", site.name()).await.metadata.generation.unwrap()
}

/// The record of the catalog's last revision.
async fn record(site: &Site<'_>) -> Option<ConfigMap> {
    let records: Api<ConfigMap> = Api::namespaced(site.client.clone(), SYSTEM);
    records.get_opt(&format!("roster-catalog-{}", site.name())).await.unwrap()
}

/// Waits until the catalog's present revision is the one that has reached everybody.
async fn noted(site: &Site<'_>) {
    let now = generation(site).await;
    eventually_or(PATIENCE, format!("generation {now} to have reached everybody"), async || {
        let record = record(site).await.and_then(|record| record.data).unwrap_or_default();
        let reached = record.get("generation") == Some(&now.to_string()) && !record.contains_key("upTo");
        if reached {
            Ok(())
        } else {
            Err(format!("{record:?} {:#}", site.status("PermissionCatalog", site.name()).await))
        }
    })
    .await;
    site.ready("PermissionCatalog", site.name()).await;
}

/// Waits until the rollout has stopped at an account, and returns the message.
async fn stopped(site: &Site<'_>, account: &str) -> String {
    site.wait("Account", account, "Synced", "False RemovalGuarded").await;
    // As many as had their turn together may stop it.
    let at = "the first by RemovalGuarded";
    eventually_or(PATIENCE, at.to_owned(), async || {
        let status = site.status("PermissionCatalog", site.name()).await;
        let stalled = find(&status, "Stalled").filter(|stalled| stalled.reason == "RolloutStopped");
        stalled
            .map(|stalled| stalled.message)
            .filter(|note| note.contains("stopped by ") && note.contains(at) && !note.contains(&site.key(account)))
            .ok_or_else(|| format!("{status:#}"))
    })
    .await
}

/// Approves the removals that an account holds back.
async fn approve(site: &Site<'_>, account: &str) {
    let message = site.wait("Account", account, "Synced", "False RemovalGuarded").await;
    let hash = message.split(&format!("{APPROVE}=")).nth(1).unwrap_or_else(|| panic!("{message}"));
    site.annotate("Account", account, APPROVE, hash.split_whitespace().next()).await;
}

/// Returns the present access of an account's first member in the store.
async fn now(site: &Site<'_>, account: &str, name: &str) -> String {
    let seen = crate::support::view(site.file().path(), &site.key(account), &format!("{name}@acme.example")).await;
    seen.iter().map(|(section, level)| format!("{section}={level}")).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_change_reaches_all_accounts_in_order() {
    let site = Site::shared("rollout-good").await;
    accounts(&site, &TWELVE).await;
    let before = site.file().audit_length().await;
    viewers(&site, json!({"orders": "Edit"})).await;
    for account in TWELVE {
        site.view_of(account, "ann", EDITOR).await;
    }
    noted(&site).await;
    let now = generation(&site).await;
    for account in TWELVE {
        site.ready("Account", account).await;
        assert_eq!(site.status("Account", account).await["catalogGeneration"], json!(now), "{account}");
    }
    let status = site.status("PermissionCatalog", site.name()).await;
    assert_eq!((&status["accounts"], &status["updatedAccounts"]), (&json!(12), &json!(12)), "{status:#}");
    // 1, 2, 4, and the rest: none of a later share was changed before all of an earlier one were.
    let sql = format!("SELECT account FROM audit WHERE seq > {before} AND kind = 'member' ORDER BY seq");
    let changed = site.file().rows(&sql).await;
    let place = |key: &String| TWELVE.iter().position(|account| site.key(account) == *key).unwrap();
    let shares: Vec<usize> = changed.iter().map(|key| [0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3][place(key)]).collect();
    assert_eq!(shares, [0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3], "{changed:?}");
    site.file().verify().await;
}

#[tokio::test]
async fn a_rollout_stops_at_the_first_held_account_and_continues_after_approval() {
    let plane = ControlPlane::own("rollout").await;
    let folder = plane.data().join("stores");
    let mut roster = Controller::process(&plane, &folder).await;
    roster.leading().await;
    let site = Site::on(&plane, &folder, "rollout").await;
    guarded(&site).await;
    viewers(&site, json!({})).await;
    let message = stopped(&site, "east").await;
    assert!(message.starts_with("1 of 4 accounts follows generation 2;"), "{message}");
    assert!(message.contains("approve the removals") && message.contains(ROLLOUT), "{message}");
    site.wait("PermissionCatalog", site.name(), "Ready", "False RolloutStopped").await;
    eventually_or(PATIENCE, "the alert's metric".to_owned(), async || {
        let stopped = roster.metric("roster_stopped_rollouts ").await;
        if stopped == 1.0 { Ok(()) } else { Err(stopped.to_string()) }
    })
    .await;
    let status = site.status("PermissionCatalog", site.name()).await;
    assert_eq!(find(&status, "Reconciling"), None, "{status:#}");
    assert_eq!(status["updatedAccounts"], json!(1), "{status:#}");
    assert!(!stop_event(&site).await.contains(&site.key("east")), "no tenant reads of another");

    // The others keep what they had.
    site.member_of("north", "ann", "roleRef: {name: admin}").await;
    site.view_of("north", "ann", ADMIN).await;
    site.member_of("north", "ann", "roleRef: {name: viewer}").await;
    site.view_of("north", "ann", VIEWER).await;
    site.member_of("south", "dan", "roleRef: {name: viewer}").await;
    site.view_of("south", "dan", VIEWER).await;

    // Nor does a restart carry anybody ahead or back.
    roster.kill().await;
    site.member_of("west", "ann", "roleRef: {name: admin}").await;
    forget_leader(&plane).await;
    let mut roster = Controller::process(&plane, &folder).await;
    roster.leading().await;
    site.view_of("west", "ann", ADMIN).await;
    whole_passes(&mut roster, 4).await;
    for account in ["north", "south"] {
        assert_eq!(now(&site, account, "bob").await, VIEWER, "{account}");
        assert_eq!(site.status("Account", account).await["catalogGeneration"], json!(1), "{account}");
    }
    assert_eq!(site.status("Account", "east").await["catalogGeneration"], json!(2));
    stopped(&site, "east").await;
    assert_eq!(record(&site).await.unwrap().data.unwrap()["upTo"], site.key("east"));

    // An approval lets it continue, to the next guard.
    approve(&site, "east").await;
    site.view_of("east", "bob", NONE).await;
    stopped(&site, "north").await;
    assert_eq!(now(&site, "west", "bob").await, VIEWER);
    for account in ["north", "south", "west"] {
        approve(&site, account).await;
        site.view_of(account, "bob", NONE).await;
    }
    noted(&site).await;
    site.view_of("west", "ann", ADMIN).await;
    site.file().verify().await;
    assert_eq!(roster.stop().await.code(), Some(0));
}

/// Waits for so many passes over whole accounts.
async fn whole_passes(roster: &mut ControllerProcess, count: u32) {
    eventually_or(PATIENCE, format!("{count} passes over whole accounts"), async || {
        let passes = roster.metric("roster_passes_total{scope=\"account\",outcome=\"ok\"}").await;
        if passes >= f64::from(count) { Ok(()) } else { Err(passes.to_string()) }
    })
    .await;
}

/// Returns the event about the stop. Events about objects without a namespace are in `default`.
async fn stop_event(site: &Site<'_>) -> String {
    let events: Api<Event> = Api::namespaced(site.client.clone(), "default");
    eventually_or(PATIENCE, "the event RolloutStopped".to_owned(), async || {
        let all = events.list(&ListParams::default()).await.unwrap().items;
        let ours = |event: &Event| {
            event.regarding.as_ref().is_some_and(|of| of.name.as_deref() == Some(site.name()))
                && event.reason.as_deref() == Some("RolloutStopped")
        };
        all.into_iter().find(ours).and_then(|event| event.note).ok_or_else(|| "no such event".to_owned())
    })
    .await
}

#[tokio::test]
async fn reverting_a_change_restores_everybodys_access() {
    let site = Site::shared("rollout-back").await;
    guarded(&site).await;
    viewers(&site, json!({})).await;
    stopped(&site, "east").await;
    viewers(&site, json!({"orders": "View"})).await;
    noted(&site).await;
    for account in FOUR {
        site.ready("Account", account).await;
        for name in THREE {
            assert_eq!(now(&site, account, name).await, VIEWER, "{account} {name}");
        }
    }
    // A catalog that nobody uses has no record.
    for account in FOUR {
        site.patch("Account", account, json!({"spec": {"deletionPolicy": "Orphan"}})).await;
        site.delete("Account", account).await;
    }
    eventually_or(PATIENCE, "the record to be gone".to_owned(), async || match record(&site).await {
        None => Ok(()),
        Some(record) => Err(format!("{:?}", record.data)),
    })
    .await;
}

#[tokio::test]
async fn an_annotation_lets_a_change_reach_all_accounts_at_once() {
    let site = Site::shared("rollout-all").await;
    guarded(&site).await;
    viewers(&site, json!({})).await;
    stopped(&site, "east").await;
    site.annotate("PermissionCatalog", site.name(), ROLLOUT, Some("AllAtOnce")).await;
    // Each account's own guard still applies.
    for account in FOUR {
        site.wait("Account", account, "Synced", "False RemovalGuarded").await;
        assert_eq!(now(&site, account, "bob").await, VIEWER, "{account}");
    }
    noted(&site).await;
    // With the annotation gone nobody is carried back.
    let now = generation(&site).await;
    site.annotate("PermissionCatalog", site.name(), ROLLOUT, None).await;
    for account in FOUR {
        approve(&site, account).await;
        site.view_of(account, "bob", NONE).await;
        site.ready("Account", account).await;
        assert_eq!(site.status("Account", account).await["catalogGeneration"], json!(now), "{account}");
    }
}

#[tokio::test]
async fn an_unavailable_store_delays_only_its_own_accounts() {
    let site = Site::shared("rollout-away").await;
    site.apply(
        "{apiVersion: roster.dev/v1alpha1, kind: IdentityStore, metadata: {name: $it-away}, \
         spec: {postgres: {connectionSecretRef: {name: $it-none, key: uri}}}}",
    )
    .await;
    // The first of all, and one in the midst.
    for account in ["a00", "a05-away"] {
        site.apply(&format!(
            "{{apiVersion: roster.dev/v1alpha1, kind: Account, metadata: {{name: {account}}}, \
             spec: {{catalogRef: {{name: $it}}, storeRef: {{name: $it-away}}}}}}"
        ))
        .await;
        site.wait("Account", account, "Synced", "False StoreUnavailable").await;
    }
    accounts(&site, &TWELVE).await;
    viewers(&site, json!({"orders": "Edit"})).await;
    for account in TWELVE {
        site.view_of(account, "ann", EDITOR).await;
    }
    noted(&site).await;
    let status = site.status("PermissionCatalog", site.name()).await;
    assert_eq!(status["updatedAccounts"], json!(14), "{status:#}");
    site.wait("Account", "a00", "Synced", "False StoreUnavailable").await;
    for account in ["a00", "a05-away"] {
        site.patch("Account", account, json!({"metadata": {"finalizers": null}})).await;
        site.delete("Account", account).await;
    }
    site.delete("IdentityStore", &format!("{}-away", site.name())).await;
}

#[tokio::test]
async fn several_replicas_roll_a_change_out_together() {
    let plane = ControlPlane::own("rollout-shards").await;
    Controller::prepare(&plane).await;
    let (mut first, mut second) = (replica(&plane, 2), replica(&plane, 2));
    hold(&mut [&mut first, &mut second], &[1, 1]).await;
    let site = Site::on(&plane, &plane.data().join("stores"), "rollout-shards").await;
    accounts(&site, &TWELVE).await;
    let members = "roster_changes_total{object=\"member\"";
    let before = [first.metric(members).await, second.metric(members).await];
    let audit = site.file().audit_length().await;
    viewers(&site, json!({"orders": "Edit"})).await;
    for account in TWELVE {
        site.view_of(account, "ann", EDITOR).await;
    }
    noted(&site).await;
    // Each account by the holder of its shard, and in order nevertheless.
    let mut changed = [first.metric(members).await - before[0], second.metric(members).await - before[1]];
    changed.sort_by(f64::total_cmp);
    let of_first = |account: &&&str| Slots::part_of(slot(&AccountKey::new(site.name(), account)), 2) == 0;
    let of_first = TWELVE.iter().filter(of_first).count();
    let expected = [of_first.min(12 - of_first), of_first.max(12 - of_first)];
    assert_eq!(changed.map(|changed| changed.to_string()), expected.map(|expected| expected.to_string()));
    let sql = format!("SELECT account FROM audit WHERE seq > {audit} AND kind = 'member' ORDER BY seq");
    let order = site.file().rows(&sql).await;
    assert_eq!((&order[0], order.len()), (&site.key("a01"), 12), "{order:?}");

    // The replica that decides about the pace is killed: the other one continues.
    if first.metric("roster_objects{kind=\"PermissionCatalog\"").await > 0.0 {
        std::mem::swap(&mut first, &mut second);
    }
    second.kill().await;
    viewers(&site, json!({"orders": "View"})).await;
    for account in TWELVE {
        site.view_of(account, "ann", VIEWER).await;
    }
    noted(&site).await;
    assert_eq!(first.stop().await.code(), Some(0));
}
