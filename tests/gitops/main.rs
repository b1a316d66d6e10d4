//! Tests Roster under GitOps: Flux's own controllers and Argo CD's own engine run what `examples/gitops` ships, on a
//! real control plane, with a real git repository.
//!
//! `ROSTER_GITOPS` may name the folder of their programs, otherwise `tests/gitops/build.sh` builds them; `ROSTER_HELM` as
//! for the charts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::pedantic,
    reason = "tests end by panicking, and their tables read better as they stand"
)]

mod argocd;
mod flux;
mod flux_portal;
mod git;
#[path = "../it/support/mod.rs"]
mod support;
mod tools;
