//! Looks up the references of a Membership or Invitation: role, groups and restrictions. `member` and `invitation` call it,
//! and the account's permissions follow from the result.

use smallvec::SmallVec;

use super::{
    Definitions,
    resolved::EffectiveCatalog,
    role::{FoundRole, unavailable},
};
use crate::{
    api::{MemberGroups, MemberRole, RoleRef},
    model::{
        Caps, FindingKind, FindingsBuilder, Grant, Grantor, MemberInputs, Name, Ranks, RoleName, Source, Unknown,
        WithoutEffect,
    },
    state::MemberFacts,
};

const ROLE: &str = "spec.roleRef";
const GROUPS: &str = "spec.groupRefs";

/// Resolved references of a Membership or Invitation.
pub(super) struct Parts<'a> {
    pub(super) grants: SmallVec<[Grant<'a>; 4]>,
    pub(super) role: Option<RoleName>,
    pub(super) restrictions: SmallVec<[(&'a Name, &'a Caps); 4]>,
    pub(super) equal_to_owner: Option<(&'a Name, &'a Ranks)>,
    pub(super) unknown_restriction: bool,
    /// First role or group for which something that would lower it is invalid, and the field that names it.
    pub(super) at_most: Option<(&'static str, Grantor)>,
}

/// Choices that a Membership and an Invitation share.
pub(super) struct Choices<'a> {
    pub(super) role: Option<&'a RoleRef>,
    pub(super) groups: &'a [Name],
    pub(super) apply: &'a [Name],
    pub(super) lift: &'a [Name],
    pub(super) acknowledge: &'a [Name],
}

impl MemberFacts {
    pub(super) fn choices(&self) -> Choices<'_> {
        Choices {
            role: self.role.as_deref(),
            groups: &self.groups,
            apply: &self.apply,
            lift: &self.lift,
            acknowledge: &self.acknowledge,
        }
    }
}

