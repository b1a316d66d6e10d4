//! Resolves one account as it is before or after a change. Called by `authority::judge`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::{Change, Edit, times::Times};
use crate::{
    api::{InvalidReason, RoleRefKind},
    evaluate::{Prepared, prepare},
    model::{AccountKey, Email, Finding, Name, Ranks, Scope},
    resolve::{Access, AccountResolution, EffectiveCatalog, Holder, ResolvedMember},
    state::{InvitationFacts, MemberFacts, Members, Snapshot, SnapshotSource},
};

/// An account of a source, with its definitions resolved.
pub(super) struct View<'a, S> {
    source: &'a S,
    pub(super) snapshot: Snapshot,
    prepared: Prepared,
}

impl<'a, S: SnapshotSource> View<'a, S> {
    /// Resolves an account; `None` if it does not exist, or not in this source.
    pub(super) fn of(source: &'a S, account: &AccountKey) -> Option<Self> {
        let snapshot = source.snapshot(account)?;
        let prepared = prepare(&snapshot);
        Some(Self { source, snapshot, prepared })
    }

    /// Returns an account of a source whose definitions are resolved already; `None` if it does not exist.
    pub(super) fn with(source: &'a S, account: &AccountKey, prepared: &Prepared) -> Option<Self> {
        Some(Self { source, snapshot: source.snapshot(account)?, prepared: prepared.clone() })
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

    /// Returns the address of the owner; `None` if an owner gets nothing here.
    pub(super) fn owner(&self) -> Option<&Email> {
        self.whole()?.owner.as_ref().map(|owner| &owner.email)
    }

    /// Returns the time in which a person's Memberships give access; `None` if they have none.
    pub(super) fn times(&self, email: &Email) -> Option<Times> {
        self.memberships(email, |_, facts| Times::of(facts.iter().copied()))
    }

    /// Passes the Memberships of one address to `read`; returns `None` if it has none.
    fn memberships<R>(&self, email: &Email, read: impl FnOnce(&Members<'_>, &[&MemberFacts]) -> R) -> Option<R> {
        let scope = Scope::Members([email.clone()].into());
        let members = self.source.members(self.key(), &scope)?;
        let (_, facts) = members.addresses.iter().find(|(address, facts)| *address == email && !facts.is_empty())?;
        Some(read(&members, facts))
    }

    /// Returns the faults of a changed object that promise something later: names that do not exist here, or may not be
    /// used, and would grant something as soon as they do.
    pub(super) fn promises(&self, change: &Change, facts: Side) -> BTreeSet<String> {
        let definitions = &self.prepared.definitions;
        let findings = match change {
            Change::Membership(_, edit) => facts.of(edit).and_then(|facts| {
                let email = facts.email.as_ref().ok()?;
                Some(definitions.ordinary_member(email, &[facts], &|_| true).views.first()?.findings.clone())
            }),
            Change::Invitation(_, edit) => facts.of(edit).map(|facts| definitions.invitation(facts, &[])),
            Change::Role(_, edit) => {
                facts.of(edit).and_then(|facts| Some(definitions.roles.get(&facts.name)?.findings.clone()))
            }
            Change::Group(_, edit) => {
                facts.of(edit).and_then(|facts| Some(definitions.groups.get(&facts.name)?.findings.clone()))
            }
            Change::Account(..) | Change::Catalog(_) | Change::Store(_) => None,
        };
        let promises = |finding: &&Finding| finding.reason().is_some_and(|reason| PROMISES.contains(&reason));
        let findings = findings.unwrap_or_default();
        findings.faults().filter(promises).map(std::string::ToString::to_string).collect()
    }

    /// Resolves the Memberships of one address; `None` if it has none.
    pub(super) fn member(&self, email: &Email) -> Option<ResolvedMember> {
        self.memberships(email, |members, facts| {
            let accepted = |invitation: &Name| members.is_accepted(invitation, email);
            self.prepared.definitions.member(email, facts, &accepted)
        })
    }

    /// Returns the potential permissions of each address within a scope, the owner included. Those without any are
    /// left out.
    pub(super) fn potentials(&self, scope: &Scope) -> BTreeMap<Email, Potential> {
        let definitions = &self.prepared.definitions;
        let mut all = BTreeMap::new();
        let Some(members) = self.source.members(self.key(), scope) else { return all };
        for (email, facts) in members.addresses.iter().filter(|(_, facts)| !facts.is_empty()) {
            all.extend(self.potential(email, facts, &members).map(|held| ((*email).clone(), held)));
        }
        if let Some(owner) = self.owner().filter(|owner| scope.contains(owner)) {
            let held = definitions.potential_ranks(Holder::Owner);
            let roles = self.owner_role().into_iter().collect();
            all.extend(held.map(|ranks| (owner.clone(), Potential { ranks, roles, at_most: false })));
        }
        all
    }

    /// Returns the potential permissions that the Memberships of an address give; `None` if they give none.
    fn potential(&self, email: &Email, facts: &[&MemberFacts], members: &Members<'_>) -> Option<Potential> {
        let definitions = &self.prepared.definitions;
        let accepted = |invitation: &Name| members.is_accepted(invitation, email);
        let member = definitions.member(email, facts, &accepted);
        let at_most = member.desired.is_some_and(|desired| matches!(desired.access, Access::AtMost(_)));
        let roles = || facts.iter().flat_map(|one| definitions.predefined_roles(one)).collect();
        member.potential.map(|ranks| Potential { ranks, roles: roles(), at_most })
    }

    /// Returns the people whom a change of a Role or group can concern. `after` has the same members. Of all members with
    /// the same role, groups and restrictions one is resolved on both sides, so that it costs little if nobody has the
    /// Role. Whoever has several Memberships, came by an Invitation, is blocked or is the owner is always among them.
    pub(super) fn concerned<T: SnapshotSource>(&self, after: &View<'_, T>) -> Scope {
        let Some(members) = self.source.members(self.key(), &Scope::Account) else { return Scope::Account };
        let blocked = self.snapshot.store.as_ref().map(|store| &store.blocked);
        let mut differ: HashMap<Grants<'_>, bool> = HashMap::new();
        let mut concerned: BTreeSet<Email> = self.owner().into_iter().chain(after.owner()).cloned().collect();
        for (email, facts) in &members.addresses {
            let alone = match facts.as_slice() {
                [one] if one.invitation.is_none() && blocked.is_none_or(|all| !all.contains_key(*email)) => Some(*one),
                _ => None,
            };
            let differs = || self.potential(email, facts, &members) != after.potential(email, facts, &members);
            if alone.is_none_or(|one| *differ.entry(Grants::of(one)).or_insert_with(differs)) {
                concerned.insert((*email).clone());
            }
        }
        Scope::Members(concerned.into_iter().collect())
    }

    /// Returns the role of the account's owner.
    pub(super) fn owner_role(&self) -> Option<Name> {
        let whole = self.whole()?;
        Some(whole.catalog.roles[whole.owner.as_ref()?.role].name.clone())
    }

    /// Returns what a Membership grants by itself: what its role and groups give, and what is left of it.
    pub(super) fn own(&self, facts: &MemberFacts) -> Option<OwnGrants> {
        self.grants(Holder::Member(facts), self.prepared.definitions.predefined_roles(facts))
    }

    /// Returns what an Invitation would grant by itself once it is accepted.
    pub(super) fn invited(&self, facts: &InvitationFacts) -> Option<OwnGrants> {
        self.grants(Holder::Invited(facts), self.prepared.definitions.invited_roles(facts))
    }

    fn grants(&self, holder: Holder<'_>, roles: BTreeSet<Name>) -> Option<OwnGrants> {
        let definitions = &self.prepared.definitions;
        let potential = definitions.potential_ranks(holder)?;
        Some(OwnGrants { granted: definitions.granted(holder)?, potential, roles })
    }
}

/// Reasons of faults that grant nothing now and would grant something once the missing object or name exists.
const PROMISES: [InvalidReason; 8] = [
    InvalidReason::RoleNotFound,
    InvalidReason::GroupNotFound,
    InvalidReason::UnknownSection,
    InvalidReason::UnknownLevel,
    InvalidReason::NotApplicable,
    InvalidReason::RoleNotAvailable,
    InvalidReason::GroupsForbidden,
    InvalidReason::NameTaken,
];

/// Side of a change.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Before,
    After,
}

impl Side {
    fn of<F>(self, edit: &Edit<F>) -> Option<&F> {
        match self {
            Self::Before => edit.before.as_deref(),
            Self::After => edit.after.as_deref(),
        }
    }
}

/// Everything in a Membership that decides about access, but whose it is.
#[derive(PartialEq, Eq, Hash)]
struct Grants<'a> {
    role: Option<(RoleRefKind, &'a str)>,
    groups: &'a [Name],
    apply: &'a [Name],
    lift: &'a [Name],
    acknowledge: &'a [Name],
    suspended: bool,
    starts_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl<'a> Grants<'a> {
    fn of(facts: &'a MemberFacts) -> Self {
        // A field that is added must be compared here, too, unless it only says whose the Membership is.
        let MemberFacts {
            role,
            groups,
            apply,
            lift,
            acknowledge,
            suspended,
            starts_at,
            expires_at,
            name: _,
            generation: _,
            email: _,
            display_name: _,
            external_id: _,
            invitation: _,
        } = facts;
        let role = role.as_deref().map(|role| (role.kind, role.name.as_str()));
        let (suspended, starts_at, expires_at) = (*suspended, *starts_at, *expires_at);
        Self { role, groups, apply, lift, acknowledge, suspended, starts_at, expires_at }
    }
}

/// Potential permissions of a person, role or group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Potential {
    /// Rank in each section.
    pub(super) ranks: Ranks,
    /// Predefined roles, own and by groups.
    pub(super) roles: BTreeSet<Name>,
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
    /// Predefined roles, own and by groups.
    pub(super) roles: BTreeSet<Name>,
}
