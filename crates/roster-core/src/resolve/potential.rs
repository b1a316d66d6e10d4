//! Explains potential permissions: what they are, and why. Called by CLI commands such as `roster explain` and by
//! checks of authority; not used on the way to a store.

use std::collections::BTreeSet;

use super::{
    AccountResolution, Definitions, EffectiveCatalog,
    member::{owner_grant, owner_inputs},
    role::unavailable,
};
use crate::{
    api::{MemberGroups, RoleRefKind},
    model::{
        Explanation, FindingsBuilder, Grantor, KindName, MemberInputs, Name, NoTrace, Ranks, RoleName, explain,
        potential,
    },
    state::{GroupFacts, InvitationFacts, MemberFacts},
};

/// Person whose potential permissions are requested.
#[derive(Clone, Copy, Debug)]
pub enum Holder<'a> {
    /// Owner of the account.
    Owner,
    /// User of one Membership, as if it were their only one.
    Member(&'a MemberFacts),
    /// Invited person, as if they had accepted.
    Invited(&'a InvitationFacts),
}

/// Permissions of steps 1 to 4 of docs/concepts.md "Effective permissions": what a person may do, or could do if they
/// were not suspended, blocked, expired, not started or not approved, and if their Invitation existed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Potential {
    /// Rank in each section.
    pub ranks: Ranks,
    /// Reason for the level of each section, in the catalog's order.
    pub sections: Vec<Explanation>,
}

impl Definitions {
    /// Returns the potential permissions of a holder, and the reasons for them. Returns `None` if the account does not
    /// resolve as a whole, or has no owner who gets anything.
    #[must_use]
    pub fn potential(&self, holder: Holder<'_>) -> Option<Potential> {
        self.with_inputs(holder, |whole, inputs| {
            let (ranks, sections) = explain(&whole.catalog, inputs);
            Potential { ranks, sections }
        })
    }

    /// Returns the ranks of [`Self::potential`], without the reasons.
    #[must_use]
    pub(crate) fn potential_ranks(&self, holder: Holder<'_>) -> Option<Ranks> {
        self.with_inputs(holder, |whole, inputs| {
            let mut ranks = Ranks::default();
            potential(&whole.catalog, inputs, &mut ranks, &mut NoTrace);
            ranks
        })
    }

    /// Returns the ranks that a holder is granted by role, groups and a lift that makes equal to the owner, before
    /// restrictions and prerequisites lower them: steps 1 and 2. Returns `None` as [`Self::potential`] does.
    #[must_use]
    pub fn granted(&self, holder: Holder<'_>) -> Option<Ranks> {
        self.with_inputs(holder, |whole, inputs| {
            if let Some((_, owner)) = inputs.equal_to_owner {
                return owner.clone();
            }
            let mut ranks = whole.catalog.no_access();
            for grant in inputs.grants {
                ranks.raise_to(grant.ranks.as_slice());
            }
            ranks
        })
    }

