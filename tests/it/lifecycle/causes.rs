//! Tests the causes in the audit: each record names the object whose change it is, even if many changes arrive
//! together.

use std::collections::BTreeMap;

use serde_json::json;

use super::{ADMIN, NONE, Site, VIEWER};
use crate::support::{PATIENCE, eventually, eventually_or};

/// An account with a role and a group of its own, and somebody for each way to get access.
async fn acme(prefix: &str) -> Site<'static> {
    let site = Site::shared(prefix).await;
    site.store("").await;
    site.account("acme", "").await;
    site.apply(
        "
apiVersion: roster.dev/v1alpha1
kind: Role
metadata: {name: clerk}
spec: {accountRef: {name: acme}, permissions: {orders: View}}
---
apiVersion: roster.dev/v1alpha1
kind: UserGroup
metadata: {name: night}
spec: {accountRef: {name: acme}, permissions: {orders: View}}
---
apiVersion: roster.dev/v1alpha1
kind: UserGroup
metadata: {name: clerks}
spec: {accountRef: {name: acme}, roleRefs: [{kind: Role, name: clerk}]}
",
    )
    .await;
    site.member_of("acme", "by-role", "roleRef: {kind: Role, name: clerk}").await;
    site.member_of("acme", "by-group", "groupRefs: [{name: night}]").await;
    site.member_of("acme", "by-both", "groupRefs: [{name: clerks}]").await;
    site.member("by-catalog", "viewer").await;
    site.members_ready(&["by-role", "by-group", "by-both", "by-catalog"]).await;
    site
}

/// Returns the newer records of the audit: object and origin.
async fn causes(site: &Site<'_>, length: i64) -> BTreeMap<String, String> {
    let audit = site.file().audit_since(length).await.into_iter();
    audit.map(|it| (format!("{} {}", it.kind, it.name.replace("@acme.example", "")), it.origin)).collect()
}

fn origins(causes: &[(&str, &str)]) -> BTreeMap<String, String> {
    causes.iter().map(|(object, origin)| ((*object).to_owned(), (*origin).to_owned())).collect()
}

#[tokio::test]
async fn each_change_names_the_object_that_caused_it() {
    let site = acme("causes-alone").await;
    let edit = "orders=Edit users=Denied";

    let length = site.file().audit_length().await;
    site.patch("Role", "clerk", json!({"spec": {"permissions": {"orders": "Edit"}}})).await;
    site.view("by-role", edit).await;
    site.view("by-both", edit).await;
    let role = "Role clerk@2";
    assert_eq!(
        causes(&site, length).await,
        origins(&[
            ("role custom:clerk", role),
            ("group clerks", role),
            ("member by-role", role),
            ("member by-both", role)
        ])
    );

    let length = site.file().audit_length().await;
    site.patch("UserGroup", "night", json!({"spec": {"permissions": {"orders": "Edit"}}})).await;
    site.view("by-group", edit).await;
    let group = "UserGroup night@2";
    assert_eq!(causes(&site, length).await, origins(&[("group night", group), ("member by-group", group)]));

    let length = site.file().audit_length().await;
    site.patch("Membership", "by-catalog", json!({"spec": {"roleRef": {"name": "admin"}}})).await;
    site.view("by-catalog", ADMIN).await;
    assert_eq!(causes(&site, length).await, origins(&[("member by-catalog", "Membership by-catalog@2")]));

    let length = site.file().audit_length().await;
    site.store("blocked: [{email: by-role@acme.example}]").await;
    site.view("by-role", NONE).await;
    let causes = causes(&site, length).await;
    assert!(causes["member by-role"].starts_with("IdentityStore "), "{causes:?}");
    assert_eq!(causes.len(), 1);
}

