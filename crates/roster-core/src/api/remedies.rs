//! One-line remedies for each reason, shown by `roster status`. The runbook describes them in detail.

use super::{InvalidReason, RolloutReason, SyncReason};

impl InvalidReason {
    /// All reasons, in order of precedence.
    pub const ALL: [Self; 27] = [
        Self::AccountNotFound,
        Self::RoleNotFound,
        Self::GroupNotFound,
        Self::CatalogNotFound,
        Self::StoreNotFound,
        Self::RestrictionNotFound,
        Self::NamespaceNotAllowed,
        Self::ParentNotAllowed,
        Self::ApprovalPending,
        Self::CatalogInvalid,
        Self::UnknownSection,
        Self::UnknownLevel,
        Self::NotApplicable,
        Self::RoleNotAvailable,
        Self::RoleRequired,
        Self::GroupsForbidden,
        Self::InvitationRequired,
        Self::NameTaken,
        Self::OwnerIsMember,
        Self::OwnerImmutable,
        Self::OwnerMissing,
        Self::DuplicateMembership,
        Self::ConfirmationMissing,
        Self::PlanNotEligible,
        Self::Unauthorized,
        Self::AddressInvalid,
        Self::Unreadable,
    ];

    /// Returns the reason with that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.to_string() == name)
    }

    /// Returns the remedy.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::AccountNotFound => "apply the Account, or correct spec.accountRef",
            Self::RoleNotFound => "apply the role, or correct its name; check kind: Role or kind: PredefinedRole",
            Self::GroupNotFound => "apply the UserGroup, or correct its name",
            Self::CatalogNotFound => "apply the PermissionCatalog, or correct spec.catalogRef",
            Self::StoreNotFound => "apply the IdentityStore that spec.storeRef names",
            Self::RestrictionNotFound => "correct the restriction's name; the catalog lists them",
            Self::NamespaceNotAllowed => "label the namespace, or change allowedNamespaces of the store or catalog",
            Self::ParentNotAllowed => "ask the owner of the parent account to admit it",
            Self::ApprovalPending => "list the account in spec.managedAccounts.approved of its parent",
            Self::CatalogInvalid => "correct the catalog; its own message lists every error with its field",
            Self::UnknownSection => "correct the section's name; the catalog lists them",
            Self::UnknownLevel => "correct the level; the message lists the section's levels",
            Self::NotApplicable => {
                "remove the section that cannot be configured for this role; delete a Role that overrides a role which is \
                 not overridable"
            }
            Self::RoleNotAvailable => "choose a role that members of this type of account can hold",
            Self::RoleRequired => "give the member a role in spec.roleRef",
            Self::GroupsForbidden => "remove spec.groupRefs, or change members.groups of the catalog",
            Self::InvitationRequired => "invite the member instead, or change members.direct of the catalog",
            Self::NameTaken => "rename or delete one of the two roles",
            Self::OwnerIsMember => "delete it: the owner needs neither Membership nor Invitation",
            Self::OwnerImmutable => "restore the former owner, or set ownerChange: ByPlatform in the catalog",
            Self::OwnerMissing => "set spec.owner of the Account",
            Self::DuplicateMembership => "delete one of the two Memberships",
            Self::ConfirmationMissing => "to confirm the lift, name the restriction in spec.acknowledge",
            Self::PlanNotEligible => "change spec.plan of the Account",
            Self::Unauthorized => "ask somebody with the authority to apply it, or confirm it with `roster authorize`",
            Self::AddressInvalid => "correct the address; it is not a valid e-mail address",
            Self::Unreadable => "correct the field, or install the definitions of this release",
        }
    }
}

impl SyncReason {
    /// All reasons.
    pub const ALL: [Self; 13] = [
        Self::InSync,
        Self::Applied,
        Self::DriftReported,
        Self::StoreUnavailable,
        Self::StoreRejected,
        Self::NotOwned,
        Self::RemovalGuarded,
        Self::NotSupportedByStore,
        Self::Paused,
        Self::StoreReplaced,
        Self::Unauthorized,
        Self::NotDelivered,
        Self::NotEnforced,
    ];

    /// Returns the reason with that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.to_string() == name)
    }

    /// Returns the remedy; none if all is well.
    #[must_use]
    pub const fn remedy(self) -> Option<&'static str> {
        match self {
            Self::InSync | Self::Applied => None,
            Self::DriftReported => Some(
                "undo the change in the store, or set drift.policy: Correct; for undeclared members, set \
                 drift.unmanaged: Remove",
            ),
            Self::StoreUnavailable => Some("make the store available; Roster retries at least every 30 s"),
            Self::StoreRejected => {
                Some("follow the message: it names a missing right, another application's file, or a newer version")
            }
            Self::NotOwned => Some("remove the entry from the store, or set spec.adoption of the IdentityStore"),
            Self::RemovalGuarded => Some("to approve the removals, run the command that is shown"),
            Self::NotSupportedByStore => Some("request only what this backend supports"),
            Self::Paused => {
                Some("remove spec.paused from the store, or the annotation roster.dev/paused from the Account")
            }
            Self::NotDelivered => Some("create a Membership, or wait for a release that sends invitations"),
            Self::StoreReplaced => Some(
                "restore the former store, or annotate the IdentityStore with roster.dev/approve-store: <the new id>",
            ),
            Self::Unauthorized => Some("undo the change, or confirm it with `roster authorize`"),
            Self::NotEnforced => Some("install the admission webhook, and remove enforcement if that is not enough"),
        }
    }
}

impl RolloutReason {
    /// All reasons.
    pub const ALL: [Self; 2] = [Self::RollingOut, Self::RolloutStopped];

    /// Returns the reason with that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// Returns the remedy.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::RollingOut => "wait; accounts follow one after another",
            Self::RolloutStopped => {
                "see in `roster status` which account stopped it; approve its removals, or change the catalog again"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_listed() {
        let source = include_str!("conditions.rs");
        let variants = |name: &str| {
            let (_, body) = source.split_once(&format!("pub enum {name} {{\n")).unwrap();
            let (body, _) = body.split_once("\n}\n").unwrap();
            body.lines().filter_map(|line| line.trim().strip_suffix(',')).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(variants("InvalidReason"), InvalidReason::ALL.map(|reason| reason.to_string()));
        assert_eq!(variants("SyncReason"), SyncReason::ALL.map(|reason| reason.to_string()));
        assert_eq!(variants("RolloutReason"), RolloutReason::ALL.map(|reason| reason.as_str().to_owned()));
    }

    #[test]
    fn a_reason_parses_from_its_name() {
        assert_eq!(InvalidReason::parse("NameTaken"), Some(InvalidReason::NameTaken));
        assert_eq!(SyncReason::parse("Paused"), Some(SyncReason::Paused));
        assert_eq!(RolloutReason::parse("RollingOut"), Some(RolloutReason::RollingOut));
        assert_eq!(RolloutReason::parse("rollingOut"), None);
        assert_eq!((InvalidReason::parse("Paused"), SyncReason::parse("nameTaken")), (None, None));
    }
}
