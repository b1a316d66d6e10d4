//! Answers questions about one account and all its members. Called by the comparison tests and the simulator.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use roster_core::api::{AccountType, MemberDirect, PermissionCatalogSpec};

use crate::{
    AccountAnswer, Kind, MemberAnswer, ObjectId, Statement, World,
    address::canonical,
    answer::NamedLevels,
    catalog::keeps_its_rules,
    claim::{Claim, Judged},
    levels::{Levels, lower, named, nothing, reduced},
    membership_state::{MembershipState, expires_at, names, starts_at},
    reason,
    roles::{Definitions, Reasons},
    scope::Scope,
    world::in_namespace,
};

/// Returns the reasons why a catalog is invalid; an empty set if it keeps its own rules.
#[must_use]
pub fn status_of_catalog(spec: &PermissionCatalogSpec) -> BTreeSet<&'static str> {
    if keeps_its_rules(spec) { Reasons::new() } else { Reasons::from([reason::CATALOG_INVALID]) }
}

impl World {
    /// Returns the model's answer about an account and everything in it; `None` if there is no such Account.
    #[must_use]
    pub fn account(&self, namespace: &str, name: &str, now: Timestamp) -> Option<AccountAnswer> {
        let ((namespace, name), account) = self.accounts.get_key_value(&(namespace.to_owned(), name.to_owned()))?;
        Some(Scope::new(self, namespace, name, account, now).answer())
    }

    /// Returns the reasons why an object is invalid; an empty set if it is valid, `None` if it does not exist.
    #[must_use]
    pub fn reasons(&self, id: &ObjectId, now: Timestamp) -> Option<BTreeSet<&'static str>> {
        let key = (id.namespace.clone(), id.name.clone());
        let account = match id.kind {
            Kind::PermissionCatalog => return Some(status_of_catalog(&self.catalogs.get(&id.name)?.spec)),
            Kind::IdentityStore => return self.stores.get(&id.name).map(|_| Reasons::new()),
            Kind::Account => self.accounts.get(&key).map(|_| &id.name)?,
            Kind::Role => &self.roles.get(&key)?.spec.account_ref.name,
            Kind::UserGroup => &self.groups.get(&key)?.spec.account_ref.name,
            Kind::Membership => &self.memberships.get(&key)?.spec.account_ref.name,
            Kind::Invitation => &self.invitations.get(&key)?.spec.account_ref.name,
        };
        match self.account(&id.namespace, account, now) {
            Some(answer) => answer.reasons.get(id).cloned(),
            None => Some(Reasons::from([reason::ACCOUNT_NOT_FOUND])),
        }
    }
}

impl<'a> Scope<'a> {
    fn answer(&self) -> AccountAnswer {
        let mut answer = AccountAnswer {
            resolves: self.unresolved.is_empty(),
            ended: self.ended(),
            blocked: self.blocked().collect(),
            owner: self.owner(),
            members: BTreeMap::new(),
            holders: BTreeMap::new(),
            reasons: BTreeMap::new(),
        };
        answer.reasons.insert(self.id(Kind::Account, self.name), self.account_reasons());
        let states = self.states(&mut answer);
        match self.catalog.filter(|_| answer.resolves) {
            Some(catalog) => self.resolved(catalog, &states, &mut answer),
            None => self.kept(&states, &mut answer),
        }
        answer
    }

