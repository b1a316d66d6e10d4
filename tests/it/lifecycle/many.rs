//! Tests very many members in one account, on a real API server.

use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{ListParams, PostParams};
use serde_json::json;

use super::Site;
use crate::support::{PATIENCE, eventually_or};

/// More than a page of a list, and than many slices of a pass. `make bench` has very many.
const MANY: usize = 3_000;
/// Requests under way at a time.
const AT_ONCE: usize = 32;

#[tokio::test]
async fn three_thousand_members_are_stored_and_one_can_be_removed() {
    let site = Site::shared("many").await;
    site.store("").await;
    site.account("acme", "").await;
    site.apply(
        "{apiVersion: roster.dev/v1alpha1, kind: Role, metadata: {name: clerk}, \
         spec: {accountRef: {name: acme}, permissions: {orders: View}}}",
    )
    .await;
    let members = site.api("Membership");
    let create = |number: usize| {
        let members = &members;
        let object = json!({
            "apiVersion": "roster.dev/v1alpha1", "kind": "Membership", "metadata": {"name": format!("m{number}")},
            "spec": {
                "accountRef": {"name": "acme"},
                "user": {"email": format!("m{number}@acme.example")},
                "roleRef": if number.is_multiple_of(2) { json!({"kind": "Role", "name": "clerk"}) } else { json!({"name": "admin"}) },
            },
        });
        async move {
            let object = serde_json::from_value(object).expect("an object");
            members.create(&PostParams::default(), &object).await.map(drop)
        }
    };
    stream::iter((0..MANY).map(create)).buffer_unordered(AT_ONCE).try_collect::<()>().await.expect("created");
    // The whole of it, and the last of them as well as the first.
    for (name, wanted) in [("m0", super::VIEWER), ("m1", super::ADMIN), ("m2999", super::ADMIN)] {
        site.view(name, wanted).await;
    }
    let count = "SELECT count(*) FROM members";
    eventually_or(PATIENCE, format!("{MANY} members in the store"), async || match site.file().number(count).await {
        3_000 => Ok(()),
        fewer => Err(fewer.to_string()),
    })
    .await;
    site.delete("Membership", "m1500").await;
    site.view("m1500", "").await;
    assert_eq!(site.file().number(count).await, 2_999);
    eventually_or(PATIENCE * 2, "the Account to count them".to_owned(), async || {
        let status = site.status("Account", "acme").await;
        if status["members"] == json!(2_999) { Ok(()) } else { Err(status["members"].to_string()) }
    })
    .await;
    a_suspension_does_not_wait_for_a_change_of_half_of_them(&site).await;
}

/// A role that half of them hold is changed, and somebody is suspended right after that. In the order in which the store was
/// written, the suspension is before the end of the other change.
async fn a_suspension_does_not_wait_for_a_change_of_half_of_them(site: &Site<'_>) {
    let length = site.file().audit_length().await;
    // Nobody can write the store until both are declared, so that the first one is not applied before the second.
    let mut writer = site.file().connect().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut writer).await.expect("locked");
    site.patch("Role", "clerk", json!({"spec": {"permissions": {"orders": "Edit"}}})).await;
    site.patch("Membership", "m1", json!({"spec": {"suspended": true}})).await;
    // Less than the store waits for its lock, and enough for both to have been heard of among thousands of statuses.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    sqlx::raw_sql("COMMIT").execute(&mut writer).await.expect("free");
    site.view("m1", super::NONE).await;
    site.view("m2998", "orders=Edit users=Denied").await;
    let changed =
        format!("SELECT count(*) FROM audit WHERE seq > {length} AND origin = 'Role clerk@2' AND kind = 'member'");
    eventually_or(PATIENCE, "half of them to be changed".to_owned(), async || {
        match site.file().number(&changed).await {
            1_499 => Ok(()),
            fewer => Err(fewer.to_string()),
        }
    })
    .await;
    let of = |what: &str| format!("SELECT coalesce(max(seq), 0) FROM audit WHERE seq > {length} AND {what}");
    let suspended = site.file().number(&of("name = 'm1@acme.example'")).await;
    let last = site.file().number(&of("origin = 'Role clerk@2'")).await;
    assert!(suspended > 0 && suspended < last, "the suspension is record {suspended}, the last of the others {last}");
}

/// Of very many Memberships of one address each names a few of the others: all of them together are as large as their number,
/// not as its square.
#[tokio::test]
async fn five_hundred_memberships_of_one_address_are_reported_briefly() {
    let site = Site::shared("many-same").await;
    site.store("").await;
    site.account("acme", "").await;
    let members = site.api("Membership");
    let create = |number: usize| {
        let members = &members;
        let name = format!("{}-{number}", "long".repeat(50));
        let object = json!({
            "apiVersion": "roster.dev/v1alpha1", "kind": "Membership", "metadata": {"name": name},
            "spec": {"accountRef": {"name": "acme"}, "user": {"email": "dana@acme.example"}, "roleRef": {"name": "viewer"}},
        });
        async move {
            let object = serde_json::from_value(object).expect("an object");
            members.create(&PostParams::default(), &object).await.map(drop)
        }
    };
    stream::iter((0..500).map(create)).buffer_unordered(AT_ONCE).try_collect::<()>().await.expect("created");
    eventually_or(PATIENCE * 4, "each of them to say so".to_owned(), async || {
        let all = members.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let (mut longest, mut silent) = (0, 0);
        for one in &all {
            let status = one.data["status"].to_string();
            longest = longest.max(status.len());
            silent += usize::from(!status.contains("DuplicateMembership") || !status.contains("more"));
        }
        assert!(longest < 6_000, "a status of {longest} bytes");
        if all.items.len() == 500 && silent == 0 { Ok(()) } else { Err(format!("{silent} do not")) }
    })
    .await;
    // Others do not wait for them, and the person has one row.
    site.member("eve", "viewer").await;
    site.view("eve", super::VIEWER).await;
    assert_eq!(site.file().number("SELECT count(*) FROM members").await, 2);
}
