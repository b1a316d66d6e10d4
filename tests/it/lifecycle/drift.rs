//! Tests changes behind Roster's back: corrected or reported, as the policy says.

use serde_json::json;

use super::{ADMIN, Site, VIEWER};
use crate::support::{PATIENCE, eventually, eventually_or};

const REPORT: &str = "accountDefaults: {drift: {policy: Report}}";

/// The account `acme` with a role of its own and three members.
async fn acme(prefix: &str, store: &str) -> Site<'static> {
    let site = Site::shared(prefix).await;
    site.store(store).await;
    site.account("acme", "displayName: Acme").await;
    site.apply(
        "{apiVersion: roster.dev/v1alpha1, kind: Role, metadata: {name: night-shift}, spec: {accountRef: {name: acme}, \
         title: Night shift, permissions: {orders: View}}}",
    )
    .await;
    site.member("dana", "viewer").await;
    site.member("eve", "admin").await;
    site.member_of("acme", "finn", "roleRef: {kind: Role, name: night-shift}").await;
    site.members_ready(&["dana", "eve", "finn"]).await;
    site.ready("Role", "night-shift").await;
    site.ready("Account", "acme").await;
    site
}

async fn tamper(site: &Site<'_>) {
    let file = site.file();
    file.set_ranks(&site.key("acme"), "dana", "21").await;
    assert_eq!(file.tamper("DELETE FROM members WHERE email = 'eve@acme.example'").await, 1);
    let roles = "UPDATE roles SET title = 'Day shift', ranks = '21' WHERE name LIKE '%night-shift'";
    assert_eq!(file.tamper(roles).await, 1);
    assert_eq!(file.tamper("UPDATE accounts SET display_name = 'Emca'").await, 1);
}

#[tokio::test]
async fn tampering_is_corrected_and_reported() {
    let site = acme("drift-correct", "").await;
    let (file, before) = (site.file(), site.file().content().await);
    let length = file.audit_length().await;
    tamper(&site).await;
    assert_ne!(file.content().await, before);
    site.check("acme").await;
    for (kind, name) in [("Membership", "dana"), ("Membership", "eve"), ("Role", "night-shift"), ("Account", "acme")] {
        site.wait(kind, name, "Drifted", "False Corrected").await;
        site.ready(kind, name).await;
        let drift = &site.status(kind, name).await["drift"];
        assert!(drift["lastCorrectedTime"].is_string(), "{kind} {name}: {drift}");
        assert!(drift.get("entries").is_none(), "{kind} {name}: {drift}");
    }
    assert_eq!(file.content().await, before);
    let untouched = site.status("Membership", "finn").await;
    assert!(untouched.get("drift").is_none(), "{untouched}");

    let audit = file.audit_since(length).await;
    assert_eq!(audit.len(), 4, "{audit:#?}");
    assert!(audit.iter().all(|change| change.cause == "drift"), "{audit:#?}");
    let of = |name: &str| audit.iter().find(|change| change.name.contains(name)).unwrap();
    assert_eq!(of("dana").before["permissions"], json!({"orders": "Edit", "users": "Allowed"}), "{audit:#?}");
    assert_eq!(of("dana").after["permissions"], json!({"orders": "View"}), "{audit:#?}");
    assert_eq!(of("eve").before, json!(null));
    assert_eq!(of("eve").after["permissions"], json!({"orders": "Edit", "users": "Allowed"}));
    assert_eq!(of("night-shift").before["title"], "Day shift");
    assert_eq!(of("night-shift").after["title"], "Night shift");
    let account = audit.iter().find(|change| change.kind == "account").unwrap();
    assert_eq!((&account.before["displayName"], &account.after["displayName"]), (&json!("Emca"), &json!("Acme")));
    file.verify().await;

    for reason in ["DriftDetected", "DriftCorrected"] {
        for (kind, name, says) in [
            ("Account", "acme", "Emca"),
            ("Role", "night-shift", "Day shift"),
            ("Membership", "dana", "dana@acme.example has the level Edit in section orders, not View"),
            ("Membership", "eve", "eve@acme.example is missing in the store"),
        ] {
            let note = site.event(kind, name, reason).await;
            assert!(note.contains(says), "{reason} on {kind} {name}: {note}");
        }
    }
}

