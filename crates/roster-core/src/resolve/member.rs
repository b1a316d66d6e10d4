//! Resolves one address of an account: the desired content from its Memberships, and the findings of each. Called by
//! `evaluate::judge` for each address in scope.

use std::sync::Arc;

use jiff::Timestamp;
use smallvec::SmallVec;

use super::{
    Access, AccountResolution, Definitions, DesiredMember, MemberContent, Origin, RevocationReason, Window,
    resolved::{EffectiveCatalog, ResolvedOwner},
    role::advise_on_sections,
};
use crate::{
    api::{MemberDirect, MemberGroups},
    model::{
        DuplicateMembership, Email, FieldPath, FindingKind, Findings, Grant, KindName, MemberInputs, Name, NoTrace,
        Ranks, RoleName, Source, potential,
    },
    state::MemberFacts,
};

const ADDRESS: &str = "spec.user.email";

/// Result of resolving the Memberships of one address.
#[derive(Clone, Debug, Default)]
pub struct ResolvedMember {
    /// Desired content of the store; `None` if no Membership counts.
    pub desired: Option<DesiredMember>,
    /// Potential permissions, before suspension, blocks, time, approval and invitation. Of several Memberships, the
    /// lower level in each section. `None` if no Membership counts or the account does not resolve.
    pub potential: Option<Ranks>,
    /// One view for each Membership, in the order given.
    pub views: SmallVec<[MemberView; 1]>,
}

/// Findings and effective restrictions of one Membership, for its status.
#[derive(Clone, Debug, Default)]
pub struct MemberView {
    /// Effective restrictions, in the catalog's order; empty if the user is equal to the owner.
    pub restrictions: SmallVec<[Name; 2]>,
    /// Faults and advice.
    pub findings: Findings,
}

/// Result of resolving one Membership alone.
struct SingleMembership {
    content: MemberContent,
    potential: Ranks,
    view: MemberView,
    /// Whether something unknown could only lower the access.
    at_most: bool,
    /// Whether the Invitation is missing.
    uninvited: bool,
}

impl MemberFacts {
    /// Returns the time in which the Membership grants access, rounded to whole seconds as stores keep it; never longer
    /// than the spec says.
    #[must_use]
    pub fn window(&self) -> Window {
        let second = |at: Timestamp, up: i64| match at.subsec_nanosecond() {
            0 => at,
            _ => Timestamp::from_second(at.as_second() + up).unwrap_or(at),
        };
        Window {
            starts_at: self.starts_at.map(|at| second(at, 1)),
            expires_at: self.expires_at.map(|at| second(at, 0)),
        }
    }
}

/// Advises on an address whose domain has no dot, and so may be incomplete.
pub(super) fn local(address: Option<&Email>) -> Option<FindingKind> {
    address.filter(|email| email.is_local()).cloned().map(FindingKind::AddressLocal)
}

impl Definitions {
    /// Resolves all Memberships of one address. `accepted` returns whether an Invitation exists and was accepted.
    pub(crate) fn member(
        &self,
        email: &Email,
        facts: &[&MemberFacts],
        accepted: &dyn Fn(&Name) -> bool,
    ) -> ResolvedMember {
        if self.is_owner(email) {
            let view = |one: &&MemberFacts| self.view(one, Some(FindingKind::OwnerIsMember(email.clone())));
            return ResolvedMember { desired: None, potential: None, views: facts.iter().map(view).collect() };
        }
        self.ordinary_member(email, facts, accepted)
    }

