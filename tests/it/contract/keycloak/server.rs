//! A real Keycloak for this process, with an empty database in memory, by http and https. It stops with the process.
//! Used by the tests of this folder.
//!
//! `ROSTER_KEYCLOAK` may name the folder it is in; otherwise `tests/keycloak/build.sh` fetches it, once.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use reqwest::{Client, ClientBuilder, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::support::{Authority, forget_dead};

/// A server.
pub struct Server {
    http: u16,
    https: u16,
    /// The authority that signed its certificate, as PEM.
    pub ca: String,
    home: PathBuf,
    data: PathBuf,
    process: Mutex<Option<Child>>,
    token: Mutex<Option<AdminToken>>,
    /// Number of realms made. A token is good for those only that there were when it was given.
    realms: AtomicU32,
}

/// The administrator's token.
#[derive(Clone)]
struct AdminToken {
    given: Instant,
    /// Number of realms that there were then.
    realms: u32,
    access: String,
    /// Gives the next one. A log-in would cost Keycloak as much as many requests, since it hashes the password.
    refresh: String,
}

/// Time for which a token is used again; Keycloak's are valid for a minute.
const TOKEN_LASTS: Duration = Duration::from_secs(30);

impl Server {
    /// The server that all tests of this process share; none of them stops it.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Server> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// One of a test's own.
    pub async fn start() -> Self {
        let server = tokio::task::spawn_blocking(Self::prepare).await.unwrap();
        server.up().await;
        server
    }

    fn prepare() -> Self {
        let home = std::env::var_os("ROSTER_KEYCLOAK").map_or_else(fetched, PathBuf::from);
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("keycloak");
        fs::create_dir_all(&parent).unwrap();
        forget_dead(&parent);
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let data = parent.join(format!("{}-{number}", std::process::id()));
        fs::create_dir_all(&data).unwrap();
        let authority = Authority::new();
        let (certificate, key) = authority.sign("127.0.0.1");
        fs::write(data.join("tls.crt"), certificate).unwrap();
        fs::write(data.join("tls.key"), key).unwrap();
        let [http, https] = free_ports();
        Self {
            http,
            https,
            ca: authority.pem,
            home,
            data,
            process: Mutex::new(None),
            token: Mutex::new(None),
            realms: AtomicU32::new(0),
        }
    }

