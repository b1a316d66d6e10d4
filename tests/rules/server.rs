//! Tests the CRDs on a real API server, besides their rules: defaults, columns, category, selectable fields, strictness.

use std::fmt::Write as _;

use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use roster::api::RoleRefKind::{PredefinedRole, Role};
use serde_json::{Map, json};

use super::table::{Bounds, Table, object};
use crate::support::{apply_yaml, try_apply_yaml};

const MEMBERSHIP: &str = "
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: dana}
spec:
  accountRef: {name: acme}
  user: {email: dana@acme.example}
  roleRef: {name: admin}
";

const ACCOUNT: &str = "
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: acme}
spec: {catalogRef: {name: developer-platform}}
";

const STORE: &str = "
apiVersion: roster.dev/v1alpha1
kind: IdentityStore
metadata: {name: defaults}
spec: {sqlite: {file: roster.db}}
";

#[tokio::test]
async fn a_new_object_does_not_read_as_current() {
    let table = Table::new(MEMBERSHIP).await;
    // A status in what is created is dropped, and the default stands.
    let created = table.create("status: {observedGeneration: 1}").await;
    assert_eq!(created.data["status"], json!({"observedGeneration": -1}));
    assert_eq!(created.metadata.generation, Some(1));
}

#[tokio::test]
async fn what_an_account_inherits_is_absent_unless_written() {
    let created = Table::new(ACCOUNT).await.create("").await;
    assert_eq!(
        created.data["spec"],
        json!({
            "catalogRef": {"name": "developer-platform"}, "storeRef": {"name": "default"},
            "partner": false, "suspended": false, "deletionPolicy": "Delete",
        })
    );
}

#[tokio::test]
async fn a_store_has_the_defaults_written_out() {
    let table = Table::new(STORE).await;
    let created = table.create("spec: {accountDefaults: {drift: {policy: Report}}}").await;
    table.api().delete(created.metadata.name.as_deref().unwrap(), &DeleteParams::default()).await.unwrap();
    assert_eq!(
        created.data["spec"],
        json!({
            "sqlite": {"file": "roster.db"}, "allowedNamespaces": {"from": "All"}, "adoption": "IfIdentical", "paused": false,
            "accountDefaults": {
                "drift": {"policy": "Report", "unmanaged": "Report", "checkEvery": "5m"},
                "removalGuard": {"maximumPercent": 25, "minimumCount": 5},
                "enforcement": "Disabled",
            },
        })
    );
}

#[tokio::test]
async fn a_null_is_as_absent() {
    let created = Table::new(MEMBERSHIP).await;
    let object = json!({
        "apiVersion": "roster.dev/v1alpha1", "kind": "Membership", "metadata": {"name": "null"},
        "spec": {"accountRef": {"name": "acme"}, "user": {"email": "a@b.example", "displayName": null},
                 "suspended": null, "invitationRef": null},
    });
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let created = created.api().create(&PostParams::default(), &object).await.unwrap();
    assert_eq!(
        created.data["spec"],
        json!({"accountRef": {"name": "acme"}, "user": {"email": "a@b.example"}, "suspended": false})
    );
}

#[tokio::test]
async fn unknown_fields_are_refused_where_asked_and_dropped_otherwise() {
    let table = Table::new(MEMBERSHIP).await;
    let created = table.create("spec: {colour: red}").await;
    assert!(created.data["spec"].get("colour").is_none());
    let yaml = MEMBERSHIP.replace("roleRef", "colour: red\n  roleRef");
    let refused = try_apply_yaml(&table.client, table.namespace.name(), &yaml).await.unwrap_err().to_string();
    assert!(refused.contains(".spec.colour: field not declared in schema"), "{refused}");
    let out = table.plane.kubectl(&["apply", "-n", table.namespace.name(), "-f", "-"], Some(&yaml)).await;
    let error = String::from_utf8_lossy(&out.stderr);
    assert!(error.contains("unknown field \"spec.colour\""), "{error}");
}

#[tokio::test]
async fn lists_are_merged_by_their_keys() {
    let table = Table::new(MEMBERSHIP).await;
    let group = |refs: &str| {
        format!(
            "{{apiVersion: roster.dev/v1alpha1, kind: UserGroup, metadata: {{name: g}},
              spec: {{accountRef: {{name: acme}}, roleRefs: [{refs}]}}}}"
        )
    };
    let name = table.namespace.name();
    // The key `kind` may be left out, and means the default then.
    apply_yaml(&table.client, name, &group("{name: a}, {kind: Role, name: a}")).await;
    apply_yaml(&table.client, name, &group("{kind: PredefinedRole, name: a}, {kind: Role, name: b}")).await;
    let api: kube::Api<roster::api::UserGroup> = kube::Api::namespaced(table.client.clone(), name);
    let other = json!({
        "apiVersion": "roster.dev/v1alpha1", "kind": "UserGroup", "metadata": {"name": "g"},
        "spec": {"accountRef": {"name": "acme"}, "roleRefs": [{"name": "c"}], "permissions": {"x": "View"}},
    });
    let group = api.patch("g", &PatchParams::apply("other"), &Patch::Apply(other)).await.unwrap();
    let refs: Vec<_> = group.spec.role_refs.iter().map(|r| (r.kind, r.name.as_str())).collect();
    assert_eq!(refs, [(PredefinedRole, "a"), (Role, "b"), (PredefinedRole, "c")]);
}

