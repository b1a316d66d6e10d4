//! Resolves what catalog, roles and groups mean in one account. Called once for each snapshot by `evaluate::prepare`;
//! members are then looked up in the result.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    AccountContent, AccountRevocations, Desired, DesiredDefinitions, DesiredMember, GroupContent, Origin,
    RevocationReason, RoleContent, admission, member::local, role,
};
use crate::{
    api::{AccountType, ChangeFromDefault, MemberGroups, OwnerChange},
    model::{
        AccountKey, Catalog, Email, FieldPath, Finding, FindingKind, Findings, FindingsBuilder, KindName, Layout, Name,
        ObjectRef, Ranks, RoleName, Scope,
    },
    state::{CatalogFacts, RoleFacts, Snapshot, StoreFacts},
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
    /// Levels in which an override differs from the catalog.
    pub changes_from_default: Vec<ChangeFromDefault>,
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

/// Resolves the definitions of an account.
pub(crate) fn definitions(snapshot: &Snapshot) -> Definitions {
    let account = &snapshot.account;
    let mut findings = FindingsBuilder::new(KindName::Account, &account.namespace, &account.name);
    let facts = admitted_catalog(snapshot, &mut findings);
    admitted_store(snapshot, &mut findings);
    let admitted = admission::check_parent(snapshot, &mut findings);
    let frozen = !findings.findings().is_valid();
    // A withdrawn approval revokes access even if, for another reason, nothing else changes.
    let awaits_approval = admission::awaits_approval(snapshot);
    // Nothing is revealed about a parent that does not admit the account.
    let mut approver = None;
    if let Some(parent) = account.parent().filter(|_| awaits_approval && admitted) {
        let name = parent.seen_from(&account.namespace);
        approver = snapshot.parent.as_ref().map(|parent| Origin::new("Account", name, parent.generation));
        findings.add_whole(FindingKind::ApprovalPending(parent));
    }
    let shared = (!findings.findings().is_valid()).then(|| Arc::new(findings.findings().clone()));

    let owner = account.spec.owner.as_ref().and_then(|owner| match Email::parse(&owner.email) {
        Ok(email) => {
            findings.add_all("spec.owner.email", local(Some(&email)));
            Some(email)
        }
        Err(error) => {
            findings.add("spec.owner.email", FindingKind::AddressInvalid(Box::new(error)));
            None
        }
    });
    let account_type = match (account.spec.partner, &account.spec.parent_ref) {
        (true, _) => AccountType::Partner,
        (false, Some(_)) => AccountType::Managed,
        (false, None) => AccountType::Standalone,
    };
    let ended = match (account.spec.suspended, awaits_approval) {
        (true, _) => Some(RevocationReason::AccountSuspended),
        (false, true) => Some(RevocationReason::NotApproved),
        (false, false) => None,
    };

    let mut resolved = Definitions {
        account: account.key(),
        generation: account.generation,
        resolution: AccountResolution::Unresolvable,
        account_type,
        ended,
        approver,
        owner,
        has_owner_role: snapshot.catalog.as_ref().map(|facts| facts.spec.owner_role.is_some()),
        features: account.spec.plan.as_ref().map(|plan| plan.features.clone()).unwrap_or_default(),
        findings: findings.finish(),
        shared,
        roles: BTreeMap::new(),
        groups: BTreeMap::new(),
        desired: None,
        store: snapshot.store.clone(),
    };
    if let Some((facts, catalog)) = facts.filter(|_| !frozen) {
        resolved.resolve_whole(snapshot, facts, catalog);
    }
    resolved
}

fn admitted_catalog(
    snapshot: &Snapshot,
    findings: &mut FindingsBuilder<'_>,
) -> Option<(Arc<CatalogFacts>, Arc<Catalog>)> {
    const FIELD: &str = "spec.catalogRef";
    let name = Name::new(&snapshot.account.spec.catalog_ref.name);
    let Some(facts) = &snapshot.catalog else {
        findings.add(FIELD, FindingKind::CatalogMissing(name));
        return None;
    };
    if !admission::admits(&facts.spec.allowed_namespaces, snapshot.namespace_labels.as_deref()) {
        let (by, name, namespace) = (KindName::PermissionCatalog, name.clone(), snapshot.account.namespace.clone());
        findings.add(FIELD, FindingKind::NamespaceNotAdmitted { by, name, namespace });
    }
    match &facts.compiled {
        Ok(catalog) => Some((facts.clone(), catalog.clone())),
        Err(faults) => {
            // The list of faults is never empty.
            let first = faults.first().cloned().map(Box::new)?;
            findings.add(FIELD, FindingKind::CatalogBroken { catalog: name, first });
            None
        }
    }
}

fn admitted_store(snapshot: &Snapshot, findings: &mut FindingsBuilder<'_>) {
    const FIELD: &str = "spec.storeRef";
    let name = Name::new(&snapshot.account.spec.store_ref.name);
    match &snapshot.store {
        None => findings.add(FIELD, FindingKind::StoreMissing(name)),
        Some(store) if !admission::admits(&store.spec.allowed_namespaces, snapshot.namespace_labels.as_deref()) => {
            let (by, namespace) = (KindName::IdentityStore, snapshot.account.namespace.clone());
            findings.add(FIELD, FindingKind::NamespaceNotAdmitted { by, name, namespace });
        }
        Some(_) => {}
    }
}

impl Definitions {
    fn resolve_whole(&mut self, snapshot: &Snapshot, facts: Arc<CatalogFacts>, catalog: Arc<Catalog>) {
        let overrides: Vec<(&RoleFacts, &str)> =
            snapshot.roles.iter().filter_map(|role| Some((role.as_ref(), role.spec.overrides.as_deref()?))).collect();
        let (in_force, resolved) = role::apply_overrides(&self.account, &catalog, &overrides);
        for (index, role) in resolved {
            self.roles.insert(overrides[index].0.name.clone(), role);
        }
        let allowed = facts.spec.custom_roles.allowed;
        for role in snapshot.roles.iter().filter(|role| role.spec.overrides.is_none()) {
            let resolved = role::custom_role(&self.account, &catalog, allowed, role, &in_force, self.account_type);
            self.roles.insert(role.name.clone(), resolved);
        }
        let roles = RolesInForce {
            catalog: &catalog,
            predefined: &in_force.ranks,
            at_most: &in_force.at_most,
            custom: &self.roles,
            account_type: self.account_type,
        };
        let account = &self.account;
        let forbidden = facts.spec.members.groups == MemberGroups::Forbidden;
        self.groups = snapshot
            .groups
            .iter()
            .map(|group| (group.name.clone(), role::group(account, &catalog, forbidden, group, &roles)))
            .collect();
        if let Some(shared) = &self.shared {
            let namespace = &self.account.namespace;
            let add = |kind: KindName, name: &Name, findings: &mut Findings| {
                let object = ObjectRef { kind, namespace: namespace.clone(), name: name.clone() };
                findings.push(Finding { object, field: FieldPath::WHOLE, kind: FindingKind::Account(shared.clone()) });
            };
            self.roles.iter_mut().for_each(|(name, role)| add(KindName::Role, name, &mut role.findings));
            self.groups.iter_mut().for_each(|(name, group)| add(KindName::UserGroup, name, &mut group.findings));
        }

        let owner = self.resolve_owner(snapshot, &catalog);
        self.desired = Some(Arc::new(self.desired_definitions(snapshot, &facts, &catalog, &in_force.ranks)));
        let Overridden { ranks: predefined, at_most } = in_force;
        self.resolution =
            AccountResolution::Resolved(Box::new(EffectiveCatalog { facts, catalog, predefined, at_most, owner }));
    }

    fn resolve_owner(&mut self, snapshot: &Snapshot, catalog: &Catalog) -> Option<ResolvedOwner> {
        let spec = snapshot.account.spec.owner.as_ref();
        match (catalog.owner_role, &self.owner) {
            (Some(role), Some(email)) => Some(ResolvedOwner {
                email: email.clone(),
                display_name: spec.and_then(|owner| owner.display_name.as_deref()).map(Box::from),
                role,
            }),
            (Some(role), None) => {
                if spec.is_none() {
                    self.add_on_owner(FindingKind::OwnerMissing { role: catalog.roles[role].name.clone() });
                }
                None
            }
            (None, Some(_)) => {
                self.add_on_owner(FindingKind::OwnerWithoutRole);
                None
            }
            (None, None) => None,
        }
    }

    fn add_on_owner(&mut self, kind: FindingKind) {
        let object = self.account.object();
        self.findings.push(Finding { object, field: FieldPath::new("spec.owner"), kind });
    }

    fn desired_definitions(
        &self,
        snapshot: &Snapshot,
        facts: &CatalogFacts,
        catalog: &Catalog,
        predefined: &[Ranks],
    ) -> DesiredDefinitions {
        let account = &snapshot.account;
        let catalog_origin = Origin::new("PermissionCatalog", facts.name.clone(), facts.generation);
        let overrides =
            self.roles.iter().rev().filter_map(|(name, role)| Some((role.overrides.as_ref()?, (name, role))));
        let overrides: HashMap<&Name, (&Name, &ResolvedRole)> = overrides.collect();
        let mut roles = BTreeMap::new();
        for (role, ranks) in std::iter::zip(&catalog.roles, predefined) {
            let overriding = overrides.get(&role.name).filter(|_| role.overridable);
            let origin = overriding
                .map_or_else(|| catalog_origin.clone(), |(name, r)| Origin::new("Role", (*name).clone(), r.generation));
            let content = RoleContent { title: Name::new(&role.title), ranks: ranks.clone() };
            roles.insert(RoleName::predefined(&role.name), (content, origin));
        }
        for (name, role) in self.roles.iter().filter(|(_, role)| role.usable && role.overrides.is_none()) {
            let origin = Origin::new("Role", name.clone(), role.generation);
            let content = RoleContent { title: role.title.clone(), ranks: role.ranks.clone() };
            roles.insert(RoleName::custom(name), (content, origin));
        }
        let groups = self
            .groups
            .iter()
            .map(|(name, group)| {
                let origin = Origin::new("UserGroup", name.clone(), group.generation);
                (name.clone(), (GroupContent { title: group.title.clone(), ranks: group.ranks.clone() }, origin))
            })
            .collect();
        DesiredDefinitions {
            account: AccountContent {
                display_name: account.spec.display_name.as_deref().unwrap_or(&account.name).into(),
                catalog: facts.name.clone(),
                layout: catalog.layout.clone(),
                owner: self.owner.clone().filter(|_| catalog.owner_role.is_some()),
                parent: account.parent(),
                anomalies: Box::default(),
            },
            // A missing or misspelt owner must not replace the owner in the store.
            owner_may_change: catalog.owner_role.is_none()
                || (facts.spec.owner_change == OwnerChange::ByPlatform && self.owner.is_some()),
            roles,
            groups,
            origin: Origin::new("Account", account.name.clone(), account.generation),
        }
    }

    /// Returns the desired content of the store within `scope`; `members` must be all its members there, the owner
    /// included.
    pub(crate) fn desired(&self, scope: Scope, members: BTreeMap<Email, DesiredMember>) -> Desired {
        let layout = match &self.resolution {
            AccountResolution::Resolved(whole) => whole.catalog.layout.clone(),
            AccountResolution::Unresolvable => Layout::default(),
        };
        let (account, definitions, ends) = (self.account.clone(), self.desired.clone(), self.ends());
        Desired { account, scope, layout, definitions, members, ends }
    }

    /// Returns the revocations that apply regardless of the account's Memberships.
    #[must_use]
    pub fn ends(&self) -> AccountRevocations {
        let (approver, store) = (self.approver.clone(), self.store.clone());
        AccountRevocations { account: self.ended, generation: self.generation, approver, store }
    }
}
