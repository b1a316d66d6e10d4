//! A line to the API server that writes down what is asked for, as rights know it.

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

use crate::support::ControlPlane;

/// What was asked for: `group/resource verb`, with the name where a right is bound to names.
#[derive(Default)]
pub struct Asked {
    pub rights: BTreeSet<String>,
    pub refused: Vec<String>,
}

/// Requests that come here go on to the API server as somebody with this token.
pub struct Proxy {
    pub kubeconfig: PathBuf,
    pub asked: Arc<Mutex<Asked>>,
}

impl Proxy {
    pub async fn start(plane: &ControlPlane, token: &str, folder: &Path) -> Self {
        let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        config.auth_info = serde_json::from_value(serde_json::json!({"token": token})).unwrap();
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
}

async fn forward(State((client, asked)): State<(Client, Arc<Mutex<Asked>>)>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let right = right(parts.method.as_str(), parts.uri.path(), parts.uri.query().unwrap_or_default());
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
        asked.refused.push(right.clone());
    }
    asked.rights.insert(right);
    answer
}

fn right(method: &str, path: &str, query: &str) -> String {
    let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let group = if parts[0] == "api" { "" } else { parts[1] };
    parts.drain(..if parts[0] == "api" { 2 } else { 3 });
    let namespaced = parts[0] == "namespaces" && parts.len() > 2;
    if namespaced {
        parts.drain(..2);
    }
    let name = parts.get(1).copied().unwrap_or_default();
    let resource = parts.get(2).map_or_else(|| parts[0].to_owned(), |sub| format!("{}/{sub}", parts[0]));
    let verb = match (method, name.is_empty()) {
        ("GET", true) if query.contains("watch=true") || query.contains("watch=1") => "watch",
        ("GET", true) => "list",
        ("GET", false) => "get",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", _) => "delete",
        _ => method,
    };
    // Those rights that the chart binds to names.
    let bound = resource == "customresourcedefinitions";
    format!("{group}/{resource} {verb}{}{}", if bound { " " } else { "" }, if bound { name } else { "" })
}
