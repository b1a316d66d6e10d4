//! Defines what catalog, roles and groups mean in one account, resolved. Built by `resolve::definitions`; members are
//! looked up in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{DesiredDefinitions, Origin, RevocationReason};
use crate::{
    api::{AccountType, ChangeFromDefault},
    model::{AccountKey, Catalog, Email, Findings, Name, Ranks},
    state::{CatalogFacts, RoleFacts, StoreFacts},
};

/// Resolved definitions of one account: admission, owner, roles, groups and findings.
#[derive(Clone, Debug)]
pub struct Definitions {
    /// The account.
    pub account: AccountKey,
    /// Generation of the Account.
    pub generation: i64,
    /// Whether the account resolves as a whole, and its effective catalog.
    pub resolution: AccountResolution,
    /// Type of the account: standalone, partner or managed.
    pub account_type: AccountType,
    /// Revocation that applies to all members of the account: suspended or not approved.
    pub ended: Option<RevocationReason>,
    /// Account that manages this one; `Some` only while its approval is missing.
    pub approver: Option<Origin>,
    /// Address of the owner, even if it grants nothing; a Membership must not have it.
    pub owner: Option<Email>,
    /// Whether the catalog has an owner role; `None` if the catalog is missing.
    pub has_owner_role: Option<bool>,
    /// Features of the account's plan.
    pub features: Vec<String>,
    /// Findings of the Account; [`Self::account_advice`] adds advice.
    pub findings: Findings,
    /// Faults of the Account that make everything in it invalid; never empty.
    pub shared: Option<Arc<Findings>>,
    /// The account's Role objects by name, overrides included.
    pub roles: BTreeMap<Name, ResolvedRole>,
    /// The account's groups by name.
    pub groups: BTreeMap<Name, ResolvedGroup>,
    /// Desired content of the store besides members; `None` if the account does not resolve.
    pub desired: Option<Arc<DesiredDefinitions>>,
    /// The store, if it exists.
    pub store: Option<Arc<StoreFacts>>,
}

/// Result of resolving an account as a whole (docs/concepts.md "Effective permissions", last rule).
#[derive(Clone, Debug)]
pub enum AccountResolution {
    /// The account resolves, with this effective catalog.
    Resolved(Box<EffectiveCatalog>),
    /// Catalog, store or parent are missing, invalid or do not admit the account. Nothing new is granted, and the
    /// stored content is kept.
    Unresolvable,
}

/// Catalog as it is effective in one account.
#[derive(Clone, Debug)]
pub struct EffectiveCatalog {
    /// Spec of the catalog, and the result of compiling it.
    pub facts: Arc<CatalogFacts>,
    /// Compiled catalog.
    pub catalog: Arc<Catalog>,
    /// Effective permissions of the predefined roles in this account, in the catalog's order.
    pub predefined: Vec<Ranks>,
    /// For each predefined role, whether an override of it is invalid. If so, its holders keep at most what the store
    /// holds.
    pub at_most: Vec<bool>,
    /// The owner; `None` if the account names none or the catalog has no owner role.
    pub owner: Option<ResolvedOwner>,
}

/// Owner of an account.
#[derive(Clone, Debug)]
pub struct ResolvedOwner {
    /// Address of the owner.
    pub email: Email,
    /// Display name of the owner.
    pub display_name: Option<Box<str>>,
    /// Index of the owner role among the catalog's roles.
    pub role: usize,
}

/// Role object, resolved.
#[derive(Clone, Debug)]
pub struct ResolvedRole {
    /// Title; the name if it has none.
    pub title: Name,
    /// Predefined role that it overrides; `None` for a custom role.
    pub overrides: Option<Name>,
    /// Permissions that it grants; none if it is invalid as a whole.
    pub ranks: Ranks,
    /// Whether something that would lower its permissions is invalid. If so, its holders keep at most what the store
    /// holds.
    pub at_most: bool,
    /// Levels in force in which an override differs from the catalog.
    pub changes_from_default: Vec<ChangeFromDefault>,
    /// Levels of an override that are not in force, because another override of the same role has a lower one.
    pub outweighed: Vec<ChangeFromDefault>,
    /// Faults and advice.
    pub findings: Findings,
    /// Generation of the Role.
    pub generation: i64,
    /// Whether it may be written to a store; `false` if it is invalid as a whole.
    pub usable: bool,
}

impl ResolvedRole {
    pub(super) fn new(role: &RoleFacts, ranks: Ranks, findings: Findings) -> Self {
        Self {
            title: role.spec.title.as_deref().unwrap_or(&role.name).into(),
            overrides: role.spec.overrides.as_deref().map(Name::new),
            ranks,
            at_most: false,
            changes_from_default: Vec::new(),
            outweighed: Vec::new(),
            findings,
            generation: role.generation,
            usable: true,
        }
    }

    pub(super) fn nothing(catalog: &Catalog, role: &RoleFacts, findings: Findings) -> Self {
        Self { usable: false, ..Self::new(role, catalog.no_access(), findings) }
    }
}

/// Group, resolved.
#[derive(Clone, Debug)]
pub struct ResolvedGroup {
    /// Title; the name if it has none.
    pub title: Name,
    /// Permissions that it grants, those of its roles included.
    pub ranks: Ranks,
    /// Predefined roles that its members hold by it.
    pub predefined: BTreeSet<Name>,
    /// Whether something that would lower one of its roles is invalid. If so, its members keep at most what the store
    /// holds.
    pub at_most: bool,
    /// Faults and advice.
    pub findings: Findings,
    /// Generation of the `UserGroup`.
    pub generation: i64,
}

/// Predefined roles after the overrides of an account are applied, in the catalog's order.
pub(super) struct Overridden {
    pub(super) ranks: Vec<Ranks>,
    /// For each role, whether an override of it is invalid, as a whole or in part.
    pub(super) at_most: Vec<bool>,
}

/// Roles to which references in an account can point.
pub(super) struct RolesInForce<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) predefined: &'a [Ranks],
    pub(super) at_most: &'a [bool],
    pub(super) custom: &'a BTreeMap<Name, ResolvedRole>,
    pub(super) account_type: AccountType,
}
