//! Tests of the pure core: no cluster, no store, no clock. Engine and plan as properties, every rule and reason by name,
//! the five portals from `examples/`, and golden scenarios.

mod accounts;
mod catalogs;
mod drift;
mod effective;
mod guard;
mod members;
mod plan_properties;
mod portals;
mod resolve_properties;
mod roles;
mod rooms;
mod scenarios;
mod strategies;
mod support;
