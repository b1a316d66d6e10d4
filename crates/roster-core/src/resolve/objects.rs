//! All objects there are, read at one moment: from files, or by listing a cluster. The controller keeps an index of its
//! own instead, which follows changes; both lead to the same [`Snapshot`].

use std::{collections::BTreeMap, sync::Arc};

use smallvec::SmallVec;

use super::{ResolvedAccount, definitions};
use crate::{
    model::{AccountKey, Email, Name, Scope},
    state::{
        AccountFacts, CatalogFacts, GroupFacts, InvitationFacts, Labels, MemberFacts, RoleFacts, RoleRefs, Snapshot,
        StoreFacts,
    },
};

/// All objects there are.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Labels of namespaces.
    pub namespaces: BTreeMap<Name, Arc<Labels>>,
    /// Catalogs by name.
    pub catalogs: BTreeMap<Name, Arc<CatalogFacts>>,
    /// Stores by name.
    pub stores: BTreeMap<Name, Arc<StoreFacts>>,
    /// Accounts, and what names an account that is not there.
    pub accounts: BTreeMap<AccountKey, AccountObjects>,
}

/// What belongs to one account.
#[derive(Clone, Debug, Default)]
pub struct AccountObjects {
    /// The Account; absent where something names one that is not there.
    pub account: Option<Arc<AccountFacts>>,
    /// Annotations of the Account.
    pub annotations: Labels,
    /// Roles by name.
    pub roles: BTreeMap<Name, Arc<RoleFacts>>,
    /// Groups by name.
    pub groups: BTreeMap<Name, Arc<GroupFacts>>,
    /// Memberships by name.
    pub members: BTreeMap<Name, MemberFacts>,
    /// Invitations by name.
    pub invitations: BTreeMap<Name, InvitationFacts>,
}

impl AccountObjects {
    /// Memberships by the role they name.
    #[must_use]
    pub fn role_refs(&self) -> RoleRefs {
        let mut refs = RoleRefs::new();
        for member in self.members.values() {
            *refs.entry(member.role_name()).or_default() += 1;
        }
        refs
    }

    /// Memberships by address; those whose address is none are left out.
    #[must_use]
    pub fn addresses(&self) -> BTreeMap<&Email, SmallVec<[&MemberFacts; 1]>> {
        let mut addresses: BTreeMap<&Email, SmallVec<[&MemberFacts; 1]>> = BTreeMap::new();
        for member in self.members.values() {
            if let Ok(email) = &member.email {
                addresses.entry(email).or_default().push(member);
            }
        }
        addresses
    }
}

impl Objects {
    /// What decides about an account's definitions; nothing where the Account does not exist.
    #[must_use]
    pub fn snapshot(&self, key: &AccountKey) -> Option<Snapshot> {
        let entry = self.accounts.get(key)?;
        let account = entry.account.clone()?;
        let parent = account.parent().and_then(|parent| self.accounts.get(&parent)?.account.clone());
        Some(Snapshot {
            namespace_labels: self.namespaces.get(&key.namespace).cloned().unwrap_or_default(),
            catalog: self.catalogs.get(account.spec.catalog_ref.name.as_str()).cloned(),
            store: self.stores.get(account.spec.store_ref.name.as_str()).cloned(),
            parent,
            roles: entry.roles.values().cloned().collect(),
            groups: entry.groups.values().cloned().collect(),
            account,
        })
    }

    /// An account, resolved as a whole; its members are in the order of [`AccountObjects::addresses`].
    #[must_use]
    pub fn resolve(&self, key: &AccountKey) -> Option<ResolvedAccount> {
        let definitions = Arc::new(definitions(&self.snapshot(key)?));
        let entry = self.accounts.get(key)?;
        let accepted = |name: &Name| entry.invitations.get(name).is_some_and(|invitation| invitation.accepted);
        let addresses = entry.addresses();
        let addresses = addresses.iter().map(|(email, facts)| (*email, facts.clone()));
        Some(ResolvedAccount::new(definitions, Scope::Account, addresses, &accepted))
    }

    /// Number of objects of ours.
    #[must_use]
    pub fn count(&self) -> usize {
        let in_account = |entry: &AccountObjects| {
            let own = usize::from(entry.account.is_some());
            own + entry.roles.len() + entry.groups.len() + entry.members.len() + entry.invitations.len()
        };
        self.catalogs.len() + self.stores.len() + self.accounts.values().map(in_account).sum::<usize>()
    }

    /// The entry of an account, made if it is not there.
    pub fn entry(&mut self, key: AccountKey) -> &mut AccountObjects {
        self.accounts.entry(key).or_default()
    }
}
