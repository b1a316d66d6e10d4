//! Pure core of **Roster**: the meaning of the objects, and the content that a store should have. The controller and
//! all commands build on it. It has no client, no runtime, no database and no clock.
//!
//! Data flows in one direction, and each module knows only those before it:
//!
//! | module | content |
//! |---|---|
//! | [`api`] | the seven kinds: types, CEL rules, printer columns |
//! | [`model`] | the permission engine: ladders, catalog, potential permissions and why; findings |
//! | [`state`] | known objects, indexed by account; snapshots; the revision of a catalog that an account follows |
//! | [`resolve`] | Snapshot → Desired + findings for each object |
//! | [`limits`] | limits that a new revision of an object loosens or tightens |
//! | [`plan`] | Desired × Observed → changes, drift, removals; the guard |
//! | [`mod@evaluate`] | the entry point: snapshot and members in, findings and plan out |
//! | [`authority`] | who may change access: actor × before × after → verdict |
//! | [`contract`] | the trait `Store`, and the steps that every backend takes before it writes |
//! | [`report`] | findings and outcomes → conditions, status, events: as data |
//! | [`control`] | the controller's loop as a state machine |
//!
//! Code that needs the meaning of objects, or a plan for a store, calls [`mod@evaluate`]. The types of the modules
//! behind it are public; the functions that compute findings and plans are not:
//!
//! 1. A [`SnapshotSource`](state::SnapshotSource), the cluster's index or objects read from files, takes a
//!    [`Snapshot`](state::Snapshot) of an account and the [`Members`](state::Members) of a scope.
//! 2. [`prepare`](evaluate::prepare) resolves the definitions, once for all members.
//! 3. [`judge`](evaluate::judge) returns the findings and the content that the store should have. Commands that read
//!    no store end here.
//! 4. [`evaluate`](evaluate::evaluate) also plans the changes to the observed content of a store. The store applies
//!    them, and [`report`] describes the result.
//!
//! Two plans need no snapshot: [`revoke_only`](evaluate::revoke_only), which revokes single people's access, and
//! [`delete`](evaluate::delete), which removes an account.

pub mod api;
pub mod authority;
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
