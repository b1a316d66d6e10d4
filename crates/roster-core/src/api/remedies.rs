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
            Self::RoleNotFound => "apply the role, or correct its name; mind kind: Role and kind: PredefinedRole",
            Self::GroupNotFound => "apply the UserGroup, or correct its name",
            Self::CatalogNotFound => "apply the PermissionCatalog, or correct spec.catalogRef",
            Self::StoreNotFound => "apply the IdentityStore that spec.storeRef names",
            Self::RestrictionNotFound => "correct the restriction's name; the catalog lists them",
            Self::NamespaceNotAllowed => "label the namespace, or change allowedNamespaces of the store or catalog",
            Self::ParentNotAllowed => "ask the owner of the parent account to admit it",
            Self::ApprovalPending => "list it in spec.managedAccounts.approved of the parent",
            Self::CatalogInvalid => "mend the catalog; its own message lists every fault with its field",
            Self::UnknownSection => "correct the section's name; the catalog lists them",
            Self::UnknownLevel => "correct the level; the message lists those there are",
            Self::NotApplicable => {
                "take out what cannot be configured for this role; a Role that overrides a role which is not overridable must be deleted"
            }
            Self::RoleNotAvailable => "choose a role that members of this type of account can hold",
            Self::RoleRequired => "give the member a role in spec.roleRef",
            Self::GroupsForbidden => "take spec.groupRefs away, or change members.groups of the catalog",
            Self::InvitationRequired => "invite the member instead, or change members.direct of the catalog",
            Self::NameTaken => "rename or delete one of the two roles",
            Self::OwnerIsMember => "delete it: the owner needs neither Membership nor Invitation",
            Self::OwnerImmutable => "put the former owner back, or let the catalog's ownerChange be ByPlatform",
            Self::OwnerMissing => "set spec.owner of the Account",
            Self::DuplicateMembership => "delete one of the two Memberships",
            Self::ConfirmationMissing => "name the restriction in spec.acknowledge, if the lifting is meant",
            Self::PlanNotEligible => "change spec.plan of the Account",
            Self::Unauthorized => "have it changed by somebody who may",
            Self::AddressInvalid => "correct the address: no mail system could have this one",
            Self::Unreadable => "correct the field, or install the definitions of this release",
        }
    }
}

impl SyncReason {
    /// All reasons.
    pub const ALL: [Self; 12] = [
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
                "undo the change in the store, or set drift.policy: Correct; for members nobody declared, drift.unmanaged: Remove",
            ),
            Self::StoreUnavailable => Some("bring the store back; it is tried again at least every 30 s"),
            Self::StoreRejected => Some("do as the message says: rights, another application's file, a newer version"),
            Self::NotOwned => Some("remove it in the store, or set spec.adoption of the store"),
            Self::RemovalGuarded => Some("if the removals are wanted, run the command that is shown"),
            Self::NotSupportedByStore => Some("ask for what this backend can hold"),
            Self::Paused => Some("take spec.paused of the store or the annotation roster.dev/paused away"),
            Self::NotDelivered => Some("create a Membership, or wait for a release that sends invitations"),
            Self::StoreReplaced => Some(
                "restore the former store, or annotate the IdentityStore with roster.dev/approve-store: <the new id>",
            ),
            Self::NotEnforced => Some("do not rely on enforcement: take it away until a release has the webhook"),
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
            Self::RollingOut => "wait: each account has its turn when those before it are done",
            Self::RolloutStopped => "look at the account it names; approve its removals, or change the catalog again",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_all() {
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
    fn a_reason_is_read_back() {
        assert_eq!(InvalidReason::parse("NameTaken"), Some(InvalidReason::NameTaken));
        assert_eq!(SyncReason::parse("Paused"), Some(SyncReason::Paused));
        assert_eq!(RolloutReason::parse("RollingOut"), Some(RolloutReason::RollingOut));
        assert_eq!(RolloutReason::parse("rollingOut"), None);
        assert_eq!((InvalidReason::parse("Paused"), SyncReason::parse("nameTaken")), (None, None));
    }
}
