//! What Roster says about itself: logs, metrics, health.

mod health;
mod http;
mod logging;
mod metrics;

pub use health::Health;
pub use http::{HttpError, serve, serve_http};
pub use logging::{LogFilterError, init_logging};
pub use metrics::Metrics;
