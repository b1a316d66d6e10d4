//! Tests the command line on files: every output as a person sees it, against a golden one. `tests/it/cli/` tests it on
//! a cluster.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::pedantic,
    reason = "tests end by panicking, and read better as they stand"
)]

mod ask;
mod authority;
mod change;
mod doc_commands;
mod docs;
mod format;
mod general;
#[cfg(feature = "sqlite")]
mod init;
mod offline;
mod reference;
mod runbook;
#[cfg(feature = "sqlite")]
mod seed_store;
#[cfg(feature = "sqlite")]
mod store_commands;
mod support;
mod validate;
