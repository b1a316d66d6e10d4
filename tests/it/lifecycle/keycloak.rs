//! Tests a Keycloak store under a controller: changes by others are corrected within seconds, access begins and ends at
//! its time, and faults are reported where they are.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use reqwest::Method;
use roster::model::{AccountKey, Email};
use serde_json::{Value, json};

use super::Site;
use crate::{
    contract::keycloak::{Keycloak, id},
    support::{PATIENCE, SYSTEM, eventually_or},
};

/// Setting by which an announced correction differs from one by the next check: there is no next check.
const NEVER: &str = "accountDefaults: {drift: {checkEvery: 24h}}";
const ADMIN: &str = "orders:Edit users:Allowed";
const VIEWER: &str = "orders:View";

async fn secret(site: &Site<'_>, text: &str) {
    let secrets: Api<Secret> = Api::namespaced(site.client.clone(), SYSTEM);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": site.name(), "annotations": {"roster.dev/store": site.name()}},
        "stringData": {"secret": text},
    });
    secrets.patch(site.name(), &PatchParams::apply("tests").force(), &Patch::Apply(&secret)).await.unwrap();
}

/// The IdentityStore `$it`.
async fn store(site: &Site<'_>, backend: &Keycloak<'_>, spec: &str) {
    site.apply(&format!(
        "{{apiVersion: roster.dev/v1alpha1, kind: IdentityStore, metadata: {{name: $it}}, spec: {{keycloak: {{url: \
         '{}', realm: {}, clientId: roster, clientSecretRef: {{name: $it, key: secret}}, portalClients: [portal]}}, \
         {spec}}}}}",
        backend.server.url(),
        backend.realm
    ))
    .await;
}

/// Client roles that reach a member of the account `acme`.
async fn effective(site: &Site<'_>, backend: &Keycloak<'_>, name: &str) -> String {
    let user = backend.user(&email(name)).await;
    if user.is_null() {
        return "(nobody)".to_owned();
    }
    let client = backend.client(&key(site)).await;
    let roles = backend.get(&format!("/users/{}/role-mappings/clients/{client}/composite", id(&user))).await;
    let mut roles: Vec<&str> = roles.as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
    roles.sort_unstable();
    roles.join(" ")
}

async fn holds(site: &Site<'_>, backend: &Keycloak<'_>, name: &str, wanted: &str) {
    eventually_or(PATIENCE, format!("{name} to hold {wanted}"), async || {
        let seen = effective(site, backend, name).await;
        if seen == wanted { Ok(()) } else { Err(seen) }
    })
    .await;
}

fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@acme.example")).unwrap()
}

