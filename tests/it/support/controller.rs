//! The controller that tests share, in this process. Tests that stop or kill it use [`super::ControllerProcess`].

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use roster::control::leases::NAME;
use roster::controller::Config;
use roster::telemetry::{Health, Metrics};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::{ControlPlane, install_crds};

/// The namespace of the lease.
pub const SYSTEM: &str = "roster-system";

/// A controller on the shared control plane, in this process.
pub struct Controller {
    directory: PathBuf,
    ended: Arc<Mutex<bool>>,
}

impl Controller {
    /// The controller all tests of this process share. Its stores' files are new in every process.
    ///
    /// # Panics
    /// When it cannot start or has ended.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Controller> = OnceCell::const_new();
        let shared = SHARED.get_or_init(|| async { Self::start(ControlPlane::shared().await).await }).await;
        assert!(!*shared.ended.lock().unwrap(), "the shared controller has ended");
        shared
    }

    async fn start(plane: &ControlPlane) -> Self {
        let client = plane.client().await;
        prepare(plane).await;
        forget_dead_leader(&client).await;
        let directory = fresh_directory(&plane.data().join("sqlite"));
        let config = Config {
            log_addresses: false,
            enforcing: None,
            sqlite_dir: directory.clone(),
            cluster_id: None,
            store_namespace: SYSTEM.to_owned(),
            max_concurrent_accounts: 8,
            identity: identity(std::process::id()),
            shards: 1,
        };
        let kubeconfig = super::account::path(plane);
        let ended = Arc::new(Mutex::new(false));
        let says = Arc::clone(&ended);
        // A thread and a runtime of its own: that of a test ends with the test.
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let client = super::control_plane::client_of(&kubeconfig).await;
                roster::controller::run(client, config, Metrics::new(), Health::new(), CancellationToken::new()).await;
            });
            *says.lock().unwrap() = true;
        });
        Self { directory, ended }
    }

    /// The file of a store of the shared controller.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The folder of its stores.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// The kinds, the controller's namespace, and its account.
pub(super) async fn prepare(plane: &ControlPlane) {
    let client = plane.client().await;
    install_crds(&client).await;
    let namespace: Namespace = serde_json::from_value(serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}
    }))
    .expect("a namespace");
    let namespaces: Api<Namespace> = Api::all(client);
    namespaces.patch(SYSTEM, &PatchParams::apply("tests"), &Patch::Apply(&namespace)).await.expect("roster-system");
    super::account::grant(plane).await;
}

fn identity(process: u32) -> String {
    format!("tests-{process}")
}

/// The process of an earlier run took the lease with it when it ended; nobody need wait until it expires.
async fn forget_dead_leader(client: &Client) {
    let leases: Api<Lease> = Api::namespaced(client.clone(), SYSTEM);
    let lease = leases.get_opt(NAME).await.expect("leases can be read");
    let holder = lease.and_then(|lease| lease.spec?.holder_identity);
    let process = holder.as_deref().and_then(|holder| holder.strip_prefix("tests-")?.parse().ok());
    if process.is_some_and(|process: u32| !is_alive(process)) {
        leases.delete(NAME, &DeleteParams::default()).await.expect("the lease can be deleted");
    }
}

fn is_alive(process: u32) -> bool {
    Path::new("/proc").join(process.to_string()).exists()
}

/// A folder of this process below `parent`; those of processes that ended are removed.
fn fresh_directory(parent: &Path) -> PathBuf {
    fs::create_dir_all(parent).expect("a folder");
    for old in fs::read_dir(parent).expect("a folder").flatten() {
        let process = old.file_name().to_str().and_then(|name| name.parse().ok());
        if process.is_some_and(|process: u32| !is_alive(process) || process == std::process::id()) {
            let _ = fs::remove_dir_all(old.path());
        }
    }
    let directory = parent.join(std::process::id().to_string());
    fs::create_dir(&directory).expect("a folder");
    directory
}
