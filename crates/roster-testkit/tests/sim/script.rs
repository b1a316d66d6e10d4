//! Builds scripts: a small world, and the few actions of a test. Used by the tests of this folder.
#![allow(clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use roster_core::model::{AccountKey, Email, KindName, Name, ObjectRef};
use roster_testkit::{
    memory::Kind,
    sim::{
        Action, ActionKind, Config, Violation,
        clock::{MINUTE, SECOND, Time},
        objects::Spec,
        play, transcript_of,
    },
};
use serde_json::{Value, json};

/// A script.
pub struct Script {
    pub config: Config,
    pub actions: Vec<Action>,
}

pub fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

pub fn reference(kind: KindName, name: &str) -> ObjectRef {
    let namespace = match kind {
        KindName::Namespace | KindName::PermissionCatalog | KindName::IdentityStore => "",
        _ => "acme",
    };
    ObjectRef { kind, namespace: Name::new(namespace), name: Name::new(name) }
}

pub fn key(name: &str) -> AccountKey {
    AccountKey::new("acme", name)
}

pub fn email(number: usize) -> Email {
    Email::parse(&format!("p{number}@corp.example")).unwrap()
}

pub fn catalog() -> Value {
    json!({
        "sections": [
            { "name": "users", "levels": ["Hide", "View", "Edit", "Delete"] },
            { "name": "billing" },
        ],
        "roles": [
            { "name": "owner", "allPermissions": true, "heldBy": "AccountOwner" },
            { "name": "admin", "allPermissions": true, "overridable": true },
            { "name": "reader", "permissions": { "users": "View" }, "overridable": true },
        ],
        "ownerRole": "owner",
    })
}

pub fn account(name: &str) -> Value {
    json!({ "catalogRef": { "name": "portal" }, "storeRef": { "name": "store" }, "owner": { "email": format!("{name}@corp.example") } })
}

pub fn member(account: &str, number: usize, role: &str) -> Value {
    json!({
        "accountRef": { "name": account },
        "user": { "email": email(number).as_str() },
        "roleRef": { "kind": "PredefinedRole", "name": role },
    })
}

/// Returns a Role that lowers the administrators of an account.
pub fn lowering(account: &str) -> Value {
    json!({ "accountRef": { "name": account }, "overrides": "admin", "permissions": { "users": "View" } })
}

/// Returns a Membership that is suspended.
pub fn suspended(account: &str, number: usize, role: &str) -> Value {
    let mut member = member(account, number, role);
    member["suspended"] = json!(true);
    member
}

impl Script {
    /// Begins with one catalog, one store and no account.
    pub fn new(kind: Kind) -> Self {
        let config = Config {
            seed: 1,
            hashing: 2,
            replicas: 1,
            shards: 1,
            most_passes: 8,
            stores: BTreeMap::from([(Name::new("store"), kind)]),
            busy: 5 * MINUTE,
            records: false,
            store_latency: 4_000,
        };
        let mut script = Self { config, actions: Vec::new() };
        script.apply(0, KindName::Namespace, "roster-system", json!({}));
        script.apply(0, KindName::Namespace, "acme", json!({}));
        script.apply(1, KindName::PermissionCatalog, "portal", catalog());
        script.store(&json!({}));
        script
    }

    /// Applies the store, with more in its spec.
    pub fn store(&mut self, more: &Value) {
        self.store_at(1, more);
    }

    pub fn store_at(&mut self, at: Time, more: &Value) {
        let mut spec = match self.config.stores.values().next() {
            Some(Kind::Plain) => json!({ "keycloak": {
                "url": "https://keycloak.example/", "realm": "portal", "clientId": "roster",
                "clientSecretRef": { "name": "keys", "key": "secret" },
            } }),
            _ => json!({ "sqlite": { "file": "roster.db" } }),
        };
        for (field, value) in more.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        self.apply(at, KindName::IdentityStore, "store", spec);
    }

    /// Creates an account with members `p0`, `p1`, …, who all are administrators.
    pub fn account(&mut self, name: &str, members: usize) {
        self.apply(SECOND, KindName::Account, name, account(name));
        for number in 0..members {
            self.member(2 * SECOND, name, number, member(name, number, "admin"));
        }
    }

    pub fn member(&mut self, at: Time, account: &str, number: usize, spec: Value) {
        self.apply(at, KindName::Membership, &format!("{account}-{number}"), spec);
    }

    pub fn remove_members(&mut self, at: Time, account: &str, numbers: impl IntoIterator<Item = usize>) {
        for number in numbers {
            self.act(at, ActionKind::Delete(reference(KindName::Membership, &format!("{account}-{number}"))));
        }
    }

    pub fn apply(&mut self, at: Time, kind: KindName, name: &str, spec: Value) {
        let spec = match kind {
            KindName::Namespace => Spec::Namespace(read(spec)),
            KindName::PermissionCatalog => Spec::Catalog(Box::new(read(spec))),
            KindName::IdentityStore => Spec::Store(Box::new(read(spec))),
            KindName::Account => Spec::Account(Box::new(read(spec))),
            KindName::Role => Spec::Role(read(spec)),
            KindName::UserGroup => Spec::Group(read(spec)),
            KindName::Membership => Spec::Member(Box::new(read(spec))),
            KindName::Invitation | KindName::CatalogRecord => panic!("nobody applies a {kind:?}"),
        };
        self.act(at, ActionKind::Apply(reference(kind, name), spec));
    }

    pub fn act(&mut self, at: Time, kind: ActionKind) {
        let id = self.actions.len() as u64;
        self.actions.push(Action { id, at, kind });
    }

    /// Runs it.
    pub fn play(&self) -> Option<Violation> {
        play(self.config.clone(), self.actions.clone()).violation
    }

    /// Runs it, and asserts that it breaks none.
    #[track_caller]
    pub fn holds(&self) {
        assert!(self.play().is_none(), "{}", transcript_of(&self.config, &self.actions));
    }
}
