//! Kinds of findings, and the reason that each gives.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Advisory, CatalogFault, CatalogFaultKind, DuplicateMembership, Findings, ParentRefusal, Prerequisite,
    RolePrerequisite, SettingValue, Unavailable, Unknown, UnknownLevel,
};
use crate::{
    api::{Enforcement, InvalidReason},
    model::{AccountKey, Email, Grantor, InvalidEmail, KindName, Name},
};

/// Fault of an object, or advice on it, with the names and numbers that its sentence needs. At most 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// Everything in an account: the Account's own faults for which it grants nothing, or nothing new. Shared, never empty.
    Account(Arc<Findings>),
    /// The Account that something belongs to does not exist.
    AccountMissing(AccountKey),

    /// Account: its catalog does not exist.
    CatalogMissing(Name),
    /// Account: its store does not exist.
    StoreMissing(Name),
    /// Account: its catalog or store does not admit its namespace.
    NamespaceNotAdmitted {
        /// Kind that does not admit it: `PermissionCatalog` or `IdentityStore`.
        by: KindName,
        /// Name of the catalog or store.
        name: Name,
        /// The namespace.
        namespace: Name,
    },
    /// Account: its catalog breaks its own rules.
    CatalogBroken {
        /// The catalog.
        catalog: Name,
        /// The first fault of the catalog.
        first: Box<CatalogFault>,
    },
    /// Account: its parent does not admit it. One kind for all causes, so that nothing about a foreign namespace is revealed.
    ParentRefused(Box<ParentRefusal>),
    /// Account: waits for approval by this parent.
    ApprovalPending(AccountKey),
    /// Account: the catalog has an owner role, and the account no owner.
    OwnerMissing {
        /// The catalog's owner role.
        role: Name,
    },
    /// Account: the owner in the store stays, since the catalog does not let the owner change.
    OwnerStays(Email),
    /// Advice on an Account: its owner gets nothing, since the catalog has no owner role.
    OwnerWithoutRole,
    /// Advice on an Account: a setting is looser than the store's default, and so has no effect.
    LooserThanStore {
        /// The account's value.
        own: SettingValue,
        /// The store's value, which counts.
        store: SettingValue,
    },
    /// Advice on an Account: this release enforces nothing. Without it, somebody could believe that it does.
    EnforcementWithoutEffect(Enforcement),
    /// Advice on an Account: a role has fewer holders than the catalog advises.
    TooFewHolders {
        /// The predefined role.
        role: Name,
        /// Members that hold it, the owner included.
        holders: u64,
        /// The least that is advised.
        minimum: u32,
        /// The catalog's own words, up to 512 characters.
        message: Option<Box<str>>,
    },
    /// Advice on an Account: a role has more holders than the catalog advises.
    TooManyHolders {
        /// The predefined role.
        role: Name,
        /// Members that hold it, the owner included.
        holders: u64,
        /// The most that is advised.
        maximum: u32,
        /// The catalog's own words, up to 512 characters.
        message: Option<Box<str>>,
    },
    /// Advice on an Account: a role has holders, on which the catalog has a word.
    RoleHeld {
        /// The predefined role.
        role: Name,
        /// The catalog's own words, up to 512 characters.
        message: Box<str>,
    },

    /// `PermissionCatalog`: it breaks a rule of its own.
    Catalog(CatalogFaultKind),
    /// Advice on a `PermissionCatalog`: a role of it cannot stand alone.
    RoleCannotStandAlone(Box<RolePrerequisite>),

    /// Advice on an `IdentityStore`: a client that it names is not in Keycloak's realm.
    PortalClientMissing(Name),
    /// Advice on an `IdentityStore`: tokens of a client show every account.
    PortalClientUnscoped(Name),

    /// Role, `UserGroup`: the catalog has no such section.
    UnknownSection(Unknown),
    /// Role, `UserGroup`: the section has no such level.
    UnknownLevel(Box<UnknownLevel>),
    /// Role: the section cannot be configured for it.
    NotApplicable(Name),
    /// Role: the catalog does not let this predefined role be overridden.
    NotOverridable(Name),
    /// Role: another one overrides the same predefined role.
    OverriddenTwice(Name),
    /// Role: the catalog does not let accounts add roles.
    CustomRolesForbidden,
    /// Role: it is named like this predefined role.
    NameIsPredefined {
        /// The name.
        role: Name,
        /// It overrides a predefined role, be it that one or another.
        is_override: bool,
    },
    /// Advice on a Role: a section of the role it is based on is left out.
    LeftOut {
        /// The section.
        section: Name,
        /// The predefined role that it would come from.
        role: Name,
    },
    /// Advice on a Role or `UserGroup`: a level needs another section that does not come with it.
    CannotStandAlone(Box<Prerequisite>),
    /// Advice on whoever holds a level that the catalog warns of, and on the Role or `UserGroup` that raises it.
    Advisory {
        /// The level held.
        level: Name,
        /// Section and words of the catalog.
        advisory: Arc<Advisory>,
    },
    /// `UserGroup`: the catalog forbids groups.
    GroupForbidden,

    /// Reference to a role: the catalog has none of this name.
    PredefinedRoleMissing {
        /// Name of the role.
        role: Unknown,
        /// The account has a Role of this name, so probably the kind is wrong.
        is_custom: bool,
    },
    /// Reference to a role: the account has none of this name.
    RoleMissing {
        /// Name of the role.
        role: Unknown,
        /// The catalog has a role of this name, so probably the kind is wrong.
        is_predefined: bool,
    },
    /// Reference to a role: the Role is an override, which cannot be held itself.
    RoleIsOverride {
        /// Name of the Role.
        role: Name,
        /// The predefined role that it overrides.
        overrides: Name,
    },
    /// Reference to a role: the Role is invalid as a whole.
    RoleInvalid {
        /// Name of the Role.
        role: Name,
        /// Reason of its `Valid=False`.
        reason: Option<InvalidReason>,
    },
    /// Reference to a role: members of this account cannot hold it.
    RoleUnavailable(Unavailable),
    /// Membership, Invitation: names no role, and members of this account cannot hold the catalog's default.
    DefaultRoleUnavailable(Unavailable),
    /// Membership, Invitation: names no role, and the catalog wants one.
    RoleRequired,
    /// Membership, Invitation: names groups, which the catalog forbids.
    GroupRefsForbidden,
    /// Membership, Invitation: the account has no such group.
    GroupMissing(Unknown),
    /// Membership, Invitation: the catalog has no such restriction.
    RestrictionMissing(Unknown),
    /// Membership: lifting this restriction is not acknowledged.
    ConfirmationMissing(Name),
    /// Advice on a Membership or Invitation: its restrictions have no effect.
    RestrictionsWithoutEffect {
        /// Lifted restriction that makes the user equal to the owner.
        lifted: Name,
        /// Restrictions applied in vain.
        applied: Box<[Name]>,
    },
    /// Advice on a Membership: this role or group depends on a Role that should lower it and is invalid, so access does not
    /// rise.
    HeldAtMost(Grantor),
    /// Account, Membership, Invitation: an address that is none.
    AddressInvalid(Box<InvalidEmail>),
    /// Advice on an Account, Membership or Invitation: a domain of one word, which may have lost its end.
    AddressLocal(Email),
    /// Any: its spec is of a form that this release cannot read; how.
    Unreadable(Box<str>),
    /// Membership: the address is the owner's.
    OwnerIsMember(Email),
    /// Invitation: the address is the owner's.
    OwnerIsInvited(Email),
    /// Advice on a Membership: its time is over soon, at this instant.
    ExpiresSoon(Timestamp),
    /// Advice on a Membership: its time is over, since this instant.
    HasExpired(Timestamp),
    /// Advice on an Invitation: this release sends none.
    InvitationWithoutEffect,
    /// Advice on an Invitation: the address has this Membership already.
    MemberIsInvited(Name),
    /// Membership: others have the same address.
    DuplicateMembership(Box<DuplicateMembership>),
    /// Membership: the invitation it came from is gone, or was not accepted.
    InvitationMissing(Name),
    /// Membership: the catalog admits members by invitation only.
    InvitationOnly,
    /// Invitation: the account's plan lacks a feature.
    PlanNotEligible {
        /// The feature.
        feature: Name,
        /// Name of the account.
        account: Name,
    },
}