    /// Returns the account's Memberships by canonical address, without those whose address is not valid.
    fn states(&self, answer: &mut AccountAnswer) -> BTreeMap<String, Vec<MembershipState<'a>>> {
        let mut states: BTreeMap<String, Vec<MembershipState<'a>>> = BTreeMap::new();
        for (name, membership) in in_namespace(&self.world.memberships, self.namespace) {
            if membership.spec.account_ref.name != self.name {
                continue;
            }
            let mut reasons = self.shared_reasons();
            match canonical(&membership.spec.user.email) {
                Some(address) => {
                    let state = self.state(name, membership, &address);
                    states.entry(address).or_default().push(state);
                }
                None => {
                    reasons.insert(reason::ADDRESS_INVALID);
                }
            }
            answer.reasons.insert(self.id(Kind::Membership, name), reasons);
        }
        for (address, states) in &states {
            for state in states {
                let reasons = answer.reasons.entry(self.id(Kind::Membership, state.name)).or_default();
                if states.len() > 1 {
                    reasons.insert(reason::DUPLICATE_MEMBERSHIP);
                }
                if self.catalog.is_some() && self.owner().as_ref() == Some(address) {
                    reasons.insert(reason::OWNER_IS_MEMBER);
                }
            }
        }
        states
    }

    /// Answers for an account that does not resolve: nobody gains access, and only revocations remove it.
    fn kept(&self, states: &BTreeMap<String, Vec<MembershipState>>, answer: &mut AccountAnswer) {
        let owner = self.owner();
        let none = Vec::new();
        let mut people: BTreeMap<&str, &Vec<MembershipState>> =
            states.iter().map(|(a, states)| (a.as_str(), states)).collect();
        if let Some(owner) = &owner {
            // With a catalog the owner's Memberships are invalid and revoke nothing. Without one, the person may be a
            // normal member.
            let states = states.get(owner).filter(|_| self.catalog.is_none()).unwrap_or(&none);
            people.insert(owner, states);
        }
        for (address, states) in people {
            let end = self.end_of(address, states);
            let member = MemberAnswer {
                statement: end.map_or(Statement::Kept, Statement::Ended),
                levels: NamedLevels::new(),
                potential: NamedLevels::new(),
                granted: NamedLevels::new(),
                at_most_held: false,
                starts_at: starts_at(states),
                expires_at: expires_at(states),
                owner: owner.as_deref() == Some(address),
                memberships: names(states),
            };
            answer.members.insert(address.to_owned(), member);
        }
        for kind in [Kind::Role, Kind::UserGroup] {
            for name in self.names_of(kind) {
                answer.reasons.insert(self.id(kind, name), self.shared_reasons());
            }
        }
        for name in self.names_of(Kind::Invitation) {
            answer.reasons.insert(self.id(Kind::Invitation, name), self.invitation_reasons(None, name));
        }
    }

    fn definitions(&self, catalog: &'a PermissionCatalogSpec) -> Definitions<'a> {
        let roles = in_namespace(&self.world.roles, self.namespace);
        let groups = in_namespace(&self.world.groups, self.namespace);
        let account_type = match &self.account.spec {
            spec if spec.parent_ref.is_some() => AccountType::Managed,
            spec if spec.partner => AccountType::Partner,
            _ => AccountType::Standalone,
        };
        let roles = roles.filter(|(_, role)| role.spec.account_ref.name == self.name);
        let groups = groups.filter(|(_, group)| group.spec.account_ref.name == self.name);
        let roles = roles.map(|(name, role)| (name, &role.spec)).collect();
        let groups = groups.map(|(name, group)| (name, &group.spec)).collect();
        Definitions::new(catalog, account_type, &roles, &groups)
    }

    fn resolved(
        &self,
        catalog: &'a PermissionCatalogSpec,
        states: &BTreeMap<String, Vec<MembershipState>>,
        answer: &mut AccountAnswer,
    ) {
        let definitions = self.definitions(catalog);
        let owner = self.owner();
        for (address, states) in states {
            let judged = states.iter().map(|state| Self::judge(&definitions, state)).collect::<Vec<_>>();
            for (state, judged) in std::iter::zip(states, &judged) {
                let reasons = answer.reasons.entry(self.id(Kind::Membership, state.name)).or_default();
                reasons.extend(judged.reasons.iter().copied());
            }
            if owner.as_ref() != Some(address) {
                let member = self.member(&definitions, address, states, &judged);
                note_holder(&definitions, address, states, &judged, &member, answer);
                answer.members.insert(address.clone(), member);
            }
        }
        if let (Some(owner), Some(levels)) = (owner, definitions.owner_levels()) {
            let potential = named(catalog, &reduced(catalog, levels));
            let member = self.in_force(&owner, &[], named(catalog, levels), potential, false);
            answer.members.insert(owner, MemberAnswer { owner: true, ..member });
        }
        for (kind, all) in [(Kind::Role, &definitions.role_reasons), (Kind::UserGroup, &definitions.group_reasons)] {
            for (name, reasons) in all {
                answer.reasons.insert(self.id(kind, name), reasons | &self.shared_reasons());
            }
        }
        for name in self.names_of(Kind::Invitation) {
            let reasons = self.invitation_reasons(Some(&definitions), name);
            answer.reasons.insert(self.id(Kind::Invitation, name), reasons);
        }
    }

    fn judge(definitions: &Definitions, state: &MembershipState) -> Judged {
        let mut judged = Claim::of_membership(state.spec, state.invitation).judge(definitions);
        let by_invitation_only = definitions.catalog.members.direct == MemberDirect::ByInvitationOnly;
        if by_invitation_only && state.spec.invitation_ref.is_none() {
            judged.granted = nothing(definitions.catalog);
            judged.potential = nothing(definitions.catalog);
            judged.at_most_held = false;
            judged.held_role = None;
            judged.reasons.insert(reason::INVITATION_REQUIRED);
        }
        if state.spec.invitation_ref.is_some() && state.invitation.is_none() {
            judged.reasons.insert(reason::INVITATION_REQUIRED);
        }
        judged
    }

    /// Returns the answer about a member with one or more Memberships; of several, the lower level of each section
    /// counts.
    fn member(
        &self,
        definitions: &Definitions,
        address: &str,
        states: &[MembershipState],
        judged: &[Judged],
    ) -> MemberAnswer {
        let catalog = definitions.catalog;
        let lowest = |levels: fn(&Judged) -> &Levels| {
            let all = judged.iter().map(|judged| levels(judged).clone());
            named(catalog, &all.reduce(|one, other| lower(&one, &other)).unwrap_or_else(|| nothing(catalog)))
        };
        let granted = lowest(|judged| &judged.granted);
        let potential = lowest(|judged| &judged.potential);
        let at_most_held = judged.iter().any(|judged| judged.at_most_held);
        self.in_force(address, states, granted, potential, at_most_held)
    }

    /// Applies step 5.
    fn in_force(
        &self,
        address: &str,
        states: &[MembershipState],
        granted: NamedLevels,
        potential: NamedLevels,
        at_most_held: bool,
    ) -> MemberAnswer {
        let statement = match self.end_of(address, states) {
            Some(end) => Statement::Ended(end),
            None if at_most_held => Statement::AtMostHeld,
            None => Statement::Exactly,
        };
        let has_access = matches!(statement, Statement::Exactly | Statement::AtMostHeld);
        MemberAnswer {
            statement,
            levels: if has_access { potential.clone() } else { NamedLevels::new() },
            potential,
            granted,
            at_most_held,
            starts_at: starts_at(states),
            expires_at: expires_at(states),
            owner: false,
            memberships: names(states),
        }
    }

    /// Returns the reasons of an Invitation; without definitions, those that need no catalog.
    fn invitation_reasons(&self, definitions: Option<&Definitions>, name: &str) -> Reasons {
        let mut reasons = self.shared_reasons();
        let key = (self.namespace.to_owned(), name.to_owned());
        let Some(invitation) = self.world.invitations.get(&key) else { return reasons };
        match canonical(&invitation.spec.email) {
            None => {
                reasons.insert(reason::ADDRESS_INVALID);
            }
            Some(address) if self.catalog.is_some() && self.owner() == Some(address.clone()) => {
                reasons.insert(reason::OWNER_IS_MEMBER);
            }
            Some(_) => {}
        }
        let Some(definitions) = definitions else { return reasons };
        reasons.extend(Claim::of_invitation(&invitation.spec).judge(definitions).reasons);
        let features = self.account.spec.plan.as_ref().map(|plan| plan.features.as_slice()).unwrap_or_default();
        let needed = definitions.catalog.invitations.requires_plan_feature.as_ref();
        if needed.is_some_and(|feature| !features.contains(feature)) {
            reasons.insert(reason::PLAN_NOT_ELIGIBLE);
        }
        reasons
    }
}

/// Adds a member who holds a role with `minimumHolders` in effect.
fn note_holder(
    definitions: &Definitions,
    address: &str,
    states: &[MembershipState],
    judged: &[Judged],
    member: &MemberAnswer,
    answer: &mut AccountAnswer,
) {
    let ([state], [judged]) = (states, judged) else { return };
    let ended = matches!(member.statement, Statement::Ended(_));
    let Some(role) = judged.held_role.as_deref().and_then(|name| definitions.written(name)) else { return };
    let guarded = role.advice.as_ref().and_then(|advice| advice.minimum_holders).is_some_and(|minimum| minimum > 0);
    if guarded && !ended && !state.being_deleted {
        answer.holders.entry(role.name.clone()).or_default().insert(address.to_owned());
    }
}
