//! Potential permissions and why they are what they are; asked by people and by who judges authority, never on the way to a
//! store.

use super::{
    Definitions, Outlook,
    definitions::RolesInForce,
    member::{owner_grant, owner_inputs},
    role::unavailable,
};
use crate::{
    api::{MemberGroups, RoleRefKind},
    model::{Explanation, FindingsBuilder, Grantor, KindName, Name, Ranks, RoleName, explain},
    state::{GroupFacts, InvitationFacts, MemberFacts},
};

/// Somebody whose potential permissions are asked for.
#[derive(Clone, Copy, Debug)]
pub enum Holder<'a> {
    /// The account's owner.
    Owner,
    /// The user of one membership, were it their only one.
    Member(&'a MemberFacts),
    /// Somebody invited, once they have accepted.
    Invited(&'a InvitationFacts),
}

/// Permissions by all steps but the last, the ends: what somebody may do, or could if they were not suspended, blocked,
/// expired, not started, not approved, and their invitation not gone (docs/concepts.md "Effective permissions").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Potential {
    /// The permissions.
    pub ranks: Ranks,
    /// Why each section is at its level, in the catalog's order.
    pub sections: Vec<Explanation>,
}

impl Definitions {
    /// Works out the potential permissions of somebody, and why they are what they are. Returns nothing where the account
    /// does not resolve as a whole, or has no owner who gets anything.
    #[must_use]
    pub fn potential(&self, holder: Holder<'_>) -> Option<Potential> {
        let Outlook::Whole(whole) = &self.outlook else { return None };
        let namespace = &self.account.namespace;
        let (ranks, sections) = match holder {
            Holder::Owner => {
                let grants = owner_grant(whole, whole.owner.as_ref()?);
                explain(&whole.catalog, &owner_inputs(&grants))
            }
            Holder::Member(facts) => {
                let mut ignored = FindingsBuilder::new(KindName::Membership, namespace, &facts.name);
                explain(&whole.catalog, &self.parts(whole, &facts.choices(), &mut ignored).inputs())
            }
            Holder::Invited(facts) => {
                let mut ignored = FindingsBuilder::new(KindName::Invitation, namespace, &facts.name);
                explain(&whole.catalog, &self.parts(whole, &facts.choices(), &mut ignored).inputs())
            }
        };
        Some(Potential { ranks, sections })
    }

    /// The role a membership has, its own or the catalog's default; nothing where it leads nowhere.
    #[must_use]
    pub fn role_of(&self, facts: &MemberFacts) -> Option<RoleName> {
        let name = facts.role_name().or_else(|| self.default_role())?;
        self.role_ranks(&name).is_some().then_some(name)
    }

    /// What a role that members can have means here; nothing where there is none of that name.
    #[must_use]
    pub fn role_ranks(&self, name: &RoleName) -> Option<&Ranks> {
        let Outlook::Whole(whole) = &self.outlook else { return None };
        match name.kind {
            RoleRefKind::PredefinedRole => {
                let place = whole.catalog.role(&name.name)?;
                unavailable(&whole.catalog, place, self.account_type).is_none().then(|| &whole.predefined[place])
            }
            RoleRefKind::Role => {
                let role = self.roles.get(&name.name).filter(|role| role.overrides.is_none() && role.usable)?;
                Some(&role.ranks)
            }
        }
    }

    /// Each source that gives a membership `rank` or more in a section by itself: also those that the explanation passes
    /// over, since another one was there first.
    #[must_use]
    pub fn granting(&self, facts: &MemberFacts, section: usize, rank: u8) -> Vec<Grantor> {
        let Outlook::Whole(whole) = &self.outlook else { return Vec::new() };
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

    /// The role through which a group gives `rank` in a section; nothing where it does so itself, or not at all.
    #[must_use]
    pub fn through(&self, group: &GroupFacts, section: usize, rank: u8) -> Option<RoleName> {
        let Outlook::Whole(whole) = &self.outlook else { return None };
        let catalog = whole.catalog.as_ref();
        let own = group.spec.permissions.get(catalog.section_name(section));
        if own.and_then(|level| catalog.rank(section, level)) >= Some(rank) {
            return None;
        }
        let roles = RolesInForce {
            catalog,
            predefined: &whole.predefined,
            at_most: &whole.at_most,
            custom: &self.roles,
            account_type: self.account_type,
        };
        group.spec.role_refs.iter().find_map(|reference| {
            let found = roles.find(reference).ok()?;
            let reaches = found.ranks.as_slice().get(section).is_some_and(|has| *has >= rank);
            reaches.then(|| RoleName { kind: reference.kind, name: Name::new(&reference.name) })
        })
    }

    /// Whether members of this account can have the predefined role at a place, or its owner has it.
    #[must_use]
    pub fn is_available(&self, place: usize) -> bool {
        let Outlook::Whole(whole) = &self.outlook else { return false };
        whole.owner.as_ref().is_some_and(|owner| owner.role == place)
            || unavailable(&whole.catalog, place, self.account_type).is_none()
    }
}
