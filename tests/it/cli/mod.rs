//! The command line on a live cluster.

#[cfg(feature = "sqlite")]
mod look;
