//! One installation from its first day to its last.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use crate::proxy::Proxy;
use crate::support::tools::{complaint, said, tool};
use crate::support::{ControlPlane, Controller, PATIENCE, SYSTEM, eventually_or, wait_condition, wait_view};

fn helm(plane: &ControlPlane, args: &[&str]) -> Command {
    let mut command = tool("helm");
    command.args(args).env("KUBECONFIG", plane.kubeconfig());
    command
}

/// The chart of the release before this one, as it was packaged.
const FORMER: &str = "tests/helm/former/roster-0.1.0.tgz";

async fn ready(roster: &mut crate::support::ControllerProcess, says: &str) {
    eventually_or(PATIENCE, format!("/readyz to say {says}"), async || {
        let said = roster.get("/readyz").await;
        if said.contains(says) { Ok(()) } else { Err(said) }
    })
    .await;
}

async fn hold(roster: &mut crate::support::ControllerProcess, shards: f64) {
    eventually_or(PATIENCE, format!("{shards} shards to be held"), async || {
        let held = roster.metric("roster_shards_held ").await;
        if held == shards { Ok(()) } else { Err(held.to_string()) }
    })
    .await;
}

async fn tamper(file: &Path) {
    let mut connection =
        SqliteConnectOptions::new().filename(file).disable_statement_logging().connect().await.unwrap();
    let sql = "UPDATE members SET ranks = '00' WHERE email = 'eve@acme.example'";
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
}

/// The rights that the chart gives, written as [`Proxy`] writes them.
fn given(rules: &Value) -> BTreeSet<String> {
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let mut rights = BTreeSet::new();
    for rule in rules.as_array().unwrap() {
        let mut names: Vec<String> = list(&rule["resourceNames"]).iter().map(|name| format!(" {name}")).collect();
        if names.is_empty() {
            names.push(String::new());
        }
        for group in list(&rule["apiGroups"]) {
            for resource in list(&rule["resources"]) {
                for verb in list(&rule["verbs"]) {
                    rights.extend(names.iter().map(|name| format!("{group}/{resource} {verb}{name}")));
                }
            }
        }
    }
    rights
}

