//! Tests objects at their bounds: they are accepted when they are created and when they are changed, so no rule costs
//! more than the server's budget. One step further is refused.
//!
//! An object with every list full of the longest names would be larger than etcd takes (1.5 MiB); each part is at its
//! bound here with names that leave room for the rest.

use serde_json::{Map, Value, json};

use super::table::Bounds;

/// The `i`th name of this many characters.
fn name(i: usize, length: usize) -> String {
    format!("{i:x<length$}")
}

fn names(count: usize, length: usize) -> Vec<String> {
    (0..count).map(|i| name(i, length)).collect()
}

/// `count` sections with names of 63 characters, each at a level of 32.
fn by_section(count: usize) -> Value {
    names(count, 63).into_iter().map(|section| (section, name(1, 32).into())).collect::<Map<_, _>>().into()
}

fn refs(count: usize, length: usize) -> Value {
    names(count, length).into_iter().map(|name| json!({ "name": name })).collect()
}

/// An address of this many characters whose domain is of another script.
fn address(i: usize, length: usize) -> String {
    let mut text = format!("user{i}@");
    while text.chars().count() + 12 < length {
        text.push_str("bücher例え.");
    }
    while text.chars().count() < length {
        text.push('é');
    }
    text
}

/// A section with a ladder of 16 and `requires` of these many, each to another section.
fn section(i: usize, requires: usize, advisories: usize) -> Value {
    let levels = names(16, 32);
    let requires: Vec<_> = (0..requires)
        .map(|r| json!({"from": levels[15], "section": name((i + r + 1) % 256, 40), "level": levels[15]}))
        .collect();
    let advisories: Vec<_> =
        (0..advisories).map(|a| json!({"above": levels[14], "message": format!("Mind {a}.")})).collect();
    json!({"name": name(i, 40), "title": "路".repeat(128), "levels": levels, "requires": requires, "advisories": advisories})
}

#[tokio::test]
async fn a_catalog_of_256_sections_with_16_levels_each() {
    let bounds = Bounds::new().await;
    let sections = |count: usize, requires: usize| -> Value {
        (0..count).map(|i| section(i, requires, 1)).collect::<Vec<_>>().into()
    };
    bounds.accepted("PermissionCatalog", "wide", json!({"sections": sections(256, 4)})).await;
    let too_many = "spec.sections: Too many: 257: must have at most 256 items";
    bounds.refused("PermissionCatalog", "wider", json!({"sections": sections(257, 0)}), too_many).await;
}

#[tokio::test]
async fn sections_with_16_prerequisites_and_advisories() {
    let bounds = Bounds::new().await;
    let sections: Vec<_> = (0..64).map(|i| section(i, 16, 16)).collect();
    bounds.accepted("PermissionCatalog", "deep", json!({"sections": sections})).await;
    let spec = json!({"sections": [section(0, 17, 0)]});
    bounds.refused("PermissionCatalog", "deeper", spec, "requires: Too many: 17: must have at most 16 items").await;
    let spec = json!({"sections": [section(0, 0, 17)]});
    bounds.refused("PermissionCatalog", "louder", spec, "advisories: Too many: 17: must have at most 16 items").await;
    let spec = json!({"sections": [{"name": "a", "levels": names(17, 32)}]});
    bounds.refused("PermissionCatalog", "higher", spec, "levels: Too many: 17: must have at most 16 items").await;
}

/// The cost of rules depends on the number of items: all 256 × 16 × 16 of them, with short names so that they fit into
/// etcd.
#[tokio::test]
async fn every_section_with_all_prerequisites() {
    let levels = names(16, 4);
    let sections: Vec<_> = (0..256)
        .map(|i| {
            let requires: Vec<_> = (1..=16)
                .map(|r| json!({"from": levels[15], "section": name((i + r) % 256, 4), "level": levels[15]}))
                .collect();
            json!({"name": name(i, 4), "levels": levels, "requires": requires})
        })
        .collect();
    Bounds::new().await.accepted("PermissionCatalog", "most", json!({"sections": sections})).await;
}