impl FindingKind {
    /// Returns the reason of `Valid=False` that a fault gives; nothing for advice.
    #[must_use]
    pub fn reason(&self) -> Option<InvalidReason> {
        use InvalidReason as Reason;
        Some(match self {
            Self::Account(findings) => findings.reason()?,
            Self::AccountMissing(_) => Reason::AccountNotFound,
            Self::CatalogMissing(_) => Reason::CatalogNotFound,
            Self::StoreMissing(_) => Reason::StoreNotFound,
            Self::NamespaceNotAdmitted { .. } => Reason::NamespaceNotAllowed,
            Self::CatalogBroken { .. } | Self::Catalog(_) => Reason::CatalogInvalid,
            Self::ParentRefused(_) => Reason::ParentNotAllowed,
            Self::ApprovalPending(_) => Reason::ApprovalPending,
            Self::OwnerMissing { .. } => Reason::OwnerMissing,
            Self::OwnerIsMember(_) | Self::OwnerIsInvited(_) => Reason::OwnerIsMember,
            Self::OwnerStays(_) => Reason::OwnerImmutable,
            Self::UnknownSection(_) => Reason::UnknownSection,
            Self::UnknownLevel(_) => Reason::UnknownLevel,
            Self::NotApplicable(_) | Self::NotOverridable(_) => Reason::NotApplicable,
            Self::OverriddenTwice(_) | Self::NameIsPredefined { .. } => Reason::NameTaken,
            Self::CustomRolesForbidden
            | Self::RoleInvalid { .. }
            | Self::RoleUnavailable(_)
            | Self::DefaultRoleUnavailable(_) => Reason::RoleNotAvailable,
            Self::PredefinedRoleMissing { .. } | Self::RoleMissing { .. } | Self::RoleIsOverride { .. } => {
                Reason::RoleNotFound
            }
            Self::RoleRequired => Reason::RoleRequired,
            Self::GroupForbidden | Self::GroupRefsForbidden => Reason::GroupsForbidden,
            Self::GroupMissing(_) => Reason::GroupNotFound,
            Self::RestrictionMissing(_) => Reason::RestrictionNotFound,
            Self::ConfirmationMissing(_) => Reason::ConfirmationMissing,
            Self::AddressInvalid(_) => Reason::AddressInvalid,
            Self::Unreadable(_) => Reason::Unreadable,
            Self::DuplicateMembership(_) => Reason::DuplicateMembership,
            Self::InvitationMissing(_) | Self::InvitationOnly => Reason::InvitationRequired,
            Self::PlanNotEligible { .. } => Reason::PlanNotEligible,
            Self::OwnerWithoutRole
            | Self::LooserThanStore { .. }
            | Self::EnforcementWithoutEffect(_)
            | Self::TooFewHolders { .. }
            | Self::TooManyHolders { .. }
            | Self::RoleHeld { .. }
            | Self::RoleCannotStandAlone(_)
            | Self::PortalClientMissing(_)
            | Self::PortalClientUnscoped(_)
            | Self::LeftOut { .. }
            | Self::CannotStandAlone(_)
            | Self::Advisory { .. }
            | Self::RestrictionsWithoutEffect { .. }
            | Self::HeldAtMost(_)
            | Self::AddressLocal(_)
            | Self::ExpiresSoon(_)
            | Self::HasExpired(_)
            | Self::InvitationWithoutEffect
            | Self::MemberIsInvited(_) => return None,
        })
    }

    /// Returns whether it is advice, which never makes an object invalid.
    #[must_use]
    pub fn is_advice(&self) -> bool {
        self.reason().is_none()
    }
}
