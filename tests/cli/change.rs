//! plan, apply, import, drift

mod apply;
mod desk;
mod drift;
mod import;
mod plan;
mod revisions;
