//! Tests a PostgreSQL store under a controller: changes by others are corrected at once, secrets change while it runs,
//! and a slow store delays no other.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use sqlx::AssertSqlSafe;

use super::{ADMIN, Site, VIEWER};
use crate::{
    contract::postgres::{Postgres, proxy::Proxy},
    support::{PATIENCE, SYSTEM, eventually_or},
};

/// Setting by which an announced correction differs from one by the next check: there is no next check.
const NEVER: &str = "accountDefaults: {drift: {checkEvery: 24h}}";

/// Puts the connection string into the Secret `$it`, for that store.
pub(super) async fn secret(site: &Site<'_>, url: &str, store: &str) {
    let secrets: Api<Secret> = Api::namespaced(site.client.clone(), SYSTEM);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": site.name(), "annotations": {"roster.dev/store": store}},
        "stringData": {"uri": url},
    });
    secrets.patch(site.name(), &PatchParams::apply("tests").force(), &Patch::Apply(&secret)).await.unwrap();
}

/// The IdentityStore `$it`.
pub(super) async fn store(site: &Site<'_>, backend: &Postgres<'_>, spec: &str) {
    site.apply(&format!(
        "{{apiVersion: roster.dev/v1alpha1, kind: IdentityStore, metadata: {{name: $it}}, spec: {{postgres: \
         {{connectionSecretRef: {{name: $it, key: uri}}, schema: {}}}, {spec}}}}}",
        backend.schema
    ))
    .await;
}

/// Waits for what the view says of a member of the account `acme`.
pub(super) async fn view(site: &Site<'_>, backend: &Postgres<'_>, name: &str, wanted: &str) {
    view_of(site, backend, "acme", name, wanted).await;
}

pub(super) async fn view_of(site: &Site<'_>, backend: &Postgres<'_>, account: &str, name: &str, wanted: &str) {
    let sql = format!(
        "SELECT coalesce(string_agg(section || '=' || level, ' ' ORDER BY section), '') FROM effective_permissions
         WHERE account = '{}' AND email = '{name}@acme.example'",
        site.key(account)
    );
    eventually_or(PATIENCE, format!("{name} to be {wanted}"), async || {
        let seen: String = sqlx::query_scalar(AssertSqlSafe(sql.clone()))
            .fetch_one(&mut backend.connect().await)
            .await
            .map_err(|error| error.to_string())?;
        if seen == wanted { Ok(()) } else { Err(seen) }
    })
    .await;
}

#[tokio::test]
async fn changes_by_others_are_corrected_within_seconds() {
    let (site, backend) = (Site::shared("pg-notify").await, Postgres::fresh().await);
    secret(&site, &backend.server.url(&backend.owner), site.name()).await;
    store(&site, &backend, NEVER).await;
    site.account("acme", "").await;
    site.members(&["dana", "eve"], "viewer").await;
    site.members_ready(&["dana", "eve"]).await;
    view(&site, &backend, "dana", VIEWER).await;
    let message = site.ready("IdentityStore", site.name()).await;
    assert!(message.len() < 500, "{message}");
    let capabilities = site.status("IdentityStore", site.name()).await["capabilities"].clone();
    assert_eq!(capabilities, json!(["Audit", "Fencing", "Notifications", "TimeWindows", "Transactions"]));
    for (sql, name, wanted) in [
        ("UPDATE members SET ranks = '21' WHERE email = 'dana@acme.example'", "dana", VIEWER),
        ("DELETE FROM members WHERE email = 'eve@acme.example'", "eve", VIEWER),
        ("TRUNCATE members", "dana", VIEWER),
    ] {
        let started = Instant::now();
        backend.run(sql).await.unwrap();
        view(&site, &backend, name, wanted).await;
        let took = started.elapsed();
        assert!(took < Duration::from_secs(60), "{sql}: put right after {took:?}");
        println!("{sql}: put right after {took:?}");
    }
    site.event("Membership", "dana", "DriftCorrected").await;
    // While nobody could say anything, somebody changed something: seen when the store is listened to again.
    let cut = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{}'", backend.owner);
    backend.server.run(&cut).await.unwrap();
    backend.run("UPDATE members SET ranks = '21' WHERE email = 'dana@acme.example'").await.unwrap();
    view(&site, &backend, "dana", VIEWER).await;
    site.delete("Account", "acme").await;
    site.gone("Account", "acme").await;
    assert_eq!(backend.number("SELECT count(*) FROM account_ids").await, 0);
}