fn key(site: &Site<'_>) -> AccountKey {
    AccountKey::parse(&site.key("acme")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_by_others_in_keycloak_are_corrected_within_seconds() {
    let (site, backend) = (Site::shared("kc-drift").await, Keycloak::fresh().await);
    secret(&site, "hush").await;
    store(&site, &backend, NEVER).await;
    site.account("acme", "").await;
    site.apply(
        "{apiVersion: roster.dev/v1alpha1, kind: UserGroup, metadata: {name: desk}, spec: {accountRef: {name: acme}, title: \
         Desk, permissions: {orders: View}}}",
    )
    .await;
    site.members(&["dana", "eve"], "viewer").await;
    site.members_ready(&["dana", "eve"]).await;
    holds(&site, &backend, "dana", VIEWER).await;
    site.ready("IdentityStore", site.name()).await;
    let status = site.status("IdentityStore", site.name()).await;
    assert_eq!(status["capabilities"], json!(["Notifications"]));
    assert_eq!(status["revocationDelaySeconds"], 120);

    let (account, dana) = (key(&site), email("dana"));
    let user = id(&backend.user(&dana).await);
    let started = Instant::now();
    backend.grant(&user, &account, "orders:Edit").await;
    holds(&site, &backend, "dana", VIEWER).await;
    let took = started.elapsed();
    assert!(took < Duration::from_secs(60), "put right after {took:?}");
    println!("a client role was put right after {took:?}");
    site.event("Membership", "dana", "DriftCorrected").await;
    // A group that somebody removes.
    let desk = id(&backend.group(&account, "group:desk").await);
    let started = Instant::now();
    backend.send(Method::DELETE, &format!("/groups/{desk}"), Value::Null).await;
    eventually_or(PATIENCE, "the group to be back".to_owned(), async || {
        let top = backend.get(&format!("/groups?exact=true&search={account}")).await;
        let children = backend.get(&format!("/groups/{}/children?max=100", id(&top[0]))).await;
        let there = children.as_array().unwrap().iter().any(|group| group["name"] == "group:desk");
        if there { Ok(()) } else { Err(children.to_string()) }
    })
    .await;
    println!("a group was put right after {:?}", started.elapsed());
    site.event("UserGroup", "desk", "DriftCorrected").await;
    site.delete("Account", "acme").await;
    site.gone("Account", "acme").await;
    assert_eq!(backend.get("/organizations").await, json!([]));
    assert_eq!(backend.user(&dana).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_windows_start_and_end_in_keycloak() {
    let (site, backend) = (Site::shared("kc-time").await, Keycloak::fresh().await);
    secret(&site, "hush").await;
    store(&site, &backend, NEVER).await;
    site.account("acme", "").await;
    let at = |seconds: i64| jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + seconds).unwrap();
    site.member_of(
        "acme",
        "dana",
        &format!("roleRef: {{name: admin}}, startsAt: '{}', expiresAt: '{}'", at(25), at(50)),
    )
    .await;
    site.member_of("acme", "eve", &format!("roleRef: {{name: viewer}}, startsAt: '{}'", at(100_000))).await;
    site.members_ready(&["dana", "eve"]).await;
    assert_eq!(effective(&site, &backend, "dana").await, "");
    holds(&site, &backend, "dana", ADMIN).await;
    holds(&site, &backend, "dana", "").await;
    assert_eq!(effective(&site, &backend, "eve").await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_by_keycloak_is_reported_on_the_object() {
    let (site, backend) = (Site::shared("kc-refused").await, Keycloak::fresh().await);
    store(&site, &backend, NEVER).await;
    secret(&site, "wrong-one").await;
    let refused = site.wait("IdentityStore", site.name(), "Ready", "False StoreRejected").await;
    assert!(refused.contains("logging in as client roster") && !refused.contains("wrong-one"), "{refused}");
    secret(&site, "hush").await;
    site.ready("IdentityStore", site.name()).await;
    let user = json!({"username": "eve@acme.example", "email": "eve@acme.example", "enabled": true});
    backend.send(Method::POST, "/users", user).await;
    site.account("acme", "").await;
    let long = "a".repeat(65);
    site.members(&["dana", "eve"], "viewer").await;
    site.apply(&format!(
        "{{apiVersion: roster.dev/v1alpha1, kind: Membership, metadata: {{name: long}}, spec: {{accountRef: {{name: acme}}, \
         user: {{email: {long}@acme.example}}, roleRef: {{name: viewer}}}}}}"
    ))
    .await;
    site.members_ready(&["dana"]).await;
    let unverified = site.wait("Membership", "eve", "Synced", "False StoreRejected").await;
    assert!(unverified.contains("IdentityUnverified"), "{unverified}");
    let unsupported = site.wait("Membership", "long", "Synced", "False NotSupportedByStore").await;
    assert!(unsupported.contains("64 characters"), "{unsupported}");
    assert_eq!(effective(&site, &backend, "eve").await, "");
    // Somebody verifies it: nothing else is needed.
    let eve = backend.user(&email("eve")).await;
    backend
        .send(Method::PUT, &format!("/users/{}", id(&eve)), json!({"email": "eve@acme.example", "emailVerified": true}))
        .await;
    site.members_ready(&["eve"]).await;
    holds(&site, &backend, "eve", VIEWER).await;
}
