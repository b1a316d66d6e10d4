//! The pure core of **Roster**: what the objects mean, and what a store should hold. No client, no runtime, no database,
//! no clock.
//!
//! Data flows one way, and each room knows only those before it:
//!
//! | room | what is in it |
//! |---|---|
//! | [`api`] | the seven kinds: types, CEL rules, printer columns |
//! | [`model`] | the permission engine: ladders, catalog, effective permissions and why |
//! | [`state`] | the objects we know, indexed by account; snapshots; which revision of a catalog an account follows |
//! | [`resolve`] | Snapshot → Desired + findings for each object |
//! | [`plan`] | Desired × Observed → changes, drift, removals; the guard |
//! | [`contract`] | the trait `Store`, and what every backend does before it writes |
//! | [`report`] | findings and outcomes → conditions, status, events: as data |

pub mod api;
pub mod contract;
pub mod model;
pub mod plan;
pub mod report;
pub mod resolve;
pub mod state;
