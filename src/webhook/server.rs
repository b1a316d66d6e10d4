//! Serves the two webhooks over HTTPS. Called by `webhook::run`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    routing::post,
};
use axum_server::Handle;
use kube::core::{
    DynamicObject,
    admission::{AdmissionResponse, AdmissionReview},
};
use tokio_util::sync::CancellationToken;

use super::{
    certificate,
    judge::Judge,
    review::{Request, Review},
};

/// Maximum size of a review, in bytes: two versions of the largest object that etcd keeps, and some.
const LARGEST: usize = 8 << 20;
/// Longest time that open connections delay a stop.
const GRACE: Duration = Duration::from_secs(5);

/// Serves `/stamp` (mutating) and `/judge` (validating) until `stop`.
pub(super) async fn serve(
    address: SocketAddr,
    certificate: certificate::Source,
    judge: Arc<Judge>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let tls = certificate::Served::new(certificate)?;
    let routes = Router::new()
        .route("/stamp", post(stamp))
        .route("/judge", post(review))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(judge);
    let listener = std::net::TcpListener::bind(address)
        .with_context(|| format!("cannot listen on {address} for the admission webhook"))?;
    listener.set_nonblocking(true)?;
    tracing::info!(address = %listener.local_addr()?, "serving the admission webhook");
    let handle = Handle::new();
    let server = axum_server::from_tcp_rustls(listener, tls.config())?.handle(handle.clone());
    let stopping = async {
        stop.cancelled().await;
        handle.graceful_shutdown(Some(GRACE));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        served = server.serve(routes.into_make_service()) => served.context("the server of the admission webhook failed"),
        () = tls.renew() => Ok(()),
        () = stopping => Ok(()),
    }
}

/// Answer to a request: a review, or a status that lets the failure policy decide.
type Answer = Result<Json<AdmissionReview<DynamicObject>>, (StatusCode, String)>;

async fn stamp(State(judge): State<Arc<Judge>>, Json(review): Json<Review>) -> Answer {
    let request = request(review)?;
    answer(judge.stamp(&request).await)
}

async fn review(State(judge): State<Arc<Judge>>, Json(review): Json<Review>) -> Answer {
    let request = request(review)?;
    answer(judge.judge(&request).await)
}

fn request(review: Review) -> Result<Request, (StatusCode, String)> {
    review.try_into().map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))
}

fn answer(answer: anyhow::Result<AdmissionResponse>) -> Answer {
    match answer {
        Ok(response) => Ok(Json(response.into_review())),
        Err(error) => {
            let why = format!("{error:#}");
            tracing::warn!(why, "a review is not answered");
            Err((StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")))
        }
    }
}
