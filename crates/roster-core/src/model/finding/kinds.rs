//! Defines a finding, its kinds, and the reason that each kind causes. Created by all checks of objects; shown by
//! reports and the CLI.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Advisory, CatalogFault, CatalogFaultKind, DuplicateMembership, FieldPath, NamespaceRefusal, ParentRefusal,
    Prerequisite, RolePrerequisite, SettingValue, Unauthorized, Unavailable, Unknown, UnknownLevel, WithoutEffect,
};
use crate::{
    api::{Enforcement, InvalidReason},
    model::{AccountKey, Email, Grantor, InvalidEmail, Name, ObjectRef},
};

/// Fault of an object, or advice on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Object that has the finding.
    pub object: ObjectRef,
    /// Field of the object; [`FieldPath::WHOLE`] if the finding is about no single field.
    pub field: FieldPath,
    /// Fault or advice.
    pub kind: FindingKind,
}

/// Faults and advice of one object, in the order in which they were found. Allocates nothing while it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(pub(super) Vec<Finding>);

/// Fault of an object, or advice on it, with the names and numbers of its sentence. At most 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// Everything in an account: the Account's own faults because of which it grants nothing, or nothing new. Shared,
    /// never empty.
    Account(Arc<Findings>),
    /// Any object of an account: the Account does not exist.
    AccountMissing(AccountKey),

    /// Account: its catalog does not exist.
    CatalogMissing(Name),
    /// Account: its store does not exist.
    StoreMissing(Name),
    /// Account: its catalog or store does not admit its namespace.
    NamespaceNotAdmitted(Box<NamespaceRefusal>),
    /// Account: its catalog breaks its own rules.
    CatalogBroken {
        /// Name of the catalog.
        catalog: Name,
        /// The first fault of the catalog.
        first: Box<CatalogFault>,
    },
    /// Account: its parent does not admit it. All causes have one kind, so that nothing about a foreign namespace is
    /// revealed.
    ParentRefused(Box<ParentRefusal>),
    /// Account: it waits for the approval of this parent.
    ApprovalPending(AccountKey),
    /// Account: it has no owner, and the catalog has an owner role.
    OwnerMissing {
        /// The catalog's owner role.
        role: Name,
    },
    /// Account: the owner in the store stays, because the catalog does not let the owner change.
    OwnerStays(Email),
    /// Advice on an Account: its owner gets nothing, because the catalog has no owner role.
    OwnerWithoutRole,
    /// Advice on an Account: a setting is looser than the store's default, and so has no effect.
    LooserThanStore {
        /// Value of the account.
        own: SettingValue,
        /// Value of the store, which is effective.
        store: SettingValue,
    },
    /// Advice on an Account: this release does not enforce anything, although the setting asks for it.
    EnforcementWithoutEffect(Enforcement),
    /// Advice on an Account: a role has fewer holders than the catalog advises.
    TooFewHolders {
        /// The predefined role.
        role: Name,
        /// Number of members that hold it, the owner included.
        holders: u64,
        /// Advised minimum.
        minimum: u32,
        /// Text of the catalog, up to 512 characters.
        message: Option<Box<str>>,
    },
    /// Advice on an Account: a role has more holders than the catalog advises.
    TooManyHolders {
        /// The predefined role.
        role: Name,
        /// Number of members that hold it, the owner included.
        holders: u64,
        /// Advised maximum.
        maximum: u32,
        /// Text of the catalog, up to 512 characters.
        message: Option<Box<str>>,
    },
    /// Advice on an Account: a role has holders, and the catalog has an advice for that.
    RoleHeld {
        /// The predefined role.
        role: Name,
        /// Text of the catalog, up to 512 characters.
        message: Box<str>,
    },

    /// Advice on a partner's Account: it admits managed accounts with a catalog that does not exist.
    ManagedCatalogMissing(Unknown),
    /// Advice on a partner's Account: it lets its members assign a role that no catalog of its managed accounts has.
    GrantableRoleMissing(Unknown),
    /// Advice on a partner's Account: it approves an account that does not exist.
    ApprovedAccountMissing {
        /// Account as it is written.
        account: Box<AccountKey>,
        /// Managed account that was probably meant, as `namespace/name`.
        near: Option<Name>,
    },

    /// `PermissionCatalog`: it breaks one of its own rules.
    Catalog(CatalogFaultKind),
    /// Advice on a `PermissionCatalog`: one of its roles has a level whose prerequisite it does not include.
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
    /// Role: another Role overrides the same predefined role.
    OverriddenTwice(Name),
    /// Role: the catalog does not let accounts add roles.
    CustomRolesForbidden,
    /// Role: it has the name of this predefined role.
    NameIsPredefined {
        /// Name of both roles.
        role: Name,
        /// Whether the Role is an override, of that predefined role or of another one.
        is_override: bool,
    },
    /// Advice on a Role: a section of its base role is left out.
    LeftOut {
        /// Name of the section.
        section: Name,
        /// Base role, from which the section would come.
        role: Name,
    },
    /// Advice on a Role or `UserGroup`: a level needs another section, which is not included.
    CannotStandAlone(Box<Prerequisite>),
    /// Advice on a member with a level for which the catalog has an advisory, and on the Role or `UserGroup` that
    /// grants it.
    Advisory {
        /// Level that the member holds.
        level: Name,
        /// Section and text of the advisory.
        advisory: Arc<Advisory>,
    },
    /// `UserGroup`: the catalog forbids groups.
    GroupForbidden,

    /// Reference to a role: the catalog has no role of this name.
    PredefinedRoleMissing {
        /// Name of the role.
        role: Unknown,
        /// Whether the account has a Role of this name, or the suggested one is a Role, so that probably the kind is wrong.
        is_custom: bool,
    },
    /// Reference to a role: the account has no Role of this name.
    RoleMissing {
        /// Name of the role.
        role: Unknown,
        /// Whether the catalog has a role of this name, or the suggested one is predefined, so that probably the kind is
        /// wrong.
        is_predefined: bool,
    },
    /// Reference to a role: the Role is an override, which cannot be referenced itself.
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
    /// Membership, Invitation: it names no role, and members of this account cannot hold the catalog's default.
    DefaultRoleUnavailable(Unavailable),
    /// Membership, Invitation: it names no role, and the catalog requires one.
    RoleRequired,
    /// Membership, Invitation: it names groups, which the catalog forbids.
    GroupRefsForbidden,
    /// Membership, Invitation: the account has no such group.
    GroupMissing(Unknown),
    /// Membership, Invitation: the catalog has no such restriction.
    RestrictionMissing(Unknown),
    /// Membership: lifting this restriction is not acknowledged.
    ConfirmationMissing(Name),
    /// Advice on a Membership or Invitation: lifting this restriction has no effect, because it does not apply by
    /// default.
    LiftWithoutEffect(Name),
    /// Advice on a Membership: it confirms the lift of a restriction that the catalog does not have.
    ConfirmsNothing(Unknown),
    /// Advice on any object: a part of it has no effect.
    WithoutEffect(Box<WithoutEffect>),
    /// Advice on a Membership or Invitation: its restrictions have no effect.
    RestrictionsWithoutEffect {
        /// Lifted restriction that makes the user equal to the owner.
        lifted: Name,
        /// Applied restrictions that have no effect.
        applied: Box<[Name]>,
    },
    /// Advice on a Membership: this role or group depends on a Role that would lower it and is invalid. Access stays at
    /// most what the store holds.
    HeldAtMost(Grantor),
    /// Advice: the account's owner is blocked by the IdentityStore with this name.
    OwnerBlocked(Name),
    /// Account, Membership, Invitation: a text that is not an address.
    AddressInvalid(Box<InvalidEmail>),
    /// Advice on an Account, Membership or Invitation: the domain is a single word, so that it may be incomplete.
    AddressLocal(Email),
    /// Any object: this release cannot read its spec, for this reason.
    Unreadable(Box<str>),
    /// Membership: the address is the owner's.
    OwnerIsMember(Email),
    /// Invitation: the address is the owner's.
    OwnerIsInvited(Email),
    /// Advice on a Membership: it expires soon, at this instant.
    ExpiresSoon(Timestamp),
    /// Advice on a Membership: it has expired, at this instant.
    HasExpired(Timestamp),
    /// Advice on an Invitation: this release does not send invitations.
    InvitationWithoutEffect,
    /// Advice on an Invitation: the address already has this Membership.
    MemberIsInvited(Name),
    /// Membership: other Memberships have the same address.
    DuplicateMembership(Box<DuplicateMembership>),
    /// Membership: the Invitation that it names does not exist, or was not accepted.
    InvitationMissing(Name),
    /// Membership: the catalog admits members by invitation only.
    InvitationOnly,
    /// Any object of an account: somebody who lacks the authority changed it, or nobody knows who. What it gives more than
    /// before does not take effect. On the Account for objects that are gone.
    Unauthorized(Box<Unauthorized>),
    /// Advice on an Account: changes of its objects wait, because nobody with the authority made them.
    ChangesHeld {
        /// Number of these changes.
        changes: u64,
        /// Hash that lets all of them pass.
        hash: Name,
    },
    /// Invitation: the account's plan does not have a required feature.
    PlanNotEligible {
        /// Name of the feature.
        feature: Name,
        /// Name of the account.
        account: Name,
    },
}

impl FindingKind {
    /// Returns the reason of `Valid=False` that a fault causes; `None` for advice.
    #[must_use]
    pub fn reason(&self) -> Option<InvalidReason> {
        use InvalidReason as Reason;
        Some(match self {
            Self::Account(findings) => findings.reason()?,
            Self::AccountMissing(_) => Reason::AccountNotFound,
            Self::CatalogMissing(_) => Reason::CatalogNotFound,
            Self::StoreMissing(_) => Reason::StoreNotFound,
            Self::NamespaceNotAdmitted(_) => Reason::NamespaceNotAllowed,
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
            Self::Unauthorized(_) => Reason::Unauthorized,
            Self::OwnerWithoutRole
            | Self::ChangesHeld { .. }
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
            | Self::ManagedCatalogMissing(_)
            | Self::GrantableRoleMissing(_)
            | Self::ApprovedAccountMissing { .. }
            | Self::LiftWithoutEffect(_)
            | Self::ConfirmsNothing(_)
            | Self::WithoutEffect(_)
            | Self::RestrictionsWithoutEffect { .. }
            | Self::HeldAtMost(_)
            | Self::OwnerBlocked(_)
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
