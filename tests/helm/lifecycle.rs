//! Tests one installation from its first day to its last.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use crate::charts::{ACCESS, CHART};
use crate::proxy::Proxy;
use crate::release::{Release, STORE, access};
use crate::rights::{Given, given, missing, unused};
use crate::support::tools::{stderr_of, stdout_of};
use crate::support::{PATIENCE, SYSTEM, eventually_or, ready, wait_condition, wait_view};

async fn tamper(file: &Path) {
    let mut connection =
        SqliteConnectOptions::new().filename(file).disable_statement_logging().connect().await.unwrap();
    let sql = "UPDATE members SET ranks = '00' WHERE email = 'eve@acme.example'";
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
}

/// The Role gives exactly what is needed in the controller's namespace, and the ClusterRole exactly what is elsewhere.
async fn has_exactly_the_rights_it_needs(release: &Release, proxy: &Proxy) {
    let role = release.json(&["get", "-n", SYSTEM, "role/roster-controller"]).await;
    let cluster_role = release.json(&["get", "clusterrole/roster-system-roster-controller"]).await;
    let (role, cluster_role) = (given(&role["rules"]), given(&cluster_role["rules"]));
    let all_given = || {
        let (own, elsewhere) = proxy.needed(SYSTEM);
        assert_eq!(missing(&role, &own), Vec::<String>::new(), "not by the Role");
        assert_eq!(missing(&cluster_role, &elsewhere), Vec::<String>::new(), "not by the ClusterRole");
    };
    all_given();
    eventually_or(PATIENCE, "each right to be used where its role gives it".to_owned(), async || {
        let (own, elsewhere) = proxy.needed(SYSTEM);
        let too_many = [unused(&role, &own), unused(&cluster_role, &elsewhere)];
        if too_many.iter().all(Vec::<Given>::is_empty) { Ok(()) } else { Err(format!("{too_many:#?}")) }
    })
    .await;
    all_given();
    assert!(proxy.refused().is_empty(), "{:?}", proxy.refused());
}

// helm blocks its thread, and the proxy must keep running.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_works_from_install_to_uninstall_with_minimal_rights() {
    let release = Release::install("helm", CHART, &STORE).await;
    let pod = release.pod("statefulset/roster").await;
    let proxy = release.log_in(&pod).await;
    let mut roster = release.controller(&pod, &proxy);
    ready(&mut roster, "200 OK").await;

    helm_waits_for_access(&release).await;
    does_all_it_can(&release).await;
    has_exactly_the_rights_it_needs(&release, &proxy).await;

    // A right taken away: it says which one, and is ready no more until it is back.
    let rule = "[{\"op\": \"remove\", \"path\": \"/rules/0/resources/6\"}]";
    release.kubectl(&["patch", "clusterrole", "roster-system-roster-controller", "--type=json", "-p", rule]).await;
    assert_eq!(roster.stop().await.code(), Some(0));
    let mut roster = release.controller(&pod, &proxy);
    ready(&mut roster, "cannot list resource \"invitations\"").await;
    stdout_of(release.helm(&["upgrade", "roster", CHART, "-n", SYSTEM, "--force-conflicts"]).args(STORE));
    ready(&mut roster, "200 OK").await;

    // Its last day: nobody loses access, and after a new installation it continues where it was.
    assert_eq!(roster.stop().await.code(), Some(0));
    let before = access(&release.file()).await;
    assert!(before.contains("acme/acme eve@acme.example orders=Edit (2)"), "{before:#?}");
    stdout_of(&mut release.helm(&["uninstall", "roster", "-n", SYSTEM]));
    assert_eq!(access(&release.file()).await, before);
    release.kubectl(&["get", "-n", "acme", "membership/acme-eve-acme-example"]).await;
    release.kubectl(&["get", "identitystore/default"]).await;
    stdout_of(release.helm(&["install", "roster", CHART, "-n", SYSTEM]).args(STORE));
    let proxy = release.log_in(&pod).await;
    let mut roster = release.controller(&pod, &proxy);
    ready(&mut roster, "200 OK").await;
    release.kubectl(&["delete", "-n", "acme", "membership/acme-dana-acme-example"]).await;
    view(&release, "dana@acme.example", "").await;
    view(&release, "eve@acme.example", "orders=Edit users=Allowed").await;
    assert_eq!(roster.stop().await.code(), Some(0));
}

const PORTAL: [&str; 4] = ["-n", "acme", "-f", "charts/roster-access/ci/portal.yaml"];

#[track_caller]
fn view(release: &Release, who: &str, wanted: &str) -> impl Future<Output = ()> + use<> {
    wait_view(release.file(), "acme/acme".to_owned(), who.to_owned(), wanted)
}

