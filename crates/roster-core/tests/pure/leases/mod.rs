//! Tests the lease machine: several replicas, a store of Leases that change by compare-and-set, and time as a value.

mod keeping;
mod shares;
mod single_holder;
mod taking;
mod world;
