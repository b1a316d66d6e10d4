//! Tests that two revisions never count as the same if anything with a meaning differs: every field of every kind is
//! changed once. A field of a definition without an example here fails.

use std::{collections::BTreeSet, fs, thread};

use serde::Deserialize as _;
use serde_json::{Value, json};

use super::workspace::Workspace;
use crate::support::repository;

/// Kind and name of an object, a field of its `spec`, and another value for it.
fn examples() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let selector = "allowedNamespaces.selector";
    let mut rows = vec![
        ("IdentityStore", "default", "sqlite.file", json!("other.db")),
        ("IdentityStore", "default", "adoption", json!("Always")),
        ("IdentityStore", "default", "paused", json!(true)),
        ("IdentityStore", "default", "blocked.0.email", json!("malory@acme.example")),
        ("IdentityStore", "default", "blocked.0.reason", json!("a mistake")),
        ("IdentityStore", "default", "accountDefaults.drift.policy", json!("Report")),
        ("IdentityStore", "default", "accountDefaults.drift.unmanaged", json!("Report")),
        ("IdentityStore", "default", "accountDefaults.drift.checkEvery", json!("1h")),
        ("IdentityStore", "default", "accountDefaults.removalGuard.maximumPercent", json!(90)),
        ("IdentityStore", "default", "accountDefaults.removalGuard.minimumCount", json!(50)),
        ("IdentityStore", "default", "accountDefaults.enforcement", json!("Disabled")),
        (
            "IdentityStore",
            "pg",
            "allowedNamespaces",
            json!({"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}),
        ),
        ("IdentityStore", "pg", "postgres.connectionSecretRef.name", json!("other")),
        ("IdentityStore", "pg", "postgres.connectionSecretRef.key", json!("other")),
        ("IdentityStore", "pg", "postgres.schema", json!("other")),
        ("IdentityStore", "pg", "postgres.caSecretRef.name", json!("other")),
        ("IdentityStore", "pg", "postgres.caSecretRef.key", json!("other")),
        ("IdentityStore", "kc", "keycloak.url", json!("https://other.example")),
        ("IdentityStore", "kc", "keycloak.realm", json!("other")),
        ("IdentityStore", "kc", "keycloak.clientId", json!("other")),
        ("IdentityStore", "kc", "keycloak.clientSecretRef.name", json!("other")),
        ("IdentityStore", "kc", "keycloak.clientSecretRef.key", json!("other")),
        ("IdentityStore", "kc", "keycloak.caSecretRef.name", json!("other")),
        ("IdentityStore", "kc", "keycloak.caSecretRef.key", json!("other")),
        ("IdentityStore", "kc", "keycloak.portalClients", json!(["portal", "another"])),
        ("IdentityStore", "kc", "keycloak.clientIdPrefix", json!("other.")),
        ("PermissionCatalog", "shop", "sections.0.name", json!("purchases")),
        ("PermissionCatalog", "shop", "sections.0.title", json!("Purchases")),
        ("PermissionCatalog", "shop", "sections.0.category", json!("Other")),
        ("PermissionCatalog", "shop", "sections.0.levels", json!(["Hide", "View", "Edit", "All"])),
        ("PermissionCatalog", "shop", "sections.1.requires.0.from", json!("View")),
        ("PermissionCatalog", "shop", "sections.1.requires.0.section", json!("billing")),
        ("PermissionCatalog", "shop", "sections.1.requires.0.level", json!("Edit")),
        ("PermissionCatalog", "shop", "sections.1.advisories.0.above", json!("Hide")),
        ("PermissionCatalog", "shop", "sections.1.advisories.0.message", json!("Ask twice.")),
        ("PermissionCatalog", "shop", "restrictions.0.name", json!("no-money")),
        ("PermissionCatalog", "shop", "restrictions.0.title", json!("No money")),
        ("PermissionCatalog", "shop", "restrictions.0.caps.billing", json!("Allowed")),
        ("PermissionCatalog", "shop", "restrictions.0.appliedByDefault", json!(false)),
        ("PermissionCatalog", "shop", "restrictions.0.lifting.grantsOwnerAccess", json!(true)),
        ("PermissionCatalog", "shop", "restrictions.0.lifting.needsConfirmation", json!(false)),
        ("PermissionCatalog", "shop", "roles.1.name", json!("boss")),
        ("PermissionCatalog", "shop", "roles.1.title", json!("Boss")),
        ("PermissionCatalog", "shop", "roles.1.permissions.orders", json!("View")),
        ("PermissionCatalog", "shop", "roles.0.allPermissions", json!(false)),
        ("PermissionCatalog", "shop", "roles.1.notApplicable", json!([])),
        ("PermissionCatalog", "shop", "roles.1.heldBy", json!("AccountOwner")),
        ("PermissionCatalog", "shop", "roles.1.overridable", json!(false)),
        ("PermissionCatalog", "shop", "roles.1.availableIn", json!([])),
        ("PermissionCatalog", "shop", "roles.1.advice.minimumHolders", json!(1)),
        ("PermissionCatalog", "shop", "roles.1.advice.maximumHolders", json!(9)),
        ("PermissionCatalog", "shop", "roles.1.advice.message", json!("Two or more.")),
        ("PermissionCatalog", "shop", "ownerRole", json!("viewer")),
        ("PermissionCatalog", "shop", "ownerChange", json!("ByPlatform")),
        ("PermissionCatalog", "shop", "defaultRole", json!("admin")),
        ("PermissionCatalog", "shop", "members.role", json!("Required")),
        ("PermissionCatalog", "shop", "members.groups", json!("Forbidden")),
        ("PermissionCatalog", "shop", "members.direct", json!("ByInvitationOnly")),
        ("PermissionCatalog", "shop", "customRoles.allowed", json!(false)),
        ("PermissionCatalog", "shop", "customRoles.notApplicable", json!([])),
        ("PermissionCatalog", "shop", "administration.0.action", json!("CreateMembers")),
        ("PermissionCatalog", "shop", "administration.0.section", json!("orders")),
        ("PermissionCatalog", "shop", "administration.0.level", json!("View")),
        ("PermissionCatalog", "shop", "administration.1.roles", json!(["admin", "viewer"])),
        ("PermissionCatalog", "shop", "separation.0.sections.0.name", json!("settings")),
        ("PermissionCatalog", "shop", "separation.0.sections.0.level", json!("View")),
        ("PermissionCatalog", "shop", "separation.0.maximum", json!(2)),
        ("PermissionCatalog", "shop", "separation.0.message", json!("Two pairs of eyes.")),
        ("PermissionCatalog", "shop", "separation.1.roles", json!(["admin"])),
        ("PermissionCatalog", "shop", "invitations.requiresPlanFeature", Value::Null),
        ("PermissionCatalog", "shop", "invitations.expireAfter", json!("72h")),
        ("Account", "acme", "displayName", json!("Acme & Sons")),
        ("Account", "acme", "catalogRef.name", json!("spare")),
        ("Account", "acme", "storeRef.name", json!("pg")),
        ("Account", "solo", "partner", json!(true)),
        ("Account", "acme", "managedAccounts.catalogs", json!(["shop", "spare"])),
        ("Account", "acme", "managedAccounts.grantable", json!(["viewer"])),
        ("Account", "acme", "managedAccounts.needApproval", json!(false)),
        ("Account", "acme", "managedAccounts.approved.0.name", json!("other")),
        ("Account", "acme", "managedAccounts.approved.0.namespace", json!("other")),
        ("Account", "child", "parentRef.name", json!("other")),
        ("Account", "child", "parentRef.namespace", json!("other")),
        ("Account", "acme", "owner.email", json!("oscar@acme.example")),
        ("Account", "acme", "owner.displayName", json!("Olga O.")),
        ("Account", "acme", "plan.name", json!("starter")),
        ("Account", "acme", "plan.features", json!([])),
        ("Account", "acme", "suspended", json!(true)),
        ("Account", "solo", "drift.policy", json!("Report")),
        ("Account", "solo", "drift.unmanaged", json!("Report")),
        ("Account", "acme", "drift.checkEvery", json!("2m")),
        ("Account", "acme", "removalGuard.maximumPercent", json!(20)),
        ("Account", "acme", "removalGuard.minimumCount", json!(4)),
        ("Account", "acme", "enforcement", json!("Disabled")),
        ("Account", "acme", "deletionPolicy", json!("Orphan")),
        ("Role", "night-shift", "accountRef.name", json!("child")),
        ("Role", "night-shift", "title", json!("Late shift")),
        ("Role", "night-shift", "basedOn", json!("admin")),
        ("Role", "admins", "overrides", json!("viewer")),
        ("Role", "night-shift", "permissions.settings", json!("Edit")),
        ("UserGroup", "counter", "accountRef.name", json!("child")),
        ("UserGroup", "counter", "title", json!("Till")),
        ("UserGroup", "counter", "permissions.orders", json!("Edit")),
        ("UserGroup", "counter", "roleRefs.0.kind", json!("PredefinedRole")),
        ("UserGroup", "counter", "roleRefs.0.name", json!("admins")),
        ("Membership", "dana", "accountRef.name", json!("child")),
        ("Membership", "dana", "user.email", json!("dan@acme.example")),
        ("Membership", "dana", "user.displayName", json!("Dana D.")),
        ("Membership", "dana", "user.externalId", json!("d-2")),
        ("Membership", "dana", "roleRef.kind", json!("Role")),
        ("Membership", "dana", "roleRef.name", json!("admin")),
        ("Membership", "dana", "groupRefs.0.name", json!("desk")),
        ("Membership", "dana", "restrictions.apply", json!([])),
        ("Membership", "dana", "restrictions.lift", json!([])),
        ("Membership", "dana", "acknowledge", json!([])),
        ("Membership", "dana", "suspended", json!(true)),
        ("Membership", "dana", "startsAt", json!("2026-07-01T00:00:00Z")),
        ("Membership", "dana", "expiresAt", Value::Null),
        ("Membership", "dana", "invitationRef.name", json!("eve")),
        ("Invitation", "eve", "accountRef.name", json!("child")),
        ("Invitation", "eve", "email", json!("eva@acme.example")),
        ("Invitation", "eve", "displayName", json!("Eva")),
        ("Invitation", "eve", "roleRef.kind", json!("Role")),
        ("Invitation", "eve", "roleRef.name", json!("admin")),
        ("Invitation", "eve", "groupRefs.0.name", json!("desk")),
        ("Invitation", "eve", "restrictions.apply", json!([])),
        ("Invitation", "eve", "restrictions.lift", json!([])),
        ("Invitation", "eve", "expireAfter", json!("96h")),
        ("Invitation", "eve", "resend", json!(1)),
    ];
    for (kind, name, above) in
        [("IdentityStore", "default", ""), ("PermissionCatalog", "shop", ""), ("Account", "acme", "managedAccounts.")]
    {
        for (field, value) in [
            ("matchLabels.tier", json!("silver")),
            ("matchExpressions.0.key", json!("planet")),
            ("matchExpressions.0.operator", json!("In")),
            ("matchExpressions.0.values", json!(["venus"])),
        ] {
            rows.push((kind, name, format!("{above}{selector}.{field}").leak(), value));
        }
        let all = json!({"from": "All"});
        rows.push((kind, name, format!("{above}allowedNamespaces").leak(), all));
    }
    rows
}

#[test]
fn two_revisions_that_differ_in_any_field_are_never_the_same() {
    let text = fs::read_to_string(repository("tests/cli/input/change/fields/objects.yaml")).unwrap();
    let objects: Vec<Value> =
        serde_yaml_ng::Deserializer::from_str(&text).map(|one| Value::deserialize(one).unwrap()).collect();
    let examples = examples();
    let wrong: Vec<String> = thread::scope(|scope| {
        let parts: Vec<_> = examples.chunks(examples.len().div_ceil(4)).collect();
        let threads: Vec<_> = parts.into_iter().map(|part| scope.spawn(|| wrongly_told(&objects, part))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "not reported, or reported twice:\n{}", wrong.join("\n"));
}

/// Examples that are not reported, or reported twice.
fn wrongly_told(objects: &[Value], examples: &[(&str, &str, &str, Value)]) -> Vec<String> {
    let workspace = Workspace::new();
    fs::write(workspace.path("one.json"), list(objects)).unwrap();
    let mut wrong = Vec::new();
    for (kind, name, field, value) in examples {
        let mut changed = objects.to_vec();
        let object = changed.iter_mut().find(|one| one["kind"] == *kind && one["metadata"]["name"] == *name).unwrap();
        set(&mut object["spec"], field, value.clone());
        fs::write(workspace.path("two.json"), list(&changed)).unwrap();
        let output = workspace.run("plan --from one.json --to two.json --detailed-exitcode -o json").output();
        let plan: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let changes = reported(&plan);
        let once: BTreeSet<&String> = changes.iter().collect();
        if output.status.code() != Some(2) || plan["changes"] != true || once.len() != changes.len() {
            wrong.push(format!("{kind} {name} {field}: {plan:#}{}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    wrong
}

/// Returns object and field of everything that is reported besides the changes in accounts.
fn reported(plan: &Value) -> Vec<String> {
    let list = |name: &str| plan[name].as_array().cloned().unwrap_or_default();
    let others = list("otherChanges").into_iter().flat_map(|one| {
        let fields = one["fields"].as_array().cloned().unwrap_or_default();
        fields.into_iter().map(move |field| json!({"object": one["object"], "field": field["field"]}))
    });
    let all = [list("limits"), list("refused")].concat().into_iter().chain(others);
    all.map(|one| format!("{} {}", one["object"], one["field"])).collect()
}

#[test]
fn every_field_of_every_kind_has_an_example() {
    let mut missing = Vec::new();
    for crd in roster::api::crds() {
        let kind = crd.spec.names.kind.clone();
        let crd = serde_json::to_value(crd).unwrap();
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let known: BTreeSet<String> =
            examples().iter().filter(|row| row.0 == kind).flat_map(|row| reached(spec, row.2, &row.3)).collect();
        let mut fields = Vec::new();
        leaves(spec, String::new(), &mut fields);
        missing
            .extend(fields.into_iter().filter(|field| !known.contains(field)).map(|field| format!("{kind} {field}")));
    }
    assert_eq!(missing, Vec::<String>::new(), "add an example of each to examples()");
}

/// The fields without fields of their own, `[]` for any item and `{}` for any key.
fn leaves(schema: &Value, path: String, found: &mut Vec<String>) {
    if let Some(fields) = schema["properties"].as_object() {
        for (name, schema) in fields {
            leaves(schema, format!("{path}.{name}"), found);
        }
    } else if schema["additionalProperties"].is_object() {
        leaves(&schema["additionalProperties"], path + "{}", found);
    } else if schema["items"]["properties"].is_object() {
        leaves(&schema["items"], path + "[]", found);
    } else {
        found.push(path);
    }
}

/// The fields in the schema that an example changes: the one it names, and those that its value names.
fn reached(schema: &Value, field: &str, value: &Value) -> Vec<String> {
    let (mut schema, mut path) = (schema, String::new());
    for step in field.split('.') {
        if step.parse::<usize>().is_ok() {
            (schema, path) = (&schema["items"], path + "[]");
        } else if schema["properties"][step].is_object() {
            (schema, path) = (&schema["properties"][step], format!("{path}.{step}"));
        } else {
            (schema, path) = (&schema["additionalProperties"], path + "{}");
        }
    }
    let below = value.as_object().into_iter().flatten();
    let below = below.filter(|(name, _)| schema["properties"][name].is_object());
    let below = below.map(|(name, _)| format!("{path}.{name}")).collect::<Vec<_>>();
    [vec![path], below].concat()
}

fn set(object: &mut Value, field: &str, value: Value) {
    let mut place = object;
    for step in field.split('.') {
        place = match step.parse::<usize>() {
            Ok(index) => &mut place[index],
            Err(_) => &mut place[step],
        };
    }
    *place = value;
}

fn list(objects: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
}
