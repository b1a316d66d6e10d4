//! The Kubernetes API server: client, watches and decoding, calls about leases, secrets, fresh reads, finalizers, events.
//!
//! Nothing here decides: it does what the controller's loop asks for, and says what the server answered.

pub(crate) mod api_error;
pub(crate) mod catalog_record;
pub(crate) mod definitions;
pub(crate) mod events;
pub(crate) mod finalizer;
pub(crate) mod fresh;
pub mod leases;
mod secrets;
pub(crate) mod status;
pub(crate) mod store_id;
pub(crate) mod watch;
pub(crate) mod wire;

pub use secrets::ClusterSecrets;

use std::time::Duration;

/// Longest time to wait for an answer of the API server.
pub const ANSWER: Duration = Duration::from_secs(10);
/// Time between two attempts to reach the API server.
pub const AGAIN: Duration = Duration::from_secs(2);