#[tokio::test]
async fn changes_that_arrive_together_name_their_own_causes() {
    let site = acme("causes-together").await;
    let length = site.file().audit_length().await;
    // While nobody can write the store, everything that happens makes one pass.
    let mut writer = site.file().connect().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut writer).await.unwrap();
    site.account("acme", "displayName: Acme").await;
    site.patch("Membership", "by-catalog", json!({"spec": {"roleRef": {"name": "admin"}}})).await;
    site.patch("UserGroup", "night", json!({"spec": {"permissions": {"orders": "Edit"}}})).await;
    site.patch("Role", "clerk", json!({"spec": {"permissions": {"orders": "Edit"}}})).await;
    site.member("new", "viewer").await;
    site.delete("UserGroup", "clerks").await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    sqlx::raw_sql("COMMIT").execute(&mut writer).await.unwrap();
    site.view("by-role", "orders=Edit users=Denied").await;
    site.view("by-group", "orders=Edit users=Denied").await;
    site.view("by-both", NONE).await;
    site.view("by-catalog", ADMIN).await;
    site.view("new", VIEWER).await;
    let causes = causes(&site, length).await;
    let wanted = [
        ("account ", "Account acme@2"),
        ("role custom:clerk", "Role clerk@2"),
        ("group night", "UserGroup night@2"),
        ("member by-role", "Role clerk@2"),
        ("member by-group", "UserGroup night@2"),
        ("member by-catalog", "Membership by-catalog@2"),
        ("member new", "Membership new@1"),
    ];
    for (object, origin) in wanted {
        assert_eq!(causes.get(object).map(String::as_str), Some(origin), "{object}: {causes:#?}");
    }
    assert!(causes["member by-both"].starts_with("UserGroup clerks@"), "{causes:#?}");
}

/// Waits until the audit has as many records as are expected since, and compares all of them.
async fn whole(site: &Site<'_>, length: i64, expected: &[(&str, &str)]) -> i64 {
    let enough = async || {
        let causes = causes(site, length).await;
        if causes.len() >= expected.len() { Ok(()) } else { Err(format!("{causes:?}")) }
    };
    eventually_or(PATIENCE, format!("records of {expected:?}"), enough).await;
    site.ready("Account", "acme").await;
    assert_eq!(causes(site, length).await, origins(expected));
    site.file().audit_length().await
}

#[tokio::test]
async fn each_kind_of_edit_is_the_only_cause_in_the_audit() {
    let site = acme("causes-kinds").await;
    site.ready("Account", "acme").await;
    let length = site.file().audit_length().await;

    // A catalog's role: the role, and who has it.
    let roles = json!([
        {"name": "admin", "title": "Admin", "permissions": {"orders": "Edit", "users": "Allowed"}},
        {"name": "viewer", "title": "Viewer", "permissions": {"orders": "Edit"}}
    ]);
    site.patch("PermissionCatalog", site.name(), json!({"spec": {"roles": roles}})).await;
    let catalog = format!("PermissionCatalog {}@2", site.name());
    let length = whole(&site, length, &[("role viewer", &catalog), ("member by-catalog", &catalog)]).await;

    // The Account: its name, its suspension.
    site.patch("Account", "acme", json!({"spec": {"displayName": "Acme"}})).await;
    let length = whole(&site, length, &[("account ", "Account acme@2")]).await;
    site.patch("Account", "acme", json!({"spec": {"suspended": true}})).await;
    let everybody = ["member by-role", "member by-group", "member by-both", "member by-catalog"];
    let length = whole(&site, length, &everybody.map(|member| (member, "Account acme@3"))).await;
    site.patch("Account", "acme", json!({"spec": {"suspended": false}})).await;
    let length = whole(&site, length, &everybody.map(|member| (member, "Account acme@4"))).await;

    // A Membership: suspended, limited in time, deleted.
    site.patch("Membership", "by-group", json!({"spec": {"suspended": true}})).await;
    let length = whole(&site, length, &[("member by-group", "Membership by-group@2")]).await;
    site.patch("Membership", "by-group", json!({"spec": {"suspended": false, "expiresAt": "2099-01-01T00:00:00Z"}}))
        .await;
    let length = whole(&site, length, &[("member by-group", "Membership by-group@3")]).await;
    site.delete("Membership", "by-group").await;
    let length = whole(&site, length, &[("member by-group", "Membership by-group@3: deleted")]).await;

    // A block, with its reason.
    let blocked = json!({"spec": {"blocked": [{"email": "by-catalog@acme.example", "reason": "left"}]}});
    site.patch("IdentityStore", site.name(), blocked).await;
    let store = format!("IdentityStore {}@2: left", site.name());
    let length = whole(&site, length, &[("member by-catalog", &store)]).await;

    // A Role that is deleted: the role, the group that has it, and the members who had either.
    site.delete("UserGroup", "clerks").await;
    let group = "UserGroup clerks@1: deleted";
    let enough = async || (causes(&site, length).await.len() >= 2).then_some(());
    eventually(PATIENCE, "the records of the audit", enough).await;
    assert_eq!(causes(&site, length).await, origins(&[("group clerks", group), ("member by-both", group)]));
}

