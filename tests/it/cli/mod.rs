//! The command line on a live cluster.

mod validate;