impl Definitions {
    /// Looks up the references of a Membership or Invitation. A reference that points to nothing is a fault and grants
    /// nothing.
    pub(super) fn parts<'a>(
        &'a self,
        whole: &'a EffectiveCatalog,
        choices: &Choices<'a>,
        findings: &mut FindingsBuilder<'_>,
    ) -> Parts<'a> {
        let catalog = whole.catalog.as_ref();
        let rules = &whole.facts.spec.members;
        let mut parts = Parts {
            grants: SmallVec::new(),
            role: None,
            restrictions: SmallVec::new(),
            equal_to_owner: None,
            unknown_restriction: false,
            at_most: None,
        };
        self.grant_role(whole, choices, &mut parts, findings);
        if rules.groups == MemberGroups::Forbidden && !choices.groups.is_empty() {
            findings.add(GROUPS, FindingKind::GroupRefsForbidden);
        } else {
            for name in choices.groups {
                if let Some((name, group)) = self.groups.get_key_value(name) {
                    parts.grants.push(Grant { source: Source::Group(name), ranks: &group.ranks });
                    if group.at_most {
                        parts.at_most.get_or_insert_with(|| (GROUPS, Grantor::Group(name.clone())));
                    }
                } else {
                    findings.add(
                        GROUPS,
                        FindingKind::GroupMissing(Unknown::among(name, self.groups.keys().map(Name::as_str))),
                    );
                }
            }
        }

        for name in choices.apply.iter().chain(choices.lift) {
            if catalog.restriction(name).is_none() {
                parts.unknown_restriction = true;
                findings.add(
                    "spec.restrictions",
                    FindingKind::RestrictionMissing(Unknown::among(name, catalog.restriction_names())),
                );
            }
        }
        for name in choices.acknowledge.iter().filter(|name| !choices.lift.contains(name)) {
            let kind = if catalog.restriction(name).is_none() {
                FindingKind::ConfirmsNothing(Unknown::among(name, catalog.restriction_names()))
            } else {
                FindingKind::WithoutEffect(Box::new(WithoutEffect::Confirmation(name.clone())))
            };
            findings.add("spec.acknowledge", kind);
        }
        for restriction in &catalog.restrictions {
            let listed = choices.lift.contains(&restriction.name);
            let confirmed = !restriction.needs_confirmation || choices.acknowledge.contains(&restriction.name);
            if listed && !confirmed {
                let missing = FindingKind::ConfirmationMissing(restriction.name.clone());
                findings.add("spec.restrictions.lift", missing);
            }
            let applied = choices.apply.contains(&restriction.name);
            // The schema forbids to apply and lift one restriction; if both are set, the restriction applies.
            let lifted = listed && confirmed && !applied;
            if lifted && restriction.grants_owner_access {
                let owner = catalog.owner_role.map(|index| &whole.predefined[index]);
                parts.equal_to_owner = parts.equal_to_owner.or(owner.map(|ranks| (&restriction.name, ranks)));
            }
            if lifted && !restriction.applied_by_default && !restriction.grants_owner_access {
                findings.add("spec.restrictions.lift", FindingKind::LiftWithoutEffect(restriction.name.clone()));
            }
            if applied && restriction.applied_by_default {
                let part = WithoutEffect::Apply(restriction.name.clone());
                findings.add("spec.restrictions.apply", FindingKind::WithoutEffect(Box::new(part)));
            }
            if applied || (restriction.applied_by_default && !lifted) {
                parts.restrictions.push((&restriction.name, &restriction.caps));
            }
        }
        if let Some((lifted, _)) = parts.equal_to_owner
            && !choices.apply.is_empty()
        {
            let (lifted, applied) = (lifted.clone(), choices.apply.into());
            findings.add_whole(FindingKind::RestrictionsWithoutEffect { lifted, applied });
        }
        parts
    }

    fn grant_role<'a>(
        &'a self,
        whole: &'a EffectiveCatalog,
        choices: &Choices<'a>,
        parts: &mut Parts<'a>,
        findings: &mut FindingsBuilder<'_>,
    ) {
        let catalog = whole.catalog.as_ref();
        let roles = self.roles_in_force(whole);
        let Some(reference) = choices.role else {
            if let Some(index) = catalog.default_role {
                if let Some(cause) = unavailable(catalog, index, self.account_type) {
                    findings.add(ROLE, FindingKind::DefaultRoleUnavailable(cause));
                    return;
                }
                grant_predefined(whole, index, parts);
            } else if whole.facts.spec.members.role == MemberRole::Required {
                findings.add(ROLE, FindingKind::RoleRequired);
            }
            return;
        };
        match roles.find(reference) {
            Err(kind) => findings.add(ROLE, kind),
            Ok(FoundRole { index: Some(index), .. }) => grant_predefined(whole, index, parts),
            Ok(found) => {
                if let Some((name, _)) = self.roles.get_key_value(reference.name.as_str()) {
                    parts.grants.push(Grant { source: Source::Role(name), ranks: found.ranks });
                    parts.role = Some(RoleName::custom(name));
                    if found.at_most {
                        parts.at_most = Some((ROLE, Grantor::Role(name.clone())));
                    }
                }
            }
        }
    }
}

/// Grants the predefined role at an index, with its effective permissions in this account.
fn grant_predefined<'a>(whole: &'a EffectiveCatalog, index: usize, parts: &mut Parts<'a>) {
    let name = &whole.catalog.roles[index].name;
    parts.grants.push(Grant { source: Source::PredefinedRole(name), ranks: &whole.predefined[index] });
    parts.role = Some(RoleName::predefined(name));
    if whole.at_most[index] {
        parts.at_most = Some((ROLE, Grantor::PredefinedRole(name.clone())));
    }
}

impl Parts<'_> {
    pub(super) fn inputs(&self) -> MemberInputs<'_> {
        MemberInputs { grants: &self.grants, equal_to_owner: self.equal_to_owner, restrictions: &self.restrictions }
    }
}
