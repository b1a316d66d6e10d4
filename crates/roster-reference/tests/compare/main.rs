//! Compares the engine with the model: random worlds, the plan of a store, and the known defects of the engine by name.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::pedantic,
    clippy::cloned_ref_to_slice_refs,
    reason = "tests end by panicking, and their tables read better as they stand"
)]

#[path = "../support/mod.rs"]
mod support;

mod catalogs;
mod defects;
mod dice;
mod engine;
mod memory;
mod planning;
mod resolving;
mod worlds;

use proptest::test_runner::{Config, RngSeed};

/// So many cases, or as many as `PROPTEST_CASES` says; shrunk as long as `PROPTEST_MAX_SHRINK_ITERS` says. Always the
/// same ones, unless `PROPTEST_RNG_SEED` says others (`make properties`).
fn cases(cases: u32) -> Config {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let cases = number("PROPTEST_CASES").unwrap_or(cases);
    let max_shrink_iters = number("PROPTEST_MAX_SHRINK_ITERS").unwrap_or(4_000);
    let mut config = Config { cases, max_shrink_iters, failure_persistence: None, ..Config::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(1);
    }
    config
}
