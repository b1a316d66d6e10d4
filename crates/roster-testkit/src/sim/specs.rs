//! Random specs of objects. Called by `people`.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1;
use roster_core::{
    api::{
        AccountSpec, IdentityStoreSpec, MembershipSpec, NameRef, PermissionCatalogSpec, Permissions, RestrictionChoice,
        RoleRef, RoleRefKind, RoleSpec, User, UserGroupSpec,
    },
    model::{AccountKey, Email, Name},
};
use serde_json::{Value, json};

use super::{
    clock::{MINUTE, SECOND, Time, nominal},
    features::Features,
    names::{KEYS, person},
    random::Random,
};

const SECTIONS: [(&str, &[&str]); 4] = [
    ("users", &["Hide", "View", "Edit", "Delete"]),
    ("bulk", &["Hide", "View", "Edit"]),
    ("chain", &["Denied", "Allowed"]),
    ("billing", &["Denied", "Allowed"]),
];

fn parse<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap_or_else(|error| panic!("a spec that nobody can read: {error}"))
}

/// Returns a catalog. An edited one differs in its roles and, with some features, in its sections.
#[must_use]
pub fn catalog(random: &mut Random, features: &Features, edited: bool) -> PermissionCatalogSpec {
    let reader = if edited { *random.pick(&["Hide", "View", "Edit"]) } else { "View" };
    let clerk = if edited && random.chance(50) { "Denied" } else { "Allowed" };
    let mut catalog = json!({
        "allowedNamespaces": { "from": "All" },
        "sections": [
            { "name": "users", "levels": ["Hide", "View", "Edit", "Delete"] },
            { "name": "bulk", "levels": ["Hide", "View", "Edit"],
              "requires": [{ "from": "Edit", "section": "users", "level": "View" }] },
            { "name": "chain", "requires": [{ "from": "Allowed", "section": "bulk", "level": "Edit" }] },
            { "name": "billing" },
        ],
        "restrictions": [
            { "name": "no-billing", "caps": { "billing": "Denied" } },
            { "name": "view-only", "caps": { "users": "View", "bulk": "View" } },
            { "name": "no-chain", "caps": { "chain": "Denied" }, "appliedByDefault": true },
        ],
        "roles": [
            { "name": "owner", "allPermissions": true, "heldBy": "AccountOwner" },
            { "name": "admin", "allPermissions": true, "overridable": true },
            { "name": "reader", "permissions": { "users": reader, "bulk": "View" }, "overridable": true },
            { "name": "clerk", "permissions": { "billing": clerk } },
        ],
        "ownerRole": "owner",
        "ownerChange": "ByPlatform",
    });
    if edited && random.chance(40) {
        catalog["sections"]
            .as_array_mut()
            .map(|sections| sections.push(json!({ "name": "extra" })))
            .unwrap_or_default();
    }
    if edited && features.invalid && random.chance(40) {
        catalog["sections"]
            .as_array_mut()
            .map(|sections| sections.retain(|of| of["name"] != "billing"))
            .unwrap_or_default();
        catalog["restrictions"].as_array_mut().map(|all| all.remove(0)).map(drop).unwrap_or_default();
        catalog["roles"].as_array_mut().and_then(Vec::pop).map(drop).unwrap_or_default();
    }
    parse(catalog)
}

/// Returns a store.
#[must_use]
pub fn store(random: &mut Random, name: &Name, features: &Features, people: u64, edited: bool) -> IdentityStoreSpec {
    let blocked: Vec<Value> = (0..people)
        .filter(|_| edited && random.chance(12))
        .map(|who| json!({ "email": person(who).as_str() }))
        .collect();
    let mut spec = json!({
        "blocked": blocked,
        "paused": edited && features.pauses && random.chance(15),
        "accountDefaults": { "removalGuard": { "maximumPercent": 25, "minimumCount": 3 } },
    });
    if name == KEYS {
        spec["keycloak"] = json!({
            "url": "https://keycloak.example/", "realm": "portal", "clientId": "roster",
            "clientSecretRef": { "name": "keys", "key": "secret" },
        });
    } else {
        spec["sqlite"] = json!({ "file": "roster.db" });
    }
    if features.labels {
        spec["allowedNamespaces"] = json!({ "from": "Selector", "selector": { "matchLabels": { "tier": "gold" } } });
    }
    parse(spec)
}

/// Input for [`account`].
pub struct Account<'a> {
    /// Store of the account.
    pub store: &'a Name,
    /// Whether it is a partner.
    pub partner: bool,
    /// Parent of the account.
    pub parent: Option<&'a AccountKey>,
    /// Features of the run.
    pub features: &'a Features,
    /// All accounts of the run.
    pub accounts: &'a [(AccountKey, Name)],
}