    /// Starts it, or starts it again, empty.
    pub async fn up(&self) {
        let log = fs::File::options().create(true).append(true).open(self.data.join("log")).unwrap();
        let mut command = Command::new("setpriv");
        // As kc.sh does, which is not used since it outlives nobody: Java would be its child.
        command.args(["--pdeathsig", "KILL", "java", "-XX:+UseSerialGC", "-Xmx768m"]);
        command.args(["-Dfile.encoding=UTF-8", "-Djava.util.logging.manager=org.jboss.logmanager.LogManager"]);
        command.args(
            ["java.util", "java.util.concurrent", "java.security"]
                .map(|it| format!("--add-opens=java.base/{it}=ALL-UNNAMED")),
        );
        command.arg(format!("-Dkc.home.dir={}", self.home.display()));
        command.arg("-cp").arg(self.home.join("lib/quarkus-run.jar"));
        command.arg("io.quarkus.bootstrap.runner.QuarkusEntryPoint");
        command.args([
            "start",
            "--optimized",
            "--http-enabled=true",
            "--http-host=127.0.0.1",
            "--hostname-strict=false",
            "--cache=local",
        ]);
        command.arg(format!("--http-port={}", self.http)).arg(format!("--https-port={}", self.https));
        command.arg(format!("--https-certificate-file={}", self.data.join("tls.crt").display()));
        command.arg(format!("--https-certificate-key-file={}", self.data.join("tls.key").display()));
        command.arg("--log-level=warn");
        command.env("KC_BOOTSTRAP_ADMIN_USERNAME", "root").env("KC_BOOTSTRAP_ADMIN_PASSWORD", "pw");
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let (says, heard) = mpsc::channel();
        // It ends with the thread that started it, so that thread ends with the process.
        std::thread::spawn(move || {
            says.send(command.spawn().unwrap()).unwrap();
            loop {
                std::thread::park();
            }
        });
        *self.process.lock().unwrap() = Some(heard.recv().unwrap());
        self.token.lock().unwrap().take();
        let deadline = Instant::now() + Duration::from_secs(180);
        let url = format!("{}/realms/master", self.url());
        loop {
            match client().get(&url).send().await {
                Ok(answer) if answer.status() == StatusCode::OK => return,
                other => {
                    let log = || fs::read_to_string(self.data.join("log")).unwrap_or_default();
                    let ended = self.process.lock().unwrap().as_mut().and_then(|child| child.try_wait().unwrap());
                    let waits = ended.is_none() && Instant::now() < deadline;
                    assert!(waits, "Keycloak does not answer ({ended:?}): {other:?}\n{}", log());
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Stops it at once.
    pub fn stop(&self) {
        if let Some(mut child) = self.process.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Returns the address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    /// The folder it is installed in.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Returns the encrypted address.
    pub fn https_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.https)
    }

    /// Its port by http.
    pub const fn port(&self) -> u16 {
        self.http
    }

    /// A token of a realm.
    pub async fn token(&self, realm: &str, form: &[(&str, &str)]) -> Result<Value, (StatusCode, Value)> {
        let url = format!("{}/realms/{realm}/protocol/openid-connect/token", self.url());
        let answer = client().post(url).form(form).send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        if status.is_success() { Ok(body) } else { Err((status, body)) }
    }

    async fn admin_token(&self) -> String {
        let (known, realms) = (self.token.lock().unwrap().clone(), self.realms.load(Ordering::SeqCst));
        let log_in = [("client_id", "admin-cli"), ("username", "root"), ("password", "pw"), ("grant_type", "password")];
        let given = Instant::now();
        let answer = match known {
            Some(known) if known.given.elapsed() < TOKEN_LASTS && known.realms == realms => return known.access,
            Some(AdminToken { refresh, .. }) => {
                let form = [("client_id", "admin-cli"), ("refresh_token", &*refresh), ("grant_type", "refresh_token")];
                match self.token("master", &form).await {
                    Ok(answer) => answer,
                    // It lasts for half an hour without use.
                    Err(_) => self.token("master", &log_in).await.unwrap(),
                }
            }
            None => self.token("master", &log_in).await.unwrap(),
        };
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        let token = AdminToken { given, realms, access: text("access_token"), refresh: text("refresh_token") };
        *self.token.lock().unwrap() = Some(token.clone());
        token.access
    }

    async fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let token = self.admin_token().await;
        client().request(method, format!("{}/admin/realms{path}", self.url())).bearer_auth(token)
    }

    /// Asks as the administrator of everything.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.request(Method::GET, path).await.send().await.unwrap();
        assert!(answer.status().is_success(), "GET {path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    /// Does something as the administrator of everything; the id of what was made.
    pub async fn send(&self, method: Method, path: &str, body: Value) -> String {
        let request = self.request(method.clone(), path).await;
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let made =
            answer.headers().get("location").map(|at| at.to_str().unwrap().rsplit('/').next().unwrap().to_owned());
        assert!(status.is_success(), "{method} {path}: {status} {}", answer.text().await.unwrap());
        made.unwrap_or_default()
    }

    /// Makes a realm with a client `roster` whose service account has `roles` of realm-management.
    pub async fn realm(&self, name: &str, roles: &[&str]) {
        let realm = json!({
            "realm": name, "enabled": true, "sslRequired": "none", "organizationsEnabled": true,
            // The keys that a realm gets by default take longer to make than all the rest of it.
            "defaultSignatureAlgorithm": "ES256", "components": {"org.keycloak.keys.KeyProvider": keys()},
            "adminEventsEnabled": true, "accessTokenLifespan": 120,
            // Hashing is not what is tested.
            "passwordPolicy": "hashAlgorithm(pbkdf2-sha256) and hashIterations(1)",
            "clients": [
                {"clientId": "roster", "secret": "hush", "serviceAccountsEnabled": true, "standardFlowEnabled": false},
                {"clientId": "portal", "secret": "portal", "directAccessGrantsEnabled": true, "fullScopeAllowed": false},
            ],
            "users": [{
                "username": "service-account-roster", "enabled": true, "serviceAccountClientId": "roster",
                "clientRoles": {"realm-management": roles},
            }],
        });
        self.send(Method::POST, "", realm).await;
        self.realms.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.data);
    }
}

/// Providers of keys that are made quickly.
fn keys() -> Value {
    let provider = |id: &str, option: &str, value: &str| {
        let config = json!({"priority": ["100"], option: [value]});
        json!({"name": id, "providerId": id, "config": config})
    };
    json!([
        provider("ecdsa-generated", "ecdsaEllipticCurveKey", "P-256"),
        provider("hmac-generated", "algorithm", "HS512"),
        provider("aes-generated", "secretSize", "16"),
    ])
}

fn fetched() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keycloak/build.sh");
    let output = Command::new(script).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "Keycloak could not be fetched");
    String::from_utf8(output.stdout).unwrap().trim().into()
}

fn free_ports() -> [u16; 2] {
    let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

/// One that belongs to the runtime of the test that asks: connections end with it.
fn client() -> Client {
    browser().build().unwrap()
}

/// A client as a browser's: it speaks http.
pub fn browser() -> ClientBuilder {
    Client::builder().timeout(Duration::from_secs(60)).tls_backend_preconfigured(no_tls())
}

/// These requests go by http.
fn no_tls() -> rustls::ClientConfig {
    let builder = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
}
