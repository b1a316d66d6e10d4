//! The simulator on a fixed set of seeds.

use roster_testkit::sim::{Known, simulate};

#[test]
fn random_runs_keep_the_promises() {
    for seed in 0..20 {
        let outcome = simulate(seed, Known::Avoid);
        assert!(outcome.violation.is_none(), "seed {seed}: {}", outcome.violation.unwrap());
    }
}
