//! A proxy to Keycloak that refuses some requests, or changes some answers. Used by the tests of this folder.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{
        Method, StatusCode,
        header::{CONTENT_LENGTH, TRANSFER_ENCODING},
    },
    response::{IntoResponse as _, Response},
};
use reqwest::Client;
use roster::store::{KeycloakLocation, NoSecrets, keycloak::KeycloakStore};
use serde_json::Value;

use super::{Keycloak, server::browser};

type Refuses = Box<dyn Fn(&Method, &str) -> bool + Send>;
type Changes = Box<dyn Fn(&Method, &str, &mut Value) + Send>;

/// Forwards everything to a port of this machine, except what it must refuse or change.
pub struct Proxy {
    port: u16,
    state: Arc<Rules>,
}

struct Rules {
    target: u16,
    client: Client,
    refuses: Mutex<Refuses>,
    changes: Mutex<Option<Changes>>,
}

impl Proxy {
    /// Opens a store behind a proxy of its own.
    pub async fn store(backend: &Keycloak<'_>) -> (Self, KeycloakStore) {
        let proxy = Self::to(backend.server.port()).await;
        let place = KeycloakLocation { url: format!("http://127.0.0.1:{}", proxy.port), ..backend.place() };
        let store = KeycloakStore::open(&place, &NoSecrets).await.unwrap();
        (proxy, store)
    }

    async fn to(target: u16) -> Self {
        let state = Arc::new(Rules {
            target,
            client: browser().build().unwrap(),
            refuses: Mutex::new(Box::new(|_, _| false)),
            changes: Mutex::new(None),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let app = Router::new().fallback(pass_on).with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { port, state }
    }

    /// Refuses requests by method and path.
    pub fn refuse(&self, which: impl Fn(&Method, &str) -> bool + Send + 'static) {
        *self.state.refuses.lock().unwrap() = Box::new(which);
    }

    /// Changes answers, by method and path.
    pub fn change(&self, how: impl Fn(&Method, &str, &mut Value) + Send + 'static) {
        *self.state.changes.lock().unwrap() = Some(Box::new(how));
    }

    /// Passes everything on again.
    pub fn mend(&self) {
        self.refuse(|_, _| false);
        *self.state.changes.lock().unwrap() = None;
    }
}

async fn pass_on(State(rules): State<Arc<Rules>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    if (rules.refuses.lock().unwrap())(&head.method, &path) {
        return (StatusCode::BAD_REQUEST, r#"{"errorMessage": "somebody objects"}"#).into_response();
    }
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let url = format!("http://127.0.0.1:{}{}", rules.target, head.uri);
    let request = rules.client.request(head.method.clone(), url).headers(head.headers).body(body);
    let answer = request.send().await.unwrap();
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    let mut body: Bytes = answer.bytes().await.unwrap();
    if let Some(change) = &*rules.changes.lock().unwrap()
        && let Ok(mut value) = serde_json::from_slice::<Value>(&body)
    {
        change(&head.method, &path, &mut value);
        body = value.to_string().into();
    }
    headers.remove(TRANSFER_ENCODING);
    headers.remove(CONTENT_LENGTH);
    let mut answer = Response::new(Body::from(body));
    (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
    answer
}
