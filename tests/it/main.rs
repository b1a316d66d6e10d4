//! Tests Roster's promises from outside, on a real control plane.
//!
//! `ROSTER_CONTROLPLANE` may name the control plane's binary, otherwise `tests/controlplane/build.sh` builds it.
//! `ROSTER_TEST_DATA` may name the data folder of a control plane that somebody else stops; see [`support`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::pedantic,
    reason = "tests end by panicking, and their tables read better as they stand"
)]

mod cli;
mod conditions;
mod contract;
mod harness;
mod lease;
mod lifecycle;
mod support;
#[cfg(feature = "otel")]
mod traces;