#[tokio::test]
async fn a_secret_is_for_one_store_and_can_be_rotated() {
    let (site, backend) = (Site::shared("pg-secret").await, Postgres::fresh().await);
    store(&site, &backend, NEVER).await;
    let missing = site.wait("IdentityStore", site.name(), "Ready", "False StoreUnavailable").await;
    assert!(missing.contains("does not exist"), "{missing}");
    let url = backend.server.url(&backend.owner);
    secret(&site, &url, "another").await;
    let denied = site.wait("IdentityStore", site.name(), "Ready", "False StoreRejected").await;
    assert!(
        denied.contains(&format!("roster.dev/store: {}", site.name())) && !denied.contains("postgres://"),
        "{denied}"
    );
    secret(&site, &url, site.name()).await;
    site.ready("IdentityStore", site.name()).await;
    site.account("acme", "").await;
    site.member("dana", "viewer").await;
    site.members_ready(&["dana"]).await;

    site.account("bolt", "").await;
    site.member_of("bolt", "finn", "roleRef: {name: viewer}").await;
    site.ready("Membership", "bolt-finn").await;

    // The password is exchanged, and connections are cut, before the Secret is: refused, and then well again.
    let exchange = format!(
        "ALTER ROLE {0} PASSWORD 'new'; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{0}'",
        backend.owner
    );
    backend.server.run(&exchange).await.unwrap();
    site.member("dana", "admin").await;
    let refused = site.wait("Membership", "dana", "Synced", "False StoreRejected").await;
    assert!(refused.contains("password authentication failed") && !refused.contains(":pw@"), "{refused}");
    // While nobody listens, somebody changes another account.
    backend.force("UPDATE members SET ranks = '21' WHERE email = 'finn@acme.example'").await.unwrap();
    secret(&site, &url.replace(":pw@", ":new@"), site.name()).await;
    site.members_ready(&["dana"]).await;
    site.ready("IdentityStore", site.name()).await;
    backend.server.run(&format!("ALTER ROLE {} PASSWORD 'pw'", backend.owner)).await.unwrap();
    view(&site, &backend, "dana", ADMIN).await;
    view_of(&site, &backend, "bolt", "finn", VIEWER).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_store_delays_nobody_else() {
    let (slow, fast) = (Site::shared("pg-slow").await, Site::shared("pg-fast").await);
    let backend = Postgres::fresh().await;
    backend.store().await.close().await;
    let proxy = Proxy::to(backend.server.port()).await;
    secret(&slow, &backend.server.url_at(&backend.owner, proxy.port()), slow.name()).await;
    store(&slow, &backend, NEVER).await;
    slow.ready("IdentityStore", slow.name()).await;
    proxy.delay(Duration::from_millis(1_000));
    // More accounts than are worked on at once, each pass of which takes many answers.
    for number in 0..12 {
        slow.account(&format!("slow-{number}"), "").await;
        slow.member_of(&format!("slow-{number}"), "dana", "roleRef: {name: viewer}").await;
    }
    fast.store("").await;
    fast.account("acme", "").await;
    for name in ["dana", "eve", "finn"] {
        fast.member(name, "viewer").await;
        fast.members_ready(&[name]).await;
    }
    // All of them before the last of the slow ones.
    let ready = slow.status("Account", "slow-11").await;
    let is_ready = ready["conditions"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"));
    assert!(!is_ready, "the slow store was not slow: {ready}");
    proxy.delay(Duration::ZERO);
    slow.ready("Account", "slow-11").await;
}
