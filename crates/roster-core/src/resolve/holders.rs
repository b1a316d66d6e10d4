//! Counts the holders of each role, advises on the numbers, and names the roles that the removal guard protects. Called
//! by `report` for the Account's status and by `evaluate` for the guard.

use std::collections::HashMap;

use super::{AccountResolution, Definitions, settings};
use crate::{
    api::RoleAdvice,
    model::{Email, FieldPath, Finding, FindingKind, Findings, FindingsBuilder, KindName, Name, RoleName},
    state::{AccountFacts, RoleRefs},
};

impl Definitions {
    /// Returns the role of a member that names none; `None` if the catalog has no default role or the account does not
    /// resolve.
    #[must_use]
    pub fn default_role(&self) -> Option<RoleName> {
        let AccountResolution::Resolved(whole) = &self.resolution else { return None };
        whole.catalog.default_role.map(|index| RoleName::predefined(&whole.catalog.roles[index].name))
    }

    /// Returns the number of members that hold a role, the owner included.
    #[must_use]
    pub fn holders(&self, role: &RoleName, refs: &RoleRefs) -> u64 {
        let owns = match &self.resolution {
            AccountResolution::Resolved(whole) => whole
                .owner
                .as_ref()
                .is_some_and(|owner| RoleName::predefined(&whole.catalog.roles[owner.role].name) == *role),
            AccountResolution::Unresolvable => false,
        };
        self.members_with(role, refs) + u64::from(owns)
    }

    fn members_with(&self, role: &RoleName, refs: &RoleRefs) -> u64 {
        let count = |key: &Option<RoleName>| refs.get(key).copied().unwrap_or(0);
        let implicit = if self.default_role().as_ref() == Some(role) { count(&None) } else { 0 };
        count(&Some(role.clone())) + implicit
    }

    /// Returns advice on the number of holders of each role, on the Account (docs/runbook.md, `Advised`).
    #[must_use]
    pub fn holder_advice(&self, holders: &HashMap<RoleName, u64>) -> Findings {
        let AccountResolution::Resolved(whole) = &self.resolution else { return Findings::default() };
        let mut advice = FindingsBuilder::new(KindName::Account, &self.account.namespace, &self.account.name);
        for one in &whole.catalog.roles {
            let Some(rule) = &one.advice else { continue };
            let (role, holders) =
                (one.name.clone(), holders.get(&RoleName::predefined(&one.name)).copied().unwrap_or(0));
            let available = one.available_in.is_empty() || one.available_in.contains(&self.account_type);
            let message = || rule.message.as_deref().map(Box::from);
            advice.add_whole(match (rule.minimum_holders, rule.maximum_holders) {
                (Some(minimum), _) if available && holders < u64::from(minimum) => {
                    FindingKind::TooFewHolders { role, holders, minimum, message: message() }
                }
                (_, Some(maximum)) if holders > u64::from(maximum) => {
                    FindingKind::TooManyHolders { role, holders, maximum, message: message() }
                }
                (None, None) if holders > 0 => match message() {
                    Some(message) => FindingKind::RoleHeld { role, message },
                    None => continue,
                },
                _ => continue,
            });
        }
        advice.finish()
    }

    /// Returns the names of the predefined roles that must not lose their last holder without an approval, by the
    /// catalog's advice.
    pub fn guarded_roles(&self) -> impl Iterator<Item = &Name> {
        let whole = match &self.resolution {
            AccountResolution::Resolved(whole) => Some(whole),
            AccountResolution::Unresolvable => None,
        };
        whole
            .into_iter()
            .flat_map(|whole| &whole.catalog.roles)
            .filter(|role| role.advice.as_ref().is_some_and(RoleAdvice::needs_holder))
            .map(|role| &role.name)
    }

    /// Returns all advice on the Account: from its definitions, on the number of holders of each role, and on settings
    /// that are looser than the store's.
    #[must_use]
    pub fn account_advice(&self, facts: &AccountFacts, refs: &RoleRefs) -> Findings {
        let mut all_holders: HashMap<RoleName, u64> = HashMap::new();
        if let AccountResolution::Resolved(whole) = &self.resolution {
            for role in &whole.catalog.roles {
                let name = RoleName::predefined(&role.name);
                let count = self.holders(&name, refs);
                all_holders.insert(name, count);
            }
        }
        let mut advice: Findings = self.findings.advice().cloned().collect();
        advice.extend(self.holder_advice(&all_holders));
        if let Some(store) = &self.store {
            let mut of_store = FindingsBuilder::new(KindName::Account, &self.account.namespace, &self.account.name);
            settings::advise_on_settings(&store.spec, &facts.spec, &mut of_store);
            if self.owner.as_ref().is_some_and(|owner| store.blocked.contains_key(owner)) {
                of_store.add("spec.owner.email", FindingKind::OwnerBlocked(store.name.clone()));
            }
            advice.extend(of_store.finish());
        }
        advice
    }

    /// Returns the findings of the Account, with all advice on it.
    #[must_use]
    pub fn account_findings(&self, facts: &AccountFacts, refs: &RoleRefs) -> Findings {
        let mut findings = self.findings.clone();
        findings.set_advice(self.account_advice(facts, refs));
        findings
    }

    /// Returns the fault of an Account that names a new owner while the store keeps the former one, because the catalog
    /// does not let the owner change.
    #[must_use]
    pub fn owner_stays(&self, owner: &Email) -> Finding {
        let object = self.account.object();
        Finding { object, field: FieldPath::new("spec.owner.email"), kind: FindingKind::OwnerStays(owner.clone()) }
    }

    /// Returns the findings of a Role of this account; without such a resolved Role, those caused by the Account.
    #[must_use]
    pub fn role_findings(&self, name: &Name) -> Findings {
        let shared = || self.findings_of(KindName::Role, name).finish();
        self.roles.get(name).map_or_else(shared, |role| role.findings.clone())
    }

    /// Returns the findings of a `UserGroup` of this account; without such a resolved group, those caused by the
    /// Account.
    #[must_use]
    pub fn group_findings(&self, name: &Name) -> Findings {
        let shared = || self.findings_of(KindName::UserGroup, name).finish();
        self.groups.get(name).map_or_else(shared, |group| group.findings.clone())
    }

    /// Starts the findings of an object of this account with those that are caused by the Account.
    pub(super) fn findings_of<'a>(&'a self, kind: KindName, name: &'a Name) -> FindingsBuilder<'a> {
        let mut findings = FindingsBuilder::new(kind, &self.account.namespace, name);
        if let Some(shared) = &self.shared {
            findings.add_whole(FindingKind::Account(shared.clone()));
        }
        findings
    }
}
