//! Tests who may change access: the rules of the five portals, each allowed and refused, and every rule by name.

mod change;
mod portals;
mod rules;
