//! Shows the objects of a source as they are after a change, without copying them. Used by `authority::judge`.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Change, Edit};
use crate::{
    model::{AccountKey, Email, Name, Scope},
    state::{GroupFacts, MemberFacts, Members, RoleFacts, Snapshot, SnapshotSource, StoreFacts},
};

/// Source of snapshots in which one object is changed. An Account that does not exist yet has no snapshot, since its
/// catalog and store are known to the base only by the Accounts that name them.
#[derive(Debug)]
pub struct Overlay<'a, S> {
    base: &'a S,
    change: &'a Change,
}

impl<'a, S: SnapshotSource> Overlay<'a, S> {
    /// Returns `base` after `change`.
    #[must_use]
    pub const fn new(base: &'a S, change: &'a Change) -> Self {
        Self { base, change }
    }
}

impl<S: SnapshotSource> SnapshotSource for Overlay<'_, S> {
    fn accounts(&self) -> impl Iterator<Item = &AccountKey> {
        let deleted = match self.change {
            Change::Account(key, Edit { after: None, .. }) => Some(key),
            _ => None,
        };
        self.base.accounts().filter(move |key| Some(*key) != deleted)
    }

    fn is_named(&self, account: &AccountKey) -> bool {
        self.base.is_named(account)
    }

    fn stores(&self) -> impl Iterator<Item = &Arc<StoreFacts>> {
        self.base.stores()
    }

    fn store(&self, name: &str) -> Option<Arc<StoreFacts>> {
        match self.change {
            Change::Store(edit) if named(edit, |facts| &facts.name, name) => edit.after.clone(),
            _ => self.base.store(name),
        }
    }

    fn snapshot(&self, account: &AccountKey) -> Option<Snapshot> {
        let mut snapshot = self.base.snapshot(account)?;
        let is_here = self.change.account() == Some(account);
        match self.change {
            Change::Role(_, edit) if is_here => replace(&mut snapshot.roles, edit, |role: &RoleFacts| &role.name),
            Change::Group(_, edit) if is_here => replace(&mut snapshot.groups, edit, |group: &GroupFacts| &group.name),
            Change::Account(_, edit) if is_here => {
                let (facts, annotations) = edit.after.as_deref()?;
                snapshot.account = Arc::new(facts.clone());
                snapshot.annotations = annotations.clone();
            }
            Change::Account(key, edit) if snapshot.account.parent().as_ref() == Some(key) => {
                snapshot.parent = edit.after.as_deref().map(|(facts, _)| Arc::new(facts.clone()));
            }
            Change::Catalog(edit) if named(edit, |facts| &facts.name, &snapshot.account.spec.catalog_ref.name) => {
                snapshot.catalog.clone_from(&edit.after);
            }
            Change::Store(edit) if named(edit, |facts| &facts.name, &snapshot.account.spec.store_ref.name) => {
                snapshot.store.clone_from(&edit.after);
            }
            _ => {}
        }
        Some(snapshot)
    }

    fn members<'b>(&'b self, account: &AccountKey, scope: &'b Scope) -> Option<Members<'b>> {
        let mut members = self.base.members(account, scope)?;
        if self.change.account() != Some(account) {
            return Some(members);
        }
        if let Change::Invitation(_, edit) = self.change
            && let Some(before) = &edit.before
            && edit.after.as_ref().is_none_or(|after| !after.accepted || after.email != before.email)
        {
            members.accepted.remove(&before.name);
        }
        let Change::Membership(_, edit) = self.change else { return Some(members) };
        if let Some(before) = &edit.before {
            for (_, facts) in &mut members.addresses {
                facts.retain(|one| one.name != before.name);
            }
        }
        if let Some(after) = edit.after.as_deref()
            && let Ok(email) = &after.email
            && scope.contains(email)
        {
            add(&mut members, email, after);
        }
        if *scope == Scope::Account {
            members.addresses.retain(|(_, facts)| !facts.is_empty());
        }
        Some(members)
    }
}

/// Returns whether the changed object has this name.
fn named<F>(edit: &Edit<F>, name: impl Fn(&F) -> &Name, wanted: &str) -> bool {
    edit.latest().is_some_and(|facts| name(facts).as_str() == wanted)
}

/// Adds, replaces or removes the changed object in a list in the order of names.
pub(super) fn replace<F>(all: &mut Vec<Arc<F>>, edit: &Edit<F>, name: impl Fn(&F) -> &Name) {
    if let Some(facts) = edit.latest() {
        all.retain(|one| name(one) != name(facts));
    }
    if let Some(after) = &edit.after {
        let index = all.partition_point(|one| name(one) < name(after));
        all.insert(index, after.clone());
    }
}

fn add<'a>(members: &mut Members<'a>, email: &'a Email, facts: &'a MemberFacts) {
    match members.addresses.binary_search_by(|(address, _)| (*address).cmp(email)) {
        Ok(at) => {
            let of_address = &mut members.addresses[at].1;
            let index = of_address.partition_point(|one| one.name < facts.name);
            of_address.insert(index, facts);
        }
        Err(at) => members.addresses.insert(at, (email, SmallVec::from_elem(facts, 1))),
    }
}
