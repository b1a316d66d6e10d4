//! Tests the offline schema with the tables of `tests/rules`: there the real API server validates the same files, here
//! `roster validate` does, without a cluster. Only `table` differs.

#[path = "../../rules/account.rs"]
mod account;
#[path = "../../rules/bounds.rs"]
mod bounds;
#[path = "../../rules/catalog.rs"]
mod catalog;
#[path = "../../rules/group.rs"]
mod group;
#[path = "../../rules/invitation.rs"]
mod invitation;
#[path = "../../rules/membership.rs"]
mod membership;
#[path = "../../rules/metadata.rs"]
mod metadata;
#[path = "../../rules/patch.rs"]
mod patch;
#[path = "../../rules/role.rs"]
mod role;
#[path = "../../rules/store.rs"]
mod store;
#[path = "../../rules/store_backends.rs"]
mod store_backends;
mod table;
