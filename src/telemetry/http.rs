//! Serves `/healthz`, `/readyz` and `/metrics` over HTTP. Called by `roster controller`.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Health, Metrics};

/// Longest time that open connections delay a stop.
const GRACE: Duration = Duration::from_secs(2);

/// Media type of `/metrics`.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Error of the server for health and metrics.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Listening on the address failed.
    #[error("cannot listen on {address} for health and metrics: {source}")]
    Listen {
        /// Requested address.
        address: SocketAddr,
        /// Cause.
        source: io::Error,
    },
    /// The server failed.
    #[error("the server of health and metrics failed: {0}")]
    Serve(#[from] io::Error),
}

/// Serves health and metrics on an address until `shutdown`; port 0 takes a free one. The address is logged.
///
/// # Errors
/// When listening on the address fails, or the server fails.
pub async fn serve_http(
    address: SocketAddr,
    metrics: Metrics,
    health: Health,
    shutdown: CancellationToken,
) -> Result<(), HttpError> {
    let listener = TcpListener::bind(address).await.map_err(|source| HttpError::Listen { address, source })?;
    serve(listener, metrics, health, shutdown).await
}

/// Like [`serve_http`], on an existing listener.
///
/// # Errors
/// When the server fails.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    health: Health,
    shutdown: CancellationToken,
) -> Result<(), HttpError> {
    let address = listener.local_addr()?;
    tracing::info!(%address, "serving /healthz, /readyz and /metrics");
    let routes = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(health)
        .merge(Router::new().route("/metrics", get(scrape)).with_state(metrics));
    let server = axum::serve(listener, routes).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = async { server.await } => ended.map_err(HttpError::Serve),
        () = overdue => Ok(()),
    }
}

async fn healthz(State(health): State<Health>) -> impl IntoResponse {
    answer(health.alive(Instant::now()))
}

async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    answer(health.ready())
}

async fn scrape(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, OPENMETRICS)], metrics.encode())
}

fn answer(state: Result<(), String>) -> (StatusCode, String) {
    match state {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use super::*;

    /// Sends an HTTP/1.0 request. Returns status code, head and body.
    fn request(address: SocketAddr, path: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: roster\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        (code, head.to_owned(), body.to_owned())
    }

    async fn get(address: SocketAddr, path: &'static str) -> (u16, String, String) {
        tokio::task::spawn_blocking(move || request(address, path)).await.unwrap()
    }

    #[tokio::test]
    async fn health_and_metrics_are_served_until_the_stop() {
        let (metrics, health, stop) = (Metrics::new(), Health::new(), CancellationToken::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, metrics.clone(), health.clone(), stop.clone()));

        assert_eq!(get(address, "/healthz").await.0, 200);
        let (code, _, body) = get(address, "/readyz").await;
        assert_eq!((code, body.as_str()), (503, "starting\n"));
        health.set_ready(Ok(()));
        let (code, _, body) = get(address, "/readyz").await;
        assert_eq!((code, body.as_str()), (200, "ok\n"));

        metrics.drift(3, 2);
        let (code, head, body) = get(address, "/metrics").await;
        assert_eq!(code, 200);
        assert!(head.to_lowercase().contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
        assert!(body.contains("\nroster_drift_found_total 3\n"), "{body}");
        assert!(body.ends_with("# EOF\n"), "{body}");
        assert_eq!(get(address, "/").await.0, 404);

        stop.cancel();
        server.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_taken_address_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let error =
            serve_http(address, Metrics::new(), Health::new(), CancellationToken::new()).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on {address} for health and metrics: ")), "{error}");
    }

    #[tokio::test]
    async fn an_idle_connection_does_not_hold_up_the_stop() {
        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _idle = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let server = tokio::spawn(serve(listener, Metrics::new(), Health::new(), stop.clone()));
        stop.cancel();
        tokio::time::timeout(2 * GRACE, server).await.unwrap().unwrap().unwrap();
    }
}
