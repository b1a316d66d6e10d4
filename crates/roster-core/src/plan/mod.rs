//! Desired × Observed → changes, drift, removals; and the guard. No I/O.
//!
//! The rules are docs/concepts.md "Marks, drift, removal", and the way in is [`crate::evaluate`]. `plan` compares, `guard` holds back what would take
//! too many people's access away, and what is left comes out in the order in which a store should do it: narrowing, then
//! definitions and grants, structural deletion last.

mod change;
mod deletion;
mod diff;
mod drift;
mod ends;
mod fingerprint;
mod guard;
mod judge;
mod members;
mod observed;
mod policy;
mod waiting;

pub use change::{Cause, Change, Content, ObjectKey, Phase};
pub(crate) use deletion::{deletion, guarded_deletion};
pub use diff::{Hold, Plan};
pub(crate) use diff::{is_owner_in_force, plan};
pub(crate) use drift::ABSENT;
pub use drift::Drift;
pub(crate) use ends::{Gone, plan as ends};
pub use fingerprint::Fingerprint;
pub use guard::Guarded;
pub use members::limited;
pub use observed::{FILES, Mark, Observed, RecentRemoval, Seen};
pub use policy::{GUARD_WINDOW, GuardPolicy, Holding, Pause, Policy};
