//! Reasons of `Valid=False`, spelled as in status. Compared with the engine's by the tests.

/// `accountRef` names no Account of the namespace.
pub const ACCOUNT_NOT_FOUND: &str = "AccountNotFound";
/// A role reference, `basedOn` or `overrides` names no role.
pub const ROLE_NOT_FOUND: &str = "RoleNotFound";
/// A group reference names no `UserGroup` of the account.
pub const GROUP_NOT_FOUND: &str = "GroupNotFound";
/// `catalogRef` names no `PermissionCatalog`.
pub const CATALOG_NOT_FOUND: &str = "CatalogNotFound";
/// `storeRef` names no `IdentityStore`.
pub const STORE_NOT_FOUND: &str = "StoreNotFound";
/// A restriction is not in the catalog.
pub const RESTRICTION_NOT_FOUND: &str = "RestrictionNotFound";
/// The store or the catalog does not admit the namespace.
pub const NAMESPACE_NOT_ALLOWED: &str = "NamespaceNotAllowed";
/// The parent is missing, no partner, itself managed, or does not admit the account.
pub const PARENT_NOT_ALLOWED: &str = "ParentNotAllowed";
/// The parent has not approved the account yet.
pub const APPROVAL_PENDING: &str = "ApprovalPending";
/// The catalog breaks its own rules.
pub const CATALOG_INVALID: &str = "CatalogInvalid";
/// A section is not in the catalog.
pub const UNKNOWN_SECTION: &str = "UnknownSection";
/// A level is not on the section's ladder.
pub const UNKNOWN_LEVEL: &str = "UnknownLevel";
/// A section or role cannot be configured here.
pub const NOT_APPLICABLE: &str = "NotApplicable";
/// Members of this account cannot hold the role.
pub const ROLE_NOT_AVAILABLE: &str = "RoleNotAvailable";
/// The catalog requires a role for every member.
pub const ROLE_REQUIRED: &str = "RoleRequired";
/// The catalog forbids groups.
pub const GROUPS_FORBIDDEN: &str = "GroupsForbidden";
/// Members need an invitation, or the named invitation is gone.
pub const INVITATION_REQUIRED: &str = "InvitationRequired";
/// A Role has the name of a predefined role, or is one of two overrides of a role.
pub const NAME_TAKEN: &str = "NameTaken";
/// A Membership or Invitation for the owner's address.
pub const OWNER_IS_MEMBER: &str = "OwnerIsMember";
/// The catalog has an owner role and the Account no owner.
pub const OWNER_MISSING: &str = "OwnerMissing";
/// Two Memberships of one person in one account.
pub const DUPLICATE_MEMBERSHIP: &str = "DuplicateMembership";
/// A restriction is lifted without the confirmation that it needs.
pub const CONFIRMATION_MISSING: &str = "ConfirmationMissing";
/// The account's plan lacks a feature.
pub const PLAN_NOT_ELIGIBLE: &str = "PlanNotEligible";
/// An address that is not valid.
pub const ADDRESS_INVALID: &str = "AddressInvalid";
