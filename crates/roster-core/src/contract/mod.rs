//! Contract of stores.

mod error;

pub use error::{Outcome, StoreError};
