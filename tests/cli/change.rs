//! Tests `plan`, `apply`, `import` and `drift` on files.

mod apply;
mod dangers;
mod drift;
mod fields;
mod import;
mod plan;
mod revisions;
mod store_answers;
mod surroundings;
mod workspace;
