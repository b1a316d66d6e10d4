//! Tests the upgrade from one release to the next, and the rollback.

use crate::charts::{ACCESS, CHART};
use crate::release::{FORMER, Release, STORE, access};
use crate::support::tools::{stderr_of, stdout_of, tool};
use crate::support::{ControlPlane, PATIENCE, SYSTEM, eventually_or, ready, view};

/// Message of this release's controller about definitions of the former release.
const OUTDATED: &str = "is from an earlier release (0.1.0; this is 0.2.0)";

// helm blocks its thread, and the proxy must keep running.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_and_a_rollback_change_nobodys_access() {
    let release = Release::install("helm-upgrades", FORMER, &STORE).await;
    let former = release.pod("statefulset/roster").await;
    let proxy = release.log_in(&former).await;
    let mut roster = release.controller(&former, &proxy);
    ready(&mut roster, OUTDATED).await;

    // An upgrade adds what the definitions lack, and the pod need not be started again for that. Pods that start
    // afterwards get the arguments of this release.
    let upgrade = || stdout_of(release.helm(&["upgrade", "roster", CHART, "-n", SYSTEM]).args(STORE));
    upgrade();
    ready(&mut roster, "200 OK").await;
    assert_eq!(roster.stop().await.code(), Some(0));
    let pod = release.pod("statefulset/roster").await;
    assert!(pod.args.iter().any(|arg| arg == "--shards=1") && former.args.iter().all(|arg| arg != "--shards=1"));
    assert_eq!(pod.account, former.account);
    let mut roster = release.controller(&pod, &proxy);
    ready(&mut roster, "200 OK").await;

    let values = ["-n", "acme", "-f", "charts/roster-access/ci/portal.yaml", "--wait", "--timeout", "60s"];
    stdout_of(release.helm(&["install", "acme", ACCESS, "--create-namespace"]).args(values));
    let before = access(&release.file()).await;
    assert!(before.iter().any(|line| line.starts_with("acme/acme dana@acme.example orders=Edit ")), "{before:#?}");

    // A rollback removes no definition, but restores the former ones: the controller reports it, and nothing is
    // written.
    stdout_of(&mut release.helm(&["rollback", "roster", "1", "-n", SYSTEM]));
    ready(&mut roster, OUTDATED).await;
    release.kubectl(&["get", "crd", "invitations.roster.dev"]).await;
    assert_eq!(access(&release.file()).await, before, "after the rollback");

    upgrade();
    ready(&mut roster, "200 OK").await;
    assert_eq!(access(&release.file()).await, before, "after the second upgrade");
    // Under the former release's roles it was refused what that one did not need.
    proxy.forgive();

    // Helm waits for a new member; by then all others have been reconciled again, too.
    let hal = ["--set", "accounts.acme.members.hal@acme\\.example.role=viewer"];
    stdout_of(release.helm(&["upgrade", "acme", ACCESS]).args(values).args(hal));
    assert_eq!(view(&release.file(), "acme/acme", "hal@acme.example").await["orders"], "View");
    let mut after = access(&release.file()).await;
    after.retain(|line| !line.starts_with("acme/acme hal@acme.example "));
    assert_eq!(after, before, "of all others");

    // Helm forgets the people's release, and may have it back (docs/operations/uninstall.md).
    let all = access(&release.file()).await;
    release.kubectl(&["delete", "secrets", "-n", "acme", "-l", "owner=helm,name=acme"]).await;
    assert!(!stdout_of(&mut release.helm(&["list", "-n", "acme", "-q"])).contains("acme"));
    release.kubectl(&["get", "-n", "acme", "membership/acme-hal-acme-example"]).await;
    stdout_of(release.helm(&["install", "acme", ACCESS, "--take-ownership"]).args(values).args(hal));
    assert_eq!(access(&release.file()).await, all);
    assert!(proxy.refused().is_empty(), "{:?}", proxy.refused());
    assert_eq!(roster.stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_makes_the_store_that_an_installation_could_not_and_leaves_it_alone_from_then_on() {
    let plane = ControlPlane::own("helm-store").await;
    let helm = |args: &[&str]| {
        let mut command = tool("helm");
        command.args(args).args(["-n", SYSTEM]).args(STORE).env("KUBECONFIG", plane.kubeconfig());
        command
    };
    // As with an API server that is slow to serve what was just defined.
    let install = ["install", "roster", CHART, "--create-namespace", "--set", "crds.install=false"];
    let says = stderr_of(&helm(&install).output().unwrap());
    assert!(says.contains("no matches for kind \"IdentityStore\""), "{says}");

    eventually_or(PATIENCE, "the definitions and then the store to be made".to_owned(), async || {
        let out = helm(&["upgrade", "roster", CHART]).output().unwrap();
        if out.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&out.stderr).into_owned()) }
    })
    .await;
    let file = ["get", "identitystore/default", "-o", "jsonpath={.spec.sqlite.file}"];
    assert_eq!(plane.kubectl_ok(&file, None).await, "roster.db");
    let paused = ["patch", "identitystore/default", "--type=merge", "-p", "{\"spec\":{\"paused\":true}}"];
    plane.kubectl_ok(&paused, None).await;
    let whole = ["get", "identitystore/default", "-o", "json"];
    let before = plane.kubectl_ok(&whole, None).await;
    assert!(before.contains("\"paused\": true"), "{before}");
    let otherwise = "defaultStore.spec.sqlite.file=roster.db,defaultStore.spec.paused=false";
    stdout_of(&mut helm(&["upgrade", "roster", CHART, "--set", otherwise]));
    assert_eq!(plane.kubectl_ok(&whole, None).await, before);
}
