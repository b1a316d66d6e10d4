//! Account with one member, Dana, whose store is in sync. Tests about drift, adoption and pauses start from it.

use super::{PLAIN, Pass, membership};

pub const DANA: &str = "dana@acme.example";

/// Returns the account after a pass.
pub fn dana() -> Pass {
    Pass::synced("acme", &(PLAIN.to_owned() + &membership("dana", "roleRef: {name: editor}")))
}

/// Applies a Membership.
pub fn set(pass: &mut Pass, name: &str, rest: &str) {
    pass.world.add(&membership(name, rest));
}

/// Applies a changed catalog.
pub fn change_catalog(pass: &mut Pass, change: impl Fn(String) -> String) {
    pass.world.add(&change(PLAIN.split("---").next().unwrap().to_owned()));
}
