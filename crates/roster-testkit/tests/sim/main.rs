//! Runs the simulator on a fixed set of seeds, and on scripts of former defects of the loop.

mod adverse;
mod regressions;
mod revocations;
mod script;
mod seeds;

use roster_testkit::sim::{Config, Features, people, play, random::mix, simulate};

#[test]
fn random_runs_keep_the_promises() {
    let mut parallel = 0;
    for seed in 0..20 {
        let outcome = simulate(seed);
        assert!(outcome.violation.is_none(), "seed {seed}: {}", outcome.violation.unwrap());
        parallel += outcome.parallel;
    }
    assert!(parallel > 0, "people are revoked while passes over their accounts run");
}

#[test]
fn a_run_does_not_depend_on_the_seed_of_hash_maps() {
    for seed in [0, 4, 9] {
        let (config, actions) = people::generate(seed, &Features::of(seed));
        let traces = [1, 2]
            .map(|hashing| play(Config { hashing: mix(&[seed, hashing]), ..config.clone() }, actions.clone()).trace);
        assert_eq!(traces[0], traces[1], "seed {seed}");
    }
}

#[test]
fn runs_without_optional_features_keep_the_promises() {
    for seed in 0..10 {
        let (config, actions) = people::generate(seed, &Features::plainest());
        let outcome = play(config, actions);
        assert!(outcome.violation.is_none(), "seed {seed}: {}", outcome.violation.unwrap());
    }
}
