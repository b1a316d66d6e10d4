//! Identity stores: a folder for each backend, and the parts that backends share. Used by the controller and the
//! command line. The trait and its contract are [`crate::contract`], re-exported here; one suite runs against every
//! backend: `tests/it/contract`.

#[cfg(feature = "keycloak")]
pub mod keycloak;
mod location;
mod location_argument;
mod open;
#[cfg(feature = "postgres")]
pub mod postgres;
mod secrets;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use location::{Connection, KeycloakLocation, PostgresLocation, StoreLocation};
pub use location_argument::ParseStoreUrlError;
pub use roster_core::contract::{
    AuditCheck, AuditFault, AuditQuery, AuditRecord, AuditReport, Batch, Capabilities, Claim, Epoch, Outcome, Slot,
    Slots, Store, StoreError, Totals, slot, slot_of,
};
pub use secrets::{NoSecrets, RedactedSecret, SecretRef, Secrets};
