//! Tests the log for a security team: each change of a person's access, drift, the guard, blocks, and stores.

use serde_json::{Value, json};

use super::Site;
use crate::support::{ControlPlane, Controller, ControllerProcess};

/// Waits for a line of the log that has these texts, and returns its fields.
async fn line(roster: &mut ControllerProcess, texts: &[&str]) -> Value {
    let first = texts.first().expect("a text");
    for times in 0.. {
        let line = roster.logged_after(first, times).await;
        if texts.iter().all(|text| line.contains(text)) {
            return serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
    unreachable!()
}

/// Waits for the line of a change of access: these fields of it.
async fn changed(roster: &mut ControllerProcess, membership: &str, action: &str, cause: &str) -> [String; 3] {
    let who = format!("\"membership\":\"{membership}\"");
    let fields = [&*who, "access changed", &format!("\"action\":\"{action}\""), &format!("\"cause\":\"{cause}\"")];
    let line = line(roster, &fields).await;
    assert_eq!(line["level"], "INFO");
    ["account", "change", "origin"].map(|field| line[field].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn each_change_of_access_is_one_log_line_without_addresses() {
    let plane = ControlPlane::own("log").await;
    let folder = plane.data().join("stores");
    let mut roster = Controller::process(&plane, &folder).await;
    let site = Site::on(&plane, &folder, "log").await;
    let (file, acme) = (site.file(), site.key("acme"));
    site.store("").await;
    site.account("acme", "owner: {email: olga@acme.example}, removalGuard: {maximumPercent: 50, minimumCount: 2}")
        .await;
    site.members(&["dana", "eve", "finn"], "viewer").await;
    site.members_ready(&["dana", "eve", "finn"]).await;
    let used = line(&mut roster, &["\"StoreUsed\"", "is used for the first time"]).await;
    assert_eq!((&used["level"], &used["kind"]), (&json!("INFO"), &json!("IdentityStore")));
    let [account, change, origin] = changed(&mut roster, "dana", "granted", "spec").await;
    assert_eq!((account, origin.as_str()), (acme.clone(), "Membership dana@1"));
    assert_eq!(change, "role: viewer, permissions.orders: View");

    site.member("dana", "admin").await;
    let [_, change, origin] = changed(&mut roster, "dana", "raised", "spec").await;
    assert_eq!(origin, "Membership dana@2");
    assert_eq!(change, "role: viewer → admin, permissions.orders: View → Edit, permissions.users: Denied → Allowed");

    file.set_ranks(&acme, "eve", "21").await;
    site.check("acme").await;
    let [_, change, _] = changed(&mut roster, "eve", "lowered", "drift").await;
    assert_eq!(change, "permissions.orders: Edit → View, permissions.users: Allowed → Denied");
    let corrected = line(&mut roster, &["\"DriftCorrected\"", "\"name\":\"eve\""]).await;
    assert!(corrected["note"].as_str().is_some_and(|note| note.contains("<address>")), "{corrected}");

    site.patch("Membership", "eve", json!({"spec": {"suspended": true}})).await;
    let [_, change, _] = changed(&mut roster, "eve", "ended", "spec").await;
    assert!(change.contains("ended: (absent) → Suspended"), "{change}");

    let blocked = json!({"spec": {"blocked": [{"email": "dana@acme.example", "reason": "left in October"}]}});
    site.patch("IdentityStore", site.name(), blocked).await;
    let [_, _, origin] = changed(&mut roster, "dana", "ended", "spec").await;
    assert!(origin.starts_with("IdentityStore ") && origin.ends_with(": left in October"), "{origin}");
    line(&mut roster, &["\"BlocksInForce\"", "1 address without access in any account"]).await;

    site.patch("IdentityStore", site.name(), json!({"spec": {"blocked": null}})).await;
    changed(&mut roster, "dana", "restored", "spec").await;
    for name in ["dana", "finn"] {
        site.delete("Membership", name).await;
    }
    let guarded = line(&mut roster, &["\"RemovalGuarded\"", "\"name\":\"acme\""]).await;
    assert_eq!(guarded["level"], "WARN");
    assert!(!roster.log().contains("@acme.example"), "an address: {}", roster.log());
    assert_eq!(roster.stop().await.code(), Some(0));

    let mut roster = Controller::spawn(&plane, &folder, |command| {
        command.arg("--log-addresses");
    });
    site.member("gail", "viewer").await;
    let gail = line(&mut roster, &["\"membership\":\"gail\"", "access changed"]).await;
    assert_eq!(gail["address"], "gail@acme.example");
}
