//! Facts about each object: the fields that resolving needs. The index and the files of the command line keep them,
//! and `resolve` reads them.

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

/// Facts about an Account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccountFacts {
    /// `metadata.namespace` of the Account.
    pub namespace: Name,
    /// `metadata.name` of the Account.
    pub name: Name,
    /// `metadata.uid` of the Account.
    pub uid: Name,
    /// `metadata.generation` of the Account.
    pub generation: i64,
    /// Spec of the Account.
    pub spec: AccountSpec,
}

impl AccountFacts {
    /// Returns the key, `namespace/name`.
    #[must_use]
    pub fn key(&self) -> AccountKey {
        AccountKey { namespace: self.namespace.clone(), name: self.name.clone() }
    }

    /// Returns the owner's address, if there is a valid one.
    #[must_use]
    pub fn owner(&self) -> Option<Email> {
        self.spec.owner.as_ref().and_then(|owner| Email::parse(&owner.email).ok())
    }

    /// Returns the account that this one names as its parent.
    #[must_use]
    pub fn parent(&self) -> Option<AccountKey> {
        let parent = self.spec.parent_ref.as_ref()?;
        Some(AccountKey::new(parent.namespace.as_deref().unwrap_or(&self.namespace), &parent.name))
    }

    /// Returns whether this Account lists another one as approved.
    #[must_use]
    pub fn approves(&self, child: &Self) -> bool {
        let approved = self.spec.managed_accounts.iter().flat_map(|managed| &managed.approved);
        approved.into_iter().any(|one| one.namespace == *child.namespace && one.name == *child.name)
    }

    /// Returns whether a managed account loses its approval when this Account changes to `now`.
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

/// Facts about a Role.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoleFacts {
    /// `metadata.name` of the Role.
    pub name: Name,
    /// `metadata.generation` of the Role.
    pub generation: i64,
    /// Spec of the Role.
    pub spec: RoleSpec,
}

impl RoleFacts {
    /// Returns the role that it defines: its own, or the predefined one that it overrides.
    #[must_use]
    pub fn role_name(&self) -> RoleName {
        match self.spec.overrides.as_deref() {
            Some(overridden) => RoleName::predefined(overridden),
            None => RoleName::custom(&self.name),
        }
    }
}

/// Facts about a `UserGroup`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupFacts {
    /// `metadata.name` of the `UserGroup`.
    pub name: Name,
    /// `metadata.generation` of the `UserGroup`.
    pub generation: i64,
    /// Spec of the `UserGroup`.
    pub spec: UserGroupSpec,
}

/// Facts about a Membership, kept small since there may be very many.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberFacts {
    /// `metadata.name` of the Membership.
    pub name: Name,
    /// `metadata.generation` of the Membership.
    pub generation: i64,
    /// Address in canonical form, or the reason why it is invalid.
    pub email: Result<Email, Box<InvalidEmail>>,
    /// Display name of the user.
    pub display_name: Option<Box<str>>,
    /// Id of the user in the store.
    pub external_id: Option<Box<str>>,
    /// Role that it refers to.
    pub role: Option<Box<RoleRef>>,
    /// Groups that it refers to.
    pub groups: Box<[Name]>,
    /// Names of the applied restrictions.
    pub apply: Box<[Name]>,
    /// Names of the lifted restrictions.
    pub lift: Box<[Name]>,
    /// Names of the acknowledged liftings.
    pub acknowledge: Box<[Name]>,
    /// Whether it is suspended.
    pub suspended: bool,
    /// Start of access; absent for no limit.
    pub starts_at: Option<Timestamp>,
    /// End of access, exclusive; absent for no limit.
    pub expires_at: Option<Timestamp>,
    /// Invitation that it came from.
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

    /// Returns the role that it refers to.
    #[must_use]
    pub fn role_name(&self) -> Option<RoleName> {
        self.role.as_deref().map(RoleName::from)
    }
}

/// Facts about an Invitation.
#[derive(Clone, Debug, PartialEq)]
pub struct InvitationFacts {
    /// `metadata.name` of the Invitation.
    pub name: Name,
    /// `metadata.generation` of the Invitation.
    pub generation: i64,
    /// Address in canonical form, or the reason why it is invalid.
    pub email: Result<Email, Box<InvalidEmail>>,
    /// Role that it refers to.
    pub role: Option<RoleRef>,
    /// Groups that it refers to.
    pub groups: Vec<Name>,
    /// Names of the applied restrictions.
    pub apply: Vec<Name>,
    /// Names of the lifted restrictions.
    pub lift: Vec<Name>,
    /// Whether the ledger of invitations has it as accepted.
    pub accepted: bool,
}

impl InvitationFacts {
    /// Reads the facts from a spec, and the acceptance from the ledger.
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

/// Facts about a `PermissionCatalog`, compiled once for all its accounts.
#[derive(Clone, Debug)]
pub struct CatalogFacts {
    /// `metadata.name` of the `PermissionCatalog`.
    pub name: Name,
    /// `metadata.generation` of the `PermissionCatalog`.
    pub generation: i64,
    /// Spec of the `PermissionCatalog`.
    pub spec: PermissionCatalogSpec,
    /// Compiled catalog, or its faults.
    pub compiled: Result<Arc<Catalog>, Vec<CatalogFault>>,
}

/// Compares names, generations and specs; the compiled catalog follows from the spec.
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

/// Facts about an `IdentityStore`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreFacts {
    /// `metadata.name` of the `IdentityStore`.
    pub name: Name,
    /// `metadata.generation` of the `IdentityStore`.
    pub generation: i64,
    /// Spec of the `IdentityStore`.
    pub spec: IdentityStoreSpec,
    /// Reasons of blocks, by blocked address in canonical form.
    pub blocked: HashMap<Email, Option<String>>,
    /// Identity of the backing store, from the annotations.
    pub known: KnownStore,
}

impl StoreFacts {
    /// Collects the blocked addresses. An invalid address is skipped: it cannot belong to any user.
    #[must_use]
    pub fn new(name: Name, generation: i64, spec: IdentityStoreSpec) -> Self {
        let blocked = spec
            .blocked
            .iter()
            .filter_map(|user| Some((Email::parse(&user.email).ok()?, user.reason.clone())))
            .collect();
        Self { name, generation, spec, blocked, known: KnownStore::default() }
    }

    /// Sets the identity of the backing store.
    #[must_use]
    pub fn knowing(self, known: KnownStore) -> Self {
        Self { known, ..self }
    }
}
