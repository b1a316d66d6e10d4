//! Fields that never change, for whoever compares two versions of an object without an API server. The rules in the
//! definitions say the same to the server; a test compares both.

/// Returns the fields below `spec` that never change in objects of a kind, as dotted paths. Of the block of a backend they
/// are those of its parts that do not.
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
