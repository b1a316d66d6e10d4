//! Builds the objects of the measured portal: 16 sections, roles, groups, and very many people. Used by the measurements (`rows`).

use kube::Resource;
use roster::api::{
    Account, IdentityStore, Membership, MembershipSpec, NameRef, PermissionCatalog, Role, RoleRef, RoleRefKind, User,
    UserGroup,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Sections of the catalog.
const SECTIONS: usize = 16;
/// Predefined roles that members hold in turn.
pub const ROLES: [&str; 3] = ["agent", "supervisor", "analyst"];
/// Groups of each account; each member is in two.
const GROUPS: [&str; 4] = ["billing", "messaging", "reporting", "support"];
/// The account's own role, which changes.
pub const SHIFT: &str = "night-shift";

fn section(number: usize) -> String {
    format!("section-{number:02}")
}

/// Returns permissions at `level` for `count` sections, starting with number `first`.
fn permissions(first: usize, count: usize, level: &str) -> Value {
    (first..first + count).map(|number| (section(number % SECTIONS), json!(level))).collect()
}

pub fn catalog() -> PermissionCatalog {
    let sections: Vec<Value> = (0..SECTIONS)
        .map(|number| {
            let mut section = json!({
                "name": section(number),
                "title": format!("Section {number}"),
                "levels": ["Hide", "View", "Edit", "Manage"],
            });
            if number % 4 == 3 {
                section["requires"] = json!([{"from": "Edit", "section": self::section(number - 1), "level": "View"}]);
            }
            section
        })
        .collect();
    let role = |index: usize| json!({"name": ROLES[index], "title": ROLES[index], "permissions": permissions(index * 4, 6, "View")});
    let restriction = json!({"name": "payments", "title": "Unable to make payments", "caps": {section(5): "View"}});
    let administration = ["EditMembers", "AssignRoles", "EditRoles"]
        .map(|action| json!({"action": action, "section": section(0), "level": "Manage"}));
    resource(
        "bench",
        None,
        json!({
            "sections": sections,
            "restrictions": [restriction],
            "roles": [
                role(0),
                role(1),
                role(2),
                {"name": "owner", "title": "Owner", "heldBy": "AccountOwner", "allPermissions": true},
            ],
            "ownerRole": "owner",
            "defaultRole": ROLES[0],
            "customRoles": {"allowed": true},
            "administration": administration,
        }),
    )
}

pub fn store() -> IdentityStore {
    resource("default", None, json!({"sqlite": {"file": "bench.db"}}))
}

/// Returns a PostgreSQL store whose Secret has the same name.
pub fn postgres(name: &str, schema: &str) -> IdentityStore {
    let secret = json!({"name": name, "key": "uri"});
    resource(name, None, json!({"postgres": {"connectionSecretRef": secret, "schema": schema}}))
}

/// Returns a store in a Keycloak realm, whose Secret has the same name.
pub fn keycloak(name: &str, url: &str, realm: &str) -> IdentityStore {
    let secret = json!({"name": name, "key": "secret"});
    let keycloak = json!({"url": url, "realm": realm, "clientId": "roster", "clientSecretRef": secret});
    let never = json!({"drift": {"checkEvery": "24h"}});
    resource(name, None, json!({"keycloak": keycloak, "accountDefaults": never}))
}

/// Returns the name of a group, by number.
pub fn group_name(number: u32) -> String {
    format!("group-{number:05}")
}

/// Returns a group, by number.
pub fn group(namespace: &str, account: &str, number: u32) -> UserGroup {
    let permissions = permissions(number as usize, 2, "View");
    let title = format!("Group {number}");
    let spec = json!({"accountRef": {"name": account}, "title": title, "permissions": permissions});
    resource(&group_name(number), Some(namespace), spec)
}

/// Returns a member of the group with the same number.
pub fn member_in(namespace: &str, account: &str, number: u32) -> Membership {
    let mut member = member(namespace, account, number, 0);
    member.spec.group_refs = vec![NameRef { name: group_name(number) }];
    member
}

pub fn account(namespace: &str, name: &str, store: &str) -> Account {
    let owner = json!({"email": format!("owner@{name}.example"), "displayName": "Owner"});
    let store = json!({"name": store});
    let spec = json!({"displayName": name, "catalogRef": {"name": "bench"}, "storeRef": store, "owner": owner});
    resource(name, Some(namespace), spec)
}

/// Returns the account's own role, which grants `level`.
pub fn shift(namespace: &str, account: &str, level: &str) -> Role {
    let spec =
        json!({"accountRef": {"name": account}, "title": "Night shift", "permissions": permissions(2, 7, level)});
    resource(&format!("{account}-{SHIFT}"), Some(namespace), spec)
}

pub fn groups(namespace: &str, account: &str) -> Vec<UserGroup> {
    let group = |(place, name): (usize, &&str)| {
        let permissions = permissions(place * 4, 3, "Edit");
        let spec = json!({"accountRef": {"name": account}, "title": name, "permissions": permissions});
        resource(&format!("{account}-{name}"), Some(namespace), spec)
    };
    GROUPS.iter().enumerate().map(group).collect()
}

/// Returns a member, by number. Numbers below `holders` have the account's own role, the others a predefined one.
pub fn member(namespace: &str, account: &str, number: u32, holders: u32) -> Membership {
    let place = number as usize;
    let role = if number < holders {
        RoleRef { kind: RoleRefKind::Role, name: format!("{account}-{SHIFT}") }
    } else {
        RoleRef { kind: RoleRefKind::PredefinedRole, name: ROLES[place % ROLES.len()].to_owned() }
    };
    let group = |place: usize| NameRef { name: format!("{account}-{}", GROUPS[place % GROUPS.len()]) };
    let spec = MembershipSpec {
        account_ref: NameRef { name: account.to_owned() },
        user: User {
            email: email(account, number),
            display_name: Some(format!("Person {number:05}")),
            external_id: None,
        },
        role_ref: Some(role),
        group_refs: vec![group(place), group(place + 1)],
        ..MembershipSpec::default()
    };
    let mut membership = Membership::new(&name(account, number), spec);
    membership.metadata.namespace = Some(namespace.to_owned());
    membership
}

pub fn name(account: &str, number: u32) -> String {
    format!("{account}-{number:05}")
}

pub fn email(account: &str, number: u32) -> String {
    format!("person-{number:05}@{account}.example")
}

/// Returns an object as a user would write it, without status.
fn resource<K: Resource<DynamicType = ()> + DeserializeOwned>(name: &str, namespace: Option<&str>, spec: Value) -> K {
    let metadata = json!({"name": name, "namespace": namespace});
    let object = json!({"apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": metadata, "spec": spec});
    serde_json::from_value(object).expect("an object of its kind")
}
