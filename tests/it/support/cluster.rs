//! Installs Roster's kinds in the cluster, and creates a namespace for each test.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};

use super::{ControlPlane, PATIENCE, eventually};

/// Installs the seven kinds as they are in this build and waits until they are served.
pub async fn install_crds(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in roster::api::crds() {
        let name = crd.name_any();
        api.patch(&name, &PatchParams::apply("tests").force(), &Patch::Apply(&crd))
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        eventually(PATIENCE, &format!("{name} is established"), async || {
            let crd = api.get(&name).await.ok()?;
            let conditions = crd.status?.conditions?;
            conditions.iter().any(|c| c.type_ == "Established" && c.status == "True").then_some(())
        })
        .await;
    }
    // Established is not discovered: that follows on its own time.
    eventually(PATIENCE, "all kinds are discovered", async || {
        let listed = client.list_api_group_resources("roster.dev/v1alpha1").await.ok()?;
        let kinds: BTreeSet<_> = listed.resources.into_iter().map(|resource| resource.kind).collect();
        roster::api::crds().iter().all(|crd| kinds.contains(&crd.spec.names.kind)).then_some(())
    })
    .await;
}

/// A namespace for one test. Its deletion is asked for when it is dropped, and not waited for; that of a failed test
/// stays, to be looked at.
pub struct Namespace {
    name: String,
    delete: Option<Command>,
}

impl Namespace {
    /// Creates a namespace whose name starts with `prefix` and was never used before.
    pub async fn new(plane: &ControlPlane, prefix: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        // Several test processes may share a control plane, and so a millisecond.
        let name = format!("{prefix}-{now:x}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        plane.kubectl_ok(&["create", "namespace", &name], None).await;
        let mut delete = plane.kubectl_command();
        delete.args(["delete", "namespace", &name, "--wait=false"]).stdout(Stdio::null()).stderr(Stdio::null());
        Self { name, delete: Some(delete) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("namespace {} is kept", self.name);
        } else if let Some(mut delete) = self.delete.take() {
            let _ = delete.status();
        }
    }
}
