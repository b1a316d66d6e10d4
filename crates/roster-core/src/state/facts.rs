//! Facts about each object: only what resolving needs of it.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;

use super::KnownStore;
use crate::{
    api::{
        AccountSpec, IdentityStoreSpec, InvitationSpec, ManagedAccounts, MembershipSpec, PermissionCatalogSpec,
        RoleRef, RoleSpec, UserGroupSpec,
    },
    model::{AccountKey, Catalog, CatalogFault, Email, InvalidEmail, Name, RoleName},
};

/// An Account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccountFacts {
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// UID.
    pub uid: Name,
    /// Generation.
    pub generation: i64,
    /// Spec.
    pub spec: AccountSpec,
}

impl AccountFacts {
    /// `namespace/name`.
    #[must_use]
    pub fn key(&self) -> AccountKey {
        AccountKey { namespace: self.namespace.clone(), name: self.name.clone() }
    }

    /// Returns the owner's address, if there is a valid one.
    #[must_use]
    pub fn owner(&self) -> Option<Email> {
        self.spec.owner.as_ref().and_then(|owner| Email::parse(&owner.email).ok())
    }

    /// The account this one names as its parent.
    #[must_use]
    pub fn parent(&self) -> Option<AccountKey> {
        let parent = self.spec.parent_ref.as_ref()?;
        Some(AccountKey::new(parent.namespace.as_deref().unwrap_or(&self.namespace), &parent.name))
    }

    /// Returns whether an account that it manages loses its approval where it becomes `now`.
    #[must_use]
    pub fn withdraws_approval(&self, now: &Self) -> bool {
        let before = self.spec.managed_accounts.as_ref();
        now.spec.managed_accounts.as_ref().is_some_and(|now| {
            let stays = |before: &ManagedAccounts| {
                before.need_approval && before.approved.iter().all(|one| now.approved.contains(one))
            };
            now.need_approval && !before.is_some_and(stays)
        })
    }
}

/// A Role.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoleFacts {
    /// Name.
    pub name: Name,
    /// Generation.
    pub generation: i64,
    /// Spec.
    pub spec: RoleSpec,
}

/// A `UserGroup`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupFacts {
    /// Name.
    pub name: Name,
    /// Generation.
    pub generation: i64,
    /// Spec.
    pub spec: UserGroupSpec,
}

/// A Membership, slim: there may be very many.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberFacts {
    /// Name.
    pub name: Name,
    /// Generation.
    pub generation: i64,
    /// The address in canonical form, or why it is none.
    pub email: Result<Email, Box<InvalidEmail>>,
    /// Name for people.
    pub display_name: Option<Box<str>>,
    /// Id in the store.
    pub external_id: Option<Box<str>>,
    /// The role.
    pub role: Option<Box<RoleRef>>,
    /// The groups.
    pub groups: Box<[Name]>,
    /// Restrictions applied.
    pub apply: Box<[Name]>,
    /// Restrictions lifted.
    pub lift: Box<[Name]>,
    /// Liftings confirmed.
    pub acknowledge: Box<[Name]>,
    /// Suspended.
    pub suspended: bool,
    /// No access before.
    pub starts_at: Option<Timestamp>,
    /// No access from then on.
    pub expires_at: Option<Timestamp>,
    /// The invitation it came from.
    pub invitation: Option<Name>,
}

impl MemberFacts {
    /// Reads the facts from a spec.
    #[must_use]
    pub fn new(name: Name, generation: i64, spec: &MembershipSpec) -> Self {
        let restrictions = spec.restrictions.as_ref();
        Self {
            name,
            generation,
            email: address(&spec.user.email),
            display_name: spec.user.display_name.as_deref().map(Box::from),
            external_id: spec.user.external_id.as_deref().map(Box::from),
            role: spec.role_ref.clone().map(Box::new),
            groups: spec.group_refs.iter().map(|group| Name::new(&group.name)).collect(),
            apply: names(restrictions.map(|restrictions| restrictions.apply.as_slice())),
            lift: names(restrictions.map(|restrictions| restrictions.lift.as_slice())),
            acknowledge: names(Some(&spec.acknowledge)),
            suspended: spec.suspended,
            starts_at: spec.starts_at.as_ref().map(|time| time.0),
            expires_at: spec.expires_at.as_ref().map(|time| time.0),
            invitation: spec.invitation_ref.as_ref().map(|reference| Name::new(&reference.name)),
        }
    }

