//! Holds the objects of one account as far as they are authorised. `authority::settle` judges each further change against
//! them.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use smallvec::SmallVec;

use super::{Change, overlay::replace};
use crate::{
    model::{AccountKey, Email, Scope},
    state::{MemberFacts, Members, ObjectsInScope, RoleRefs, Snapshot, SnapshotSource, StoreFacts},
};

/// Memberships of one address, in the order of their names.
type Memberships = SmallVec<[Arc<MemberFacts>; 1]>;

fn of(all: &Memberships) -> SmallVec<[&MemberFacts; 1]> {
    all.iter().map(Arc::as_ref).collect()
}

/// Objects of one account as far as they are authorised, and of the account that manages it.
pub(super) struct Known<'a> {
    pub(super) snapshot: Snapshot,
    members: BTreeMap<Email, Memberships>,
    objects: &'a ObjectsInScope,
    role_refs: RoleRefs,
    parent: Option<&'a ObjectsInScope>,
}

impl<'a> Known<'a> {
    /// Returns the account without roles, groups and Memberships.
    pub(super) fn new(objects: &'a ObjectsInScope, parent: Option<&'a ObjectsInScope>) -> Self {
        let snapshot = Snapshot { roles: Vec::new(), groups: Vec::new(), ..objects.snapshot.clone() };
        let role_refs = objects.counts.role_refs.clone();
        Self { snapshot, members: BTreeMap::new(), objects, role_refs, parent }
    }

    /// Adds, replaces or removes the object that a change is about.
    pub(super) fn make(&mut self, change: &Change) {
        match change {
            Change::Role(_, edit) => replace(&mut self.snapshot.roles, edit, |facts| &facts.name),
            Change::Group(_, edit) => replace(&mut self.snapshot.groups, edit, |facts| &facts.name),
            Change::Membership(_, edit) => {
                if let Some(email) = edit.before.as_ref().and_then(|facts| facts.email.as_ref().ok()) {
                    let all = self.members.entry(email.clone()).or_default();
                    all.retain(|one| edit.before.as_ref().is_none_or(|before| one.name != before.name));
                }
                if let Some(after) = &edit.after
                    && let Ok(email) = &after.email
                {
                    self.add(email, after.clone());
                }
            }
            _ => {}
        }
    }

    /// Adds a Membership.
    pub(super) fn add(&mut self, email: &Email, facts: Arc<MemberFacts>) {
        let all = self.members.entry(email.clone()).or_default();
        all.retain(|one| one.name != facts.name);
        let index = all.partition_point(|one| one.name < facts.name);
        all.insert(index, facts);
    }

    /// Returns the Memberships of an address.
    pub(super) fn memberships(&self, email: &Email) -> impl Iterator<Item = &MemberFacts> {
        self.members.get(email).into_iter().flatten().map(Arc::as_ref)
    }
}

impl SnapshotSource for Known<'_> {
    fn accounts(&self) -> impl Iterator<Item = &AccountKey> {
        std::iter::once(&self.objects.key)
    }

    /// Returns `false`: whatever belongs to the account is judged by itself.
    fn is_named(&self, _: &AccountKey) -> bool {
        false
    }

    fn stores(&self) -> impl Iterator<Item = &Arc<StoreFacts>> {
        self.snapshot.store.iter()
    }

    fn store(&self, name: &str) -> Option<Arc<StoreFacts>> {
        self.snapshot.store.clone().filter(|store| store.name == name)
    }

    fn snapshot(&self, account: &AccountKey) -> Option<Snapshot> {
        if *account == self.objects.key {
            return Some(self.snapshot.clone());
        }
        self.parent.filter(|parent| parent.key == *account).map(|parent| parent.snapshot.clone())
    }

    fn members<'b>(&'b self, account: &AccountKey, scope: &'b Scope) -> Option<Members<'b>> {
        if *account != self.objects.key {
            let parent = self.parent.filter(|parent| parent.key == *account)?;
            let mut members = parent.members();
            members.addresses.retain(|(email, _)| scope.contains(email));
            return Some(Members { scope: scope.clone(), ..members });
        }
        let addresses = match scope {
            Scope::Account => {
                self.members.iter().filter(|(_, all)| !all.is_empty()).map(|(it, all)| (it, of(all))).collect()
            }
            Scope::Members(emails) => {
                emails.iter().map(|email| (email, self.members.get(email).map(of).unwrap_or_default())).collect()
            }
        };
        let accepted = self.objects.invitations.iter().filter(|record| record.facts.accepted);
        Some(Members {
            scope: scope.clone(),
            addresses,
            accepted: accepted.filter_map(|it| Some((&it.facts.name, it.facts.email.as_ref().ok()?))).collect(),
            role_refs: Cow::Borrowed(&self.role_refs),
        })
    }
}
