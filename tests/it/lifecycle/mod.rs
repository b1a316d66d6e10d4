//! Tests accounts over time: tampering, adoption, guard, pause, revocations, outages, deletion, and other events in a
//! cluster.

mod adoption;
mod catalog;
mod causes;
mod definitions;
mod deletion;
mod deletion_while_down;
mod drift;
mod file;
mod guard;
#[cfg(feature = "keycloak")]
mod keycloak;
mod log;
mod many;
mod moving;
mod namespaces;
mod operator;
mod outage;
mod parents;
mod pause;
mod portals;
#[cfg(feature = "postgres")]
mod postgres;
mod replicas;
mod restore;
mod revocations;
mod rollout;
mod shards;
mod site;
mod stores;

pub use site::{ADMIN, NONE, Site, VIEWER};
