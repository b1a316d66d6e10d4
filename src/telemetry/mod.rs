//! Logs, traces, metrics and health of the process. Used by the command line and the controller.

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
