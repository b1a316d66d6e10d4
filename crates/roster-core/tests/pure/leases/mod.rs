//! Tests the lease machine: several replicas, a store of Leases that change by compare-and-set, and time as a value.

mod believers;
mod keeping;
mod shares;
mod taking;
mod world;
