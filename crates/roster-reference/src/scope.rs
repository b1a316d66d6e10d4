//! An account with the objects that it names: whether they resolve, and whether all access is revoked. Created by
//! `account`.

use std::sync::Arc;

use jiff::Timestamp;
use roster_core::api::{Account, IdentityStore, PermissionCatalogSpec};

use crate::{
    End, Kind, ObjectId, World, address::canonical, catalog::keeps_its_rules, reason, roles::Reasons,
    world::in_namespace,
};

/// Account with the objects that it names.
pub(crate) struct Scope<'a> {
    pub(crate) world: &'a World,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) account: &'a Account,
    pub(crate) now: Timestamp,
    /// Catalog, valid or not.
    pub(crate) catalog: Option<&'a PermissionCatalogSpec>,
    pub(crate) store: Option<&'a IdentityStore>,
    /// Reasons why the account as a whole does not resolve.
    pub(crate) unresolved: Reasons,
    pub(crate) approved: bool,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(
        world: &'a World,
        namespace: &'a str,
        name: &'a str,
        account: &'a Account,
        now: Timestamp,
    ) -> Self {
        let spec = &account.spec;
        let catalog = world.catalogs.get(&spec.catalog_ref.name).map(|catalog| &catalog.spec);
        let store = world.stores.get(&spec.store_ref.name).map(Arc::as_ref);
        let mut unresolved = Reasons::new();
        match catalog {
            None => {
                unresolved.insert(reason::CATALOG_NOT_FOUND);
            }
            Some(catalog) => {
                if !world.admits(&catalog.allowed_namespaces, namespace) {
                    unresolved.insert(reason::NAMESPACE_NOT_ALLOWED);
                }
                if !keeps_its_rules(catalog) {
                    unresolved.insert(reason::CATALOG_INVALID);
                }
            }
        }
        match store {
            None => {
                unresolved.insert(reason::STORE_NOT_FOUND);
            }
            Some(store) if !world.admits(&store.spec.allowed_namespaces, namespace) => {
                unresolved.insert(reason::NAMESPACE_NOT_ALLOWED);
            }
            Some(_) => {}
        }
        let mut approved = true;
        if spec.parent_ref.is_some() {
            if admitting_parent(world, namespace, account).is_none() {
                unresolved.insert(reason::PARENT_NOT_ALLOWED);
            }
            // Withdrawn approval revokes access even if the parent does not admit the account.
            approved = parent_of(world, namespace, account).is_none_or(|parent| is_approved(parent, namespace, name));
        }
        Self { world, namespace, name, account, now, catalog, store, unresolved, approved }
    }

    pub(crate) fn id(&self, kind: Kind, name: &str) -> ObjectId {
        ObjectId::new(kind, self.namespace, name)
    }

    /// Returns the reason why nobody in the account has access.
    pub(crate) fn ended(&self) -> Option<End> {
        if self.account.spec.suspended {
            Some(End::AccountSuspended)
        } else if !self.approved {
            Some(End::NotApproved)
        } else {
            None
        }
    }

    /// Returns the canonical addresses that the store blocks.
    pub(crate) fn blocked(&self) -> impl Iterator<Item = String> {
        let blocked = self.store.map(|store| store.spec.blocked.as_slice()).unwrap_or_default();
        blocked.iter().filter_map(|entry| canonical(&entry.email))
    }

    pub(crate) fn is_blocked(&self, address: &str) -> bool {
        self.blocked().any(|blocked| blocked == address)
    }

    /// Returns the canonical address that the Account names as its owner.
    pub(crate) fn named_owner(&self) -> Option<String> {
        canonical(&self.account.spec.owner.as_ref()?.email)
    }

    /// Returns the owner if the catalog has an owner role. If the catalog is missing, that is unknown, and the named
    /// owner counts.
    pub(crate) fn owner(&self) -> Option<String> {
        let has_owner = self.catalog.is_none_or(|catalog| catalog.owner_role.is_some());
        self.named_owner().filter(|_| has_owner)
    }

    /// Returns the reasons of the account as a whole, which all of its objects share.
    pub(crate) fn shared_reasons(&self) -> Reasons {
        let mut reasons = self.unresolved.clone();
        // Nothing is revealed about a parent that does not admit the account.
        if !self.approved && !reasons.contains(reason::PARENT_NOT_ALLOWED) {
            reasons.insert(reason::APPROVAL_PENDING);
        }
        reasons
    }

    pub(crate) fn account_reasons(&self) -> Reasons {
        let mut reasons = self.shared_reasons();
        let owner = self.account.spec.owner.as_ref();
        if owner.is_none() && self.catalog.is_some_and(|catalog| catalog.owner_role.is_some()) {
            reasons.insert(reason::OWNER_MISSING);
        }
        if owner.is_some() && self.named_owner().is_none() {
            reasons.insert(reason::ADDRESS_INVALID);
        }
        reasons
    }

    pub(crate) fn names_of(&self, kind: Kind) -> Vec<&'a str> {
        let namespace = self.namespace;
        match kind {
            Kind::Role => {
                let all = in_namespace(&self.world.roles, namespace);
                all.filter(|(_, role)| role.spec.account_ref.name == self.name).map(|(name, _)| name).collect()
            }
            Kind::UserGroup => {
                let all = in_namespace(&self.world.groups, namespace);
                all.filter(|(_, group)| group.spec.account_ref.name == self.name).map(|(name, _)| name).collect()
            }
            _ => {
                let all = in_namespace(&self.world.invitations, namespace);
                all.filter(|(_, invitation)| invitation.spec.account_ref.name == self.name)
                    .map(|(name, _)| name)
                    .collect()
            }
        }
    }
}

/// Returns the parent of a managed account if it is a partner, is not itself managed, and admits the account.
pub(crate) fn admitting_parent<'a>(world: &'a World, namespace: &str, account: &Account) -> Option<&'a Account> {
    let parent_namespace = account.spec.parent_ref.as_ref()?.namespace.as_deref().unwrap_or(namespace);
    let parent = parent_of(world, namespace, account)?;
    let managed = parent.spec.managed_accounts.as_ref()?;
    let catalog = &account.spec.catalog_ref.name;
    // An empty list of catalogs means the parent's own catalog (docs/decisions).
    let catalog_admitted = if managed.catalogs.is_empty() {
        parent.spec.catalog_ref.name == *catalog
    } else {
        managed.catalogs.contains(catalog)
    };
    let admits = parent.spec.partner
        && parent.spec.parent_ref.is_none()
        && catalog_admitted
        && world.admits_managed(&managed.allowed_namespaces, parent_namespace, namespace);
    admits.then_some(parent)
}

/// Returns the account that a managed account names as its parent, if it exists.
fn parent_of<'a>(world: &'a World, namespace: &str, account: &Account) -> Option<&'a Account> {
    let reference = account.spec.parent_ref.as_ref()?;
    let parent_namespace = reference.namespace.as_deref().unwrap_or(namespace);
    world.accounts.get(&(parent_namespace.to_owned(), reference.name.clone())).map(AsRef::as_ref)
}

pub(crate) fn is_approved(parent: &Account, namespace: &str, name: &str) -> bool {
    let managed = parent.spec.managed_accounts.as_ref();
    managed.is_none_or(|managed| {
        let approved = managed.approved.iter().any(|entry| entry.namespace == namespace && entry.name == name);
        !managed.need_approval || approved
    })
}
