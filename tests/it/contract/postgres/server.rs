//! A real PostgreSQL server for this process, created by `initdb`, with TLS. It stops with the process. Used by the
//! tests of this folder.
//!
//! `ROSTER_POSTGRES_BIN` may name the folder of its programs; otherwise the newest below /usr/lib/postgresql, or PATH.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::support::{Authority, forget_dead};

/// A server.
pub struct Server {
    data: PathBuf,
    sockets: TempDir,
    port: u16,
    /// The authority that signed its certificate, as PEM.
    pub ca: String,
    process: Mutex<Option<Arc<Mutex<Child>>>>,
}

impl Server {
    /// The server that all tests of this process share; none of them stops it.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Server> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// One of a test's own.
    pub async fn start() -> Self {
        let server = tokio::task::spawn_blocking(Self::init).await.unwrap();
        server.up().await;
        server
    }

    fn init() -> Self {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("postgres");
        fs::create_dir_all(&parent).unwrap();
        forget_dead(&parent);
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let data = parent.join(format!("{}-{number}", std::process::id()));
        fs::create_dir(&data).unwrap();
        let sockets = tempfile::Builder::new().prefix("roster-pg-").tempdir().unwrap();
        if let Some((user, group)) = unprivileged() {
            chown(&data, Some(user), Some(group)).unwrap();
            chown(sockets.path(), Some(user), Some(group)).unwrap();
        }
        let made = program("initdb")
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "initdb in {}: {}\n(as root it runs as the user postgres, who must be able to reach the folder)",
            data.display(),
            String::from_utf8_lossy(&made.stderr)
        );
        fs::write(
            data.join("pg_hba.conf"),
            "local all all trust\nhostssl all tls_only 127.0.0.1/32 scram-sha-256\nhostnossl all tls_only 127.0.0.1/32 \
             reject\nhost all all 127.0.0.1/32 scram-sha-256\n",
        )
        .unwrap();
        let ca = certificates(&data);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { data, sockets, port, ca, process: Mutex::new(None) }
    }

    /// Starts it, or starts it again.
    pub async fn up(&self) {
        let (says, heard) = mpsc::channel();
        let mut command = program("postgres");
        command.arg("-D").arg(&self.data).arg("-k").arg(self.sockets.path()).arg("-p").arg(self.port.to_string());
        for setting in [
            "listen_addresses=127.0.0.1",
            "ssl=on",
            "fsync=off",
            "max_connections=200",
            "log_min_messages=fatal",
            "password_encryption=scram-sha-256",
        ] {
            command.args(["-c", setting]);
        }
        let log = fs::File::options().create(true).append(true).open(self.data.join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        // It ends with the thread that started it, so that thread ends with the process.
        std::thread::spawn(move || {
            let child = Arc::new(Mutex::new(command.spawn().unwrap()));
            says.send(child).unwrap();
            loop {
                std::thread::park();
            }
        });
        *self.process.lock().unwrap() = Some(heard.recv().unwrap());
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match self.admin().connect().await {
                Ok(connection) => break connection.close().await.unwrap(),
                Err(error) => {
                    let log = fs::read_to_string(self.data.join("log")).unwrap_or_default();
                    assert!(Instant::now() < deadline, "PostgreSQL does not answer: {error}\n{log}");
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops it at once: connections are cut.
    pub fn stop(&self) {
        if let Some(process) = self.process.lock().unwrap().take() {
            let mut child = process.lock().unwrap();
            Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
            child.wait().unwrap();
        }
    }

    /// Says who may connect how.
    pub async fn allow(&self, hba: &str) {
        fs::write(self.data.join("pg_hba.conf"), hba).unwrap();
        self.run("SELECT pg_reload_conf()").await.unwrap();
        // The server's own word that it has read it.
        let rules = i64::try_from(hba.lines().count()).unwrap();
        let read = async || {
            let sql = "SELECT (SELECT count(*) FROM pg_hba_file_rules) = $1 AND pg_conf_load_time() > now() - interval '1 minute'";
            sqlx::query_scalar::<_, bool>(sql).bind(rules).fetch_one(&mut self.admin_connection().await).await.unwrap()
        };
        while !read().await {
            tokio::task::yield_now().await;
        }
    }

    /// The superuser, by the socket.
    pub fn admin(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.sockets.path())
            .port(self.port)
            .username("postgres")
            .database("postgres")
            .disable_statement_logging()
    }

    /// Runs statements as the superuser.
    pub async fn run(&self, sql: &str) -> Result<(), sqlx::Error> {
        let mut connection = self.admin().connect().await?;
        let result = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.map(|_| ());
        connection.close().await?;
        result
    }

    pub async fn admin_connection(&self) -> PgConnection {
        self.admin().connect().await.unwrap()
    }

    /// Its port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// A connection string of a role whose password is `pw`.
    pub fn url(&self, role: &str) -> String {
        self.url_at(role, self.port)
    }

    /// Returns the address with another port.
    pub fn url_at(&self, role: &str, port: u16) -> String {
        format!("postgres://{role}:pw@127.0.0.1:{port}/postgres?sslmode=disable")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.data);
    }
}

/// Returns the user under which PostgreSQL runs if the test runs as root, which PostgreSQL refuses.
fn unprivileged() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let user =
        users.lines().find_map(|line| line.strip_prefix("postgres:")).expect("a user postgres, made by the package");
    let mut parts = user.split(':').skip(1).map(|id| id.parse().unwrap());
    Some((parts.next().unwrap(), parts.next().unwrap()))
}

/// One of PostgreSQL's programs, as the user it needs; it gets SIGINT when the thread that starts it ends.
fn program(name: &str) -> Command {
    let mut command = Command::new("setpriv");
    if let Some((user, group)) = unprivileged() {
        command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
    }
    command.args(["--pdeathsig", "INT"]).arg(binaries().join(name)).current_dir("/");
    command
}

fn binaries() -> PathBuf {
    if let Some(folder) = std::env::var_os("ROSTER_POSTGRES_BIN") {
        return folder.into();
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest =
        versions.filter_map(|version| Some((version.file_name().to_str()?.parse::<u32>().ok()?, version.path())));
    if let Some((_, folder)) = newest.max() {
        return folder.join("bin");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|folder| folder.join("initdb").exists())
        .expect("PostgreSQL's programs: apt-get install postgresql, or ROSTER_POSTGRES_BIN")
}

/// A certificate for 127.0.0.1, and the authority that signed it.
fn certificates(data: &Path) -> String {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("127.0.0.1");
    for (name, content) in [("server.crt", certificate), ("server.key", key)] {
        let path = data.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((user, group)) = unprivileged() {
            chown(&path, Some(user), Some(group)).unwrap();
        }
    }
    authority.pem
}
