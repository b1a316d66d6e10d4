//! Tools that the tests share: a world of objects read from YAML, a store in memory, and passes over both.

mod base;
mod examples;
mod memory;
mod passes;
mod world;

pub use base::{PLAIN, PORTAL, crowd, membership};
pub use examples::{example, files, read, repository};
pub use memory::Memory;
pub use passes::{Pass, mark, table};
pub use world::{Resolved, World, advice, email};
