//! Compares desired with observed content and returns changes, drift and held removals; performs no I/O. Called through
//! [`crate::evaluate`].
//!
//! The rules are in docs/concepts.md "Marks, drift, removal". `diff` compares, `guard` holds back removals of too many
//! members, and the remaining changes are sorted in the order in which a store should make them: first those that
//! narrow access, then definitions and grants, and deletions of roles, groups and the account last.

mod change;
mod changes;
mod deletion;
mod diff;
mod drift;
mod fingerprint;
mod guard;
mod hold;
mod members;
mod observed;
mod ownership;
mod planned;
mod planner;
mod policy;
mod revocations;
mod waiting;

pub use change::{Cause, Change, Content, ObjectKey, Phase};
pub(crate) use changes::plan_changes;
pub(crate) use deletion::{deletion, guarded_deletion};
pub(crate) use diff::is_owner_in_force;
pub(crate) use drift::ABSENT;
pub use fingerprint::{Fingerprint, UNKNOWN};
pub use hold::{Hold, NotOwned};
pub use members::limited;
pub use observed::{Existing, FILES, Mark, Observed, RecentRemoval};
pub use planned::{Drift, Guarded, Plan};
pub use policy::{AuthorisedObjects, GUARD_WINDOW, GuardPolicy, GuardState, Pause, Policy};
pub(crate) use revocations::{UndeclaredMembers, plan_revocations, plan_while_account_waits};
