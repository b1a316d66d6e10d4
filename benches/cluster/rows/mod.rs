//! Rows of the table: each module measures one topic. Called by `main`.

pub mod authority;
pub mod changes;
pub mod converge;
pub mod engine;
pub mod files;
pub mod keycloak;
pub mod large;
pub mod postgres;
pub mod quiet;
