//! Evaluates one Membership or Invitation by steps 1 to 4 of "Effective permissions". Called by `account`.

use roster_core::api::{
    InvitationSpec, MemberGroups, MemberRole, MembershipSpec, NameRef, Restriction, RestrictionChoice, RoleRef,
    RoleRefKind,
};

use crate::{
    levels::{Levels, higher, lower, nothing, rank, reduced},
    reason,
    roles::{Definitions, Grant, Lookup, Reasons},
};

/// Role, groups and restrictions of a Membership or Invitation.
pub(crate) struct Claim<'a> {
    role_ref: Option<&'a RoleRef>,
    group_refs: &'a [NameRef],
    restrictions: Option<&'a RestrictionChoice>,
    acknowledge: &'a [String],
}

/// Result of a claim before step 5.
pub(crate) struct Judged {
    /// Levels after steps 1 and 2.
    pub(crate) granted: Levels,
    /// Levels after steps 1 to 4.
    pub(crate) potential: Levels,
    pub(crate) at_most_held: bool,
    pub(crate) reasons: Reasons,
    /// Predefined role that the claim itself names, or the default role.
    pub(crate) held_role: Option<String>,
}

impl<'a> Claim<'a> {
    /// Reads a Membership. With an Invitation, uses the role, groups and restrictions of the Invitation.
    pub(crate) fn of_membership(spec: &'a MembershipSpec, invitation: Option<&'a InvitationSpec>) -> Self {
        let acknowledge = &spec.acknowledge;
        match invitation {
            Some(invitation) => Self { acknowledge, ..Self::of_invitation(invitation) },
            None => Self {
                role_ref: spec.role_ref.as_ref(),
                group_refs: &spec.group_refs,
                restrictions: spec.restrictions.as_ref(),
                acknowledge,
            },
        }
    }

    /// Reads an Invitation.
    pub(crate) fn of_invitation(spec: &'a InvitationSpec) -> Self {
        Self {
            role_ref: spec.role_ref.as_ref(),
            group_refs: &spec.group_refs,
            restrictions: spec.restrictions.as_ref(),
            acknowledge: &[],
        }
    }

    /// Applies steps 1 to 4.
    pub(crate) fn judge(&self, definitions: &Definitions) -> Judged {
        let mut reasons = Reasons::new();
        let (grant, held_role) = self.granted(definitions, &mut reasons);
        self.restriction_reasons(definitions, &mut reasons);
        let catalog = definitions.catalog;
        // An unknown restriction could have lowered access.
        let unknown = reasons.contains(reason::RESTRICTION_NOT_FOUND);
        if let Some(owner) = definitions.owner_levels().filter(|_| self.is_equal_to_owner(definitions)) {
            let potential = reduced(catalog, owner);
            return Judged { granted: owner.clone(), potential, at_most_held: unknown, reasons, held_role };
        }
        let at_most_held = grant.at_most_held || unknown;
        let potential = reduced(catalog, &self.capped(definitions, &grant.levels));
        Judged { granted: grant.levels, potential, at_most_held, reasons, held_role }
    }

    /// Applies step 1: the highest level of each section from the role, the groups and the groups' roles.
    fn granted(&self, definitions: &Definitions, reasons: &mut Reasons) -> (Grant, Option<String>) {
        let catalog = definitions.catalog;
        let mut grant = Grant { levels: nothing(catalog), at_most_held: false };
        let mut add = |more: &Grant| {
            grant.levels = higher(&grant.levels, &more.levels);
            grant.at_most_held |= more.at_most_held;
        };
        let default = catalog.default_role.clone().map(|name| RoleRef { kind: RoleRefKind::PredefinedRole, name });
        let role = self.role_ref.or(default.as_ref());
        let mut held_role = None;
        match role.map(|role| (role, definitions.role(role))) {
            None if catalog.members.role == MemberRole::Required => {
                reasons.insert(reason::ROLE_REQUIRED);
            }
            None => {}
            Some((_, Lookup::Missing)) => {
                reasons.insert(reason::ROLE_NOT_FOUND);
            }
            Some((_, Lookup::NotAvailable)) => {
                reasons.insert(reason::ROLE_NOT_AVAILABLE);
            }
            Some((role, Lookup::Found(found))) => {
                held_role = (role.kind == RoleRefKind::PredefinedRole).then(|| role.name.clone());
                add(found);
            }
        }
        if catalog.members.groups == MemberGroups::Forbidden {
            if !self.group_refs.is_empty() {
                reasons.insert(reason::GROUPS_FORBIDDEN);
            }
        } else {
            for group in self.group_refs {
                match definitions.group_of(&group.name) {
                    Some(found) => add(found),
                    None => {
                        reasons.insert(reason::GROUP_NOT_FOUND);
                    }
                }
            }
        }
        (grant, held_role)
    }

    fn applied(&self) -> &'a [String] {
        self.restrictions.map(|choice| choice.apply.as_slice()).unwrap_or_default()
    }

    fn lifted(&self) -> &'a [String] {
        self.restrictions.map(|choice| choice.lift.as_slice()).unwrap_or_default()
    }

    fn confirms(&self, restriction: &Restriction) -> bool {
        !restriction.lifting.needs_confirmation || self.acknowledge.contains(&restriction.name)
    }

    /// Returns whether a restriction is lifted and, if required, confirmed. A restriction that is also applied is not
    /// lifted.
    fn lifts(&self, restriction: &Restriction) -> bool {
        self.lifted().contains(&restriction.name)
            && !self.applied().contains(&restriction.name)
            && self.confirms(restriction)
    }

    fn restriction_reasons(&self, definitions: &Definitions, reasons: &mut Reasons) {
        let known = &definitions.catalog.restrictions;
        let unknown = |name: &String| !known.iter().any(|restriction| restriction.name == *name);
        if self.applied().iter().chain(self.lifted()).any(unknown) {
            reasons.insert(reason::RESTRICTION_NOT_FOUND);
        }
        if known.iter().any(|restriction| self.lifted().contains(&restriction.name) && !self.confirms(restriction)) {
            reasons.insert(reason::CONFIRMATION_MISSING);
        }
    }

    /// Applies step 2: returns whether the claim has the owner's access.
    fn is_equal_to_owner(&self, definitions: &Definitions) -> bool {
        let restrictions = &definitions.catalog.restrictions;
        restrictions.iter().any(|restriction| restriction.lifting.grants_owner_access && self.lifts(restriction))
    }

    /// Applies step 3: the caps of all restrictions that are applied, or applied by default and not lifted.
    fn capped(&self, definitions: &Definitions, levels: &Levels) -> Levels {
        let mut levels = levels.clone();
        for restriction in &definitions.catalog.restrictions {
            let by_default = restriction.applied_by_default && !self.lifts(restriction);
            if by_default || self.applied().contains(&restriction.name) {
                let mut cap = levels.clone();
                for (section, level) in &restriction.caps {
                    cap.insert(section.clone(), rank(definitions.catalog, section, level).unwrap_or(0));
                }
                levels = lower(&levels, &cap);
            }
        }
        levels
    }
}
