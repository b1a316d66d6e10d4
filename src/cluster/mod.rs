//! I/O with the Kubernetes API server: client, watches and decoding, leases, secrets, fresh reads, finalizers, events.
//! Called by the controller and the command line.
//!
//! Nothing here decides: it sends the requests of the controller's loop, and returns the responses.

pub(crate) mod api_error;
pub(crate) mod catalog_record;
pub(crate) mod definitions;
pub(crate) mod events;
pub(crate) mod finalizer;
pub(crate) mod fresh;
pub mod leases;
pub mod rights;
mod secrets;
pub(crate) mod status;
pub(crate) mod store_id;
pub(crate) mod watch;
pub(crate) mod wire;

pub use secrets::ClusterSecrets;

use std::time::Duration;

/// Longest wait for a response of the API server.
pub const ANSWER: Duration = Duration::from_secs(10);
/// Pause between attempts to reach the API server.
pub const AGAIN: Duration = Duration::from_secs(2);
