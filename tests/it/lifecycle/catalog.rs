//! Tests that a change of a catalog reaches all its accounts.

use serde_json::json;

use super::{Site, VIEWER};

#[tokio::test]
async fn sections_and_levels_are_added_removed_and_renamed_in_every_account() {
    let site = Site::shared("catalog-ripple").await;
    site.store("").await;
    let accounts = ["acme", "globex", "initech"];
    for account in accounts {
        site.account(account, "").await;
        for name in ["dana", "eve"] {
            let role = if name == "dana" { "admin" } else { "viewer" };
            site.member_of(account, name, &format!("roleRef: {{name: {role}}}")).await;
        }
    }
    let all = async |dana: &str, eve: &str| {
        for account in accounts {
            site.view_of(account, "dana", dana).await;
            site.view_of(account, "eve", eve).await;
            site.ready("Account", account).await;
        }
        site.members_ready(&["dana", "eve", "globex-dana", "initech-eve"]).await;
    };
    all("orders=Edit users=Allowed", VIEWER).await;
    let (section, it) = (|name: &str, levels: &[&str]| json!({"name": name, "levels": levels}), site.name().to_owned());
    let orders = section("orders", &["Hide", "View", "Edit"]);
    let users = section("users", &["Denied", "Allowed"]);
    let change = async |sections: serde_json::Value| {
        site.patch("PermissionCatalog", &it, json!({"spec": {"sections": sections}})).await;
    };
    // One before the others: all ranks move.
    change(json!([section("audit", &["No", "Yes"]), orders, users])).await;
    all("audit=No orders=Edit users=Allowed", "audit=No orders=View users=Denied").await;
    // One goes, with the permissions that name it.
    site.patch(
        "PermissionCatalog",
        &it,
        json!({"spec": {
            "sections": [orders],
            "roles": [
                {"name": "admin", "permissions": {"orders": "Edit"}},
                {"name": "viewer", "permissions": {"orders": "View"}},
            ],
        }}),
    )
    .await;
    all("orders=Edit", "orders=View").await;
    // A level gets another name, and one comes in between.
    site.patch(
        "PermissionCatalog",
        &it,
        json!({"spec": {
            "sections": [section("orders", &["Hide", "Read", "Comment", "Edit"])],
            "roles": [
                {"name": "admin", "permissions": {"orders": "Edit"}},
                {"name": "viewer", "permissions": {"orders": "Read"}},
            ],
        }}),
    )
    .await;
    all("orders=Edit", "orders=Read").await;
    // The status says what the view says.
    let status = site.status("Membership", "initech-eve").await;
    assert_eq!(status["effectivePermissions"], json!({"orders": "Read"}), "{status:#}");
    site.file().verify().await;
}
