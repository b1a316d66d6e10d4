//! Bounds of the API that code needs, too: code that writes a status shortens it to these bounds. Used by `schema` and
//! `report`.

/// Largest number of sections of a catalog, and so of entries of a map by section.
pub const MAX_SECTIONS: usize = 256;
/// Levels of a ladder; the least is 2.
pub const MAX_LEVELS: usize = 16;
/// Prerequisites, and advisories, of one section.
pub const MAX_REQUIRES: usize = 16;
/// Predefined roles, and restrictions, of a catalog.
pub const MAX_ROLES: usize = 64;
/// Rules in `administration`: one for each action.
pub const MAX_ACTIONS: usize = 16;
/// Rules in `separation`.
pub const MAX_SEPARATIONS: usize = 32;
/// Groups of a member, roles of a group, restrictions of a user, features of a plan, catalogs of managed accounts.
pub const MAX_REFS: usize = 64;
/// Blocked users of a store, and approved accounts of a parent.
pub const MAX_ENTRIES: usize = 1024;
/// Characters of a DNS label.
pub const MAX_LABEL: usize = 63;
/// Characters of an object's name, a DNS subdomain.
pub const MAX_NAME: usize = 253;
/// Characters of the name of a level.
pub const MAX_LEVEL_NAME: usize = 32;
/// Characters of an e-mail address as written; its canonical form is bounded to as many bytes by the model.
pub const MAX_EMAIL: usize = 254;
/// Characters of a title or a person's name.
pub const MAX_TITLE: usize = 128;
/// Characters of advice and of reasons people give.
pub const MAX_TEXT: usize = 512;
/// Entries of `status.effectivePermissions`; above, only the digest is given.
pub const MAX_EFFECTIVE_PERMISSIONS: usize = 64;
/// Entries of `status.drift.entries`; `count` has them all.
pub const MAX_DRIFT_ENTRIES: usize = 20;
/// Entries of `status.orphanedAccounts` of a store.
pub const MAX_ORPHANED_ACCOUNTS: usize = 1024;
/// People named in status who are blocked and still have access.
pub const MAX_BLOCKED_WITH_ACCESS: usize = 100;
/// Characters of a condition's message, and of each string of a drift entry.
pub const MAX_MESSAGE: usize = 32_768;
