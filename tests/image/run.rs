//! Tests the running image: as the chart runs it, against a real control plane, and by hand.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::container::{Container, Pod};
use crate::support::tools::{stdout_of, tool};
use crate::support::{ControlPlane, PATIENCE, SYSTEM, eventually_or, view, wait_condition};

/// The strictest pod there is, with nothing of a volume.
fn pod(args: &[&str]) -> Pod {
    Pod::new(json!({
        "securityContext": {"runAsUser": 65532, "fsGroup": 65532},
        "containers": [{"args": args, "securityContext": {
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
        }}],
    }))
}

#[test]
fn it_answers_with_nothing_given_to_it() {
    for (args, says) in [
        (&["--version"][..], concat!("roster ", env!("CARGO_PKG_VERSION"))),
        (&["--help"], "Usage: roster"),
        (&["controller", "--help"], "--sqlite-dir"),
        (&["crds"], "kind: CustomResourceDefinition"),
    ] {
        let out = pod(args).output();
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        assert!(text.contains(says), "{args:?}: {text}");
    }
}

/// SQLite takes a file beside the store for what does not fit into its memory; there is no /tmp.
#[test]
fn the_embedded_store_takes_a_large_account_with_one_writable_folder() {
    let folder = tempfile::tempdir().unwrap();
    let access = folder.path().join("access");
    fs::create_dir(&access).unwrap();
    let mut text = String::from(
        "{apiVersion: roster.dev/v1alpha1, kind: PermissionCatalog, metadata: {name: large}, \
         spec: {sections: [{name: orders, levels: [Denied, View, Edit]}]}}\n---\n\
         {apiVersion: roster.dev/v1alpha1, kind: Account, metadata: {name: large, namespace: large}, \
         spec: {catalogRef: {name: large}, owner: {email: owner@large.example}}}\n---\n\
         {apiVersion: roster.dev/v1alpha1, kind: Role, metadata: {name: editor, namespace: large}, \
         spec: {accountRef: {name: large}, permissions: {orders: Edit}}}\n",
    );
    const MEMBERS: usize = 3000;
    for number in 0..MEMBERS {
        text += &format!(
            "---\n{{apiVersion: roster.dev/v1alpha1, kind: Membership, metadata: {{name: m{number}, namespace: large}}, \
             spec: {{accountRef: {{name: large}}, user: {{email: m{number}@large.example}}, \
             roleRef: {{kind: Role, name: editor}}}}}}\n"
        );
    }
    fs::write(access.join("large.yaml"), text).unwrap();
    let volume = folder.path().join("volume");
    let run = |args: &[&str]| pod(args).mount("/access", &access).volume("/var/lib/roster", &volume).output();
    let out = run(&["apply", "--yes", "-f", "/access", "--store", "/var/lib/roster/large.db"]);
    let (text, error) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{text}{error}");
    let out = run(&["audit", "verify", "/var/lib/roster/large.db"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// The chart, installed; its pod, with a port that is free on this machine; and its account's token.
async fn chart(plane: &ControlPlane, kind: &str, values: &[&str], folder: &Path) -> (Pod, u16, Value) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let http = format!("http.address=127.0.0.1,http.port={port}");
    stdout_of(
        tool("helm")
            .args(["install", "roster", "charts/roster", "-n", SYSTEM, "--create-namespace", "--set", &http])
            // Of the loopback, which no kubelet would reach.
            .arg("--skip-schema-validation")
            .args(values)
            .env("KUBECONFIG", plane.kubeconfig()),
    );
    let workload = plane.kubectl_ok(&["get", "-n", SYSTEM, &format!("{kind}/roster"), "-o", "json"], None).await;
    let spec: Value = serde_json::from_str::<Value>(&workload).unwrap()["spec"]["template"]["spec"].clone();

    // What a kubelet mounts for the account, and how it says where the API server is.
    let account = folder.join("serviceaccount");
    fs::create_dir_all(&account).unwrap();
    let name = spec["serviceAccountName"].as_str().unwrap();
    let token = plane.kubectl_ok(&["create", "token", name, "-n", SYSTEM, "--duration=1h"], None).await;
    let view = ["config", "view", "--raw", "--minify", "-o"];
    let raw = plane.kubectl_ok(&[&view[..], &["json"]].concat(), None).await;
    let cluster = serde_json::from_str::<Value>(&raw).unwrap()["clusters"][0]["cluster"].clone();
    let authority = cluster["certificate-authority-data"].as_str().expect("the authority is in the kubeconfig");
    let authority = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, authority).unwrap();
    fs::write(account.join("ca.crt"), authority).unwrap();
    fs::write(account.join("token"), token.trim()).unwrap();
    fs::write(account.join("namespace"), SYSTEM).unwrap();
    let server: url::Url = cluster["server"].as_str().unwrap().parse().unwrap();
    let pod = Pod::new(spec.clone())
        .environment("KUBERNETES_SERVICE_HOST", server.host_str().unwrap())
        .environment("KUBERNETES_SERVICE_PORT", &server.port().unwrap().to_string())
        .mount("/var/run/secrets/kubernetes.io/serviceaccount", &account);
    (pod, port, spec)
}

async fn get(port: u16, path: &str) -> Result<String, std::io::Error> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: roster\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

async fn ready(container: &mut Container, port: u16) {
    eventually_or(PATIENCE, "the controller to be ready".to_owned(), async || {
        if let Some(status) = container.ended() {
            panic!("it ended ({status}): {}", container.log());
        }
        match get(port, "/readyz").await {
            Ok(answer) if answer.starts_with("HTTP/1.1 200 OK") => Ok(()),
            other => Err(format!("{other:?}\n{}", container.log())),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_controller_keeps_the_embedded_store_as_the_charts_pod() {
    let plane = ControlPlane::own("image").await;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (pod, port, spec) = chart(&plane, "statefulset", &["--set", "defaultStore.create=true"], folder.path()).await;
    let mounts = spec["containers"][0]["volumeMounts"].as_array().unwrap();
    assert_eq!(mounts.len(), 1, "the store's volume is all that is writable");
    let volume = folder.path().join("volume");
    let pod = pod.volume(mounts[0]["mountPath"].as_str().unwrap(), &volume);
    let mut container = pod.start(&folder.path().join("log"));
    ready(&mut container, port).await;
    for (name, is) in [
        ("Uid", "65532 65532 65532 65532"),
        ("Gid", "65532 65532 65532 65532"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("NoNewPrivs", "1"),
    ] {
        assert_eq!(container.status(name), is, "{name}");
    }

    plane.kubectl_ok(&["apply", "-f", "examples/secondary-users/"], None).await;
    let client = plane.client().await;
    wait_condition(&client, "Account", "secondary-users", "tidewater", "Ready", "True").await;
    let seen = view(&volume.join("roster.db"), "secondary-users/tidewater", "nadia@tidewater.example").await;
    assert_eq!((seen["payments"].as_str(), seen["api-keys"].as_str()), ("Allowed", "Denied"));

    // Stopped, it gives its lease back: the next one leads at once, and continues with the existing store.
    assert_eq!(container.stop().code(), Some(0), "{}", container.log());
    let mut next = pod.start(&folder.path().join("next"));
    ready(&mut next, port).await;
    assert_eq!(next.stop().code(), Some(0), "{}", next.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_controller_needs_no_writable_folder_for_stores_elsewhere() {
    let plane = ControlPlane::own("image-elsewhere").await;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (pod, port, spec) = chart(&plane, "deployment", &["--set", "sqlite.enabled=false"], folder.path()).await;
    assert_eq!(spec["containers"][0]["volumeMounts"], Value::Null);
    let mut container = pod.start(&folder.path().join("log"));
    ready(&mut container, port).await;
    assert_eq!(container.stop().code(), Some(0), "{}", container.log());
}

/// Tests the archive as loaded by hand.
#[test]
fn it_is_run_by_the_user_that_it_names_itself() {
    let bundle = tempfile::tempdir().unwrap();
    crate::built::IMAGE.unpack(bundle.path());
    let config = crate::built::json(&bundle.path().join("config.json"));
    assert_eq!(config["process"]["user"]["uid"], 65532);
    assert_eq!(config["process"]["user"]["gid"], 65532);
    assert_eq!(config["process"]["args"], json!(["/roster"]));
    let owner =
        stdout_of(Command::new("stat").args(["--format=%u %g %a"]).arg(bundle.path().join("rootfs/var/lib/roster")));
    assert_eq!(owner.trim(), "65532 65532 700");
}