/// Access by the other chart: helm waits until it is in the store, and not for what never will be.
async fn helm_waits_for_access(release: &Release) {
    let wait = ["--wait", "--timeout"];
    stdout_of(release.helm(&["install", "acme", ACCESS, "--create-namespace"]).args(PORTAL).args(wait).arg("60s"));
    let seen = crate::support::view(&release.file(), "acme/acme", "dana@acme.example").await;
    assert_eq!(seen["orders"], "Edit", "what helm waited for is in the store");
    let started = Instant::now();
    let stalled = ["--set", "accounts.acme.roles.night-shift.permissions.no-such-section=Edit"];
    let mut upgrade = release.helm(&["upgrade", "acme", ACCESS]);
    let said_instead = stderr_of(&upgrade.args(PORTAL).args(stalled).args(wait).arg("80s").output().unwrap());
    assert!(started.elapsed() < Duration::from_secs(40), "it waited {:?}: {said_instead}", started.elapsed());
    assert!(said_instead.contains("night-shift"), "{said_instead}");
    stdout_of(release.helm(&["upgrade", "acme", ACCESS]).args(PORTAL).args(wait).arg("60s"));
}

/// Has the controller do all that it ever does.
async fn does_all_it_can(release: &Release) {
    // What another number of shards has left behind goes.
    let stale =
        "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: roster-0-of-2, namespace: roster-system}}";
    release.apply(stale).await;
    release.kubectl(&["wait", "--for=delete", "-n", SYSTEM, "lease/roster-0-of-2", "--timeout=60s"]).await;
    // A Secret-backed store, whose Secret is missing.
    let secret = "{apiVersion: roster.dev/v1alpha1, kind: IdentityStore, metadata: {name: elsewhere}, \
                  spec: {postgres: {connectionSecretRef: {name: none, key: uri}}}}";
    release.apply(secret).await;
    let client = release.plane.client().await;
    let missing = wait_condition(&client, "IdentityStore", "", "elsewhere", "Ready", "False StoreUnavailable").await;
    assert!(missing.to_string().contains("Secret roster-system/none does not exist"), "{missing}");
    // Drift twice: the second event is a count of the first one.
    for time in ["1", "2"] {
        tamper(&release.file()).await;
        let now = format!("roster.dev/reconcile-at={time}");
        release.kubectl(&["annotate", "--overwrite", "-n", "acme", "account/acme", &now]).await;
        view(release, "eve@acme.example", "orders=Edit users=Allowed").await;
    }
    // Somebody else writes into a status of each kind.
    let invited = ["--set", "accounts.acme.invitations.gus@acme\\.example.roleRef.name=viewer"];
    stdout_of(release.helm(&["upgrade", "acme", ACCESS]).args(PORTAL).args(invited));
    for object in [
        "permissioncatalog/chart-portal",
        "identitystore/default",
        "account/acme",
        "accessrole/night-shift",
        "usergroup/desk",
        "membership/acme-eve-acme-example",
        "invitation/acme-gus-acme-example",
    ] {
        eventually_or(PATIENCE, format!("{object} to have an event"), async || {
            let generation = ["get", "-n", "acme", object, "-o", "jsonpath={.status.observedGeneration}"];
            let at = release.kubectl(&generation).await;
            if at.parse::<i64>().is_ok_and(|at| at > 0) { Ok(()) } else { Err(at) }
        })
        .await;
        let written = ["--subresource=status", "--type=merge", "-p", "{\"status\":{\"observedGeneration\":-7}}"];
        release.kubectl(&[&["patch", "-n", "acme", object], &written[..]].concat()).await;
    }
    // A removal is looked at twice.
    release.kubectl(&["delete", "-n", "acme", "membership/acme-fay-acme-example"]).await;
    view(release, "fay@acme.example", "").await;

    // A catalog comes into use, is changed, and goes out of use.
    let brief = "
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: brief}
spec: {sections: [{name: orders}]}
---
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: brief, namespace: acme}
spec: {catalogRef: {name: brief}}
";
    let reached = async |wanted: &str| {
        let what = format!("generation {wanted:?} of the catalog to have reached everybody");
        eventually_or(PATIENCE, what, async || {
            let record = ["get", "configmap", "-n", SYSTEM, "--ignore-not-found", "roster-catalog-brief"];
            let output = release.kubectl(&[&record[..], &["-o", "jsonpath={.data.generation}"]].concat()).await;
            if output == wanted { Ok(()) } else { Err(output) }
        })
        .await;
    };
    release.apply(brief).await;
    reached("1").await;
    release.apply(&brief.replace("name: orders", "name: sales")).await;
    reached("2").await;
    release.kubectl(&["delete", "-n", "acme", "account/brief"]).await;
    reached("").await;
}
