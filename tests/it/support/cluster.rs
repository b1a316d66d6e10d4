//! Installs Roster's kinds in the cluster, and creates a namespace for each test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};

use super::control_plane::client_of;
use super::{ControlPlane, PATIENCE, api, eventually};

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

/// A namespace for one test. When it is dropped, the deletion of what Roster reads in it is asked for, and not waited
/// for; the objects of a failed test stay, to be looked at.
///
/// The empty namespace stays when `ROSTER_TEST_DATA` is set, since its owner throws the control plane away: to delete a
/// namespace costs the API server more than a hundred requests, and goes on for as long as an object in it is held back.
pub struct Namespace {
    name: String,
    /// Of the administrator; nothing of a control plane that goes with its test need be deleted.
    kubeconfig: Option<PathBuf>,
    cluster_wide: Mutex<BTreeSet<(String, String)>>,
}

impl Namespace {
    /// Creates a namespace whose name starts with `prefix` and was never used before.
    pub async fn new(plane: &ControlPlane, prefix: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        // Several test processes may share a control plane, and so a millisecond.
        let name = format!("{prefix}-{now:x}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let namespace = core::Namespace {
            metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
            ..core::Namespace::default()
        };
        let namespaces: Api<core::Namespace> = Api::all(plane.client().await);
        namespaces.create(&PostParams::default(), &namespace).await.expect("a namespace");
        let kubeconfig = (!plane.is_own()).then(|| plane.kubeconfig().to_owned());
        Self { name, kubeconfig, cluster_wide: Mutex::default() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Deletes an object of the whole cluster with it.
    pub fn with(&self, kind: &str, name: &str) {
        self.cluster_wide.lock().expect("not poisoned").insert((kind.to_owned(), name.to_owned()));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("namespace {} is kept", self.name);
        } else if let Some(kubeconfig) = self.kubeconfig.take() {
            let (name, objects) = (self.name.clone(), std::mem::take(&mut *self.cluster_wide.lock().unwrap()));
            // The runtime of the test cannot be waited for here.
            let deletion = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(delete(&kubeconfig, &name, &objects));
            });
            let _ = deletion.join();
        }
    }
}

/// Asks for the deletion of what a test leaves behind. What fails is left there.
async fn delete(kubeconfig: &Path, namespace: &str, cluster_wide: &BTreeSet<(String, String)>) {
    let client = client_of(kubeconfig).await;
    if std::env::var_os("ROSTER_TEST_DATA").is_none() {
        let namespaces: Api<core::Namespace> = Api::all(client.clone());
        let _ = namespaces.delete(namespace, &DeleteParams::default()).await;
    } else {
        // The accounts first: whoever sees a member go then knows that this is nobody's wish.
        for kind in ["Account", "Membership", "Role", "UserGroup", "Invitation"] {
            let _ =
                api(&client, kind, namespace).delete_collection(&DeleteParams::default(), &ListParams::default()).await;
        }
    }
    for (kind, name) in cluster_wide {
        let _ = api(&client, kind, "").delete(name, &DeleteParams::default()).await;
    }
}
