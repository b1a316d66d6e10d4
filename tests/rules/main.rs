//! Tests every rule of the schemas, accepted and refused by the real API server (docs/api-versioning.md).
//!
//! A table starts from a valid object and changes it by a merge patch: on creation, or on an object that is there.
//! No controller runs meanwhile: these tests write statuses of their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::pedantic,
    reason = "tests end by panicking, and their tables read better as they stand"
)]

mod account;
mod bounds;
mod catalog;
mod group;
mod invitation;
mod membership;
mod metadata;
mod patch;
mod role;
mod server;
mod store;
mod store_backends;
#[path = "../it/support/mod.rs"]
mod support;
mod table;