// helm blocks its thread, and the proxy must go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_from_its_first_day_to_its_last_with_exactly_the_rights_it_needs() {
    let plane = ControlPlane::own("helm").await;
    let client = plane.client().await;
    let folder = plane.data().join("roster");
    fs::create_dir_all(&folder).unwrap();
    let dry = "charts/roster/ci/postgres.yaml";

    // An earlier release.
    let store = ["--set", "defaultStore.create=true"];
    said(helm(&plane, &["install", "roster", FORMER, "-n", SYSTEM, "--create-namespace"]).args(store));
    let container =
        ["get", "-n", SYSTEM, "statefulset/roster", "-o", "jsonpath={.spec.template.spec.containers[0].args}"];
    let args: Vec<String> = serde_json::from_str(&plane.kubectl_ok(&container, None).await).unwrap();
    assert!(args.contains(&format!("--store-namespace={SYSTEM}")), "{args:?}");
    let token = plane.kubectl_ok(&["create", "token", "roster", "-n", SYSTEM, "--duration=1h"], None).await;
    let proxy = Proxy::start(&plane, token.trim(), &folder).await;
    // What the pod would have of its own is said by `spawn`.
    let own = ["controller", "--http=", "--store-namespace=", "--sqlite-dir="];
    let more: Vec<_> = args.iter().filter(|arg| !own.iter().any(|own| arg.starts_with(own))).cloned().collect();
    assert_eq!(more.len() + own.len(), args.len(), "{args:?}");
    let mut roster = Controller::spawn(&plane, &folder, |command| {
        command.args(&more).env("KUBECONFIG", &proxy.kubeconfig);
    });
    ready(&mut roster, "is of an earlier release (0.1.0; this is 0.2.0)").await;

    // An upgrade brings what the definitions lack, and a rollback takes none of it away.
    said(helm(&plane, &["upgrade", "roster", "charts/roster", "-n", SYSTEM]).args(store));
    ready(&mut roster, "200 OK").await;
    said(&mut helm(&plane, &["rollback", "roster", "1", "-n", SYSTEM]));
    plane.kubectl_ok(&["get", "crd", "invitations.roster.dev"], None).await;
    said(helm(&plane, &["upgrade", "roster", "charts/roster", "-n", SYSTEM]).args(store));
    ready(&mut roster, "200 OK").await;
    // Under the former release's roles it was refused what that one did not need.
    proxy.asked.lock().unwrap().refused.clear();
    // What another number of shards has left behind goes.
    let stale =
        "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: roster-0-of-2, namespace: roster-system}}";
    plane.kubectl_ok(&["apply", "-f", "-"], Some(stale)).await;
    plane.kubectl_ok(&["wait", "--for=delete", "-n", SYSTEM, "lease/roster-0-of-2", "--timeout=60s"], None).await;

    // Access by the other chart: helm waits until it is in the store.
    let access = ["charts/roster-access", "-n", "acme", "-f", "charts/roster-access/ci/portal.yaml", "--wait"];
    let invited = ["--set", "accounts.acme.invitations.gus@acme\\.example.roleRef.name=viewer"];
    let timeout = ["--timeout", "60s"];
    said(helm(&plane, &["install", "acme"]).args(access).args(["--create-namespace"]).args(timeout));
    let file = folder.join("roster.db");
    let view = |who: &str, wanted: &str| wait_view(file.clone(), "acme/acme".to_owned(), who.to_owned(), wanted);
    let seen = crate::support::view(&file, "acme/acme", "dana@acme.example").await;
    assert_eq!(seen["orders"], "Edit", "what helm waited for is in the store");
    let started = Instant::now();
    let stalled = ["--set", "accounts.acme.roles.night-shift.permissions.no-such-section=Edit"];
    let out =
        helm(&plane, &["upgrade", "acme"]).args(access).args(stalled).args(["--timeout", "80s"]).output().unwrap();
    let said_instead = complaint(&out);
    assert!(started.elapsed() < Duration::from_secs(40), "it waited {:?}: {said_instead}", started.elapsed());
    assert!(said_instead.contains("night-shift"), "{said_instead}");
    said(helm(&plane, &["upgrade", "acme"]).args(access).args(timeout));

    // All that the controller does. A Secret-backed store, whose Secret is missing.
    let secret = "{apiVersion: roster.dev/v1alpha1, kind: IdentityStore, metadata: {name: elsewhere}, \
                  spec: {postgres: {connectionSecretRef: {name: none, key: uri}}}}";
    plane.kubectl_ok(&["apply", "-f", "-"], Some(secret)).await;
    let missing = wait_condition(&client, "IdentityStore", "", "elsewhere", "Ready", "False StoreUnavailable").await;
    assert!(missing.to_string().contains("Secret roster-system/none is not there"), "{missing}");
    // Drift twice: the second event is a count of the first one.
    for time in ["1", "2"] {
        tamper(&file).await;
        plane
            .kubectl_ok(
                &["annotate", "--overwrite", "-n", "acme", "account/acme", &format!("roster.dev/reconcile-at={time}")],
                None,
            )
            .await;
        view("eve@acme.example", "orders=Edit users=Allowed").await;
    }
    // Somebody else writes into a status of each kind.
    said(
        helm(&plane, &["upgrade", "acme"])
            .args(["charts/roster-access", "-n", "acme", "-f", "charts/roster-access/ci/portal.yaml"])
            .args(invited),
    );
    for object in [
        "permissioncatalog/chart-portal",
        "identitystore/default",
        "account/acme",
        "accessrole/night-shift",
        "usergroup/desk",
        "membership/acme-eve-acme-example",
        "invitation/acme-gus-acme-example",
    ] {
        let written = "{\"status\":{\"observedGeneration\":-7}}";
        eventually_or(PATIENCE, format!("{object} to be said of"), async || {
            let at = plane
                .kubectl_ok(&["get", "-n", "acme", object, "-o", "jsonpath={.status.observedGeneration}"], None)
                .await;
            if at.parse::<i64>().is_ok_and(|at| at > 0) { Ok(()) } else { Err(at) }
        })
        .await;
        plane
            .kubectl_ok(&["patch", "-n", "acme", object, "--subresource=status", "--type=merge", "-p", written], None)
            .await;
    }
    // A removal is looked at twice.
    plane.kubectl_ok(&["delete", "-n", "acme", "membership/acme-fay-acme-example"], None).await;
    view("fay@acme.example", "").await;

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
    let reached = |wanted: &'static str| {
        let record = ["get", "configmap", "-n", SYSTEM, "--ignore-not-found", "roster-catalog-brief"];
        let plane = &plane;
        let what = format!("generation {wanted:?} of the catalog to have reached everybody");
        eventually_or(PATIENCE, what, async move || {
            let args = [&record[..], &["-o", "jsonpath={.data.generation}"]].concat();
            let said = plane.kubectl_ok(&args, None).await;
            if said == wanted { Ok(()) } else { Err(said) }
        })
    };
    plane.kubectl_ok(&["apply", "-f", "-"], Some(brief)).await;
    reached("1").await;
    plane.kubectl_ok(&["apply", "-f", "-"], Some(&brief.replace("name: orders", "name: sales"))).await;
    reached("2").await;
    plane.kubectl_ok(&["delete", "-n", "acme", "account/brief"], None).await;
    reached("").await;

    // Exactly the rights that it has.
    let mut rights = BTreeSet::new();
    for role in [["clusterrole", "roster-system-roster-controller"], ["role", "roster-controller"]] {
        let role = plane.kubectl_ok(&["get", "-n", SYSTEM, role[0], role[1], "-o", "json"], None).await;
        rights.extend(given(&serde_json::from_str::<Value>(&role).unwrap()["rules"]));
    }
    eventually_or(PATIENCE, "each right to be used".to_owned(), async || {
        let unused: Vec<_> = rights.difference(&proxy.asked.lock().unwrap().rights).cloned().collect();
        if unused.is_empty() { Ok(()) } else { Err(format!("{unused:#?}")) }
    })
    .await;
    {
        let asked = proxy.asked.lock().unwrap();
        assert_eq!(asked.rights.difference(&rights).collect::<Vec<_>>(), Vec::<&String>::new());
        assert_eq!(asked.refused, Vec::<String>::new());
    }
    // The API server takes all that is rendered; what an operator brings is unknown to it.
    let plain = ["--set", "metrics.rules.enabled=false,metrics.serviceMonitor.enabled=false"];
    let rendered = said(
        tool("helm")
            .args([
                "template",
                "other",
                "charts/roster",
                "-n",
                SYSTEM,
                "--no-hooks",
                "--set",
                "crds.install=false",
                "-f",
                dry,
            ])
            .args(plain),
    );
    plane
        .kubectl_ok(&["apply", "--dry-run=server", "--server-side", "--validate=strict", "-f", "-"], Some(&rendered))
        .await;

    // A right taken away: it says which one, and is ready no more until it is back.
    let rule = "[{\"op\": \"remove\", \"path\": \"/rules/0/resources/6\"}]";
    plane
        .kubectl_ok(&["patch", "clusterrole", "roster-system-roster-controller", "--type=json", "-p", rule], None)
        .await;
    assert_eq!(roster.stop().await.code(), Some(0));
    let mut roster = Controller::spawn(&plane, &folder, |command| {
        command.args(&more).env("KUBECONFIG", &proxy.kubeconfig);
    });
    ready(&mut roster, "cannot list resource \\\"invitations\\\"".replace('\\', "").as_str()).await;
    said(helm(&plane, &["upgrade", "roster", "charts/roster", "-n", SYSTEM, "--force-conflicts"]).args(store));
    ready(&mut roster, "200 OK").await;

    // Its last day: nobody loses access, and it goes on where it was when it comes back.
    assert_eq!(roster.stop().await.code(), Some(0));
    said(&mut helm(&plane, &["uninstall", "roster", "-n", SYSTEM]));
    view("eve@acme.example", "orders=Edit users=Allowed").await;
    plane.kubectl_ok(&["get", "-n", "acme", "membership/acme-eve-acme-example"], None).await;
    plane.kubectl_ok(&["get", "identitystore/default"], None).await;
    said(helm(&plane, &["install", "roster", "charts/roster", "-n", SYSTEM]).args(store));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_active_replicas_have_the_rights_they_need() {
    let plane = ControlPlane::own("helm-shards").await;
    let folder = plane.data().join("roster");
    fs::create_dir_all(&folder).unwrap();
    let values = ["--set", "controller.shards=2,sqlite.enabled=false,replicas=2"];
    said(helm(&plane, &["install", "roster", "charts/roster", "-n", SYSTEM, "--create-namespace"]).args(values));
    let token = plane.kubectl_ok(&["create", "token", "roster", "-n", SYSTEM, "--duration=1h"], None).await;
    let proxy = Proxy::start(&plane, token.trim(), &folder).await;
    let spawn = || {
        Controller::spawn(&plane, &folder, |command| {
            command.args(["--shards=2"]).env("KUBECONFIG", &proxy.kubeconfig);
        })
    };
    let (mut first, mut second) = (spawn(), spawn());
    for replica in [&mut first, &mut second] {
        ready(replica, "200 OK").await;
    }
    for replica in [&mut first, &mut second] {
        hold(replica, 1.0).await;
    }
    // One goes, and the other has all.
    assert_eq!(first.stop().await.code(), Some(0));
    hold(&mut second, 2.0).await;
    assert_eq!(proxy.asked.lock().unwrap().refused, Vec::<String>::new());
    let leases = proxy.asked.lock().unwrap().rights.clone();
    for verb in ["create", "delete", "get", "list", "update"] {
        assert!(leases.iter().any(|right| right.starts_with(&format!("coordination.k8s.io/leases {verb}"))), "{verb}");
    }
}
