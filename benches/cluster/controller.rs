//! Runs the release binary as a process of its own. Used by the measurements (`rows`).

use std::{
    collections::HashMap,
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};

use crate::environment::Environment;

/// A running controller; killed when it is dropped.
pub struct Controller {
    child: Child,
    http: SocketAddr,
    log: PathBuf,
}

/// Memory of a process, in bytes, as reported by the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Resident now.
    pub resident: f64,
    /// Largest resident size so far.
    pub peak: f64,
}

impl Controller {
    /// Starts a controller whose stores are in `folder`.
    pub fn start(environment: &Environment, folder: &Path) -> Result<Self> {
        let http = free_address()?;
        Self::spawn(environment, folder, http, |command| {
            command.args(["controller", "--http", &http.to_string(), "--sqlite-dir"]).arg(folder);
        })
    }

    /// Starts an admission webhook whose certificate authority is in `folder`; returns its address for verdicts, too.
    pub fn webhook(environment: &Environment, folder: &Path, member_prefix: &str) -> Result<(Self, String)> {
        let (http, address) = (free_address()?, free_address()?);
        let webhook = Self::spawn(environment, folder, http, |command| {
            command.args(["webhook", "serve", "--http", &http.to_string(), "--address", &address.to_string()]);
            command.args(["--dns-name", "localhost", "--member-prefix", member_prefix, "--ca-dir"]).arg(folder);
        })?;
        Ok((webhook, format!("https://localhost:{}/judge", address.port())))
    }

    fn spawn(
        environment: &Environment,
        folder: &Path,
        http: SocketAddr,
        arguments: impl FnOnce(&mut Command),
    ) -> Result<Self> {
        let log = folder.join("controller.log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_roster"));
        arguments(&mut command);
        let child = command
            .env("KUBECONFIG", &environment.kubeconfig)
            .env("RUST_LOG", std::env::var("ROSTER_BENCH_LOG").unwrap_or_else(|_| "info".to_owned()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::options().create(true).append(true).open(&log)?)
            .spawn()?;
        Ok(Self { child, http, log })
    }

    /// Returns the metrics of the controller, by name with labels as exported.
    pub async fn metrics(&mut self) -> Result<HashMap<String, f64>> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the controller has ended ({status}):\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
        let mut stream = TcpStream::connect(self.http).await?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let lines = answer.lines().filter_map(|line| line.rsplit_once(' '));
        Ok(lines.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
    }

    /// Returns the sum of all metrics whose name has this prefix.
    pub async fn sum(&mut self, prefix: &str) -> Result<f64> {
        Ok(self.metrics().await?.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, value)| value).sum())
    }

    /// Waits until the controller did nothing and has no pending work for some seconds: longer than its delays for
    /// counts and events.
    pub async fn quiet(&mut self) -> Result<()> {
        const CALM: Duration = Duration::from_secs(7);
        const PATIENCE: Duration = Duration::from_secs(600);
        let started = Instant::now();
        let (mut was, mut since) = (Vec::new(), Instant::now());
        while started.elapsed() < PATIENCE {
            // A controller that does not lead yet has no metrics.
            let metrics = self.metrics().await.unwrap_or_default();
            let sum = |prefix: &str| -> f64 {
                metrics.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, value)| value).sum()
            };
            let done = vec![sum("roster_passes_total"), sum("roster_api_writes_total"), sum("roster_leader")];
            let waits = sum("roster_queue_depth");
            if done != was || waits > 0.0 || sum("roster_leader") < 1.0 {
                (was, since) = (done, Instant::now());
            } else if since.elapsed() >= CALM {
                return Ok(());
            }
            sleep(Duration::from_millis(200)).await;
        }
        bail!("the controller does not come to rest; see {}", self.log.display())
    }

    /// Returns the memory of the process.
    pub fn memory(&self) -> Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| -> Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).context("a field of /proc/…/status")?;
            Ok(line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<f64>()? * 1_024.0)
        };
        Ok(Memory { resident: field("VmRSS")?, peak: field("VmHWM")? })
    }

    /// Stops the controller with SIGTERM, like the kubelet stops a pod.
    pub async fn stop(mut self) -> Result<()> {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status()?;
        ensure!(sent.success(), "the controller cannot be signalled");
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "the controller does not end");
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

/// Returns an address that is free now. Another process could take it meanwhile; then the process that gets it stops
/// with an error.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
