//! Status: what is said of an object, how it is written down, and the one bounded writer that sends it.
//!
//! Status is only ever written, never read to decide about access. It is sent only when it differs from what is there.

mod digest;
mod render;
mod report;
mod writer;

pub use digest::{Digestible, Held, Seconds, StatusDigest, digest};
pub use render::{Rendered, render};
pub use report::{Detail, DriftReport, Report, Synced, Waits};
pub use writer::{Lane, StatusWriter, WriteResult, Written};
