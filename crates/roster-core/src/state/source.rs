//! Snapshots taken out of the index, by the trait [`SnapshotSource`]. [`Index::in_scope`] takes one for each pass.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use smallvec::SmallVec;

use super::{
    AccountAnnotations, AccountEntry, AccountFacts, Index, MemberFacts, Members, Record, Snapshot, SnapshotSource,
    StoreFacts,
};
use crate::model::{AccountKey, Email, KindName, ObjectRef, Scope};

impl SnapshotSource for Index {
    fn accounts(&self) -> impl Iterator<Item = &AccountKey> {
        self.accounts.iter().filter(|(_, entry)| entry.object.is_some()).map(|(key, _)| key)
    }

    fn is_named(&self, key: &AccountKey) -> bool {
        self.accounts.get(key).is_some_and(AccountEntry::has_objects)
    }

    fn stores(&self) -> impl Iterator<Item = &Arc<StoreFacts>> {
        self.stores.values().map(|record| &record.facts)
    }

    fn store(&self, name: &str) -> Option<Arc<StoreFacts>> {
        self.stores.get(name).map(|record| record.facts.clone())
    }

    fn snapshot(&self, key: &AccountKey) -> Option<Snapshot> {
        let object = self.accounts.get(key)?.object.as_ref()?;
        let account = object.facts.clone();
        let parent = account.parent().and_then(|parent| self.accounts.get(&parent)?.object.as_ref());
        Some(Snapshot {
            annotations: AccountAnnotations::read(|key| object.meta.annotation(key)),
            namespace_labels: self.namespaces.get(&key.namespace).map(|record| record.labels.clone()),
            catalog: self.followed(key),
            store: self.store(&account.spec.store_ref.name),
            parent: parent.map(|parent| parent.facts.clone()),
            roles: self.roles_of(key).filter(|role| !role.meta.deleting).map(|role| role.facts.clone()).collect(),
            groups: self.groups_of(key).filter(|group| !group.meta.deleting).map(|group| group.facts.clone()).collect(),
            deleting: self.deleting(key, object, parent.map(Arc::as_ref)),
            account,
        })
    }

    fn members<'a>(&'a self, key: &AccountKey, scope: &'a Scope) -> Option<Members<'a>> {
        let entry = self.accounts.get(key)?;
        entry.object.as_ref()?;
        let facts = |email: &Email| -> SmallVec<[&'a MemberFacts; 1]> {
            self.live_memberships(key, email).map(|record| record.facts.as_ref()).collect()
        };
        let addresses = match scope {
            Scope::Account => {
                let all = entry.addresses.keys().map(|email| (email, facts(email)));
                all.filter(|(_, memberships)| !memberships.is_empty()).collect()
            }
            Scope::Members(emails) => emails.iter().map(|email| (email, facts(email))).collect(),
        };
        let invitations = self.invitations_of(key).filter(|record| record.facts.accepted && !record.meta.deleting);
        let invitations = invitations.filter_map(|record| Some((&record.name, record.facts.email.as_ref().ok()?)));
        Some(Members {
            scope: scope.clone(),
            addresses,
            accepted: invitations.filter(|(_, email)| scope.contains(email)).collect(),
            role_refs: Cow::Owned(entry.role_refs()),
        })
    }
}

impl Index {
    /// Returns the memberships of an address that are not being deleted, by name.
    pub(super) fn live_memberships(
        &self,
        key: &AccountKey,
        email: &Email,
    ) -> impl Iterator<Item = &Arc<Record<MemberFacts>>> {
        let names = self.accounts.get(key).and_then(|entry| entry.addresses.get(email)).into_iter().flatten();
        let records = names.filter_map(|name| self.member(&key.namespace, name));
        records.filter(|record| !record.meta.deleting)
    }

    fn deleting(
        &self,
        key: &AccountKey,
        account: &Record<AccountFacts>,
        parent: Option<&Record<AccountFacts>>,
    ) -> BTreeSet<ObjectRef> {
        let mut deleting = BTreeSet::new();
        let spec = &account.facts.spec;
        note(&mut deleting, KindName::Account, [Some(account), parent].into_iter().flatten());
        note(
            &mut deleting,
            KindName::PermissionCatalog,
            self.catalogs.get(spec.catalog_ref.name.as_str()).map(Arc::as_ref),
        );
        note(&mut deleting, KindName::IdentityStore, self.stores.get(spec.store_ref.name.as_str()).map(Arc::as_ref));
        note(&mut deleting, KindName::Role, self.roles_of(key).map(Arc::as_ref));
        note(&mut deleting, KindName::UserGroup, self.groups_of(key).map(Arc::as_ref));
        deleting
    }
}

/// Adds the objects that are being deleted.
fn note<'a, F: 'a>(
    deleting: &mut BTreeSet<ObjectRef>,
    kind: KindName,
    records: impl IntoIterator<Item = &'a Record<F>>,
) {
    let records = records.into_iter();
    deleting.extend(records.filter(|it| it.meta.deleting).map(|it| it.reference(kind)));
}
