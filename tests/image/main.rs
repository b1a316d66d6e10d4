//! Tests the image that `make image` builds: its contents, its metadata, and that it runs. An OCI runtime runs it as
//! root, without a container engine.
//!
//! `ROSTER_IMAGE` may name the folder that it was built to, otherwise `scripts/image.sh` builds it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::pedantic,
    reason = "tests end by panicking, and their tables read better as they stand"
)]

mod agree;
mod built;
mod container;
mod contents;
mod materials;
mod registry;
mod run;
#[path = "../it/support/mod.rs"]
mod support;
