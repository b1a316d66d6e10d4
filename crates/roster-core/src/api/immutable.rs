//! Fields that never change, for comparing two versions of an object without an API server. The rules in the
//! definitions express the same for the server, and a test compares both. Used by the command line.

/// Returns the fields below `spec` that never change in objects of a kind, as dotted paths. For the block of a backend
/// these are its immutable parts.
#[must_use]
pub fn immutable_fields(kind: &str) -> &'static [&'static str] {
    match kind {
        "Account" => &["storeRef", "parentRef"],
        "IdentityStore" => &["sqlite", "postgres.schema", "keycloak.url", "keycloak.realm", "keycloak.clientIdPrefix"],
        "Invitation" => &["accountRef", "email"],
        "Membership" => &["accountRef", "user.email", "invitationRef"],
        "Role" => &["accountRef", "basedOn", "overrides"],
        "UserGroup" => &["accountRef"],
        _ => &[],
    }
}
