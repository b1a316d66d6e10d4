//! Runs the contract suite of `roster_testkit` against each backend on the real server, and the tests of each backend.

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "keycloak"))]
#[path = "../../cli/doc_commands.rs"]
pub mod doc_commands;
#[cfg(feature = "keycloak")]
pub mod keycloak;
#[cfg(all(feature = "sqlite", feature = "postgres"))]
pub mod portals;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "postgres", feature = "keycloak"))]
mod round;
#[cfg(feature = "sqlite")]
mod sqlite;

use roster_testkit::contract::{Backend, contract_suite, world};