#[tokio::test]
async fn what_the_types_write_is_accepted_and_read_back() {
    use roster::api::{Account, AccountSpec, Membership, MembershipSpec, NameRef, Owner, User};
    let table = Table::new(MEMBERSHIP).await;
    let named = |name: &str| NameRef { name: name.to_owned() };
    let account = Account::new(
        "typed",
        AccountSpec {
            catalog_ref: named("c"),
            store_ref: named("default"),
            owner: Some(Owner { email: "pat@acme.example".to_owned(), display_name: None }),
            ..AccountSpec::default()
        },
    );
    let api = kube::Api::namespaced(table.client.clone(), table.namespace.name());
    let read = api.create(&PostParams::default(), &account).await.unwrap();
    assert_eq!(read.spec, account.spec);
    assert_eq!(read.status.unwrap().observed_generation, Some(-1));
    let membership = Membership::new(
        "typed",
        MembershipSpec {
            account_ref: named("typed"),
            user: User { email: "dana@acme.example".to_owned(), ..User::default() },
            expires_at: Some(serde_json::from_value(json!("2026-12-31T00:00:00Z")).unwrap()),
            ..MembershipSpec::default()
        },
    );
    let api = kube::Api::namespaced(table.client.clone(), table.namespace.name());
    assert_eq!(api.create(&PostParams::default(), &membership).await.unwrap().spec, membership.spec);
}