#[tokio::test]
async fn tampering_is_reported_and_left_until_it_is_undone() {
    let site = acme("drift-report", REPORT).await;
    let file = site.file();
    let before = file.content().await;
    tamper(&site).await;
    let (tampered, length) = (file.content().await, file.audit_length().await);
    site.check("acme").await;
    for (kind, name) in [("Membership", "dana"), ("Membership", "eve"), ("Role", "night-shift"), ("Account", "acme")] {
        site.wait(kind, name, "Drifted", "True").await;
        site.wait(kind, name, "Synced", "False DriftReported").await;
        site.wait(kind, name, "Ready", "False DriftReported").await;
    }
    site.ready("Membership", "finn").await;
    let dana = site.status("Membership", "dana").await;
    let field = |field: &str, desired: &str, observed: &str| json!({"object": "member dana@acme.example", "field": field, "desired": desired, "observed": observed});
    assert_eq!(
        dana["drift"]["entries"],
        json!([field("permissions.orders", "View", "Edit"), field("permissions.users", "Denied", "Allowed"),]),
        "{dana:#}"
    );
    assert!(dana["drift"]["detectedAt"].is_string());
    let account = site.status("Account", "acme").await;
    let objects: Vec<_> =
        account["drift"]["entries"].as_array().unwrap().iter().map(|e| e["object"].as_str().unwrap()).collect();
    for object in ["account", "member dana@acme.example", "member eve@acme.example", "role custom:night-shift"] {
        assert!(objects.contains(&object), "{object} is not among {objects:?}");
    }
    site.event("Account", "acme", "DriftDetected").await;
    assert_eq!(file.content().await, tampered);
    assert_eq!(file.audit_length().await, length);

    // A change of the spec is not drift: it is applied, to members with drift and to those without.
    site.member_of("acme", "finn", "roleRef: {name: admin}").await;
    site.view("finn", ADMIN).await;
    site.member("eve", "viewer").await;
    site.view("eve", VIEWER).await;
    site.ready("Membership", "eve").await;
    site.member_of("acme", "finn", "roleRef: {kind: Role, name: night-shift}").await;
    site.member("eve", "admin").await;
    site.view("eve", ADMIN).await;
    site.view("dana", ADMIN).await;

    // The person who made the rest of the change undoes it.
    file.set_ranks(&site.key("acme"), "dana", "10").await;
    file.tamper("UPDATE roles SET title = 'Night shift', ranks = '10' WHERE name LIKE '%night-shift'").await;
    file.tamper("UPDATE accounts SET display_name = 'Acme'").await;
    site.check("acme").await;
    for (kind, name) in [("Membership", "dana"), ("Role", "night-shift"), ("Account", "acme")] {
        site.wait(kind, name, "Drifted", "False InSync").await;
        site.ready(kind, name).await;
        assert!(site.status(kind, name).await.get("drift").is_none(), "{kind} {name}");
    }
    assert_eq!(file.content().await, before);
}

#[tokio::test]
async fn a_periodic_check_runs_when_due() {
    let site = acme("drift-by-itself", "accountDefaults: {drift: {checkEvery: 10s}}").await;
    site.file().set_ranks(&site.key("acme"), "dana", "21").await;
    site.wait("Membership", "dana", "Drifted", "False Corrected").await;
    site.view("dana", VIEWER).await;
}

#[tokio::test]
async fn undeclared_people_are_ignored_reported_or_removed() {
    let site = Site::shared("drift-unmanaged").await;
    site.store("accountDefaults: {drift: {unmanaged: Ignore}}").await;
    let accounts = [("ignores", "Ignore"), ("reports", "Report"), ("removes", "Remove")];
    for (name, unmanaged) in accounts {
        site.account(name, &format!("drift: {{unmanaged: {unmanaged}}}")).await;
        site.ready("Account", name).await;
        site.file().insert_member(&site.key(name), "mallory", "admin", "21").await;
        site.check(name).await;
    }
    site.view_of("removes", "mallory", "").await;
    site.wait("Account", "removes", "Drifted", "False Corrected").await;
    let message = site.wait("Account", "reports", "Drifted", "True").await;
    assert!(message.contains("mallory@acme.example"), "{message}");
    site.wait("Account", "reports", "Ready", "False DriftReported").await;
    site.view_of("reports", "mallory", ADMIN).await;
    // Declared as she is, she is adopted, and the Account has nothing left to report, long before its next check.
    site.member_of("reports", "mallory", "roleRef: {name: admin}").await;
    site.ready("Membership", "reports-mallory").await;
    site.ready("Account", "reports").await;
    site.ready("Account", "ignores").await;
    let ignores = site.status("Account", "ignores").await;
    assert!(ignores.get("drift").is_none() && !ignores.to_string().contains("Drifted"), "{ignores:#}");
    site.view_of("ignores", "mallory", ADMIN).await;
    let removed = site.file().audit_since(0).await;
    let removed: Vec<_> = removed.iter().filter(|change| change.name.contains("mallory")).collect();
    let causes: Vec<&str> = removed.iter().map(|change| change.cause.as_str()).collect();
    assert_eq!(causes, ["unmanaged", "adoption"], "{removed:?}");
    assert_eq!(removed[0].after, json!(null));
}