#[tokio::test]
async fn a_catalog_full_of_roles_and_restrictions() {
    let bounds = Bounds::new().await;
    let sections = json!([{"name": "a"}]);
    // Rules cost by their number: 64 maps of 256 short keys.
    let map: Map<_, _> = names(256, 4).into_iter().map(|section| (section, "View".into())).collect();
    let roles: Vec<_> = names(64, 63).iter().map(|name| json!({"name": name, "permissions": map})).collect();
    bounds.accepted("PermissionCatalog", "roles", json!({"sections": sections, "roles": roles})).await;
    let restrictions: Vec<_> = names(64, 63).iter().map(|name| json!({"name": name, "caps": map})).collect();
    bounds.accepted("PermissionCatalog", "caps", json!({"sections": sections, "restrictions": restrictions})).await;
    // The longest keys and levels, in fewer roles.
    let roles: Vec<_> = names(8, 63)
        .iter()
        .map(|name| json!({"name": name, "permissions": by_section(256), "notApplicable": names(256, 63)}))
        .collect();
    bounds.accepted("PermissionCatalog", "long", json!({"sections": sections, "roles": roles})).await;
    let actions = [
        "CreateMembers",
        "EditMembers",
        "DeleteMembers",
        "CreateGroups",
        "EditGroups",
        "DeleteGroups",
        "CreateRoles",
        "EditRoles",
        "DeleteRoles",
        "Invite",
        "AssignRoles",
        "EditOwnDetails",
        "CreateManagedAccounts",
        "OnboardManagedUsers",
        "AssignManagedRoles",
        "ApproveAccounts",
    ];
    let administration: Vec<_> =
        actions.iter().map(|action| json!({"action": action, "roles": names(64, 63)})).collect();
    bounds
        .accepted("PermissionCatalog", "actions", json!({"sections": sections, "administration": administration}))
        .await;
    let kept_apart: Vec<_> =
        (0..32).map(|_| json!({"roles": names(64, 63), "maximum": 64, "message": "夜".repeat(512)})).collect();
    bounds.accepted("PermissionCatalog", "apart", json!({"sections": sections, "separation": kept_apart})).await;
    let roles = refs(65, 10);
    let too_many = "spec.roles: Too many: 65: must have at most 64 items";
    bounds.refused("PermissionCatalog", "more", json!({"sections": sections, "roles": roles}), too_many).await;
}

#[tokio::test]
async fn roles_and_groups_with_256_sections() {
    let bounds = Bounds::new().await;
    let account = json!({"name": name(0, 253)});
    let spec = |count| json!({"accountRef": account, "title": "夜".repeat(128), "permissions": by_section(count)});
    bounds.accepted("Role", "full", spec(256)).await;
    bounds.refused("Role", "fuller", spec(257), "spec.permissions: Too many: 257: must have at most 256 items").await;
    let mut spec = spec(256);
    spec["roleRefs"] = refs(64, 253);
    bounds.accepted("UserGroup", "full", spec).await;
    let spec = json!({"accountRef": account, "roleRefs": refs(65, 10)});
    bounds.refused("UserGroup", "fuller", spec, "spec.roleRefs: Too many: 65: must have at most 64 items").await;
    let spec = json!({"accountRef": {"name": name(0, 254)}});
    bounds.refused("Role", "longer", spec, "may not be more than 253 bytes").await;
}

