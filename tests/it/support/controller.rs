//! The controller under test: one in this process that tests share, or the real binary for who stops and kills it.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use roster::controller::{Config, lease};
use roster::telemetry::{Health, Metrics};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::{ControlPlane, PATIENCE, eventually, install_crds};

/// The namespace of the lease.
pub const SYSTEM: &str = "roster-system";

/// A controller on the shared control plane, in this process.
pub struct Controller {
    directory: PathBuf,
    ended: Arc<Mutex<Option<String>>>,
}

impl Controller {
    /// The controller all tests of this process share. Its stores' files are new in every process.
    ///
    /// # Panics
    /// When it cannot start or has ended.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Controller> = OnceCell::const_new();
        let shared = SHARED.get_or_init(|| async { Self::start(ControlPlane::shared().await).await }).await;
        if let Some(why) = shared.ended.lock().unwrap().as_deref() {
            panic!("the shared controller has ended: {why}");
        }
        shared
    }

    async fn start(plane: &ControlPlane) -> Self {
        let client = plane.client().await;
        prepare(&client).await;
        forget_dead_leader(&client).await;
        let directory = fresh_directory(&plane.data().join("sqlite"));
        let config = Config {
            sqlite_dir: directory.clone(),
            cluster_id: None,
            store_namespace: SYSTEM.to_owned(),
            max_concurrent_accounts: 8,
            identity: identity(std::process::id()),
        };
        let kubeconfig = plane.kubeconfig().to_owned();
        let ended = Arc::new(Mutex::new(None));
        let says = Arc::clone(&ended);
        // A thread and a runtime of its own: that of a test ends with the test.
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
            let end = runtime.block_on(async {
                let client = super::control_plane::client_of(&kubeconfig).await;
                roster::controller::run(client, config, Metrics::new(), Health::new(), CancellationToken::new()).await
            });
            *says.lock().unwrap() = Some(format!("{end:?}"));
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

    /// The real binary on a control plane, with the files of its stores and its log in `directory`. What is there stays:
    /// a second process goes on where the first one was. It need not lead yet; see [`ControllerProcess::leading`].
    pub async fn process(plane: &ControlPlane, directory: &Path) -> ControllerProcess {
        Self::process_with(plane, directory, &[]).await
    }

    /// As [`Self::process`], with more arguments.
    pub async fn process_with(plane: &ControlPlane, directory: &Path, args: &[&str]) -> ControllerProcess {
        prepare(&plane.client().await).await;
        fs::create_dir_all(directory).expect("a folder");
        let log = directory.join("controller.log");
        let seen = fs::metadata(&log).map_or(0, |found| found.len());
        let stderr = OpenOptions::new().create(true).append(true).open(&log).expect("a log file");
        let child = Command::new(env!("CARGO_BIN_EXE_roster"))
            .args(["controller", "--http", "127.0.0.1:0", "--store-namespace", SYSTEM, "--sqlite-dir"])
            .arg(directory)
            .args(args)
            .env("KUBECONFIG", plane.kubeconfig())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("roster starts");
        ControllerProcess { child, log, seen }
    }
}

/// A running `roster controller`, killed when it is dropped.
pub struct ControllerProcess {
    child: Child,
    log: PathBuf,
    /// Length of the log before this process.
    seen: u64,
}

impl ControllerProcess {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes[usize::try_from(self.seen).unwrap().min(bytes.len())..]).into_owned()
    }

    /// Waits until it leads.
    pub async fn leading(&mut self) {
        self.logged("\"message\":\"leading\"").await;
    }

    /// Waits for a line of its log, and gives it.
    pub async fn logged(&mut self, text: &str) -> String {
        let what = format!("{text} in {}", self.log.display());
        eventually(PATIENCE, &what, async || {
            if let Some(line) = self.log().lines().find(|line| line.contains(text)) {
                return Some(line.to_owned());
            }
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("roster ended ({status}) without {what}:\n{}", self.log());
            }
            None
        })
        .await
    }

    /// Where it serves health and metrics.
    pub async fn http(&mut self) -> String {
        let line = self.logged("serving /healthz").await;
        let event: serde_json::Value = serde_json::from_str(&line).expect("a JSON line");
        format!("http://{}", event["address"].as_str().expect("an address"))
    }

    /// SIGTERM, and waits for its end.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        eventually(Duration::from_secs(20), "roster ends after SIGTERM", async || {
            self.child.try_wait().expect("a child")
        })
        .await
    }

    /// SIGKILL: no time to say good-bye. The lease stays until it expires.
    pub async fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        eventually(Duration::from_secs(5), "roster is dead", async || self.child.try_wait().expect("a child")).await;
    }

    /// Sends a signal: `TERM`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "signal {name}: {sent}");
    }
}

impl Drop for ControllerProcess {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("the log of roster is in {}", self.log.display());
        }
    }
}

/// The kinds, and the controller's namespace.
async fn prepare(client: &Client) {
    install_crds(client).await;
    let namespace: Namespace = serde_json::from_value(serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}
    }))
    .expect("a namespace");
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.patch(SYSTEM, &PatchParams::apply("tests"), &Patch::Apply(&namespace)).await.expect("roster-system");
}

fn identity(process: u32) -> String {
    format!("tests-{process}")
}

/// The process of an earlier run took the lease with it when it ended; nobody need wait until it expires.
async fn forget_dead_leader(client: &Client) {
    let leases: Api<Lease> = Api::namespaced(client.clone(), SYSTEM);
    let lease = leases.get_opt(lease::NAME).await.expect("leases can be read");
    let holder = lease.and_then(|lease| lease.spec?.holder_identity);
    let process = holder.as_deref().and_then(|holder| holder.strip_prefix("tests-")?.parse().ok());
    if process.is_some_and(|process: u32| !is_alive(process)) {
        leases.delete(lease::NAME, &DeleteParams::default()).await.expect("the lease can be deleted");
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
