//! Returns the names to which findings point. Called by the CLI to locate a finding in a file and to suggest a name.

use super::{CatalogFaultKind, FindingKind, Unavailable};
use crate::model::Grantor;

impl FindingKind {
    /// Returns the name or word in the object to which the sentence refers, as it is written there, so that a file's
    /// line and column can be found. `None` if the field is enough.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::AccountMissing(account) => Some(&account.name),
            Self::CatalogMissing(name)
            | Self::StoreMissing(name)
            | Self::CatalogBroken { catalog: name, .. }
            | Self::OwnerMissing { role: name }
            | Self::TooFewHolders { role: name, .. }
            | Self::TooManyHolders { role: name, .. }
            | Self::RoleHeld { role: name, .. }
            | Self::PortalClientMissing(name)
            | Self::PortalClientUnscoped(name)
            | Self::NotApplicable(name)
            | Self::NotOverridable(name)
            | Self::OverriddenTwice(name)
            | Self::NameIsPredefined { role: name, .. }
            | Self::LeftOut { section: name, .. }
            | Self::RoleIsOverride { role: name, .. }
            | Self::RoleInvalid { role: name, .. }
            | Self::ConfirmationMissing(name)
            | Self::LiftWithoutEffect(name)
            | Self::InvitationMissing(name)
            | Self::MemberIsInvited(name) => Some(name),
            Self::UnknownSection(unknown)
            | Self::PredefinedRoleMissing { role: unknown, .. }
            | Self::RoleMissing { role: unknown, .. }
            | Self::GroupMissing(unknown)
            | Self::RestrictionMissing(unknown)
            | Self::ManagedCatalogMissing(unknown)
            | Self::GrantableRoleMissing(unknown)
            | Self::ConfirmsNothing(unknown) => Some(&unknown.name),
            Self::ApprovedAccountMissing { account, .. } => Some(&account.name),
            Self::HeldAtMost(
                Grantor::Owner(name) | Grantor::PredefinedRole(name) | Grantor::Role(name) | Grantor::Group(name),
            ) => Some(name),
            Self::NamespaceNotAdmitted(refusal) => Some(&refusal.name),
            Self::WithoutEffect(part) => part.subject(),
            Self::ParentRefused(refusal) => Some(&refusal.parent.name),
            // The field may be the store's, so the finding points to no name.
            Self::EnforcementWithoutEffect(_) => Some("enforcement"),
            Self::Catalog(fault) => fault.subject(),
            Self::RoleCannotStandAlone(missing) => Some(&missing.role),
            Self::UnknownLevel(unknown) => Some(&unknown.section),
            Self::CannotStandAlone(missing) => Some(&missing.section),
            Self::Advisory { advisory, .. } => Some(&advisory.section),
            Self::RoleUnavailable(cause) | Self::DefaultRoleUnavailable(cause) => Some(cause.role()),
            Self::AddressInvalid(error) => Some(error.text()),
            Self::AddressLocal(email) => Some(email.as_str()),
            Self::Account(_)
            | Self::ApprovalPending(_)
            | Self::OwnerStays(_)
            | Self::OwnerWithoutRole
            | Self::LooserThanStore { .. }
            | Self::CustomRolesForbidden
            | Self::GroupForbidden
            | Self::RoleRequired
            | Self::GroupRefsForbidden
            | Self::RestrictionsWithoutEffect { .. }
            | Self::OwnerIsMember(_)
            | Self::OwnerBlocked(_)
            | Self::OwnerIsInvited(_)
            | Self::DuplicateMembership(_)
            | Self::InvitationOnly
            | Self::InvitationWithoutEffect
            | Self::ExpiresSoon(_)
            | Self::HasExpired(_)
            | Self::PlanNotEligible { .. }
            | Self::Unauthorized(_)
            | Self::ChangesHeld { .. }
            | Self::Unreadable(_) => None,
        }
    }
}

impl FindingKind {
    /// Returns the name that was probably meant by one that does not exist; `None` if none is close.
    #[must_use]
    pub fn near(&self) -> Option<&str> {
        match self {
            Self::UnknownSection(unknown)
            | Self::PredefinedRoleMissing { role: unknown, .. }
            | Self::RoleMissing { role: unknown, .. }
            | Self::GroupMissing(unknown)
            | Self::RestrictionMissing(unknown)
            | Self::Catalog(CatalogFaultKind::UnknownSection(unknown) | CatalogFaultKind::UnknownRole(unknown)) => {
                unknown.near.as_deref()
            }
            Self::UnknownLevel(unknown) | Self::Catalog(CatalogFaultKind::UnknownLevel(unknown)) => {
                unknown.near.as_deref()
            }
            _ => None,
        }
    }
}

impl CatalogFaultKind {
    fn subject(&self) -> Option<&str> {
        match self {
            Self::UnknownSection(unknown) | Self::UnknownRole(unknown) => Some(&unknown.name),
            Self::FirstLevelRequires(name)
            | Self::NotApplicable { section: name, .. }
            | Self::DefaultRoleHeldByOwner(name) => Some(name),
            Self::UnknownLevel(unknown) => Some(&unknown.section),
            Self::LevelCount
            | Self::RepeatedLevel
            | Self::Repeated
            | Self::RequiresItself
            | Self::Circle(_)
            | Self::NoOwnerRole
            | Self::HolderLimits { .. }
            | Self::AllAndSome
            | Self::OwnerRoleOverridable => None,
        }
    }
}

impl Unavailable {
    /// Returns the name of the role.
    #[must_use]
    pub fn role(&self) -> &str {
        match self {
            Self::HeldByOwner { role } | Self::OtherAccountType { role, .. } => role,
        }
    }
}