    /// Resolves all Memberships of one address even if it is that of the owner named by the Account, since the
    /// effective owner may be another one.
    pub(crate) fn ordinary_member(
        &self,
        email: &Email,
        facts: &[&MemberFacts],
        accepted: &dyn Fn(&Name) -> bool,
    ) -> ResolvedMember {
        // The order of the arguments must not affect the stored content.
        let Some(first) = facts.iter().min_by_key(|one| &one.name) else {
            return ResolvedMember::default();
        };
        let origin = Origin::new("Membership", first.name.clone(), first.generation);
        let suspended = facts.iter().any(|one| one.suspended).then_some(RevocationReason::Suspended);
        let ended = self.ended_for(email).or(suspended);
        let AccountResolution::Resolved(whole) = &self.resolution else {
            let window = facts.iter().fold(Window::default(), |window, one| window.intersection(&one.window()));
            let kept = if window == Window::default() { Access::Kept } else { Access::KeptWithin(window) };
            let access = ended.map_or(kept, Access::Revoked);
            let views = facts.iter().map(|one| self.view(one, None)).collect();
            let desired = Some(DesiredMember { access, origin, counts_as_holder: false });
            return ResolvedMember { desired, potential: None, views };
        };

        // The list is shared: n findings with n names each would take n² names.
        let all: Option<Arc<[Name]>> = (facts.len() > 1).then(|| facts.iter().map(|one| one.name.clone()).collect());
        let mut views = SmallVec::with_capacity(facts.len());
        let mut resolved: SmallVec<[(&Name, MemberContent); 1]> = SmallVec::with_capacity(facts.len());
        let mut at_most = false;
        let mut counts_as_holder = facts.len() == 1;
        let mut potential: Option<Ranks> = None;
        for one in facts {
            let duplicate = all.as_ref().map(|all| {
                let (email, own, all) = (email.clone(), one.name.clone(), all.clone());
                FindingKind::DuplicateMembership(Box::new(DuplicateMembership { email, own, all }))
            });
            let one_resolved = self.one(whole, one, accepted, duplicate);
            at_most |= one_resolved.at_most;
            counts_as_holder &= !one_resolved.uninvited;
            match &mut potential {
                Some(lower) => lower.lower_to(one_resolved.potential.as_slice()),
                None => potential = Some(one_resolved.potential),
            }
            resolved.push((&one.name, one_resolved.content));
            views.push(one_resolved.view);
        }
        resolved.sort_unstable_by_key(|(name, _)| *name);
        let desired = resolved.into_iter().map(|(_, content)| content).reduce(lower_of).map(|mut content| {
            if ended.is_some() {
                content.ranks.clear();
                content.ended = ended;
            }
            let content = Arc::new(content);
            let access = if at_most { Access::AtMost(content) } else { Access::Exactly(content) };
            DesiredMember { access, origin, counts_as_holder }
        });
        ResolvedMember { desired, potential, views }
    }

    /// Returns the owner's address and desired content; `None` if the account has no owner who gets anything. If the
    /// account does not resolve because its catalog is missing, the address may be that of a member: the person's
    /// Memberships then take precedence.
    #[must_use]
    pub fn owner_member(&self) -> Option<(Email, DesiredMember)> {
        let email = self.owner.clone()?;
        let ended = self.ended_for(&email);
        let origin = Origin::new("Account", self.account.name.clone(), self.generation);
        let AccountResolution::Resolved(whole) = &self.resolution else {
            if self.has_owner_role == Some(false) {
                return None;
            }
            let access = ended.map_or(Access::Kept, Access::Revoked);
            return Some((email, DesiredMember { access, origin, counts_as_holder: false }));
        };
        let owner = whole.owner.as_ref()?;
        let role = &whole.catalog.roles[owner.role];
        let mut ranks = Ranks::default();
        potential(&whole.catalog, &owner_inputs(&owner_grant(whole, owner)), &mut ranks, &mut NoTrace);
        if ended.is_some() {
            ranks.clear();
        }
        let content = MemberContent {
            display_name: owner.display_name.clone(),
            role: Some(RoleName::predefined(&role.name)),
            ranks,
            ended,
            ..MemberContent::default()
        };
        let access = Access::Exactly(Arc::new(content));
        Some((email, DesiredMember { access, origin, counts_as_holder: false }))
    }

    /// Returns the findings of a Membership with an invalid address; it grants nothing.
    #[must_use]
    pub fn unaddressed(&self, facts: &MemberFacts) -> MemberView {
        self.view(facts, facts.email.clone().err().map(FindingKind::AddressInvalid))
    }

    /// Returns whether the address is that of an owner, who needs no Membership. `false` if the catalog has no owner
    /// role, since an owner gets nothing there, or if the catalog is unknown.
    pub(super) fn is_owner(&self, email: &Email) -> bool {
        let has_owner = match &self.resolution {
            AccountResolution::Resolved(whole) => whole.owner.is_some(),
            AccountResolution::Unresolvable => self.has_owner_role == Some(true),
        };
        has_owner && self.owner.as_ref() == Some(email)
    }

    fn ended_for(&self, email: &Email) -> Option<RevocationReason> {
        RevocationReason::of(email, self.ended, self.store.as_deref())
    }

