//! The image that `make image` builds: what is in it, what it says of itself, and that it runs. It is run by an OCI
//! runtime, without a container engine, as root.
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
