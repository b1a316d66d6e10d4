//! What is measured, row by row.

pub mod changes;
pub mod converge;
pub mod engine;
pub mod files;
pub mod keycloak;
pub mod large;
pub mod postgres;
pub mod quiet;