    /// Returns the view of a Membership without effective restrictions, with a fault of its address if given.
    fn view(&self, facts: &MemberFacts, of_address: Option<FindingKind>) -> MemberView {
        let mut findings = self.findings_of(KindName::Membership, &facts.name);
        if let Some(kind) = of_address {
            findings.add(ADDRESS, kind);
        }
        MemberView { findings: findings.finish(), ..MemberView::default() }
    }

    fn one(
        &self,
        whole: &EffectiveCatalog,
        facts: &MemberFacts,
        accepted: &dyn Fn(&Name) -> bool,
        duplicate: Option<FindingKind>,
    ) -> SingleMembership {
        let mut findings = self.findings_of(KindName::Membership, &facts.name);
        let parts = self.parts(whole, &facts.choices(), &mut findings);
        let mut ranks = Ranks::default();
        potential(&whole.catalog, &parts.inputs(), &mut ranks, &mut NoTrace);
        advise_on_sections(&whole.catalog, &ranks, &mut findings);
        let potential = ranks.clone();
        let mut at_most = parts.unknown_restriction;
        // A user who is equal to the owner gets nothing from roles and groups.
        if let (Some((field, by)), None) = (&parts.at_most, &parts.equal_to_owner) {
            findings.add(*field, FindingKind::HeldAtMost(by.clone()));
            at_most = true;
        }
        let missing = invitation_missing(whole, facts, accepted);
        let uninvited = missing.is_some();
        if let Some((field, kind)) = missing {
            findings.add(field, kind);
            ranks.clear();
            at_most = true;
        }
        findings.add_all(ADDRESS, duplicate.into_iter().chain(local(facts.email.as_ref().ok())));
        let mut view = MemberView { findings: findings.finish(), ..MemberView::default() };
        if parts.equal_to_owner.is_none() {
            view.restrictions = parts.restrictions.iter().map(|(name, _)| (*name).clone()).collect();
        }
        let mut groups: Vec<Name> = match whole.facts.spec.members.groups {
            MemberGroups::Allowed => {
                facts.groups.iter().filter(|name| self.groups.contains_key(*name)).cloned().collect()
            }
            MemberGroups::Forbidden => Vec::new(),
        };
        groups.sort_unstable();
        groups.dedup();
        let content = MemberContent {
            display_name: facts.display_name.clone(),
            external_id: facts.external_id.clone(),
            role: parts.role,
            groups: groups.into(),
            ranks,
            window: facts.window(),
            ended: None,
            anomalies: Box::default(),
        };
        SingleMembership { content, potential, view, at_most, uninvited }
    }
}

/// Returns the owner's only grant: the owner role, which no restriction lowers.
pub(super) fn owner_grant<'a>(whole: &'a EffectiveCatalog, owner: &ResolvedOwner) -> [Grant<'a>; 1] {
    let source = Source::Owner(&whole.catalog.roles[owner.role].name);
    [Grant { source, ranks: &whole.predefined[owner.role] }]
}

/// Returns the owner's grant as the inputs of [`potential()`].
pub(super) fn owner_inputs<'a>(grants: &'a [Grant<'a>; 1]) -> MemberInputs<'a> {
    MemberInputs { grants, equal_to_owner: None, restrictions: &[] }
}

fn invitation_missing(
    whole: &EffectiveCatalog,
    facts: &MemberFacts,
    accepted: &dyn Fn(&Name) -> bool,
) -> Option<(FieldPath, FindingKind)> {
    match &facts.invitation {
        Some(name) if !accepted(name) => {
            Some((FieldPath::new("spec.invitationRef"), FindingKind::InvitationMissing(name.clone())))
        }
        None if whole.facts.spec.members.direct == MemberDirect::ByInvitationOnly => {
            Some((FieldPath::WHOLE, FindingKind::InvitationOnly))
        }
        _ => None,
    }
}

/// Combines two Memberships of one user: the lower level in each section and the shorter time.
fn lower_of(mut one: MemberContent, other: MemberContent) -> MemberContent {
    one.ranks.lower_to(other.ranks.as_slice());
    one.window = one.window.intersection(&other.window);
    if one.role != other.role {
        one.role = None;
    }
    if one.display_name != other.display_name {
        one.display_name = one.display_name.or(other.display_name);
    }
    one.external_id = one.external_id.or(other.external_id);
    one.groups = one.groups.iter().filter(|name| other.groups.contains(name)).cloned().collect();
    one
}
