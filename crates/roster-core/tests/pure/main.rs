//! Tests of the pure core: no cluster, no store, no clock. Engine and plan as properties, every rule and reason by name,
//! the five portals from `examples/`, and golden scenarios.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::pedantic,
    clippy::cloned_ref_to_slice_refs,
    clippy::type_complexity,
    reason = "tests end by panicking, and their tables read better as they stand"
)]

mod access;
mod accounts;
mod admission;
mod adoption;
mod authority;
mod authority_properties;
mod catalogs;
mod cycles;
mod damages;
mod deletion;
mod docs_refs;
mod drift;
mod front_door;
mod guard;
mod imports;
mod index;
mod invitations;
mod leases;
mod lost_marks;
mod members;
mod pauses;
mod plan_properties;
mod portals;
mod potential;
mod replaced;
mod reports;
mod resolve_properties;
mod roles;
mod rollout_pace;
mod rooms;
mod scenarios;
mod settle;
mod strategies;
mod support;
