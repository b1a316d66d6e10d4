//! Store contract: the trait [`Store`], and the steps that every backend takes before it writes. The loop and the
//! command line call stores by it. No I/O.
//!
//! A backend compares a batch with its content by [`decide`](decide::decide) and refuses writers that a later
//! [`Claim`] has fenced out. It describes its changes for the audit by [`AuditBuilder`]. One suite runs against every
//! backend: `crates/roster-testkit/src/contract`.

mod audit;
mod chain;
mod claim;
pub mod decide;
mod describe;
mod error;
mod hex;
mod store;

pub use audit::{AuditCheck, AuditQuery, AuditRecord};
pub use chain::{AuditChain, AuditEntry, AuditFault, AuditLink, AuditReport};
pub use claim::{Claim, Epoch, Slot, Slots, slot, slot_of};
pub use describe::{AuditBuilder, object_name};
pub use error::{Outcome, StoreError};
pub use hex::hex;
pub use store::{Batch, Capabilities, Store, Totals};
