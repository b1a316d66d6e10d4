//! Tests `helm test`. No pods run here, so the command of the test's Pod is run beside the cluster, and its end is
//! written as a kubelet would write it.

use std::fs;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::charts::CHART;
use crate::release::{Release, STORE};
use crate::support::account::kubeconfig;
use crate::support::tools::{stderr_of, stdout_of};
use crate::support::{PATIENCE, SYSTEM, eventually, eventually_or, ready};

/// The program as this Pod would run it: with its arguments, as its account.
async fn run(release: &Release, pod: &Value) -> Output {
    let args: Vec<String> = serde_json::from_value(pod["spec"]["containers"][0]["args"].clone()).unwrap();
    let account = pod["spec"]["serviceAccountName"].as_str().unwrap();
    let file = release.folder.join("test.kubeconfig");
    fs::write(&file, kubeconfig(&release.plane, account).await).unwrap();
    Command::new(env!("CARGO_BIN_EXE_roster")).args(args).env("KUBECONFIG", file).output().unwrap()
}

/// Runs `helm test`, and returns the output of helm and of the program in its Pod.
async fn helm_test(release: &Release) -> (Output, Output) {
    let named = ["get", "pod", "-n", SYSTEM, "roster-test", "--ignore-not-found", "-o", "jsonpath={.metadata.uid}"];
    let last = release.kubectl(&named).await;
    let mut helm = release.helm(&["test", "roster", "-n", SYSTEM, "--timeout", "80s"]);
    let helm = helm.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually(PATIENCE, "helm to make the Pod anew", async || {
        let uid = release.kubectl(&named).await;
        (!uid.is_empty() && uid != last).then_some(())
    })
    .await;
    let ran = run(release, &release.json(&["get", "pod", "-n", SYSTEM, "roster-test"]).await).await;
    let phase = if ran.status.success() { "Succeeded" } else { "Failed" };
    let end = format!("{{\"status\": {{\"phase\": \"{phase}\"}}}}");
    release
        .kubectl(&["patch", "pod", "-n", SYSTEM, "roster-test", "--subresource=status", "--type=merge", "-p", &end])
        .await;
    (tokio::task::spawn_blocking(|| helm.wait_with_output().unwrap()).await.unwrap(), ran)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn helm_test_passes_only_while_a_replica_leads() {
    let release = Release::install("helm-hook", CHART, &STORE).await;
    let pod = release.pod("statefulset/roster").await;
    let proxy = release.log_in(&pod).await;
    let mut roster = release.controller(&pod, &proxy);
    ready(&mut roster, "200 OK").await;
    roster.leading().await;
    let (helm, ran) = helm_test(&release).await;
    assert_eq!((ran.status.code(), text(&ran.stderr).as_str()), (Some(0), ""), "{}", text(&ran.stdout));
    assert!(text(&ran.stdout).contains(" leads since "), "{}", text(&ran.stdout));
    assert!(helm.status.success(), "{}{}", text(&helm.stdout), text(&helm.stderr));
    assert!(text(&helm.stdout).contains("Phase:          Succeeded"), "{}", text(&helm.stdout));

    // Killed, it leads until its lease has expired.
    roster.kill().await;
    let hooks = stdout_of(&mut release.helm(&["get", "hooks", "roster", "-n", SYSTEM]));
    let manifest = crate::support::parse_yaml::<Value>(&hooks).into_iter().find(|hook| hook["kind"] == "Pod").unwrap();
    let ran = eventually_or(PATIENCE, "it to say that nobody leads".to_owned(), async || {
        let ran = run(&release, &manifest).await;
        if ran.status.success() { Err(text(&ran.stdout)) } else { Ok(ran) }
    })
    .await;
    let says = text(&ran.stdout);
    assert_eq!((ran.status.code(), text(&ran.stderr).as_str()), (Some(1), ""), "{says}");
    let (first, second) = (says.lines().next().unwrap(), says.lines().nth(1).unwrap());
    assert!(first.starts_with("Not everything is ready: no leader"), "{says}");
    assert!(second.starts_with("Controller no leader: ") && second.contains(" last renewed its lease "), "{says}");
    let (helm, ran) = helm_test(&release).await;
    assert_eq!(ran.status.code(), Some(1));
    let says = stderr_of(&helm);
    assert!(says.contains("roster-test"), "{says}");

    // The next one leads, and says when it goes.
    let mut roster = release.controller(&pod, &proxy);
    roster.leading().await;
    eventually_or(PATIENCE, "helm test to pass again".to_owned(), async || {
        let ran = run(&release, &manifest).await;
        if ran.status.success() { Ok(()) } else { Err(text(&ran.stdout)) }
    })
    .await;
    let (helm, _) = helm_test(&release).await;
    assert!(helm.status.success(), "{}{}", text(&helm.stdout), text(&helm.stderr));
    assert_eq!(roster.stop().await.code(), Some(0));
    let ran = run(&release, &manifest).await;
    let says = text(&ran.stdout);
    assert_eq!(ran.status.code(), Some(1), "{says}");
    let second = says.lines().nth(1).unwrap();
    assert_eq!(second, "Controller no leader: no lease is held in namespace roster-system");
}
