//! Test tools of **Roster**: an identity store in memory, the contract that every identity store keeps, and a simulator
//! of the controller's loop. Used by the tests and benchmarks of the workspace.
//!
//! | module | content |
//! |---|---|
//! | [`memory`] | an identity store in memory that runs step by step, with faults |
//! | [`contract`] | the suite of promises that runs against every identity store (feature `suite`) |
//! | [`sim`] | a simulator of the controller's loop in which one seed decides everything (feature `sim`) |

#[cfg(feature = "suite")]
pub mod contract;
pub mod memory;
#[cfg(feature = "sim")]
pub mod sim;
