//! Decides who may change access: judges a change of one object by one actor, from the objects before and after it.
//! The admission webhook and `roster can-i --change` call it; no I/O.
//!
//! ```text
//!  SnapshotSource ─────────────before──► View ─┐
//!        └── Change ──► Overlay ──after──► View ─┼─ judge_change ──► Verdict { violations, effects }
//!                                      Actor ───┘
//! ```
//!
//! The rules are in docs/concepts.md "Who may change access". A [`Violation`] either widens access, so that nothing of the change
//! may rise, or it only breaks an order that people must keep: a revocation always gets through.

mod actions;
mod actor;
mod administrators;
mod admission;
mod change;
mod judge;
mod known;
mod overlay;
mod pending;
mod permit;
mod place;
mod rise;
mod separation;
mod settle;
mod stamp;
mod texts;
mod times;
mod verdict;
mod view;

pub use actor::Actor;
pub use admission::Admission;
pub use change::{Change, Edit};
pub use judge::judge_change;
pub use overlay::Overlay;
pub use pending::{Pending, SERVICE_ACCOUNT, address_of, authorised_account, authors};
pub use place::Place;

pub use stamp::{Capacity, Stamp, generation_after, is_user};
pub use verdict::{Effect, Subject, Verdict, Violation};
