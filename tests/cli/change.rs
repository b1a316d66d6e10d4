//! plan, apply, import, drift

mod apply;
mod dangers;
mod desk;
mod drift;
mod fields;
mod given;
mod import;
mod plan;
mod revisions;
