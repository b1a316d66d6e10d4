//! Runs Flux's controllers as processes, and reads their conditions. Used by `flux_portal`.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::support::{ControlPlane, PATIENCE, eventually_or};
use crate::tools::{bound, built};

/// Namespace of Flux and its objects.
pub const NAMESPACE: &str = "flux-system";

/// Source-controller and kustomize-controller, on a control plane.
pub struct Flux<'a> {
    plane: &'a ControlPlane,
    processes: Vec<(Child, PathBuf)>,
}

impl<'a> Flux<'a> {
    /// Installs their definitions and starts them.
    pub async fn start(plane: &'a ControlPlane) -> Self {
        let definitions = built("crds");
        plane.kubectl_ok(&["apply", "--server-side", "-f", definitions.to_str().unwrap()], None).await;
        plane.definitions_established().await;
        plane.kubectl_ok(&["create", "namespace", NAMESPACE], None).await;
        let mut flux = Self { plane, processes: Vec::new() };
        let artifacts = plane.data().join("artifacts");
        fs::create_dir_all(&artifacts).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let storage = format!("--storage-path={}", artifacts.display());
        flux.spawn(
            "source-controller",
            &[&storage, &format!("--storage-addr={address}"), &format!("--storage-adv-addr={address}")],
        );
        // How often it looks whether what it depends on is ready; the rest is as it is installed.
        flux.spawn("kustomize-controller", &["--requeue-dependency=1s"]);
        flux
    }

    fn spawn(&mut self, name: &str, args: &[&str]) {
        let log = self.plane.data().join(format!("{name}.log"));
        let child = bound(&built(name))
            .args(["--metrics-addr=0", "--health-addr=0", "--log-encoding=json"])
            .args(args)
            .env("KUBECONFIG", self.plane.kubeconfig())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        self.processes.push((child, log));
    }

    /// One of its objects.
    pub async fn get(&self, object: &str) -> Value {
        serde_json::from_str(&self.plane.kubectl_ok(&["get", "-n", NAMESPACE, object, "-o", "json"], None).await)
            .unwrap()
    }

    /// Asks it to look again, as `flux reconcile` does, and waits until it has.
    pub async fn reconcile(&self, object: &str) {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let now = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
        let asked = format!("reconcile.fluxcd.io/requestedAt={now}");
        self.plane.kubectl_ok(&["annotate", "--overwrite", "-n", NAMESPACE, object, &asked], None).await;
        eventually_or(PATIENCE, format!("{object} to be looked at"), async || {
            let found = self.get(object).await;
            let done = found["status"]["lastHandledReconcileAt"] == now.as_str()
                && condition(&found, "Ready").is_some_and(|ready| ready["status"] != "Unknown");
            if done { Ok(()) } else { Err(found["status"].to_string()) }
        })
        .await;
    }

    /// Waits until a Kustomization is ready at a revision.
    pub async fn ready(&self, name: &str, revision: &str) -> Value {
        self.wait(name, "Ready", "True", revision, "").await
    }

    /// Waits until a Kustomization has failed at a revision, saying this; its message.
    pub async fn failed(&self, name: &str, revision: &str, says: &str) -> String {
        let found = self.wait(name, "Ready", "False", revision, says).await;
        condition(&found, "Ready").unwrap()["message"].as_str().unwrap().to_owned()
    }

    /// Waits until a Kustomization has applied a revision and waits for the health of it.
    pub async fn checking(&self, name: &str, revision: &str) {
        self.wait(name, "Healthy", "Unknown", revision, &format!("Running health checks for revision {revision}"))
            .await;
    }

    async fn wait(&self, name: &str, of: &str, status: &str, revision: &str, says: &str) -> Value {
        let what = format!("{name} to be {of}={status} at {revision}, saying {says:?}");
        eventually_or(PATIENCE, what, async || {
            let found = self.get(&format!("kustomization/{name}")).await;
            let tried = &found["status"]["lastAttemptedRevision"];
            let fits = condition(&found, of).is_some_and(|ready| {
                ready["status"] == status
                    && ready["message"].as_str().unwrap().contains(says)
                    && ready["observedGeneration"] == found["metadata"]["generation"]
            });
            if fits && tried == revision { Ok(found) } else { Err(found["status"].to_string()) }
        })
        .await
    }

    /// Waits until a Kustomization says that there is nothing to be had from the source; its message.
    pub async fn failed_to_build(&self, name: &str) -> String {
        self.wait_message(name, "False", "path not found").await
    }

    async fn wait_message(&self, name: &str, status: &str, says: &str) -> String {
        eventually_or(PATIENCE, format!("{name} to be Ready={status}, saying {says:?}"), async || {
            let found = self.get(&format!("kustomization/{name}")).await;
            let ready = condition(&found, "Ready").filter(|ready| ready["status"] == status);
            let message = ready.and_then(|ready| ready["message"].as_str()).filter(|message| message.contains(says));
            message.map(str::to_owned).ok_or_else(|| found["status"].to_string())
        })
        .await
    }
}

impl Drop for Flux<'_> {
    fn drop(&mut self) {
        for (child, log) in &mut self.processes {
            let _ = child.kill();
            let _ = child.wait();
            if std::thread::panicking() {
                let text = fs::read_to_string(&log).unwrap_or_default();
                let last: Vec<&str> = text.lines().rev().take(15).collect();
                let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
                eprintln!("the end of {}:\n{last}", log.display());
            }
        }
    }
}

/// A condition of an object.
pub fn condition<'a>(object: &'a Value, of: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == of)
}
