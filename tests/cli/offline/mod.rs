//! What `roster validate` says against what the real API server says: the tables of `tests/rules`, which are held
//! against the server there, are held against the offline schema here, without a cluster. Each file is the same; only
//! `table` differs.

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
