//! Tests `plan`, `apply`, `import` and `drift` on files.

mod apply;
mod dangers;
mod desk;
mod drift;
mod fields;
mod given;
mod import;
mod plan;
mod revisions;