#[tokio::test]
async fn an_account_and_its_catalog_are_distinct_causes_in_one_pass() {
    let site = acme("causes-catalog").await;
    site.ready("Account", "acme").await;
    let length = site.file().audit_length().await;
    let mut writer = site.file().connect().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut writer).await.unwrap();
    // The pass that this begins waits for the store; what comes then makes one pass after it.
    site.patch("Membership", "by-role", json!({"spec": {"suspended": true}})).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    site.patch("Account", "acme", json!({"spec": {"displayName": "Acme"}})).await;
    let roles = json!([
        {"name": "admin", "title": "Admin", "permissions": {"orders": "Edit", "users": "Allowed"}},
        {"name": "viewer", "title": "Viewer", "permissions": {"orders": "Edit"}}
    ]);
    site.patch("PermissionCatalog", site.name(), json!({"spec": {"roles": roles}})).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    sqlx::raw_sql("COMMIT").execute(&mut writer).await.unwrap();
    let catalog = format!("PermissionCatalog {}@2", site.name());
    let expected = [
        ("account ", "Account acme@2"),
        ("role viewer", &*catalog),
        ("member by-catalog", &*catalog),
        ("member by-role", "Membership by-role@2"),
    ];
    whole(&site, length, &expected).await;
}

#[tokio::test]
async fn an_override_is_named_for_the_roles_that_start_from_what_it_changes() {
    let site = acme("causes-based").await;
    let roles = json!([
        {"name": "admin", "title": "Admin", "permissions": {"orders": "Edit", "users": "Allowed"}},
        {"name": "viewer", "title": "Viewer", "overridable": true, "permissions": {"orders": "View"}}
    ]);
    site.patch("PermissionCatalog", site.name(), json!({"spec": {"roles": roles}})).await;
    site.apply(
        "
apiVersion: roster.dev/v1alpha1
kind: Role
metadata: {name: here}
spec: {accountRef: {name: acme}, overrides: viewer, permissions: {orders: View}}
---
apiVersion: roster.dev/v1alpha1
kind: Role
metadata: {name: late}
spec: {accountRef: {name: acme}, basedOn: viewer, permissions: {users: Allowed}}
",
    )
    .await;
    site.member_of("acme", "based", "roleRef: {kind: Role, name: late}").await;
    site.members_ready(&["based"]).await;
    site.ready("Account", "acme").await;
    let length = site.file().audit_length().await;
    site.patch("Role", "here", json!({"spec": {"permissions": {"orders": "Edit"}}})).await;
    let changed = ["role viewer", "role custom:late", "member by-catalog", "member based"];
    whole(&site, length, &changed.map(|object| (object, "Role here@2"))).await;
}

#[tokio::test]
async fn held_changes_name_their_cause() {
    let site = super::guard::eight("causes-held", "").await;
    site.ready("Account", "acme").await;
    site.delete("Role", "staff").await;
    let hash = super::guard::hash(&site, "").await;
    let length = site.file().audit_length().await;
    super::guard::approve(&site, &hash).await;
    site.view("ann", NONE).await;
    let names = super::guard::EIGHT.map(|name| format!("member {name}"));
    let by_role = "Role staff@1: deleted";
    let enough = async || (causes(&site, length).await.len() >= 8).then_some(());
    eventually(PATIENCE, "the records of the audit", enough).await;
    for (object, origin) in causes(&site, length).await {
        assert!(names.contains(&object) || object == "role custom:staff", "{object}: {origin}");
        let approved = if names.contains(&object) { "; approved" } else { "" };
        assert_eq!(origin, format!("{by_role}{approved}"), "{object}");
    }
}

#[tokio::test]
async fn the_deletion_of_an_account_names_it() {
    let site = acme("causes-deleted").await;
    site.ready("Account", "acme").await;
    let length = site.file().audit_length().await;
    site.delete("Account", "acme").await;
    let enough = async || {
        let causes = causes(&site, length).await;
        if causes.contains_key("account ") { Ok(causes) } else { Err(format!("{causes:?}")) }
    };
    let causes = eventually_or(PATIENCE, "the records of the deletion".to_owned(), enough).await;
    assert!(causes.len() >= 7, "{causes:?}");
    for (object, origin) in causes {
        // Its deletion counts as a generation.
        assert_eq!(origin, "Account acme@2: deleted", "{object}");
    }
}