#[tokio::test]
async fn kubectl_answers_at_a_glance() {
    let table = Table::new(MEMBERSHIP).await;
    let name = table.namespace.name();
    let others = format!(
        "
{{apiVersion: roster.dev/v1alpha1, kind: PermissionCatalog, metadata: {{name: {name}}}, spec: {{sections: [{{name: a}}]}}}}
---
{{apiVersion: roster.dev/v1alpha1, kind: IdentityStore, metadata: {{name: {name}}}, spec: {{sqlite: {{file: a.db}}}}}}
---
{{apiVersion: roster.dev/v1alpha1, kind: Role, metadata: {{name: r}}, spec: {{accountRef: {{name: acme}}}}}}
---
{{apiVersion: roster.dev/v1alpha1, kind: UserGroup, metadata: {{name: g}}, spec: {{accountRef: {{name: acme}}}}}}
---
{{apiVersion: roster.dev/v1alpha1, kind: Invitation, metadata: {{name: i}}, spec: {{accountRef: {{name: acme}}, email: a@b.example}}}}
"
    );
    apply_yaml(&table.client, name, &format!("{MEMBERSHIP}---{ACCOUNT}---{others}")).await;
    let until = "2027-01-01T00:00:00Z";
    let status = json!({"status": {"observedGeneration": 1, "access": "Active", "accessUntil": until, "role": "admin", "conditions": [{
        "type": "Ready", "status": "True", "reason": "InSync", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]}});
    table.api().patch_status("dana", &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();

    // A new cache: kubectl does not ask again for a category it does not find in the one it has.
    let cache = tempfile::tempdir().unwrap();
    let cache = format!("--cache-dir={}", cache.path().display());
    let all = table.plane.kubectl_ok(&["get", "roster", "-n", name, "-o", "name", &cache], None).await;
    assert!(all.contains("account.roster.dev/acme") && all.contains("membership.roster.dev/dana"), "{all}");

    let rows = table.plane.kubectl_ok(&["get", "mship", "-n", name, "-o", "wide"], None).await;
    let cells: Vec<Vec<_>> = rows.lines().map(|line| line.split_whitespace().collect()).collect();
    let header = "NAME ACCOUNT USER ACCESS EXPIRES READY REASON AGE ROLE GENERATION OBSERVED";
    assert_eq!(cells[0].join(" "), header);
    assert_eq!(cells[1][..7], ["dana", "acme", "dana@acme.example", "Active", until, "True", "InSync"]);
    assert_eq!(cells[1][8..], ["admin", "1", "1"]);
    for (short, header) in [
        ("pcat", "NAME ACCOUNTS UPDATED READY REASON AGE"),
        ("idstore", "NAME FILE ACCOUNTS MEMBERS READY REASON AGE"),
        ("mship", "NAME ACCOUNT USER ACCESS EXPIRES READY REASON AGE"),
        ("acct", "NAME CATALOG STORE MEMBERS DRIFTED READY REASON AGE"),
        ("arole", "NAME ACCOUNT OVERRIDES MEMBERS READY REASON AGE"),
        ("ugrp", "NAME ACCOUNT MEMBERS READY REASON AGE"),
        ("invite", "NAME ACCOUNT EMAIL ROLE PHASE READY REASON AGE"),
    ] {
        let rows = table.plane.kubectl_ok(&["get", short, "-n", name], None).await;
        let shown: Vec<_> = rows.lines().next().unwrap_or_default().split_whitespace().collect();
        assert_eq!(shown.join(" "), header);
    }
    table.plane.kubectl_ok(&["delete", "pcat,idstore", name], None).await;
}

#[tokio::test]
async fn members_are_found_by_account_and_address() {
    let table = Table::new(MEMBERSHIP).await;
    table.create("").await;
    let other = "metadata: {name: eve}\nspec: {accountRef: {name: other}, user: {email: eve@acme.example}}";
    table.create(other).await;
    for (fields, found) in [
        ("spec.accountRef.name=acme", 1),
        ("spec.accountRef.name=acme,spec.user.email=eve@acme.example", 0),
        ("spec.user.email=eve@acme.example", 1),
    ] {
        let listed = table.api().list(&ListParams::default().fields(fields)).await.unwrap();
        assert_eq!(listed.items.len(), found, "{fields}");
    }
    for (kind, field) in [
        ("accessroles", "spec.accountRef.name"),
        ("usergroups", "spec.accountRef.name"),
        ("invitations", "spec.accountRef.name"),
        ("invitations", "spec.email"),
    ] {
        let selector = format!("{field}=x");
        table.plane.kubectl_ok(&["get", kind, "-n", table.namespace.name(), "--field-selector", &selector], None).await;
    }
}

/// The `i`th name of this many characters.
fn name(i: usize, length: usize) -> String {
    format!("{i:x<length$}")
}

fn names(count: usize, length: usize) -> Vec<String> {
    (0..count).map(|i| name(i, length)).collect()
}

/// Largest values that the controller may write, up to [`roster::api::limits`].
#[tokio::test]
async fn status_takes_all_the_controller_may_write() {
    let bounds = Bounds::new().await;
    let api = bounds.api("Membership").await;
    let spec = json!({"accountRef": {"name": "a"}, "user": {"email": "a@b.example"}});
    api.create(&PostParams::default(), &object("Membership", "full", &spec)).await.unwrap();
    let message = "x".repeat(roster::api::limits::MAX_MESSAGE);
    let conditions: Vec<_> = roster::api::ConditionType::ALL
        .iter()
        .map(|kind| {
            json!({"type": kind.as_str(), "status": "False", "reason": "RemovalGuarded", "message": message,
                   "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1})
        })
        .collect();
    let entry = json!({"object": "member a", "field": "permissions", "desired": message, "observed": ""});
    let effective: Map<_, _> = names(roster::api::limits::MAX_EFFECTIVE_PERMISSIONS, 63)
        .into_iter()
        .map(|s| (s, name(1, 32).into()))
        .collect();
    let status = json!({
        "apiVersion": "roster.dev/v1alpha1", "kind": "Membership",
        "status": {
            "observedGeneration": 1, "conditions": conditions, "effectivePermissions": effective,
            "effectivePermissionsDigest": "a".repeat(64), "restrictions": names(64, 63),
            "drift": {"count": 1_000_000, "detectedAt": "2026-01-01T00:00:00Z",
                      "entries": vec![entry; roster::api::limits::MAX_DRIFT_ENTRIES]},
        },
    });
    let apply = PatchParams::apply("roster").force();
    api.patch_status("full", &apply, &Patch::Apply(&status)).await.unwrap();

    let api = bounds.api("IdentityStore").await;
    let store = format!("full-{}", bounds.namespace.name());
    api.create(&PostParams::default(), &object("IdentityStore", &store, &json!({"sqlite": {"file": "a"}})))
        .await
        .unwrap();
    let mut orphan = String::new();
    let orphans: Vec<_> = (0..roster::api::limits::MAX_ORPHANED_ACCOUNTS)
        .map(|i| {
            orphan.clear();
            write!(orphan, "{}/{}", name(i, 63), name(i, 253)).unwrap();
            orphan.clone()
        })
        .collect();
    let status = json!({
        "apiVersion": "roster.dev/v1alpha1", "kind": "IdentityStore",
        "status": {"observedGeneration": 1, "accounts": 10_000, "members": 1_000_000, "orphanedAccounts": orphans},
    });
    api.patch_status(&store, &apply, &Patch::Apply(&status)).await.unwrap();
    api.delete(&store, &DeleteParams::default()).await.unwrap();
}
