//! What catalog, roles and groups mean in one account: worked out once, then looked up for each member.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    AccountContent, Desired, DesiredDefinitions, DesiredMember, End, Ends, GroupContent, Origin, RoleContent,
    admission, member::local, role,
};
use crate::{
    api::{AccountType, ChangeFromDefault, MemberGroups, OwnerChange},
    model::{
        AccountKey, Catalog, Email, FieldPath, Finding, FindingKind, Findings, FindingsBuilder, KindName, Layout, Name,
        ObjectRef, Ranks, RoleName, Scope,
    },
    state::{CatalogFacts, RoleFacts, Snapshot, StoreFacts},
};

/// What is known of an account as a whole.
#[derive(Clone, Debug)]
pub struct Definitions {
    /// The account.
    pub account: AccountKey,
    /// Its generation.
    pub generation: i64,
    /// Whether it resolves as a whole.
    pub outlook: Outlook,
    /// Type of the account.
    pub account_type: AccountType,
    /// An explicit end of everybody's access.
    pub ended: Option<End>,
    /// The Account that manages this one, where its approval is missing.
    pub approver: Option<Origin>,
    /// The owner's address, whatever it grants; nobody else may have it.
    pub owner: Option<Email>,
    /// Whether the catalog has an owner role; absent where the catalog is missing, so that nobody can tell.
    pub has_owner_role: Option<bool>,
    /// Features of the account's plan.
    pub features: Vec<String>,
    /// Findings of the Account; [`Self::account_advice`] has more advice.
    pub findings: Findings,
    /// Faults of the Account for which everything in it is invalid; never empty.
    pub shared: Option<Arc<Findings>>,
    /// The account's Role objects, overrides included, by name.
    pub roles: BTreeMap<Name, ResolvedRole>,
    /// The account's groups, by name.
    pub groups: BTreeMap<Name, ResolvedGroup>,
    /// What a store should hold besides members; absent where the account does not resolve.
    pub desired: Option<Arc<DesiredDefinitions>>,
    /// The store, if it exists.
    pub store: Option<Arc<StoreFacts>>,
}

/// Whether an account resolves as a whole (docs/concepts.md "Effective permissions", last rule).
#[derive(Clone, Debug)]
pub enum Outlook {
    /// It does.
    Whole(Box<EffectiveCatalog>),
    /// Catalog, store or parent are missing, invalid or do not admit it: grants nothing new and keeps what is there.
    Unresolvable,
}

/// The catalog as it is in force in one account.
#[derive(Clone, Debug)]
pub struct EffectiveCatalog {
    /// The catalog's spec and what it compiles to.
    pub facts: Arc<CatalogFacts>,
    /// The same, compiled.
    pub catalog: Arc<Catalog>,
    /// What the predefined roles mean here, in the catalog's order.
    pub predefined: Vec<Ranks>,
    /// For each of them, whether an override of it is invalid: who has the role keeps at most what the store holds.
    pub at_most: Vec<bool>,
    /// The owner, where account and catalog both have one.
    pub owner: Option<ResolvedOwner>,
}

/// The owner of an account.
#[derive(Clone, Debug)]
pub struct ResolvedOwner {
    /// Address.
    pub email: Email,
    /// Name for people.
    pub display_name: Option<Box<str>>,
    /// Place of the owner role.
    pub role: usize,
}

/// A Role object, resolved.
#[derive(Clone, Debug)]
pub struct ResolvedRole {
    /// Title, or the name where there is none.
    pub title: Name,
    /// The predefined role it overrides.
    pub overrides: Option<Name>,
    /// What it grants; nothing where it is invalid as a whole.
    pub ranks: Ranks,
    /// Whether something that lowers it is invalid: who has the role keeps at most what the store holds.
    pub at_most: bool,
    /// Where an override differs from the catalog.
    pub changes_from_default: Vec<ChangeFromDefault>,
    /// Faults and advice.
    pub findings: Findings,
    /// Its generation.
    pub generation: i64,
    /// Whether it may be written to a store: not where it is invalid as a whole.
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

/// A group, resolved.
#[derive(Clone, Debug)]
pub struct ResolvedGroup {
    /// Title, or the name where there is none.
    pub title: Name,
    /// What it grants, its roles included.
    pub ranks: Ranks,
    /// Whether something that lowers one of its roles is invalid: who is in it keeps at most what the store holds.
    pub at_most: bool,
    /// Faults and advice.
    pub findings: Findings,
    /// Its generation.
    pub generation: i64,
}

/// The predefined roles as the overrides of an account leave them, in the catalog's order.
pub(super) struct Overridden {
    pub(super) ranks: Vec<Ranks>,
    /// Whether an override is invalid, as a whole or in a part.
    pub(super) at_most: Vec<bool>,
}

/// The roles that references of an account can mean.
pub(super) struct RolesInForce<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) predefined: &'a [Ranks],
    pub(super) at_most: &'a [bool],
    pub(super) custom: &'a BTreeMap<Name, ResolvedRole>,
    pub(super) account_type: AccountType,
}

/// Works out what an account's definitions mean.
pub(crate) fn definitions(snapshot: &Snapshot) -> Definitions {
    let account = &snapshot.account;
    let mut findings = FindingsBuilder::new(KindName::Account, &account.namespace, &account.name);
    let facts = admitted_catalog(snapshot, &mut findings);
    admitted_store(snapshot, &mut findings);
    let admitted = admission::check_parent(snapshot, &mut findings);
    let frozen = !findings.findings().is_valid();
    // Approval that is withdrawn ends access even where, for another reason, nothing else changes.
    let awaits_approval = admission::awaits_approval(snapshot);
    // Of a parent that does not admit the account nothing is revealed.
    let mut approver = None;
    if let Some(parent) = account.parent().filter(|_| awaits_approval && admitted) {
        let is_near = parent.namespace == account.namespace;
        let name = if is_near { parent.name.clone() } else { Name::from(parent.to_string()) };
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
        (true, _) => Some(End::AccountSuspended),
        (false, true) => Some(End::NotApproved),
        (false, false) => None,
    };

    let mut resolved = Definitions {
        account: account.key(),
        generation: account.generation,
        outlook: Outlook::Unresolvable,
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
            // Never an empty list.
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
        self.outlook = Outlook::Whole(Box::new(EffectiveCatalog { facts, catalog, predefined, at_most, owner }));
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
            // An owner who is missing or misspelt replaces nobody.
            owner_may_change: catalog.owner_role.is_none()
                || (facts.spec.owner_change == OwnerChange::ByPlatform && self.owner.is_some()),
            roles,
            groups,
            origin: Origin::new("Account", account.name.clone(), account.generation),
        }
    }

    /// Returns the desired content of the store within `scope`, where these are all its members, the owner included.
    pub(crate) fn desired(&self, scope: Scope, members: BTreeMap<Email, DesiredMember>) -> Desired {
        let layout = match &self.outlook {
            Outlook::Whole(whole) => whole.catalog.layout.clone(),
            Outlook::Unresolvable => Layout::default(),
        };
        let (account, definitions, ends) = (self.account.clone(), self.desired.clone(), self.ends());
        Desired { account, scope, layout, definitions, members, ends }
    }

    /// Ends that hold whatever the objects of the account say.
    #[must_use]
    pub fn ends(&self) -> Ends {
        let (approver, store) = (self.approver.clone(), self.store.clone());
        Ends { account: self.ended, generation: self.generation, approver, store }
    }
}
