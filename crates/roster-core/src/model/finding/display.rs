//! Writes the sentence of each kind of finding, without the field and without a full stop. Called by everything that
//! shows a finding.

use std::fmt;

use super::{
    Finding, FindingKind, Findings, SettingValue, Unauthorized, Unavailable, Unknown, UnknownLevel,
    shorten::{Counted, List, MOST, Quoted, Short},
};
use crate::{
    api::APPROVE_CHANGE_ANNOTATION,
    model::{Grantor, Name, counted, suggest::did_you_mean},
};

/// Writes `field: sentence` as in a status; only the sentence if the finding is about the whole object.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_whole() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "{}", self.kind)
    }
}

impl fmt::Display for FindingKind {
    #[expect(clippy::too_many_lines, reason = "a table: one arm for each kind")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(findings) => display_account(findings, f),
            Self::AccountMissing(account) => {
                write!(f, "there is no Account {} in namespace {}", Quoted(&account.name), Quoted(&account.namespace))
            }
            Self::CatalogMissing(name) => write!(f, "there is no PermissionCatalog {}", Quoted(name)),
            Self::StoreMissing(name) => {
                write!(f, "there is no IdentityStore {}", Quoted(name))?;
                // The default of spec.storeRef; whoever left it out has not written this name.
                let hint = if *name == "default" { ", which is used where spec.storeRef is left out" } else { "" };
                f.write_str(hint)
            }
            Self::NamespaceNotAdmitted(refusal) => write!(f, "{refusal}"),
            Self::CatalogBroken { catalog, first } => {
                // The catalog's own status shows the suggestion.
                write!(f, "PermissionCatalog {} breaks its own rules: {first:#}", Quoted(catalog))
            }
            Self::ParentRefused(refusal) => {
                let (namespace, catalog) = (Quoted(&refusal.namespace), Quoted(&refusal.catalog));
                write!(
                    f,
                    "{}/{} is not a partner account, or does not admit namespace {namespace} with catalog {catalog}",
                    Short(&refusal.parent.namespace),
                    Short(&refusal.parent.name),
                )
            }
            Self::ApprovalPending(parent) => write!(
                f,
                "waits for approval: Account {}/{} must list this account in spec.managedAccounts.approved",
                Short(&parent.namespace),
                Short(&parent.name),
            ),
            Self::OwnerMissing { role } => {
                write!(f, "the catalog has the owner role {}, so the account needs an owner", Quoted(role))
            }
            Self::OwnerStays(owner) => {
                write!(
                    f,
                    "{} stays the owner in the store, since the catalog does not let the owner change (ownerChange: \
                     Never)",
                    Short(owner.as_str())
                )
            }
            Self::OwnerWithoutRole => f.write_str("the catalog has no ownerRole, so the owner gets no access"),
            Self::LooserThanStore { own, store } => {
                write!(f, "{own} is looser than the store's {store} and has no effect")
            }
            Self::EnforcementWithoutEffect(enforcement) => {
                write!(
                    f,
                    "enforcement: {enforcement:?} has an effect only where Roster enforces: with the admission webhook, which the chart \
                     installs with webhook.enabled"
                )
            }
            Self::TooFewHolders { role, holders, minimum, message } => {
                write!(
                    f,
                    "role {} has {}, and should have at least {minimum}{}",
                    Short(role),
                    counted(*holders, "holder"),
                    Also(message.as_deref())
                )
            }
            Self::TooManyHolders { role, holders, maximum, message } => {
                let holders = counted(*holders, "holder");
                write!(
                    f,
                    "role {} has {holders}, and should have at most {maximum}{}",
                    Short(role),
                    Also(message.as_deref())
                )
            }
            Self::RoleHeld { role, message } => write!(f, "role {}{}", Short(role), Also(Some(message))),
            Self::ManagedCatalogMissing(catalog) => {
                write!(f, "there is no PermissionCatalog {}{}", Quoted(&catalog.name), catalog.hint(f))
            }
            Self::GrantableRoleMissing(role) => write!(
                f,
                "no catalog of the managed accounts has a predefined role {}{}",
                Quoted(&role.name),
                role.hint(f)
            ),
            Self::ApprovedAccountMissing { account, near } => {
                let (namespace, name) = (Short(&account.namespace), Short(&account.name));
                write!(f, "this approves nothing: there is no account {namespace}/{name}")?;
                write!(f, "{}", DidYouMean::of(near.as_ref(), f))
            }
            Self::Catalog(fault) => fault.fmt(f),
            Self::RoleCannotStandAlone(missing) => write!(
                f,
                "role {}: {} at {} needs {} at {}, which another role or group must grant",
                Short(&missing.role),
                Short(&missing.section),
                Short(&missing.level),
                Short(&missing.needs),
                Short(&missing.at),
            ),
            Self::PortalClientMissing(client) => write!(f, "there is no client {} in the realm", Quoted(client)),
            Self::PortalClientUnscoped(client) => write!(
                f,
                "client {} of the realm allows its full scope, so that its tokens show every account; turn off Full \
                 scope allowed in its dedicated scope",
                Quoted(client),
            ),
            Self::UnknownSection(section) => {
                write!(f, "the catalog has no section {}{}", Quoted(&section.name), section.hint(f))
            }
            Self::UnknownLevel(unknown) => unknown.fmt(f),
            Self::WithoutEffect(part) => write!(f, "{part}"),
            Self::NotApplicable(section) => {
                write!(f, "section {} cannot be configured for this role; leave it out", Quoted(section))
            }
            Self::NotOverridable(role) => write!(
                f,
                "predefined role {} is not overridable; the catalog can set overridable: true for it",
                Quoted(role)
            ),
            Self::OverriddenTwice(role) => {
                write!(
                    f,
                    "another Role overrides {}, too; the lower levels count until one of them is deleted",
                    Quoted(role)
                )
            }
            Self::CustomRolesForbidden => {
                f.write_str("the catalog does not allow accounts to add roles (spec.customRoles.allowed is false)")
            }
            Self::NameIsPredefined { role, is_override } => {
                let other = if *is_override {
                    "choose another name for the override"
                } else {
                    "choose another name, or set spec.overrides"
                };
                write!(f, "{} is a predefined role; {other}", Quoted(role))
            }
            Self::LeftOut { section, role } => write!(
                f,
                "role {} grants {}, which roles of an account cannot have; this role leaves it out",
                Short(role),
                Short(section),
            ),
            Self::CannotStandAlone(missing) => write!(
                f,
                "{} at {} needs {} at {} or above, which another role or group must grant; without it a user gets {}",
                Short(&missing.section),
                Short(&missing.level),
                Short(&missing.needs),
                Short(&missing.at),
                Short(&missing.left),
            ),
            Self::Advisory { level, advisory } => {
                write!(f, "{} at {}{}", Short(&advisory.section), Short(level), Also(Some(&advisory.message)))
            }
            Self::GroupForbidden => f.write_str("the catalog forbids groups (spec.members.groups)"),
            Self::PredefinedRoleMissing { role, is_custom } => {
                let kind = if *is_custom { "; for the Role object, set kind: Role" } else { "" };
                write!(f, "the catalog has no predefined role {}{kind}{}", Quoted(&role.name), role.hint(f))
            }
            Self::RoleMissing { role, is_predefined } => {
                let kind = if *is_predefined { "; for the predefined role, set kind: PredefinedRole" } else { "" };
                write!(f, "this account has no Role {}{kind}{}", Quoted(&role.name), role.hint(f))
            }
            Self::RoleIsOverride { role, overrides } => {
                let (role, overrides) = (Quoted(role), Quoted(overrides));
                write!(f, "Role {role} overrides {overrides}; name the predefined role {overrides} instead")
            }
            Self::RoleInvalid { role, reason } => {
                write!(f, "Role {} is invalid", Quoted(role))?;
                if let Some(reason) = reason {
                    write!(f, " ({reason})")?;
                }
                f.write_str(" and grants nothing; see its status for the error")
            }
            Self::RoleUnavailable(cause) => write!(f, "{cause}"),
            Self::DefaultRoleUnavailable(cause) => write!(f, "the catalog's default {cause}; name another role"),
            Self::RoleRequired => f.write_str("the catalog requires every member to have a role; set spec.roleRef"),
            Self::GroupRefsForbidden => f.write_str("the catalog forbids groups; give the user a role instead"),
            Self::GroupMissing(group) => {
                write!(f, "this account has no UserGroup {}{}", Quoted(&group.name), group.hint(f))
            }
            Self::RestrictionMissing(restriction) => {
                write!(f, "the catalog has no restriction {}{}", Quoted(&restriction.name), restriction.hint(f))
            }
            Self::ConfirmationMissing(restriction) => {
                let (quoted, restriction) = (Quoted(restriction), Short(restriction));
                write!(f, "lifting {quoted} counts only with spec.acknowledge: [{restriction}]")
            }
            Self::LiftWithoutEffect(restriction) => write!(
                f,
                "lifting {} has no effect, since the catalog does not apply it by default",
                Quoted(restriction)
            ),
            Self::ConfirmsNothing(restriction) => write!(
                f,
                "this confirms nothing: the catalog has no restriction {}{}",
                Quoted(&restriction.name),
                restriction.hint(f)
            ),
            Self::RestrictionsWithoutEffect { lifted, applied } => {
                let (lifted, applied) = (Short(lifted), List(applied, MOST));
                write!(f, "lifting {lifted} makes the user equal to the owner, so these have no effect: {applied}")
            }
            Self::HeldAtMost(by) => {
                match by {
                    Grantor::Owner(name) | Grantor::PredefinedRole(name) => {
                        write!(f, "a Role that overrides predefined role {} is invalid", Quoted(name))?;
                    }
                    Grantor::Role(name) => {
                        write!(f, "Role {}, or an override of the role that it is based on, is invalid", Quoted(name))?;
                    }
                    Grantor::Group(name) => {
                        write!(f, "a role of UserGroup {}, or an override of it, is invalid", Quoted(name))?;
                    }
                }
                f.write_str("; until it is corrected, access stays at or below what the store holds now")
            }
            Self::OwnerBlocked(store) => {
                write!(f, "the owner is blocked by IdentityStore {} and has no access", Quoted(store))
            }
            Self::AddressInvalid(error) => write!(f, "{error}"),
            Self::AddressLocal(email) => {
                let domain = email.as_str().rsplit('@').next().unwrap_or_default();
                write!(
                    f,
                    "the domain {} has no dot, so outside of a local network the address is not complete",
                    Quoted(domain)
                )
            }
            Self::Unreadable(how) => write!(f, "the object cannot be read; Roster makes no changes for it: {how}"),
            Self::OwnerIsMember(owner) => {
                let owner = Short(owner.as_str());
                write!(
                    f,
                    "{owner} is the account's owner, who has the owner role and needs no Membership; delete this one"
                )
            }
            Self::OwnerIsInvited(owner) => {
                write!(f, "{} is the account's owner and needs no Invitation; delete this one", Short(owner.as_str()))
            }
            Self::ExpiresSoon(at) => write!(f, "access ends at {at}; to keep it, set a later spec.expiresAt"),
            Self::HasExpired(at) => {
                write!(f, "access expired at {at}; delete the Membership, or set a later spec.expiresAt")
            }
            Self::InvitationWithoutEffect => {
                f.write_str("this release sends no invitations, so nobody is invited; create a Membership instead")
            }
            Self::MemberIsInvited(membership) => {
                write!(f, "this address is already a member, by Membership {}", Quoted(membership))
            }
            Self::DuplicateMembership(duplicate) => {
                let others = duplicate.all.iter().filter(|name| **name != duplicate.own);
                let shown: Vec<&Name> = others.take(MOST).collect();
                let all = duplicate.all.len().saturating_sub(1);
                let (email, others) = (Short(duplicate.email.as_str()), Counted(&shown, all));
                write!(
                    f,
                    "{email} has more than one Membership in this account (also {others}); the lower level counts in \
                     each section"
                )
            }
            Self::InvitationMissing(invitation) => {
                write!(
                    f,
                    "there is no accepted Invitation {} for this address; invite the member again",
                    Quoted(invitation)
                )
            }
            Self::InvitationOnly => {
                f.write_str("the catalog admits members by invitation only; create an Invitation instead")
            }
            Self::ChangesHeld { changes, hash } => {
                let changes = counted(usize::try_from(*changes).unwrap_or(usize::MAX), "change");
                write!(
                    f,
                    "{changes} without the authority wait (reason Unauthorized); an administrator lets them pass with `roster \
                     authorize`, or with the annotation {APPROVE_CHANGE_ANNOTATION}={}",
                    Short(hash)
                )
            }
            Self::Unauthorized(change) => {
                let Unauthorized { by, gone, why } = change.as_ref();
                if let Some(gone) = gone {
                    write!(f, "{gone:?} was deleted: ")?;
                }
                let until = "until somebody with the authority applies it, or an administrator runs `roster authorize`";
                match (by, gone) {
                    (Some(by), _) => write!(f, "{why} (applied by {}); held {until}", Quoted(by)),
                    (None, Some(_)) => write!(f, "{why}; held until an administrator runs `roster authorize`"),
                    (None, None) => {
                        write!(
                            f,
                            "{why}; no webhook answered when it was applied, so nobody knows by whom; held {until}"
                        )
                    }
                }
            }
            Self::PlanNotEligible { feature, account } => {
                write!(
                    f,
                    "invitations need the plan feature {}, which account {} does not have",
                    Quoted(feature),
                    Quoted(account)
                )
            }
        }
    }
}