#[tokio::test]
async fn an_account_can_only_be_stricter_than_its_store() {
    let site = Site::shared("drift-stricter").await;
    site.store("accountDefaults: {drift: {unmanaged: Remove}, removalGuard: {maximumPercent: 10}}").await;
    let looser = "drift: {policy: Report, unmanaged: Ignore, checkEvery: 24h}, removalGuard: {maximumPercent: 90}";
    site.account("acme", looser).await;
    site.member("dana", "viewer").await;
    site.members_ready(&["dana"]).await;
    let advice = site.wait("Account", "acme", "Advised", "True").await;
    for field in ["drift.policy", "drift.unmanaged", "drift.checkEvery", "removalGuard.maximumPercent"] {
        assert!(advice.contains(field), "{field} is not in {advice}");
    }
    site.file().set_ranks(&site.key("acme"), "dana", "21").await;
    site.file().insert_member(&site.key("acme"), "mallory", "admin", "21").await;
    site.check("acme").await;
    site.view("dana", VIEWER).await;
    site.view("mallory", "").await;
}

#[tokio::test]
async fn revoked_access_is_not_restored_through_the_store() {
    let site = acme("drift-ended", REPORT).await;
    site.patch("Membership", "eve", json!({"spec": {"suspended": true}})).await;
    site.view("eve", super::NONE).await;
    site.file().tamper("UPDATE members SET ended = NULL, ranks = '21' WHERE email LIKE 'eve@%'").await;
    site.view("eve", ADMIN).await;
    site.check("acme").await;
    site.view("eve", super::NONE).await;
}

#[tokio::test]
async fn lost_statuses_are_written_again_without_store_changes() {
    let site = acme("drift-status", "").await;
    let (dump, names) = (site.file().dump().await, ["dana", "eve", "finn"]);
    let all = || {
        let members = names.iter().map(|name| ("Membership", *name));
        members.chain([("Role", "night-shift"), ("Account", "acme")])
    };
    let statuses = async || {
        let mut statuses = Vec::new();
        for (kind, name) in all() {
            let mut status = site.status(kind, name).await;
            // Times are of the day they are written.
            status["conditions"].as_array_mut().into_iter().flatten().for_each(|condition| {
                condition.as_object_mut().unwrap().remove("lastTransitionTime");
                condition.as_object_mut().unwrap().remove("reason");
            });
            status.as_object_mut().unwrap().remove("lastCheckedTime");
            statuses.push(status);
        }
        statuses
    };
    // Each says its numbers in a write of its own, and in no order.
    for (kind, name, members) in [("Account", "acme", 3), ("Role", "night-shift", 1)] {
        let counted = async || (site.status(kind, name).await["members"] == members).then_some(());
        eventually(PATIENCE, "the members are counted", counted).await;
    }
    let before = statuses().await;
    for (kind, name) in all() {
        let resource = format!("{kind}.roster.dev/{name}").to_lowercase();
        let resource = resource.replace("role.roster.dev", "accessrole.roster.dev");
        let args =
            ["patch", &resource, "-n", site.name(), "--subresource=status", "--type=merge", "-p", r#"{"status":null}"#];
        site.plane().kubectl_ok(&args, None).await;
    }
    eventually_or(PATIENCE, "the same statuses".to_owned(), async || {
        let now = statuses().await;
        if now == before { Ok(()) } else { Err(format!("{now:#?}\nnot\n{before:#?}")) }
    })
    .await;
    assert_eq!(site.file().dump().await, dump);
}

#[tokio::test]
async fn an_invalid_membership_has_an_event_with_the_reason_of_its_condition() {
    let site = acme("invalid-event", "").await;
    site.member_of("acme", "zoe", "roleRef: {name: admni}").await;
    let note = site.event("Membership", "zoe", "RoleNotFound").await;
    assert_eq!(note, "spec.roleRef: the catalog has no predefined role \"admni\"; did you mean \"admin\"?");
}
