//! The pure core of **Roster**: what the objects mean, and what a store should hold. No client, no runtime, no database,
//! no clock.
//!
//! Data flows one way, and each room knows only those before it:
//!
//! | room | what is in it |
//! |---|---|
//! | [`api`] | the seven kinds: types, CEL rules, printer columns |
//! | [`model`] | the permission engine: ladders, catalog, potential permissions and why; findings |
//! | [`state`] | the objects we know, indexed by account; snapshots; which revision of a catalog an account follows |
//! | [`resolve`] | Snapshot → Desired + findings for each object |
//! | [`limits`] | which limits two revisions of an object loosen or tighten |
//! | [`plan`] | Desired × Observed → changes, drift, removals; the guard |
//! | [`mod@evaluate`] | the front door: snapshot and members in, findings and plan out |
//! | [`contract`] | the trait `Store`, and what every backend does before it writes |
//! | [`report`] | findings and outcomes → conditions, status, events: as data |
//! | [`control`] | the controller's loop as a state machine |
//!
//! Whoever wants to know what objects mean, or what a store should do about it, goes through the front door. The types of the rooms behind
//! it are public; what puts findings and plans together is not:
//!
//! 1. A [`SnapshotSource`](state::SnapshotSource), the cluster's index or objects read from files, takes a
//!    [`Snapshot`](state::Snapshot) of an account and the [`Members`](state::Members) of a scope.
//! 2. [`prepare`](evaluate::prepare) works out what the definitions mean, once for all members.
//! 3. [`judge`](evaluate::judge) says what the objects come to: findings, what the store should hold. Commands that look
//!    into no store end here.
//! 4. [`evaluate`](evaluate::evaluate) also plans what is to be done about what a store was observed to hold. The store
//!    applies it, and [`report`] says what came of it.
//!
//! Two plans need no snapshot: [`revoke_only`](evaluate::revoke_only), which ends single people's access, and
//! [`delete`](evaluate::delete), which removes an account.

pub mod api;
pub mod contract;
pub mod control;
pub mod evaluate;
pub mod limits;
pub mod model;
pub mod plan;
pub mod report;
pub mod resolve;
pub mod state;
#[cfg(feature = "testing")]
pub mod testing;
