//! Resolves one account as it is before or after a change. Called by `authority::judge`.

use std::collections::BTreeMap;

use super::rise::Times;
use crate::{
    evaluate::{Prepared, prepare},
    model::{AccountKey, Email, Name, Ranks, Scope},
    resolve::{Access, AccountResolution, EffectiveCatalog, Holder, ResolvedMember},
    state::{InvitationFacts, MemberFacts, Snapshot, SnapshotSource},
};

/// An account of a source, with its definitions resolved.
pub(super) struct View<'a, S> {
    source: &'a S,
    pub(super) snapshot: Snapshot,
    prepared: Prepared,
}

impl<'a, S: SnapshotSource> View<'a, S> {
    /// Resolves an account; `None` if it does not exist.
    pub(super) fn of(source: &'a S, account: &AccountKey) -> Option<Self> {
        let snapshot = source.snapshot(account)?;
        let prepared = prepare(&snapshot);
        Some(Self { source, snapshot, prepared })
    }

    pub(super) const fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    pub(super) fn key(&self) -> &AccountKey {
        &self.prepared.definitions.account
    }

    /// Returns the effective catalog; `None` if the account does not resolve as a whole.
    pub(super) fn whole(&self) -> Option<&EffectiveCatalog> {
        match &self.prepared.definitions.resolution {
            AccountResolution::Resolved(whole) => Some(whole),
            AccountResolution::Unresolvable => None,
        }
    }

    /// Returns the address of the owner, whatever it grants.
    pub(super) fn owner(&self) -> Option<&Email> {
        self.prepared.definitions.owner.as_ref()
    }

    /// Returns the time in which a person's Memberships give access; `None` if they have none.
    pub(super) fn times(&self, email: &Email) -> Option<Times> {
        let scope = Scope::Members([email.clone()].into());
        let members = self.source.members(self.key(), &scope)?;
        let (_, facts) = members.addresses.iter().find(|(address, facts)| *address == email && !facts.is_empty())?;
        Some(Times::of(facts.iter().copied()))
    }

    /// Resolves the Memberships of one address; `None` if it has none.
    pub(super) fn member(&self, email: &Email) -> Option<ResolvedMember> {
        let scope = Scope::Members([email.clone()].into());
        let members = self.source.members(self.key(), &scope)?;
        let (_, facts) = members.addresses.iter().find(|(address, facts)| *address == email && !facts.is_empty())?;
        let accepted = |invitation: &Name| members.is_accepted(invitation, email);
        Some(self.prepared.definitions.member(email, facts, &accepted))
    }

    /// Returns the potential permissions of each address within a scope, the owner included. Those without any are
    /// left out.
    pub(super) fn potentials(&self, scope: &Scope) -> BTreeMap<Email, Potential> {
        let definitions = &self.prepared.definitions;
        let mut all = BTreeMap::new();
        let Some(members) = self.source.members(self.key(), scope) else { return all };
        for (email, facts) in members.addresses.iter().filter(|(_, facts)| !facts.is_empty()) {
            let accepted = |invitation: &Name| members.is_accepted(invitation, email);
            let member = definitions.member(email, facts, &accepted);
            let at_most = member.desired.is_some_and(|desired| matches!(desired.access, Access::AtMost(_)));
            all.extend(member.potential.map(|ranks| ((*email).clone(), Potential { ranks, at_most })));
        }
        if let Some(owner) = self.owner().filter(|owner| scope.contains(owner)) {
            let held = definitions.potential(Holder::Owner).map(|potential| potential.ranks);
            all.extend(held.map(|ranks| (owner.clone(), Potential { ranks, at_most: false })));
        }
        all
    }

    /// Returns what a Membership grants by itself: what its role and groups give, and what is left of it.
    pub(super) fn own(&self, facts: &MemberFacts) -> Option<OwnGrants> {
        self.grants(Holder::Member(facts))
    }

    /// Returns what an Invitation would grant by itself once it is accepted.
    pub(super) fn invited(&self, facts: &InvitationFacts) -> Option<OwnGrants> {
        self.grants(Holder::Invited(facts))
    }

    fn grants(&self, holder: Holder<'_>) -> Option<OwnGrants> {
        let definitions = &self.prepared.definitions;
        Some(OwnGrants { granted: definitions.granted(holder)?, potential: definitions.potential(holder)?.ranks })
    }
}

/// Potential permissions of a person, role or group.
#[derive(Clone, Debug)]
pub(super) struct Potential {
    /// Rank in each section.
    pub(super) ranks: Ranks,
    /// Whether the store may hold less, and whoever has it keeps that: something that would lower it is invalid.
    pub(super) at_most: bool,
}

/// Grants of one Membership or Invitation, as if it were its person's only one.
#[derive(Clone, Debug)]
pub(super) struct OwnGrants {
    /// Granted ranks: steps 1 and 2 of docs/concepts.md "Effective permissions".
    pub(super) granted: Ranks,
    /// Potential ranks: steps 1 to 4.
    pub(super) potential: Ranks,
}
