//! Installs the chart `roster` on a control plane of its own, and runs the controller beside it as its pod would. Used
//! by the other modules.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::proxy::Proxy;
use crate::support::account::kubeconfig;
use crate::support::tools::{stdout_of, tool};
use crate::support::{ControlPlane, Controller, ControllerProcess, PATIENCE, SYSTEM, eventually_or};

/// The chart of the release before this one, as it was packaged.
pub const FORMER: &str = "tests/helm/former/roster-0.1.0.tgz";
/// With the embedded store, and an IdentityStore of it.
pub const STORE: [&str; 2] = ["--set", "defaultStore.create=true"];

/// An installed release.
pub struct Release {
    pub plane: ControlPlane,
    /// Of the embedded stores.
    pub folder: PathBuf,
}

impl Release {
    /// A new control plane, and the chart on it.
    pub async fn install(name: &str, chart: &str, values: &[&str]) -> Self {
        let plane = ControlPlane::own(name).await;
        let folder = plane.data().join("roster");
        fs::create_dir_all(&folder).unwrap();
        let release = Self { plane, folder };
        let mut helm = release.helm(&["install", "roster", chart, "-n", SYSTEM, "--create-namespace"]);
        helm.args(values);
        if values == STORE {
            release.install_and_wait(helm).await;
        } else {
            stdout_of(&mut helm);
        }
        release
    }

    /// The IdentityStore is made when its definition has just been, and an API server that is slow may not know it by
    /// then. By `--wait` helm waits for the pod, which is ready when the definitions are served; that it is so is
    /// written here, as nothing runs pods.
    async fn install_and_wait(&self, mut helm: Command) {
        let helm = helm.args(["--wait", "--timeout", "80s"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let helm = helm.stdin(Stdio::null()).spawn().unwrap();
        let kinds = roster::api::crds().len();
        eventually_or(PATIENCE, "the definitions to be served, and the workload to be there".to_owned(), async || {
            let list = ["api-resources", "--cached=false", "--api-group=roster.dev", "--no-headers"];
            let served = self.plane.kubectl(&list, None).await.stdout;
            let served = String::from_utf8_lossy(&served).into_owned();
            let workload = self.plane.kubectl(&["get", "-n", SYSTEM, "statefulset/roster"], None).await;
            if served.lines().count() == kinds && workload.status.success() { Ok(()) } else { Err(served) }
        })
        .await;
        let ready = "{\"status\": {\"observedGeneration\": 1, \"replicas\": 1, \"readyReplicas\": 1, \
                     \"availableReplicas\": 1, \"currentReplicas\": 1, \"updatedReplicas\": 1}}";
        let status = ["--subresource=status", "--type=merge", "-p", ready];
        self.kubectl(&[&["patch", "-n", SYSTEM, "statefulset/roster"], &status[..]].concat()).await;
        let out = tokio::task::spawn_blocking(|| helm.wait_with_output().unwrap()).await.unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }

    /// helm, as the administrator.
    pub fn helm(&self, args: &[&str]) -> Command {
        let mut command = tool("helm");
        command.args(args).env("KUBECONFIG", self.plane.kubeconfig());
        command
    }

    /// kubectl, as the administrator.
    pub async fn kubectl(&self, args: &[&str]) -> String {
        self.plane.kubectl_ok(args, None).await
    }

    pub async fn apply(&self, yaml: &str) {
        self.plane.kubectl_ok(&["apply", "-f", "-"], Some(yaml)).await;
    }

    pub async fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.kubectl(&[args, &["-o", "json"]].concat()).await).unwrap()
    }

    /// Returns arguments and environment of the pods of a workload, and their account.
    pub async fn pod(&self, workload: &str) -> Pod {
        let spec = self.json(&["get", "-n", SYSTEM, workload]).await["spec"]["template"]["spec"].take();
        let args: Vec<String> = serde_json::from_value(spec["containers"][0]["args"].clone()).unwrap();
        // `spawn` sets what the pod would have of its own.
        let own = ["controller", "--http=", &format!("--store-namespace={SYSTEM}"), "--sqlite-dir="];
        let (own_args, args): (Vec<_>, Vec<_>) =
            args.into_iter().partition(|arg| own.iter().any(|own| arg.starts_with(own)));
        assert_eq!(own_args.len(), own.len(), "{own_args:?}");
        Pod { args, account: spec["serviceAccountName"].as_str().unwrap().to_owned() }
    }

    /// A line to the API server as a pod has it.
    pub async fn log_in(&self, pod: &Pod) -> Proxy {
        Proxy::start(&kubeconfig(&self.plane, &pod.account).await, &self.folder).await
    }

    /// The controller, as such a pod runs it.
    pub fn controller(&self, pod: &Pod, proxy: &Proxy) -> ControllerProcess {
        Controller::spawn(&self.plane, &self.folder, |command| {
            command.args(&pod.args).env("KUBECONFIG", &proxy.kubeconfig);
        })
    }

    /// The file of the embedded store.
    pub fn file(&self) -> PathBuf {
        self.folder.join("roster.db")
    }
}

/// Arguments and environment of a pod.
pub struct Pod {
    /// Besides what it must have of its own.
    pub args: Vec<String>,
    pub account: String,
}

/// All access that a store holds, as a portal reads it.
pub async fn access(file: &Path) -> BTreeSet<String> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true).disable_statement_logging();
    let rows: Vec<(String, String, String, String, i64)> =
        sqlx::query_as("SELECT account, email, section, level, rank FROM effective_permissions")
            .fetch_all(&mut options.connect().await.unwrap())
            .await
            .unwrap();
    rows.into_iter()
        .map(|(account, email, section, level, rank)| format!("{account} {email} {section}={level} ({rank})"))
        .collect()
}