#[tokio::test]
async fn members_with_the_longest_addresses_and_all_restrictions() {
    let bounds = Bounds::new().await;
    let email = address(1, 254);
    assert_eq!(email.chars().count(), 254);
    let (apply, lift) = (names(64, 63), names(64, 62));
    let restrictions = json!({"apply": apply, "lift": lift});
    let user = json!({"email": email, "displayName": "🙂".repeat(128), "externalId": "é".repeat(255)});
    let spec = json!({
        "accountRef": {"name": name(0, 253)}, "user": user, "groupRefs": refs(64, 253), "roleRef": {"name": name(0, 253)},
        "restrictions": restrictions, "acknowledge": names(64, 63), "invitationRef": {"name": name(0, 253)},
        "startsAt": "2026-01-01T00:00:00.000001Z", "expiresAt": "9998-12-31T23:59:59.999999Z",
    });
    bounds.accepted("Membership", "full", spec).await;
    let spec = json!({
        "accountRef": {"name": "a"}, "email": email, "groupRefs": refs(64, 253), "restrictions": restrictions,
        "expireAfter": "720h", "resend": 1_000_000,
    });
    bounds.accepted("Invitation", "full", spec).await;

    let member = |user: Value| json!({"accountRef": {"name": "a"}, "user": user});
    let too_long = "spec.user.email: Too long: may not be more than 254 bytes";
    bounds.refused("Membership", "long", member(json!({"email": address(1, 255)})), too_long).await;
    let user = json!({"email": "a@b.example", "displayName": "🙂".repeat(129)});
    bounds.refused("Membership", "named", member(user), "may not be more than 128 bytes").await;
    let mut spec = member(json!({"email": "a@b.example"}));
    spec["restrictions"] = json!({"apply": names(65, 10)});
    bounds
        .refused("Membership", "bound", spec, "spec.restrictions.apply: Too many: 65: must have at most 64 items")
        .await;
}

#[tokio::test]
async fn stores_and_accounts_with_1024_entries() {
    let bounds = Bounds::new().await;
    let blocked = |count: usize| -> Value {
        (0..count).map(|i| json!({"email": address(i, 60), "reason": "x".repeat(60)})).collect()
    };
    let labels: Map<_, _> = (0..64).map(|i| (name(i, 63), name(i, 63).into())).collect();
    let expressions: Vec<_> =
        names(64, 63).iter().map(|key| json!({"key": key, "operator": "In", "values": names(64, 30)})).collect();
    let namespaces = json!({"from": "Selector", "selector": {"matchLabels": labels, "matchExpressions": expressions}});
    let store = |count| json!({"sqlite": {"file": "a".repeat(200)}, "blocked": blocked(count), "allowedNamespaces": namespaces});
    bounds.accepted("IdentityStore", "full", store(1024)).await;
    bounds
        .refused("IdentityStore", "fuller", store(1025), "spec.blocked: Too many: 1025: must have at most 1024 items")
        .await;

    let secret = json!({"name": name(0, 253), "key": name(0, 253)});
    let postgres = |length| json!({"connectionSecretRef": secret, "caSecretRef": secret, "schema": "a".repeat(length)});
    bounds.accepted("IdentityStore", "postgres", json!({"postgres": postgres(63)})).await;
    bounds.refused("IdentityStore", "postgres-2", json!({"postgres": postgres(64)}), "Too long: may not be more").await;
    let keycloak = |length: usize| {
        json!({
            "url": format!("https://{}", "a".repeat(length)), "realm": "a".repeat(255), "clientId": "a".repeat(255),
            "clientSecretRef": secret, "caSecretRef": secret,
        })
    };
    bounds.accepted("IdentityStore", "keycloak", json!({"keycloak": keycloak(504)})).await;
    bounds
        .refused("IdentityStore", "keycloak-2", json!({"keycloak": keycloak(505)}), "Too long: may not be more")
        .await;

    let approved = |count: usize| -> Value {
        (0..count).map(|i| json!({"namespace": name(i, 63), "name": name(i, 63)})).collect()
    };
    let account = |count| {
        json!({
            "catalogRef": {"name": name(0, 253)}, "partner": true, "plan": {"features": names(64, 63)},
            "managedAccounts": {"approved": approved(count), "catalogs": names(64, 253), "allowedNamespaces": namespaces},
        })
    };
    bounds.accepted("Account", "full", account(1024)).await;
    let too_many = "spec.managedAccounts.approved: Too many: 1025: must have at most 1024 items";
    bounds.refused("Account", "fuller", account(1025), too_many).await;
}
