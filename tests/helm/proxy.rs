//! A proxy to the API server that records which right each request needs. Used by `release` and `lifecycle`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::net::TcpListener;

use crate::rights::Needed;

/// Record of the requests: the rights that they needed, and those that were refused.
#[derive(Default)]
pub struct Asked {
    pub needed: BTreeSet<Needed>,
    pub refused: BTreeSet<String>,
}

/// Forwards requests to the API server as another user.
pub struct Proxy {
    pub kubeconfig: PathBuf,
    asked: Arc<Mutex<Asked>>,
}

impl Proxy {
    /// Starts the proxy with the user of this kubeconfig. The kubeconfig of the proxy is written to `folder`.
    pub async fn start(kubeconfig: &str, folder: &Path) -> Self {
        let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let asked = Arc::new(Mutex::new(Asked::default()));
        let state = (Client::try_from(config).unwrap(), asked.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(forward).with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let kubeconfig = folder.join("proxy.kubeconfig");
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: p, clusters: [{{name: p, cluster: {{server: \"{server}\"}}}}], \
             users: [{{name: p, user: {{}}}}], contexts: [{{name: p, context: {{cluster: p, user: p}}}}]}}"
        );
        std::fs::write(&kubeconfig, text).unwrap();
        Self { kubeconfig, asked }
    }

    /// Returns the rights that were needed so far: in one namespace, and elsewhere (in other namespaces, or
    /// cluster-wide).
    pub fn needed(&self, namespace: &str) -> (BTreeSet<Needed>, BTreeSet<Needed>) {
        let all = self.asked.lock().unwrap().needed.clone();
        all.into_iter().partition(|needed| needed.namespace.as_deref() == Some(namespace))
    }

    /// Returns the requests that were refused so far.
    pub fn refused(&self) -> BTreeSet<String> {
        self.asked.lock().unwrap().refused.clone()
    }

    /// Forgets what was refused so far.
    pub fn forgive(&self) {
        self.asked.lock().unwrap().refused.clear();
    }
}

async fn forward(State((client, asked)): State<(Client, Arc<Mutex<Asked>>)>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let needed = Needed::of(parts.method.as_str(), parts.uri.path(), parts.uri.query().unwrap_or_default());
    parts.headers.remove("host");
    let path = parts.uri.path_and_query().unwrap().as_str().to_owned();
    parts.uri = path.parse().unwrap();
    let body = to_bytes(body, 16 << 20).await.unwrap().to_vec();
    let answer = client.send(axum::http::Request::from_parts(parts, body.into())).await;
    let answer = match answer {
        Ok(answer) => answer.map(Body::new),
        Err(error) => Response::builder().status(502).body(Body::from(error.to_string())).unwrap(),
    };
    let mut asked = asked.lock().unwrap();
    if answer.status() == 403 {
        asked.refused.insert(needed.to_string());
    }
    asked.needed.insert(needed);
    answer
}
