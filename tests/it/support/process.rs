//! The controller as the real binary, for tests that stop it, kill it, or remove what it depends on.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::DeleteParams;
use roster::control::leases::NAME;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::controller::prepare;
use super::{ControlPlane, Controller, PATIENCE, SYSTEM, eventually, eventually_or};

impl Controller {
    /// The real binary on a control plane, with the files of its stores and its log in `directory`. What is there
    /// stays: a second process goes on where the first one was. It need not lead yet; see
    /// [`ControllerProcess::leading`].
    pub async fn process(plane: &ControlPlane, directory: &Path) -> ControllerProcess {
        Self::prepare(plane).await;
        Self::spawn(plane, directory, |_| {})
    }

    /// Makes a control plane ready for a controller: our kinds, and its namespace.
    pub async fn prepare(plane: &ControlPlane) {
        prepare(plane).await;
    }

    /// Like [`Self::process`], on a control plane that is ready or must not be waited for, with more settings of the
    /// process.
    pub fn spawn(plane: &ControlPlane, directory: &Path, more: impl FnOnce(&mut Command)) -> ControllerProcess {
        ControllerProcess::start(directory, |command| {
            command
                .args(["controller", "--http", "127.0.0.1:0", "--store-namespace", SYSTEM, "--sqlite-dir"])
                .arg(directory)
                .env("KUBECONFIG", super::account::path(plane));
            more(command);
        })
    }
}

impl ControllerProcess {
    /// Starts the real binary with its log in `directory`; `settings` are its arguments and environment.
    pub fn start(directory: &Path, settings: impl FnOnce(&mut Command)) -> Self {
        fs::create_dir_all(directory).expect("a folder");
        let log = (1..).map(|number| directory.join(format!("roster-{number}.log")));
        let log = log.into_iter().find(|log| !log.exists()).expect("a free name");
        let mut command = subject_to_permissions(env!("CARGO_BIN_EXE_roster"));
        settings(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create_new(&log).expect("a log file"));
        Self { child: command.spawn().expect("roster starts"), log }
    }
}

/// Root without the right to pass by a file's permissions, as in the container; anybody else has none to lose.
fn subject_to_permissions(program: &str) -> Command {
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() != 0) {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-dac_override,-dac_read_search", program]);
    command
}

/// Makes a successor of a killed leader lead at once: nobody need wait until its lease expires.
pub async fn forget_leader(plane: &ControlPlane) {
    let leases: Api<Lease> = Api::namespaced(plane.client().await, SYSTEM);
    leases.delete(NAME, &DeleteParams::default()).await.expect("the lease can be deleted");
}

/// Waits until `/readyz` has this answer.
pub async fn ready(roster: &mut ControllerProcess, wanted: &str) {
    eventually_or(PATIENCE, format!("/readyz to say {wanted}"), async || {
        let response = roster.get("/readyz").await;
        if response.contains(wanted) { Ok(()) } else { Err(response) }
    })
    .await;
}

/// A running `roster controller`, killed when it is dropped.
pub struct ControllerProcess {
    child: Child,
    log: PathBuf,
}

impl ControllerProcess {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the exit status, if the process has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child")
    }

    /// Returns the log so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Returns how often a text is in the log.
    pub fn times(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    /// Waits until it leads.
    pub async fn leading(&mut self) {
        self.logged(LEADING).await;
    }

    /// Waits for a line of its log, and gives it.
    pub async fn logged(&mut self, text: &str) -> String {
        self.logged_after(text, 0).await
    }

    /// Waits for one more line with a text than so many, and gives it.
    pub async fn logged_after(&mut self, text: &str, times: usize) -> String {
        let what = format!("{text} in {}", self.log.display());
        eventually(PATIENCE, &what, async || {
            if let Some(line) = self.log().lines().filter(|line| line.contains(text)).nth(times) {
                return Some(line.to_owned());
            }
            if let Some(status) = self.ended() {
                panic!("roster ended ({status}) without {what}:\n{}", self.log());
            }
            None
        })
        .await
    }

    /// Returns the address of health and metrics.
    pub async fn http(&mut self) -> String {
        let line = self.logged("serving /healthz").await;
        let event: serde_json::Value = serde_json::from_str(&line).expect("a JSON line");
        event["address"].as_str().expect("an address").to_owned()
    }

    /// Returns the answer to a GET, including the head.
    pub async fn get(&mut self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.http().await).await.expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: roster\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it takes a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        answer
    }

    /// The sum of its metrics whose line starts so: one by all its labels, or all of a name.
    pub async fn metric(&mut self, start: &str) -> f64 {
        let metrics = self.get("/metrics").await;
        let values = metrics.lines().filter(|line| line.starts_with(start)).filter_map(|line| line.rsplit_once(' '));
        values.map(|(_, value)| value.parse::<f64>().expect("a number")).sum()
    }

    /// SIGTERM, and waits for its end.
    pub async fn stop(self) -> ExitStatus {
        self.signal("TERM");
        self.end().await
    }

    /// Waits for its end.
    pub async fn end(mut self) -> ExitStatus {
        eventually(PATIENCE, "roster ends after SIGTERM", async || self.ended()).await
    }

    /// SIGKILL: no time to say good-bye. The lease stays until it expires; see [`forget_leader`].
    pub async fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        eventually(Duration::from_secs(5), "roster is dead", async || self.ended()).await;
    }

    /// SIGSTOP, and waits until none of its threads runs: they go on for a moment after the signal was sent, and may
    /// take just what they were waiting for.
    pub async fn freeze(&self) {
        self.signal("STOP");
        let threads = format!("/proc/{}/task", self.child.id());
        eventually(PATIENCE, "roster stands still", async || {
            let mut stats =
                fs::read_dir(&threads).ok()?.flatten().map(|thread| fs::read_to_string(thread.path().join("stat")));
            // The state follows the name, which stands in brackets.
            let stands = |stat: std::io::Result<String>| {
                stat.is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
            };
            stats.all(stands).then_some(())
        })
        .await;
    }

    /// Sends a signal: `TERM`, `CONT`.
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
            // Its file goes with the control plane.
            let log = self.log();
            let last: Vec<&str> = log.lines().rev().take(60).collect();
            eprintln!("the end of {}:\n{}", self.log.display(), last.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
}

/// Line that a controller logs when it begins to lead.
pub const LEADING: &str = "\"message\":\"leading\"";