    /// Passes what decides a holder's permissions to `compute`.
    fn with_inputs<R>(
        &self,
        holder: Holder<'_>,
        compute: impl FnOnce(&EffectiveCatalog, &MemberInputs<'_>) -> R,
    ) -> Option<R> {
        let AccountResolution::Resolved(whole) = &self.resolution else { return None };
        let choices = match holder {
            Holder::Owner => {
                let grants = owner_grant(whole, whole.owner.as_ref()?);
                return Some(compute(whole, &owner_inputs(&grants)));
            }
            Holder::Member(facts) => facts.choices(),
            Holder::Invited(facts) => facts.choices(),
        };
        let mut ignored = FindingsBuilder::new(KindName::Account, &self.account.namespace, &self.account.name);
        Some(compute(whole, &self.parts(whole, &choices, &mut ignored).inputs()))
    }

    /// Returns the role of a Membership, its own or the catalog's default; `None` if there is no such role.
    #[must_use]
    pub fn role_of(&self, facts: &MemberFacts) -> Option<RoleName> {
        let name = facts.role_name().or_else(|| self.default_role())?;
        self.role_ranks(&name).is_some().then_some(name)
    }

    /// Returns the predefined roles that a Membership gives: its own or the catalog's default, and those of its groups.
    #[must_use]
    pub fn predefined_roles(&self, facts: &MemberFacts) -> BTreeSet<Name> {
        let own = self.role_of(facts).filter(|role| role.kind == RoleRefKind::PredefinedRole);
        self.with_groups(own.map(|role| role.name), &facts.groups)
    }

    /// Returns the predefined roles that an Invitation would give.
    #[must_use]
    pub fn invited_roles(&self, facts: &InvitationFacts) -> BTreeSet<Name> {
        let own = facts.role.as_ref().map(RoleName::from).or_else(|| self.default_role());
        let own = own.filter(|role| role.kind == RoleRefKind::PredefinedRole && self.role_ranks(role).is_some());
        self.with_groups(own.map(|role| role.name), &facts.groups)
    }

    /// Returns a predefined role and those that these groups give.
    pub(crate) fn with_groups(&self, own: Option<Name>, groups: &[Name]) -> BTreeSet<Name> {
        let groups = groups.iter().filter_map(|name| self.groups.get(name));
        own.into_iter().chain(groups.flat_map(|group| group.predefined.iter().cloned())).collect()
    }

    /// Returns the effective permissions of a role that members can hold; `None` if there is no such role.
    #[must_use]
    pub fn role_ranks(&self, name: &RoleName) -> Option<&Ranks> {
        let AccountResolution::Resolved(whole) = &self.resolution else { return None };
        match name.kind {
            RoleRefKind::PredefinedRole => {
                let index = whole.catalog.role(&name.name)?;
                unavailable(&whole.catalog, index, self.account_type).is_none().then(|| &whole.predefined[index])
            }
            RoleRefKind::Role => {
                let role = self.roles.get(&name.name).filter(|role| role.overrides.is_none() && role.usable)?;
                Some(&role.ranks)
            }
        }
    }

    /// Returns all sources that alone give a Membership `rank` or more in a section, including those that an
    /// explanation omits because an earlier source was sufficient.
    #[must_use]
    pub fn granting(&self, facts: &MemberFacts, section: usize, rank: u8) -> Vec<Grantor> {
        let AccountResolution::Resolved(whole) = &self.resolution else { return Vec::new() };
        let reaches = |ranks: &Ranks| ranks.as_slice().get(section).is_some_and(|has| *has >= rank);
        let mut sources = Vec::new();
        if let Some(role) = self.role_of(facts).filter(|role| self.role_ranks(role).is_some_and(reaches)) {
            sources.push(match role.kind {
                RoleRefKind::PredefinedRole => Grantor::PredefinedRole(role.name),
                RoleRefKind::Role => Grantor::Role(role.name),
            });
        }
        if whole.facts.spec.members.groups == MemberGroups::Allowed {
            let groups = facts.groups.iter().filter(|name| self.groups.get(*name).is_some_and(|g| reaches(&g.ranks)));
            sources.extend(groups.map(|name| Grantor::Group(name.clone())));
        }
        sources.dedup();
        sources
    }

    /// Returns the role through which a group gives `rank` in a section; `None` if the group's own permissions give it,
    /// or nothing does.
    #[must_use]
    pub fn through(&self, group: &GroupFacts, section: usize, rank: u8) -> Option<RoleName> {
        let AccountResolution::Resolved(whole) = &self.resolution else { return None };
        let catalog = whole.catalog.as_ref();
        let own = group.spec.permissions.get(catalog.section_name(section));
        if own.and_then(|level| catalog.rank(section, level)) >= Some(rank) {
            return None;
        }
        let roles = self.roles_in_force(whole);
        group.spec.role_refs.iter().find_map(|reference| {
            let found = roles.find(reference).ok()?;
            let reaches = found.ranks.as_slice().get(section).is_some_and(|has| *has >= rank);
            reaches.then(|| RoleName { kind: reference.kind, name: Name::new(&reference.name) })
        })
    }

    /// Returns whether members of this account can hold the predefined role with this index, or its owner holds it.
    #[must_use]
    pub fn is_available(&self, index: usize) -> bool {
        let AccountResolution::Resolved(whole) = &self.resolution else { return false };
        whole.owner.as_ref().is_some_and(|owner| owner.role == index)
            || unavailable(&whole.catalog, index, self.account_type).is_none()
    }
}
