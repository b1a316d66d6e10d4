//! Returns the remedy of each kind of finding, in one line. Called by tests only so far; the CLI shows the remedies of
//! reasons instead.

use super::FindingKind;

impl FindingKind {
    /// Returns the remedy: the kind's own, or else that of its reason
    /// ([`InvalidReason::remedy`](crate::api::InvalidReason::remedy)).
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        self.own_remedy().or_else(|| self.reason().map(crate::api::InvalidReason::remedy)).unwrap_or_default()
    }

    /// Returns the kind's own remedy: for advice, which has no reason, and for faults whose reason covers several
    /// cases.
    fn own_remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::Account(findings) => findings.first_fault()?.kind.remedy(),
            Self::OwnerStays(_) => "put the former owner back, or let the catalog's ownerChange be ByPlatform",
            Self::OwnerIsMember(_) => "delete the Membership: the owner needs none",
            Self::OwnerIsInvited(_) => "delete the Invitation: the owner needs none",
            Self::OwnerWithoutRole => "set spec.ownerRole of the catalog, or take spec.owner away",
            Self::LooserThanStore { .. } => "take the setting away, or loosen accountDefaults of the store",
            Self::EnforcementWithoutEffect(_) => "do not rely on enforcement before a release that has the webhook",
            Self::TooFewHolders { .. } => "give the role to more members",
            Self::TooManyHolders { .. } => "give some of its holders another role",
            Self::RoleHeld { .. } => "do as the catalog's message says",
            Self::RoleCannotStandAlone(_) | Self::CannotStandAlone(_) => {
                "grant the section that is needed as well, or lower the level"
            }
            Self::PortalClientMissing(_) => "create the client in the realm, or correct its name",
            Self::PortalClientUnscoped(_) => "turn off Full scope allowed in the client's dedicated scope",
            Self::NotOverridable(_) => "delete the Role, or let the catalog make that role overridable",
            Self::OverriddenTwice(_) => "delete one of the two overrides",
            Self::NameIsPredefined { is_override: true, .. } => "create the override under another name",
            Self::NameIsPredefined { is_override: false, .. } => "rename the Role, or set spec.overrides",
            Self::CustomRolesForbidden => "delete the Role, or set customRoles.allowed of the catalog",
            Self::LeftOut { .. } => "nothing, unless the section is missed",
            Self::Advisory { .. } => "do as the catalog's message says, or lower the level",
            Self::GroupForbidden => "delete the UserGroup, or change members.groups of the catalog",
            Self::RoleIsOverride { .. } => "name the predefined role that it overrides",
            Self::RoleInvalid { .. } => "mend the Role: its own status says what is wrong",
            Self::PredefinedRoleMissing { is_custom: true, .. } => "set kind: Role in the reference",
            Self::RoleMissing { is_predefined: true, .. } => "set kind: PredefinedRole in the reference",
            Self::DefaultRoleUnavailable(_) => "name a role that members of this type of account can hold",
            Self::InvitationMissing(_) => "invite the member again",
            Self::HeldAtMost(_) => "mend the account's Role that is invalid: its own status says what is wrong",
            Self::AddressLocal(_) => "write the whole domain, unless this is all of it",
            Self::ExpiresSoon(_) => "set a later spec.expiresAt, if the access is to stay",
            Self::HasExpired(_) => "delete the Membership, or set a later spec.expiresAt",
            Self::InvitationWithoutEffect => "create a Membership, or wait for a release that sends invitations",
            Self::MemberIsInvited(_) => "delete the Invitation; what the member may do, the Membership says",
            Self::RestrictionsWithoutEffect { .. } => "do not lift the one, or do not apply the others",
            _ => return None,
        })
    }
}
