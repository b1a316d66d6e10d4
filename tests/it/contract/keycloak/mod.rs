//! Runs the contract suite against Keycloak, and tests what only a real server can show.

mod cli;
mod cut;
mod cut_layout;
mod docs;
mod events;
mod failure;
mod finding;
mod identity;
mod in_force;
mod inherited;
mod lists;
mod managed;
mod prefix;
mod provider;
mod proxy;
mod revoked;
mod seals;
pub mod server;
mod tokens;

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use reqwest::Method;
use roster::{
    model::{AccountKey, Email},
    plan::ObjectKey,
    store::{AuditReport, Connection, KeycloakLocation, NoSecrets, RedactedSecret, Store, keycloak::KeycloakStore},
};
use serde_json::{Value, json};

use self::server::Server;
use super::Backend;

/// Roles that the service account needs, including the one for announcements.
pub const ROLES: [&str; 4] = ["manage-clients", "manage-realm", "manage-users", "view-events"];

/// A store in a realm of its own.
pub struct Keycloak<'s> {
    pub server: &'s Server,
    pub realm: String,
}

impl Keycloak<'static> {
    pub async fn fresh() -> Self {
        Self::on(Server::shared().await, &ROLES).await
    }
}

impl<'s> Keycloak<'s> {
    pub async fn on(server: &'s Server, roles: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let realm = format!("realm-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        server.realm(&realm, roles).await;
        Self { server, realm }
    }

    pub fn place(&self) -> KeycloakLocation {
        KeycloakLocation {
            url: self.server.url(),
            realm: self.realm.clone(),
            client_id: "roster".to_owned(),
            client_secret: Connection::Inline(RedactedSecret::new("hush")),
            ca: None,
            portals: vec!["portal".to_owned()],
            prefix: String::new(),
        }
    }

    pub async fn store(&self) -> KeycloakStore {
        KeycloakStore::open(&self.place(), &NoSecrets).await.unwrap()
    }

    /// Asks about the realm as its administrator.
    pub async fn get(&self, path: &str) -> Value {
        self.server.get(&format!("/{}{path}", self.realm)).await
    }

    /// Changes the realm behind Roster's back; the id of what was made.
    pub async fn send(&self, method: Method, path: &str, body: Value) -> String {
        self.server.send(method, &format!("/{}{path}", self.realm), body).await
    }

    /// The id of an account's client.
    pub async fn client(&self, account: &AccountKey) -> String {
        id(&self.get(&format!("/clients?clientId={account}")).await[0])
    }

    /// The id of an account's organization.
    pub async fn organization(&self, account: &AccountKey) -> String {
        id(&self.get(&format!("/organizations?exact=true&search={account}")).await[0])
    }

    /// The id of the group of a role or group of an account.
    pub async fn group(&self, account: &AccountKey, name: &str) -> Value {
        let top = self.get(&format!("/groups?exact=true&search={account}")).await;
        let children = self.get(&format!("/groups/{}/children?max=1000&briefRepresentation=false", id(&top[0]))).await;
        children.as_array().unwrap().iter().find(|group| group["name"] == name).unwrap().clone()
    }

    /// The user who has this address.
    pub async fn user(&self, email: &Email) -> Value {
        self.get(&format!("/users?exact=true&email={email}")).await[0].clone()
    }

    /// Client roles of an account by name.
    pub async fn role(&self, account: &AccountKey, name: &str) -> Value {
        self.get(&format!("/clients/{}/roles/{name}", self.client(account).await)).await
    }

    pub async fn grant(&self, user: &str, account: &AccountKey, role: &str) {
        let path = format!("/users/{user}/role-mappings/clients/{}", self.client(account).await);
        self.send(Method::POST, &path, json!([self.role(account, role).await])).await;
    }

    async fn revoke_all(&self, user: &str, account: &AccountKey) {
        let path = format!("/users/{user}/role-mappings/clients/{}", self.client(account).await);
        let held = self.get(&path).await;
        self.send(Method::DELETE, &path, held).await;
    }
}

pub fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("no id in {value}")).to_owned()
}

fn group_name(object: &ObjectKey) -> String {
    match object {
        ObjectKey::Role(name) => format!("role:{name}"),
        ObjectKey::Group(name) => format!("group:{name}"),
        _ => unreachable!(),
    }
}

#[async_trait]
impl Backend for Keycloak<'_> {
    async fn open(&self) -> Box<dyn Store> {
        Box::new(self.store().await)
    }

    async fn open_read_only(&self) -> Option<Box<dyn Store>> {
        let store = KeycloakStore::open_to_read(&self.place(), &NoSecrets).await.unwrap();
        store.map(|store| Box::new(store) as Box<dyn Store>)
    }

    async fn verify_audit(&self) -> AuditReport {
        unreachable!("Keycloak keeps no audit of ours")
    }

    async fn delete(&self, account: &AccountKey, object: &ObjectKey) {
        match object {
            ObjectKey::Account => {
                self.send(Method::DELETE, &format!("/clients/{}", self.client(account).await), Value::Null).await;
            }
            ObjectKey::Role(_) | ObjectKey::Group(_) => {
                let group = self.group(account, &group_name(object)).await;
                self.send(Method::DELETE, &format!("/groups/{}", id(&group)), Value::Null).await;
            }
            ObjectKey::Member(email) => {
                let user = id(&self.user(email).await);
                self.revoke_all(&user, account).await;
                let path = format!("/organizations/{}/members/{user}", self.organization(account).await);
                self.send(Method::DELETE, &path, Value::Null).await;
            }
        }
    }

    async fn insert_member(&self, account: &AccountKey, email: &Email) {
        let user = json!({"username": email.as_str(), "email": email.as_str(), "enabled": true, "emailVerified": true});
        let user = self.send(Method::POST, "/users", user).await;
        let path = format!("/organizations/{}/members", self.organization(account).await);
        self.send(Method::POST, &path, json!(user)).await;
        let roles = self.get(&format!("/clients/{}/roles?max=1", self.client(account).await)).await;
        if let Some(role) = roles[0]["name"].as_str() {
            self.grant(&user, account, role).await;
        }
    }

    async fn change(&self, account: &AccountKey, object: &ObjectKey) {
        match object {
            ObjectKey::Account => {
                let path = format!("/clients/{}", self.client(account).await);
                self.send(Method::PUT, &path, json!({"clientId": account.to_string(), "name": "Changed"})).await;
            }
            ObjectKey::Role(_) | ObjectKey::Group(_) => {
                let mut group = self.group(account, &group_name(object)).await;
                group["attributes"]["title"] = json!(["Changed"]);
                self.send(Method::PUT, &format!("/groups/{}", id(&group)), group).await;
            }
            ObjectKey::Member(email) => {
                let user = id(&self.user(email).await);
                let path = format!("/users/{user}/role-mappings/clients/{}", self.client(account).await);
                let held = self.get(&path).await;
                self.send(Method::DELETE, &path, json!([held[0]])).await;
            }
        }
    }
}

mod contract {
    use super::Keycloak;

    super::super::contract_suite!(Keycloak::fresh().await);
}
