//! What Roster says about itself: logs, traces, metrics, health.

mod health;
mod http;
mod logging;
mod metrics;
pub mod traces;

pub use health::Health;
pub use http::{HttpError, serve, serve_http};
pub use logging::{LogFilterError, check_levels, init_logging};
pub use metrics::Metrics;
pub use traces::{Traces, TracesError};
