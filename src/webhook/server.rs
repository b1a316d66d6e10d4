//! Serves the two webhooks over HTTPS. Called by `webhook::run`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{self, DefaultBodyLimit, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::post,
};
use axum_server::Handle;
use kube::core::{
    DynamicObject,
    admission::{AdmissionResponse, AdmissionReview},
};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::{
    certificate,
    judge::Judge,
    review::{Request, Review},
};

/// Maximum size of a review, in bytes: two versions of the largest object that etcd keeps, and some.
const LARGEST: usize = 4 << 20;
/// Size from which few reviews are decoded at the same time: JSON of many small parts takes a hundred times its size.
const LARGE: usize = 256 << 10;
/// Large reviews that are decoded and answered at the same time.
const LARGE_AT_ONCE: usize = 1;
/// Reviews that are received and answered at the same time; more are answered with status 503.
const AT_ONCE: usize = 64;
/// Longest time for a review, from its head to its answer. The API server waits no longer, either (`timeoutSeconds`).
const PATIENCE: Duration = Duration::from_secs(5);
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
    let reviews = Reviews { judge, large: Arc::new(Semaphore::new(LARGE_AT_ONCE)) };
    let routes = Router::new()
        .route("/stamp", post(stamp))
        .route("/judge", post(review))
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(middleware::from_fn_with_state(Arc::new(Semaphore::new(AT_ONCE)), in_time))
        .with_state(reviews);
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

/// Limits the number of requests and the time of each, that of receiving it included: whoever reaches the webhook can
/// send to it.
async fn in_time(State(free): State<Arc<Semaphore>>, request: extract::Request, next: Next) -> Response {
    let Ok(_one) = free.try_acquire() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many reviews at the same time\n").into_response();
    };
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the review took too long\n").into_response(),
    }
}

/// State of the routes.
#[derive(Clone)]
struct Reviews {
    judge: Arc<Judge>,
    /// Large reviews that may still be decoded.
    large: Arc<Semaphore>,
}

/// Answer to a request: a review, or a status that lets the failure policy decide.
type Answer = Result<Json<AdmissionReview<DynamicObject>>, (StatusCode, String)>;

async fn stamp(State(reviews): State<Reviews>, body: Bytes) -> Answer {
    let _turn = reviews.turn(&body).await;
    let request = request(&body)?;
    answer(reviews.judge.stamp(&request).await)
}

async fn review(State(reviews): State<Reviews>, body: Bytes) -> Answer {
    let _turn = reviews.turn(&body).await;
    let request = request(&body)?;
    answer(reviews.judge.judge(&request).await)
}

impl Reviews {
    /// Waits until a large review may be decoded. The turn lasts until it is answered.
    async fn turn(&self, body: &Bytes) -> Option<SemaphorePermit<'_>> {
        if body.len() < LARGE { None } else { self.large.acquire().await.ok() }
    }
}

fn request(body: &Bytes) -> Result<Request, (StatusCode, String)> {
    let bad = |error: &dyn std::fmt::Display| (StatusCode::BAD_REQUEST, format!("{error}\n"));
    let review: Review = serde_json::from_slice(body).map_err(|error| bad(&error))?;
    review.try_into().map_err(|error| bad(&error))
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