/// Returns an account.
#[must_use]
pub fn account(random: &mut Random, account: &Account<'_>) -> AccountSpec {
    let mut spec = json!({
        "catalogRef": { "name": "portal" },
        "storeRef": { "name": account.store },
        "owner": { "email": if random.chance(80) { "olga@corp.example" } else { "oskar@corp.example" } },
        "suspended": random.chance(20),
        "deletionPolicy": if account.features.deletions && random.chance(30) { "Orphan" } else { "Delete" },
    });
    if account.partner {
        let approved: Vec<Value> = account
            .accounts
            .iter()
            .filter(|_| random.chance(60))
            .map(|(key, _)| json!({ "namespace": key.namespace, "name": key.name }))
            .collect();
        spec["partner"] = json!(true);
        spec["managedAccounts"] = json!({
            "allowedNamespaces": { "from": "All" },
            "needApproval": random.chance(50),
            "approved": approved,
        });
    }
    if let Some(parent) = account.parent {
        spec["parentRef"] = json!({ "namespace": parent.namespace, "name": parent.name });
    }
    parse(spec)
}

/// Input for [`member`].
pub struct Member<'a> {
    /// Account of the member.
    pub account: &'a AccountKey,
    /// Address of the member.
    pub email: &'a Email,
    /// Time of the action.
    pub at: Time,
    /// Features of the run.
    pub features: &'a Features,
}

/// Returns a Membership.
#[must_use]
pub fn member(random: &mut Random, member: &Member<'_>) -> MembershipSpec {
    let account = &member.account.name;
    let custom = |number: u64| RoleRef { kind: RoleRefKind::Role, name: format!("{account}-c{number}") };
    let predefined = |name: &str| RoleRef { kind: RoleRefKind::PredefinedRole, name: name.to_owned() };
    let role = match random.below(10) {
        0..=2 => Some(predefined("admin")),
        3..=5 => Some(predefined("reader")),
        6 => Some(predefined("clerk")),
        7..=8 => Some(custom(random.below(2))),
        _ => None,
    };
    let groups = (0..2).filter(|_| random.chance(25)).map(|number| NameRef { name: format!("{account}-g{number}") });
    let group_refs = groups.collect();
    let restrictions = random.chance(40).then(|| RestrictionChoice {
        apply: if random.chance(50) {
            vec![(*random.pick(&["no-billing", "view-only"])).to_owned()]
        } else {
            Vec::new()
        },
        lift: if random.chance(40) { vec!["no-chain".to_owned()] } else { Vec::new() },
    });
    let starts = member.features.windows && random.chance(15);
    let expires = member.features.windows && random.chance(25);
    // Kubernetes stores whole seconds.
    let time = |at: Time| v1::Time(nominal(at / SECOND * SECOND) - SignedDuration::from_mins(2));
    MembershipSpec {
        account_ref: NameRef { name: account.to_string() },
        user: User { email: member.email.as_str().to_owned(), ..User::default() },
        role_ref: role,
        group_refs,
        restrictions,
        suspended: random.chance(18),
        starts_at: starts.then(|| time(member.at + random.below(5 * MINUTE))),
        expires_at: expires.then(|| time(member.at + random.between(5 * MINUTE, 12 * MINUTE))),
        ..MembershipSpec::default()
    }
}

fn cells(random: &mut Random, features: &Features) -> Permissions {
    let mut cells = BTreeMap::new();
    for (section, levels) in SECTIONS {
        if random.chance(50) {
            let level = (*random.pick(levels)).to_owned();
            let broken = features.invalid && random.chance(10);
            cells.insert(section.to_owned(), if broken { "Everything".to_owned() } else { level });
        }
    }
    cells
}

/// Returns an override of a predefined role.
#[must_use]
pub fn override_of(random: &mut Random, account: &AccountKey, role: &str, features: &Features) -> RoleSpec {
    RoleSpec {
        account_ref: NameRef { name: account.name.to_string() },
        overrides: Some(role.to_owned()),
        permissions: cells(random, features),
        ..RoleSpec::default()
    }
}

/// Returns a custom role.
#[must_use]
pub fn custom(random: &mut Random, account: &AccountKey, features: &Features) -> RoleSpec {
    RoleSpec {
        account_ref: NameRef { name: account.name.to_string() },
        based_on: random.chance(30).then(|| "reader".to_owned()),
        permissions: cells(random, features),
        ..RoleSpec::default()
    }
}

/// Returns a group.
#[must_use]
pub fn group(random: &mut Random, account: &AccountKey, features: &Features) -> UserGroupSpec {
    UserGroupSpec {
        account_ref: NameRef { name: account.name.to_string() },
        permissions: cells(random, features),
        role_refs: if random.chance(30) {
            vec![RoleRef { kind: RoleRefKind::PredefinedRole, name: "reader".to_owned() }]
        } else {
            Vec::new()
        },
        ..UserGroupSpec::default()
    }
}
