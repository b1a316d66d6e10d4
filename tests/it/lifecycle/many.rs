//! Very many members in one account, on a real API server.

use futures::{StreamExt, TryStreamExt, stream};
use kube::api::PostParams;
use serde_json::json;

use super::Site;
use crate::support::{PATIENCE, eventually_or};

const MANY: usize = 10_000;
/// Requests under way at a time.
const AT_ONCE: usize = 32;

#[tokio::test]
async fn ten_thousand_members_are_in_the_store_and_one_of_them_can_go() {
    let site = Site::shared("many").await;
    site.store("").await;
    site.account("acme", "").await;
    let members = site.api("Membership");
    let create = |number: usize| {
        let members = &members;
        let object = json!({
            "apiVersion": "roster.dev/v1alpha1", "kind": "Membership", "metadata": {"name": format!("m{number}")},
            "spec": {
                "accountRef": {"name": "acme"},
                "user": {"email": format!("m{number}@acme.example")},
                "roleRef": {"name": if number.is_multiple_of(2) { "viewer" } else { "admin" }},
            },
        });
        async move {
            let object = serde_json::from_value(object).expect("an object");
            members.create(&PostParams::default(), &object).await.map(drop)
        }
    };
    stream::iter((0..MANY).map(create)).buffer_unordered(AT_ONCE).try_collect::<()>().await.expect("created");
    // The whole of it, and the last of them as well as the first.
    for (name, wanted) in [("m0", super::VIEWER), ("m1", super::ADMIN), ("m9999", super::ADMIN)] {
        site.view(name, wanted).await;
    }
    let count = "SELECT count(*) FROM members";
    eventually_or(PATIENCE, format!("{MANY} members in the store"), async || match site.file().number(count).await {
        10_000 => Ok(()),
        fewer => Err(fewer.to_string()),
    })
    .await;
    site.delete("Membership", "m5000").await;
    site.view("m5000", "").await;
    assert_eq!(site.file().number(count).await, 9_999);
    eventually_or(PATIENCE * 2, "the Account to count them".to_owned(), async || {
        let status = site.status("Account", "acme").await;
        if status["members"] == json!(9_999) { Ok(()) } else { Err(status["members"].to_string()) }
    })
    .await;
}
