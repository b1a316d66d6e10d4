//! Sets up the environment of a measurement: a control plane of its own, with Roster's kinds and a user for controller
//! and bench. Used by `main`.

use std::{fs, path::PathBuf};

use anyhow::Result;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Config, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};

use roster::api::{IdentityStore, STORE_ID_ANNOTATION};

use crate::{
    progress,
    support::{ControlPlane, apply_yaml, install_crds},
};

/// User of the controller and of the bare requests that it is compared with. Not a cluster administrator: the API server
/// would skip authorization and request queues for one.
const USER: &str = "roster-bench";
const RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: roster-bench}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: User, name: roster-bench, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: v1
kind: Namespace
metadata: {name: roster-system}
";
/// A kind with the schema of Membership that no controller watches.
pub const TWIN: (&str, &str) = ("Twin", "twins");

/// The environment. It is purged when it is dropped.
pub struct Environment {
    /// Client that acts as [`USER`].
    pub client: Client,
    /// The user's kubeconfig.
    pub kubeconfig: PathBuf,
    folder: PathBuf,
    _plane: ControlPlane,
}

impl Environment {
    pub async fn set_up() -> Result<Self> {
        progress("starting a control plane");
        let plane = ControlPlane::own("bench").await;
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let admin = plane.client().await;
        install_crds(&admin).await;
        apply_yaml(&admin, "default", RIGHTS).await;
        install_twin(&admin).await?;
        let text = plane.kubeconfig_of(USER, &[]).await;
        let kubeconfig = folder.join("kubeconfig");
        fs::write(&kubeconfig, &text)?;
        let options = KubeConfigOptions::default();
        let client = Client::try_from(Config::from_custom_kubeconfig(Kubeconfig::from_yaml(&text)?, &options).await?)?;
        Ok(Self { client, kubeconfig, folder, _plane: plane })
    }

    /// Returns an empty folder for stores and for the controller's log. Call it while no controller runs: it also removes
    /// the recorded store ids.
    pub async fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let stores: Api<IdentityStore> = Api::all(self.client.clone());
        let forget = serde_json::json!({"metadata": {"annotations": {STORE_ID_ANNOTATION: null}}});
        for store in stores.list_metadata(&ListParams::default()).await? {
            stores.patch_metadata(&store.name_any(), &PatchParams::default(), &Patch::Merge(&forget)).await?;
        }
        Ok(folder)
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        // The logs of a failed run are kept.
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

async fn install_twin(client: &Client) -> Result<()> {
    let membership = roster::api::crds().into_iter().find(|crd| crd.spec.names.kind == "Membership");
    let mut crd = membership.expect("our kinds have a Membership");
    let (kind, plural) = TWIN;
    crd.metadata.name = Some(format!("{plural}.{}", roster::api::GROUP));
    let names = &mut crd.spec.names;
    plural.clone_into(&mut names.plural);
    kind.clone_into(&mut names.kind);
    (names.singular, names.list_kind, names.short_names, names.categories) = (None, None, None, None);
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = crd.metadata.name.clone().unwrap_or_default();
    crds.patch(&name, &PatchParams::apply("bench").force(), &Patch::Apply(&crd)).await?;
    crate::support::eventually(std::time::Duration::from_secs(20), "the twin is served", async || {
        let listed = client.list_api_group_resources("roster.dev/v1alpha1").await.ok()?;
        listed.resources.iter().any(|resource| resource.kind == kind).then_some(())
    })
    .await;
    Ok(())
}