    /// The role it names.
    #[must_use]
    pub fn role_name(&self) -> Option<RoleName> {
        self.role.as_deref().map(RoleName::from)
    }
}

/// An Invitation.
#[derive(Clone, Debug)]
pub struct InvitationFacts {
    /// Name.
    pub name: Name,
    /// Generation.
    pub generation: i64,
    /// The address in canonical form, or why it is none.
    pub email: Result<Email, Box<InvalidEmail>>,
    /// The role.
    pub role: Option<RoleRef>,
    /// The groups.
    pub groups: Vec<Name>,
    /// Restrictions applied.
    pub apply: Vec<Name>,
    /// Restrictions lifted.
    pub lift: Vec<Name>,
    /// Whether the ledger says that it was accepted.
    pub accepted: bool,
}

impl InvitationFacts {
    /// Reads the facts from a spec, and from the ledger whether it was accepted.
    #[must_use]
    pub fn new(name: Name, generation: i64, spec: &InvitationSpec, accepted: bool) -> Self {
        let restrictions = spec.restrictions.as_ref();
        Self {
            name,
            generation,
            email: address(&spec.email),
            role: spec.role_ref.clone(),
            groups: spec.group_refs.iter().map(|group| Name::new(&group.name)).collect(),
            apply: names(restrictions.map(|restrictions| restrictions.apply.as_slice())).into_vec(),
            lift: names(restrictions.map(|restrictions| restrictions.lift.as_slice())).into_vec(),
            accepted,
        }
    }
}

fn names(texts: Option<&[String]>) -> Box<[Name]> {
    texts.into_iter().flatten().map(Name::new).collect()
}

fn address(text: &str) -> Result<Email, Box<InvalidEmail>> {
    Email::parse(text).map_err(Box::new)
}

/// A `PermissionCatalog`, compiled once for all its accounts.
#[derive(Clone, Debug)]
pub struct CatalogFacts {
    /// Name.
    pub name: Name,
    /// Generation.
    pub generation: i64,
    /// Spec.
    pub spec: PermissionCatalogSpec,
    /// Compiled, or what is wrong with it.
    pub compiled: Result<Arc<Catalog>, Vec<CatalogFault>>,
}

/// Compares specs only; the compiled catalog follows from them.
impl PartialEq for CatalogFacts {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.generation, &self.spec) == (&other.name, other.generation, &other.spec)
    }
}

impl CatalogFacts {
    /// Compiles the spec.
    #[must_use]
    pub fn new(name: Name, generation: i64, spec: PermissionCatalogSpec) -> Self {
        let compiled = Catalog::compile(&spec).map(Arc::new);
        Self { name, generation, spec, compiled }
    }
}

/// An `IdentityStore`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreFacts {
    /// Name.
    pub name: Name,
    /// Generation.
    pub generation: i64,
    /// Spec.
    pub spec: IdentityStoreSpec,
    /// Blocked addresses, in canonical form.
    pub blocked: HashMap<Email, Option<String>>,
    /// The store behind it, as its annotations know it.
    pub known: KnownStore,
}

impl StoreFacts {
    /// Works out the blocked addresses. One that is no address can be nobody's, and blocks nobody.
    #[must_use]
    pub fn new(name: Name, generation: i64, spec: IdentityStoreSpec) -> Self {
        let blocked = spec
            .blocked
            .iter()
            .filter_map(|user| Some((Email::parse(&user.email).ok()?, user.reason.clone())))
            .collect();
        Self { name, generation, spec, blocked, known: KnownStore::default() }
    }

    /// Adds what the annotations of the object know of the store.
    #[must_use]
    pub fn knowing(self, known: KnownStore) -> Self {
        Self { known, ..self }
    }
}
