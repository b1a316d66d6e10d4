//! Objects that one pass over an account works on, taken out of the index at one moment. The loop creates them, and
//! the pass and its report read them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use jiff::Timestamp;
use smallvec::SmallVec;

use super::{
    AccountFacts, GroupFacts, Index, InvitationFacts, MemberFacts, Members, Record, RoleFacts, RoleRefs, Snapshot,
    SnapshotSource,
};
use crate::model::{AccountKey, Email, KindName, Name, ObjectRef, Scope, SeededState};

/// Memberships of one address, in the order of their names.
pub type Memberships = SmallVec<[Arc<Record<MemberFacts>>; 1]>;

/// Objects that one pass over an account works on.
pub struct ObjectsInScope {
    /// Key of the account.
    pub key: AccountKey,
    /// Part of the account that the pass reconciles.
    pub scope: Scope,
    /// All objects that affect definitions.
    pub snapshot: Snapshot,
    /// The Account object.
    pub account: Arc<Record<AccountFacts>>,
    /// Memberships in scope, in the order of their addresses; an address without Memberships has an empty list.
    pub members: Vec<(Email, Memberships)>,
    /// Memberships without a valid address; empty unless the scope is the account.
    pub unaddressed: Vec<Arc<Record<MemberFacts>>>,
    /// Roles of the account; empty unless the scope is the account.
    pub roles: Vec<Arc<Record<RoleFacts>>>,
    /// Groups of the account; empty unless the scope is the account.
    pub groups: Vec<Arc<Record<GroupFacts>>>,
    /// Invitations in scope.
    pub invitations: Vec<Arc<Record<InvitationFacts>>>,
    /// Objects in scope with a queued or in-flight status write; the cached status is stale.
    pub stale_statuses: HashSet<ObjectRef, SeededState>,
    /// Numbers of the account.
    pub counts: Counts,
    /// Time of the pass.
    pub now: Timestamp,
}

/// Numbers of an account for its status.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Number of Memberships.
    pub memberships: u64,
    /// Number of Memberships by the role that they refer to.
    pub role_refs: RoleRefs,
    /// Number of Memberships by the groups that they refer to.
    pub group_refs: BTreeMap<Name, u64>,
    /// Number of Roles.
    pub roles: u64,
    /// Number of `UserGroups`.
    pub groups: u64,
    /// Number of Invitations.
    pub invitations: u64,
    /// Number of admitted accounts that refer to it as their parent; absent if the scope is members only.
    pub children: Option<u64>,
}

impl Index {
    /// Takes the objects of an account: all of them, or those of `members`. Returns `None` if the Account does not
    /// exist. Leaves `counts.children` empty.
    #[must_use]
    pub fn in_scope(
        &self,
        key: &AccountKey,
        members: Option<&BTreeSet<Email>>,
        now: Timestamp,
    ) -> Option<ObjectsInScope> {
        let entry = self.accounts.get(key)?;
        let snapshot = self.snapshot(key)?;
        let (scope, addresses) = match members {
            None => {
                let all = entry.addresses.keys().map(|email| (email.clone(), self.memberships(key, email)));
                (Scope::Account, all.filter(|(_, records)| !records.is_empty()).collect())
            }
            Some(emails) => {
                let found = emails.iter().map(|email| (email.clone(), self.memberships(key, email))).collect();
                (Scope::Members(emails.iter().cloned().collect()), found)
            }
        };
        let invitations = self.invitations_of(key).filter(|record| {
            let of_somebody =
                |emails: &BTreeSet<Email>| record.facts.email.as_ref().is_ok_and(|it| emails.contains(it));
            !record.meta.deleting && members.is_none_or(of_somebody)
        });
        let unaddressed = entry.unaddressed.iter().filter_map(|name| self.member(&key.namespace, name));
        let whole = members.is_none();
        Some(ObjectsInScope {
            key: key.clone(),
            scope,
            account: entry.object.clone()?,
            members: addresses,
            unaddressed: unaddressed.filter(|_| whole).cloned().collect(),
            roles: self.roles_of(key).filter(|_| whole).cloned().collect(),
            groups: self.groups_of(key).filter(|_| whole).cloned().collect(),
            invitations: invitations.cloned().collect(),
            stale_statuses: HashSet::with_hasher(self.hashing),
            counts: self.counts(key),
            now,
            snapshot,
        })
    }

    fn memberships(&self, key: &AccountKey, email: &Email) -> Memberships {
        self.live_memberships(key, email).cloned().collect()
    }

    /// Returns the numbers of an account, without `children`.
    #[must_use]
    pub fn counts(&self, key: &AccountKey) -> Counts {
        let Some(entry) = self.accounts.get(key) else { return Counts::default() };
        Counts {
            memberships: entry.memberships(),
            role_refs: entry.role_refs(),
            group_refs: entry.group_refs(),
            roles: entry.roles.len() as u64,
            groups: entry.groups.len() as u64,
            invitations: entry.invitations.len() as u64,
            children: None,
        }
    }
}

fn facts(records: &[Arc<Record<MemberFacts>>]) -> SmallVec<[&MemberFacts; 1]> {
    records.iter().map(|record| record.facts.as_ref()).collect()
}

impl ObjectsInScope {
    /// Returns the Memberships of an address; none if it is not in scope.
    #[must_use]
    pub fn memberships_of(&self, email: &Email) -> &[Arc<Record<MemberFacts>>] {
        let index = self.members.binary_search_by(|(other, _)| other.cmp(email)).ok();
        index.and_then(|index| self.members.get(index)).map_or(&[], |(_, records)| records.as_slice())
    }

    /// Returns the name of the first Membership of an address.
    #[must_use]
    pub fn first_membership(&self, email: &Email) -> Option<Name> {
        self.memberships_of(email).first().map(|record| record.name.clone())
    }

    /// Returns the Memberships in the form that [`judge`](crate::evaluate::judge) needs.
    #[must_use]
    pub fn members(&self) -> Members<'_> {
        let accepted = self.invitations.iter().filter(|record| record.facts.accepted);
        Members {
            scope: self.scope.clone(),
            addresses: self.members.iter().map(|(email, records)| (email, facts(records))).collect(),
            accepted: accepted.filter_map(|it| Some((&it.facts.name, it.facts.email.as_ref().ok()?))).collect(),
            role_refs: Cow::Borrowed(&self.counts.role_refs),
        }
    }

    /// Returns the Memberships of an invited address.
    #[must_use]
    pub fn memberships(&self, invitation: &InvitationFacts) -> SmallVec<[&MemberFacts; 1]> {
        invitation.email.as_ref().map(|email| facts(self.memberships_of(email))).unwrap_or_default()
    }

    /// Returns every object in scope that has a status.
    pub fn references(&self) -> impl Iterator<Item = ObjectRef> {
        let members = self.members.iter().flat_map(|(_, records)| records).chain(&self.unaddressed);
        let members = members.map(|record| record.reference(KindName::Membership));
        let roles = self.roles.iter().map(|record| record.reference(KindName::Role));
        let groups = self.groups.iter().map(|record| record.reference(KindName::UserGroup));
        let invitations = self.invitations.iter().map(|record| record.reference(KindName::Invitation));
        let account = std::iter::once(self.account.reference(KindName::Account));
        members.chain(roles).chain(groups).chain(invitations).chain(account)
    }
}
