//! Tests what a portal sees: tokens of the realm contain exactly what the engine says.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::Method;
use roster::model::{AccountKey, Email};
use serde_json::{Value, json};

use super::{Keycloak, id};
use crate::contract::{
    Backend as _,
    portals::{PORTALS, fill},
    world::{email, world},
};

const PASSWORD: &str = "correct horse";

impl Keycloak<'_> {
    /// Lets somebody log in, as if they had followed the mail that a realm sends.
    pub async fn set_password(&self, email: &Email) {
        let mut user = self.user(email).await;
        let path = format!("/users/{}", id(&user));
        let credentials = json!({"type": "password", "value": PASSWORD, "temporary": false});
        self.send(Method::PUT, &format!("{path}/reset-password"), credentials).await;
        user["firstName"] = json!("Some");
        user["lastName"] = json!("Body");
        self.send(Method::PUT, &path, user).await;
    }

    /// Logs in by the portal and asks for the scopes of accounts.
    pub async fn log_in(&self, email: &Email, scope: &str) -> Value {
        let name = self.user(email).await["username"].as_str().unwrap().to_owned();
        let form = [
            ("client_id", "portal"),
            ("client_secret", "portal"),
            ("grant_type", "password"),
            ("username", &name),
            ("password", PASSWORD),
            ("scope", scope),
        ];
        self.server.token(&self.realm, &form).await.unwrap()
    }
}

/// Returns the roles in an access token, by client.
pub fn roles(token: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let token = token["access_token"].as_str().unwrap();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let access = claims["resource_access"].as_object().cloned().unwrap_or_default();
    let of = |client: Value| {
        client["roles"].as_array().unwrap().iter().map(|role| role.as_str().unwrap().to_owned()).collect()
    };
    access.into_iter().map(|(client, roles)| (client, of(roles))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_say_what_the_golden_tables_say() {
    let mut members = 0;
    for portal in PORTALS {
        let backend = Keycloak::fresh().await;
        let store = backend.open().await;
        let layouts: BTreeMap<AccountKey, _> = fill(&*store, portal).await.into_iter().collect();
        let expected =
            std::fs::read_to_string(format!("{}/examples/{portal}/expected.csv", env!("CARGO_MANIFEST_DIR")));
        let mut tables: BTreeMap<(AccountKey, Email), BTreeSet<String>> = BTreeMap::new();
        for row in expected.unwrap().lines().skip(1) {
            let [account, who, section, level] = row.split(',').collect::<Vec<_>>().try_into().unwrap();
            let account = AccountKey::parse(account).unwrap();
            let ladder = layouts[&account].ladders().iter().find(|ladder| ladder.section == section).unwrap();
            let permissions = tables.entry((account, email(who))).or_default();
            if ladder.levels[0] != level {
                permissions.insert(format!("{section}:{level}"));
            }
        }
        for ((account, who), permissions) in tables {
            backend.set_password(&who).await;
            let granted = roles(&backend.log_in(&who, &account.to_string()).await);
            let wanted = if permissions.is_empty() {
                BTreeMap::new()
            } else {
                BTreeMap::from([(account.to_string(), permissions)])
            };
            assert_eq!(granted, wanted, "{portal}: {who} in {account}");
            members += 1;
        }
    }
    assert!(members > 20, "{members}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_shows_only_the_accounts_it_was_asked_for() {
    let backend = Keycloak::fresh().await;
    let store = backend.open().await;
    for name in ["acme", "zeta"] {
        world(name).converge(&*store).await;
    }
    let ann = email("ann@shop.example");
    backend.set_password(&ann).await;
    let clients = async |scope: &str| roles(&backend.log_in(&ann, scope).await).into_keys().collect::<Vec<_>>();
    assert_eq!(clients("openid").await, [] as [&str; 0]);
    assert_eq!(clients("shop/acme").await, ["shop/acme"]);
    assert_eq!(clients("shop/zeta").await, ["shop/zeta"]);
    assert_eq!(clients("shop/acme shop/zeta").await, ["shop/acme", "shop/zeta"]);
}

/// Nobody can log in with an account's own client, even with all its data.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accounts_client_has_all_flows_off() {
    let backend = Keycloak::fresh().await;
    let store = backend.open().await;
    let world = world("acme");
    world.converge(&*store).await;
    let ann = email("ann@shop.example");
    backend.set_password(&ann).await;
    let uuid = backend.client(world.key()).await;
    let secret = backend.get(&format!("/clients/{uuid}/client-secret")).await["value"].as_str().unwrap().to_owned();
    for grant in [
        vec![("grant_type", "client_credentials")],
        vec![("grant_type", "password"), ("username", "ann@shop.example"), ("password", PASSWORD)],
    ] {
        let form = [vec![("client_id", "shop/acme"), ("client_secret", &secret)], grant].concat();
        let (status, body) = backend.server.token(&backend.realm, &form).await.unwrap_err();
        assert!(body["error"] == "unauthorized_client", "{status} {body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revocations_log_out_and_grants_do_not() {
    let backend = Keycloak::fresh().await;
    let store = backend.open().await;
    let mut world = world("acme");
    let ann = email("ann@shop.example");
    world.members.get_mut(&ann).unwrap().ranks = crate::contract::world::ranks(&[1, 1, 3]);
    world.converge(&*store).await;
    backend.set_password(&ann).await;
    let refresh = async |token: &Value| {
        let form = [
            ("client_id", "portal"),
            ("client_secret", "portal"),
            ("grant_type", "refresh_token"),
            ("refresh_token", token["refresh_token"].as_str().unwrap()),
        ];
        backend.server.token(&backend.realm, &form).await
    };
    let token = backend.log_in(&ann, "shop/acme").await;
    world.members.get_mut(&ann).unwrap().display_name = Some("Another name".into());
    world.converge(&*store).await;
    let token = refresh(&token).await.unwrap();
    // A higher level takes the place of the lower one, and nobody notices anything else.
    world.members.get_mut(&ann).unwrap().ranks = crate::contract::world::ranks(&[2, 1, 3]);
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
    let token = refresh(&token).await.unwrap();
    let granted = roles(&token);
    assert_eq!(granted["shop/acme"], ["orders:Edit", "payments:Allowed", "users:Delete"].map(String::from).into());
    world.members.get_mut(&ann).unwrap().ranks = crate::contract::world::ranks(&[1, 1, 3]);
    world.converge(&*store).await;
    let (_, refused) = refresh(&token).await.unwrap_err();
    assert_eq!(refused["error"], "invalid_grant");
    let granted = roles(&backend.log_in(&ann, "shop/acme").await);
    assert_eq!(granted["shop/acme"], ["orders:View", "payments:Allowed", "users:Delete"].map(String::from).into());
    assert_eq!(store.revocation_delay(), std::time::Duration::from_secs(120));
}
