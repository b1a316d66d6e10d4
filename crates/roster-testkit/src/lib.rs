//! Test tools of **Roster**: an identity store in memory, and the contract that every identity store keeps.
//!
//! | module | what is in it |
//! |---|---|
//! | [`memory`] | an identity store in memory, in steps, with faults |
//! | [`contract`] | the suite of promises that runs against every identity store (feature `suite`) |

#[cfg(feature = "suite")]
pub mod contract;
pub mod memory;
