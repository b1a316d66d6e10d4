//! Tools that the tests share: a world of objects read from YAML, a store in memory, and passes over both.

mod base;
mod dana;
mod examples;
mod memory;
mod passes;
mod resolved_state;
mod world;

pub use base::{PLAIN, PORTAL, crowd, membership};
pub use dana::{DANA, change_catalog, dana, set};
pub use examples::{example, files, read, repository};
pub use memory::Memory;
pub use passes::{Pass, mark, table};
pub use resolved_state::{State, are_no_more, catalog, content, is_no_more, longer, reference, state};
pub use world::{Resolved, World, advice, email};
