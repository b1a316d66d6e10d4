//! Resolves what catalog, roles and groups mean in one account. Called once for each snapshot by `evaluate::prepare`;
//! members are then looked up in the result.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    AccountContent, AccountResolution, AccountRevocations, Definitions, Desired, DesiredDefinitions, DesiredMember,
    EffectiveCatalog, GroupContent, Origin, ResolvedOwner, ResolvedRole, RevocationReason, RoleContent, admission,
    member::local,
    resolved::{Overridden, RolesInForce},
    role,
};
use crate::{
    api::{AccountType, MemberGroups, OwnerChange},
    model::{
        Catalog, Email, FieldPath, Finding, FindingKind, Findings, FindingsBuilder, KindName, Layout, Name, ObjectRef,
        Ranks, RoleName, Scope,
    },
    state::{CatalogFacts, RoleFacts, Snapshot},
};

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
    let refused = admission::refuses(snapshot, KindName::PermissionCatalog, &name, &facts.spec.allowed_namespaces);
    findings.add_all(FIELD, refused);
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
        Some(store) => {
            let allowed = &store.spec.allowed_namespaces;
            findings.add_all(FIELD, admission::refuses(snapshot, KindName::IdentityStore, &name, allowed));
        }
    }
}

impl Definitions {
    /// Returns the roles to which references in this account can point.
    pub(super) fn roles_in_force<'a>(&'a self, whole: &'a EffectiveCatalog) -> RolesInForce<'a> {
        RolesInForce {
            catalog: &whole.catalog,
            predefined: &whole.predefined,
            at_most: &whole.at_most,
            custom: &self.roles,
            account_type: self.account_type,
        }
    }

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
