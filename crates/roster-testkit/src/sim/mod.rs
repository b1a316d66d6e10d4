//! Simulator of the controller's loop: the real `Control`, `ShardCoordinator` and `run_pass`, and an identity
//! store in memory. Run by tests and by the command `sim`; one seed decides everything else. No clock, no threads, no
//! runtime.
//!
//! | part | content |
//! |---|---|
//! | [`run`], [`item`] | the scheduler: one queue of items in simulated time |
//! | [`cluster`], [`objects`], [`lease`] | the API server: versions of objects, a log of each kind; Leases |
//! | [`replica`], [`pass_environment`], `deliver`, `calls`, `passes`, `requests`, [`lease_driver`] | replicas of the controller |
//! | [`people`], [`specs`], [`names`], [`faults`], [`features`] | generate the actions and faults of a run; `perform_actions` carries them out |
//! | [`delivered_objects`] | objects that were delivered to a replica, as the reference model reads them |
//! | [`check`], `check_raises`, `check_removals`, `revocation_deadlines`, `final_state` | invariants: after each write, each second, at rest |
//! | [`transcript`], [`shrink`] | the transcript of one account, and fewer actions that break the same promise |
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "test code: a mixed-up simulation has to stop at once"
)]

pub mod action;
mod calls;
pub mod check;
mod check_raises;
mod check_removals;
pub mod clock;
pub mod cluster;
mod deliver;
pub mod delivered_objects;
pub mod faults;
pub mod features;
mod final_state;
pub mod item;
pub mod lease;
pub mod lease_driver;
pub mod names;
pub mod objects;
pub mod pass_environment;
mod passes;
pub mod people;
mod perform_actions;
pub mod random;
pub mod replica;
mod requests;
mod revocation_deadlines;
pub mod revocation_state;
pub mod run;
pub mod shrink;
pub mod specs;
pub mod transcript;

pub use action::{Action, ActionKind};
pub use features::Features;
pub use run::{Config, Sim};
pub use transcript::Violation;

/// Outcome of one run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// First promise that was broken.
    pub violation: Option<Violation>,
    /// Number of items processed.
    pub steps: u64,
    /// Simulated time at the end.
    pub time: clock::Time,
    /// Number of passes that ran in parallel to another one over the same account.
    pub parallel: u64,
    /// Number of times that a member lost all access by a write of the controller.
    pub lost: u64,
    /// Number that two runs share if and only if they did the same.
    pub trace: u64,
}

/// Runs a seed.
#[must_use]
pub fn simulate(seed: u64) -> Outcome {
    let (config, actions) = people::generate(seed, &Features::of(seed));
    play(config, actions)
}

/// Runs actions with given settings.
#[must_use]
pub fn play(config: Config, actions: Vec<Action>) -> Outcome {
    let mut sim = Sim::new(config, actions);
    let violation = sim.run();
    Outcome {
        violation,
        steps: sim.steps,
        time: sim.clock.time,
        parallel: sim.parallel,
        lost: sim.checker.lost,
        trace: sim.trace(),
    }
}

/// Runs actions again, and returns the transcript of the account whose promise is broken.
#[must_use]
pub fn transcript_of(config: &Config, actions: &[Action]) -> String {
    let mut sim = Sim::new(Config { records: true, ..config.clone() }, actions.to_vec());
    let violation = sim.run();
    let account = violation.as_ref().and_then(|violation| violation.account.clone());
    let end = violation.map_or("no promise was broken".to_owned(), |violation| violation.to_string());
    format!("{}\n{end}\n", sim.transcript.of(account.as_ref()))
}
