//! Starts, stops and opens the control plane of `tests/controlplane`. Used by all tests on a cluster.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use super::{PATIENCE, eventually};

/// A part of the control plane that can be stopped on its own.
#[derive(Clone, Copy, Debug)]
pub enum Component {
    /// The database.
    Etcd,
    /// The API server.
    ApiServer,
    /// Namespaces, garbage collection, service accounts.
    ControllerManager,
}

impl Component {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "apiserver",
            Self::ControllerManager => "controller-manager",
        }
    }
}

/// A running control plane. It holds paths only: a [`Client`] belongs to the runtime of the test that asked for it.
pub struct ControlPlane {
    binary: PathBuf,
    data: PathBuf,
    kubeconfig: PathBuf,
    /// Of one that is a test's own, and goes with it.
    own: Option<SemaphorePermit<'static>>,
}

/// Largest number of tests with a control plane of their own at the same time; each takes about 400 MB and much of a
/// processor.
static OWN: Semaphore = Semaphore::const_new(3);

impl ControlPlane {
    /// The control plane all tests share: in `ROSTER_TEST_DATA`, where its owner stops it, otherwise in
    /// `target/controlplane-test`, where it is left running for the next run. Whoever breaks things takes
    /// [`Self::own`].
    pub async fn shared() -> &'static Self {
        // The failure is kept, too: one test waits for a control plane that does not come up, not all of them in turn.
        static SHARED: OnceCell<Result<ControlPlane, String>> = OnceCell::const_new();
        SHARED
            .get_or_init(|| async {
                let data =
                    std::env::var_os("ROSTER_TEST_DATA").map_or_else(|| target("controlplane-test"), PathBuf::from);
                Self::up(data, None).await
            })
            .await
            .as_ref()
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// A control plane of one's own, stopped and purged when it is dropped. One left by a killed run of the same name
    /// is purged first.
    pub async fn own(name: &str) -> Self {
        let permit = OWN.acquire().await.expect("never closed");
        let data = target(&format!("controlplane-own-{name}"));
        let leftover = data.clone();
        blocking(move || {
            if leftover.exists() {
                run(Command::new(binary()?).arg("down").arg("--data").arg(&leftover).arg("--purge"))?;
            }
            Ok(())
        })
        .await
        .unwrap_or_else(|error: String| panic!("{error}"));
        Self::up(data, Some(permit)).await.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn up(data: PathBuf, own: Option<SemaphorePermit<'static>>) -> Result<Self, String> {
        blocking(move || {
            let binary = binary()?;
            let out = run(Command::new(&binary).arg("up").arg("--data").arg(&data))?;
            let kubeconfig = PathBuf::from(last_line(&out));
            Ok(Self { binary, data, kubeconfig, own })
        })
        .await
    }

    /// Its folder; goes with it.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Whether it is a test's own, and goes with it.
    pub const fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// The administrator's kubeconfig, for programs started by a test.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The administrator.
    pub async fn client(&self) -> Client {
        client_of(&self.kubeconfig).await
    }

    /// A user in these groups, with no rights but those a test gives.
    pub async fn client_as(&self, user: &str, groups: &[&str]) -> Client {
        connect(Kubeconfig::from_yaml(&self.kubeconfig_of(user, groups).await).expect("a kubeconfig")).await
    }

    /// The kubeconfig of such a user, for programs started by a test.
    pub async fn kubeconfig_of(&self, user: &str, groups: &[&str]) -> String {
        let mut command = self.command("user");
        command.arg("--name").arg(user);
        for group in groups {
            command.arg("--group").arg(group);
        }
        text(done(command).await.stdout)
    }

    /// Stops one component. Own control planes only: the shared one is everybody's.
    pub async fn stop(&self, component: Component) {
        self.component("stop", component).await;
    }

    /// Starts it again on the same port and waits until it is ready.
    pub async fn start(&self, component: Component) {
        self.component("start", component).await;
    }

    async fn component(&self, verb: &str, component: Component) {
        assert!(self.own.is_some(), "only a control plane of one's own may be broken: use ControlPlane::own");
        let mut command = self.command(verb);
        command.arg(component.as_str());
        done(command).await;
    }

    /// Runs `kubectl` as the administrator; whether it succeeded is the caller's to judge.
    pub async fn kubectl(&self, args: &[&str], stdin: Option<&str>) -> Output {
        let mut command = self.kubectl_command();
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let stdin = stdin.unwrap_or_default().to_owned();
        blocking(move || {
            let mut child = command.spawn().expect("kubectl starts");
            // kubectl that fails early closes its input; its message says more than the broken pipe.
            let _ = child.stdin.take().expect("piped").write_all(stdin.as_bytes());
            child.wait_with_output().expect("kubectl ends")
        })
        .await
    }

    /// Runs `kubectl` as the administrator and gives its output.
    ///
    /// # Panics
    /// When it fails.
    pub async fn kubectl_ok(&self, args: &[&str], stdin: Option<&str>) -> String {
        let out = self.kubectl(args, stdin).await;
        assert!(out.status.success(), "kubectl {}: {}", args.join(" "), text(out.stderr));
        text(out.stdout)
    }

    /// Waits until all definitions are established. kubectl takes one without a status yet for an error.
    pub async fn definitions_established(&self) {
        let wait = ["wait", "--for=condition=Established", "--timeout=10s", "crd", "--all"];
        eventually(PATIENCE, "all definitions to be established", async || {
            self.kubectl(&wait, None).await.status.success().then_some(())
        })
        .await;
    }

    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new(self.binary.with_file_name("kubectl"));
        // kubectl keeps what it learnt of a server by host and port; another control plane may have had this port.
        command.env("KUBECONFIG", &self.kubeconfig).env("KUBECACHEDIR", self.data.join("kubectl-cache"));
        command
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg(verb).arg("--data").arg(&self.data);
        command
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if self.own.is_some() {
            let _ = self.command("down").arg("--purge").output();
        }
    }
}

/// A client of a kubeconfig file.
pub(super) async fn client_of(kubeconfig: &Path) -> Client {
    connect(Kubeconfig::read_from(kubeconfig).expect("the kubeconfig can be read")).await
}

async fn connect(kubeconfig: Kubeconfig) -> Client {
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a config");
    Client::try_from(config).expect("a client")
}

/// A folder next to what cargo builds.
fn target(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/").join(name)
}

fn binary() -> Result<PathBuf, String> {
    if let Some(binary) = std::env::var_os("ROSTER_CONTROLPLANE") {
        return Ok(binary.into());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/controlplane/build.sh");
    Ok(last_line(&run(&mut Command::new(script))?).into())
}

/// Children block, and a controller or webhook of the test may run on the same runtime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("the work does not panic")
}

async fn done(mut command: Command) -> Output {
    blocking(move || run(&mut command)).await.unwrap_or_else(|error| panic!("{error}"))
}

fn run(command: &mut Command) -> Result<Output, String> {
    let out = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if !out.status.success() {
        return Err(format!("{command:?}: {}\n{}", out.status, text(out.stderr)));
    }
    Ok(out)
}

fn last_line(out: &Output) -> String {
    let text = String::from_utf8_lossy(&out.stdout);
    text.trim().lines().last().expect("a path").to_owned()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("UTF-8")
}
