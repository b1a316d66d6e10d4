//! Runs the admission webhook: stamps objects with whoever changes them, and judges changes of access before they are
//! stored. Called by `roster webhook serve`.
//!
//! ```text
//!  watches ──► Index ─┐
//!                     ├─ judge ──► refused, or allowed with warnings
//!  API server ─ review ─┤
//!                     └─ stamp ──► patch of the annotation roster.dev/actor
//! ```
//!
//! Each replica answers by itself, from its own watches. [`crate::authority`] decides; here reviews are read and
//! answered.

pub mod authority;
pub mod certificate;
mod config;
mod judge;
mod review;
mod server;
mod stamp;
mod state;

use std::sync::Arc;

use kube::Client;
use tokio_util::sync::CancellationToken;

pub use config::Config;

use crate::telemetry::{Health, Metrics};

/// Serves the webhook until `stop`. It is ready once it knows all objects.
///
/// # Errors
/// When the certificate cannot be read, or the server cannot listen.
pub async fn run(
    client: Client,
    config: Config,
    metrics: Metrics,
    health: Health,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let state = Arc::new(state::Knowledge::default());
    let watching = state::watch(&client, &config.store_namespace, state.clone(), health, stop.clone());
    let judge = Arc::new(judge::Judge::new(client.clone(), state, metrics, &config));
    let serving = server::serve(config.address, config.certificate, judge, stop);
    let (served, ()) = tokio::join!(serving, watching);
    served
}
