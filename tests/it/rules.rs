//! Every rule of the schemas, accepted and refused by the real API server (design/api.md).
//!
//! A table starts from a valid object and changes it by a merge patch: on creation, or on an object that is there.

mod account;
mod bounds;
mod catalog;
mod group;
mod invitation;
mod membership;
mod role;
mod server;
mod store;
mod table;
