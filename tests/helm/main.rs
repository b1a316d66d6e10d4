//! Tests the charts, installed by helm on a real control plane. There are no nodes, so the controller runs outside the
//! cluster, with the chart's account.
//!
//! `ROSTER_HELM` may name the folder with helm and the tools that check charts; otherwise `tests/helm/build.sh` builds them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::pedantic,
    reason = "tests end by panicking, and their tables read better as they stand"
)]

mod charts;
mod conform;
mod held;
mod hook;
mod lifecycle;
mod people;
mod proxy;
mod release;
mod rights;
mod shards;
#[path = "../it/support/mod.rs"]
mod support;
mod upgrades;
mod webhook;