/// Writes the Account's name, and its faults with the same text as on the Account itself.
fn display_account(findings: &Findings, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let name = findings.iter().next().map_or("", |finding| finding.object.name.as_str());
    write!(f, "account {}: {}", Quoted(name), findings.message())
}

/// Suggestion of a name, as the end of a sentence; empty if there is none.
pub(super) struct DidYouMean<'a>(Option<&'a Name>);

impl Unknown {
    /// Returns the suggestion at the end of a sentence about the name. The alternate form (`{:#}`) omits it, for
    /// sentences that continue.
    pub(super) fn hint(&self, f: &fmt::Formatter<'_>) -> DidYouMean<'_> {
        DidYouMean::of(self.near.as_ref(), f)
    }
}

impl<'a> DidYouMean<'a> {
    fn of(near: Option<&'a Name>, f: &fmt::Formatter<'_>) -> Self {
        Self(near.filter(|_| !f.alternate()))
    }
}

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |near| f.write_str(&did_you_mean(near)))
    }
}

/// Text of the catalog that follows a sentence of Roster.
struct Also<'a>(Option<&'a str>);

impl fmt::Display for Also<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |words| write!(f, ": {words}"))
    }
}

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The sentence lists all levels, since one of them was meant.
        let (section, level, ladder) = (Quoted(&self.section), Quoted(&self.level), List(&self.ladder, usize::MAX));
        write!(f, "section {section} has no level {level}; it has {ladder}{}", DidYouMean::of(self.near.as_ref(), f))
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeldByOwner { role } => write!(f, "role {} is held by the account's owner only", Quoted(role)),
            Self::OtherAccountType { role, available_in, account_type } => {
                write!(f, "role {} is available in accounts of type ", Quoted(role))?;
                for (index, one) in available_in.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{one:?}")?;
                }
                write!(f, ", and this one is {account_type:?}")
            }
        }
    }
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DriftPolicy(policy) => write!(f, "{policy:?}"),
            Self::Unmanaged(unmanaged) => write!(f, "{unmanaged:?}"),
            Self::Duration(text) => write!(f, "{}", Short(text)),
            Self::Number(number) => write!(f, "{number}"),
            Self::Enforcement(enforcement) => write!(f, "{enforcement:?}"),
        }
    }
}
