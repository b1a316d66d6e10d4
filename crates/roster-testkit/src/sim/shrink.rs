//! Shrinking: removes actions from a failing run. Called by the command `sim`.

use super::{Action, Config, Violation, play};

/// Removes actions, in ever smaller parts, as long as the same invariant is violated. Stops after `runs` runs.
#[must_use]
pub fn shrink(config: &Config, actions: &[Action], violation: &Violation, runs: usize) -> Vec<Action> {
    let fails = |actions: &[Action]| {
        let outcome = play(config.clone(), actions.to_vec());
        outcome.violation.is_some_and(|found| found.invariant == violation.invariant)
    };
    // Actions after the violation cannot have caused it.
    let mut kept: Vec<Action> = actions.iter().filter(|action| action.at <= violation.time).cloned().collect();
    let mut left = runs;
    if !fails(&kept) {
        kept = actions.to_vec();
    }
    let mut part = kept.len().div_ceil(2);
    while part > 0 && left > 0 {
        let mut begin = 0;
        let mut shrunk = false;
        while begin < kept.len() && left > 0 {
            left -= 1;
            let end = (begin + part).min(kept.len());
            let fewer: Vec<Action> = kept[..begin].iter().chain(&kept[end..]).cloned().collect();
            if fails(&fewer) {
                kept = fewer;
                shrunk = true;
            } else {
                begin = end;
            }
        }
        if !shrunk {
            part = if part == 1 { 0 } else { part.div_ceil(2) };
        }
    }
    kept
}
