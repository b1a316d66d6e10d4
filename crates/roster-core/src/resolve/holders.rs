//! How many hold each role, which advice asks for, and which roles the removal guard looks after.

use std::collections::HashMap;

use super::{Definitions, Outlook, settings};
use crate::{
    api::RoleAdvice,
    model::{Email, FieldPath, Finding, FindingKind, Findings, FindingsBuilder, KindName, Name, RoleName},
    state::{AccountFacts, RoleRefs},
};

impl Definitions {
    /// The role of a member that names none.
    #[must_use]
    pub fn default_role(&self) -> Option<RoleName> {
        let Outlook::Whole(whole) = &self.outlook else { return None };
        whole.catalog.default_role.map(|place| RoleName::predefined(&whole.catalog.roles[place].name))
    }

    /// Members that hold a role, the owner included.
    #[must_use]
    pub fn holders(&self, role: &RoleName, refs: &RoleRefs) -> u64 {
        let owns = match &self.outlook {
            Outlook::Whole(whole) => whole
                .owner
                .as_ref()
                .is_some_and(|owner| RoleName::predefined(&whole.catalog.roles[owner.role].name) == *role),
            Outlook::Unresolvable => false,
        };
        self.members_with(role, refs) + u64::from(owns)
    }

    fn members_with(&self, role: &RoleName, refs: &RoleRefs) -> u64 {
        let count = |key: &Option<RoleName>| refs.get(key).copied().unwrap_or(0);
        let implicit = if self.default_role().as_ref() == Some(role) { count(&None) } else { 0 };
        count(&Some(role.clone())) + implicit
    }

    /// Returns advice on how many hold each role, on the Account (docs/runbook.md, `Advised`).
    #[must_use]
    pub fn holder_advice(&self, holders: &HashMap<RoleName, u64>) -> Findings {
        let Outlook::Whole(whole) = &self.outlook else { return Findings::default() };
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

    /// The advice of the catalog on role numbers: which roles must not lose their last holder unasked.
    pub fn guarded_roles(&self) -> impl Iterator<Item = &Name> {
        let whole = match &self.outlook {
            Outlook::Whole(whole) => Some(whole),
            Outlook::Unresolvable => None,
        };
        whole
            .into_iter()
            .flat_map(|whole| &whole.catalog.roles)
            .filter(|role| role.advice.as_ref().is_some_and(RoleAdvice::needs_holder))
            .map(|role| &role.name)
    }

    /// Returns all advice on the Account: of its definitions, on how many hold each role, on what is looser than its store.
    #[must_use]
    pub fn account_advice(&self, facts: &AccountFacts, refs: &RoleRefs) -> Findings {
        let mut all_holders: HashMap<RoleName, u64> = HashMap::new();
        if let Outlook::Whole(whole) = &self.outlook {
            for role in &whole.catalog.roles {
                let name = RoleName::predefined(&role.name);
                let count = self.holders(&name, refs);
                all_holders.insert(name, count);
            }
        }
        let mut advice: Findings = self.findings.advice().cloned().collect();
        advice.extend(self.holder_advice(&all_holders));
        if let Some(store) = &self.store {
            let mut looser = FindingsBuilder::new(KindName::Account, &self.account.namespace, &self.account.name);
            settings::advise_on_settings(&store.spec, &facts.spec, &mut looser);
            advice.extend(looser.finish());
        }
        advice
    }

    /// Returns the findings of the Account, all advice on it included.
    #[must_use]
    pub fn account_findings(&self, facts: &AccountFacts, refs: &RoleRefs) -> Findings {
        let mut findings = self.findings.clone();
        findings.set_advice(self.account_advice(facts, refs));
        findings
    }

    /// Returns the fault of an Account whose store keeps another owner than it names, since the catalog wants it so.
    #[must_use]
    pub fn owner_stays(&self, owner: &Email) -> Finding {
        let object = self.account.object();
        Finding { object, field: FieldPath::new("spec.owner.email"), kind: FindingKind::OwnerStays(owner.clone()) }
    }

    /// Returns the findings of a Role of this account.
    #[must_use]
    pub fn role_findings(&self, name: &Name) -> Findings {
        let shared = || self.findings_of(KindName::Role, name).finish();
        self.roles.get(name).map_or_else(shared, |role| role.findings.clone())
    }

    /// Returns the findings of a `UserGroup` of this account.
    #[must_use]
    pub fn group_findings(&self, name: &Name) -> Findings {
        let shared = || self.findings_of(KindName::UserGroup, name).finish();
        self.groups.get(name).map_or_else(shared, |group| group.findings.clone())
    }

    /// Begins with the findings of something in the account: with those it has because of the Account.
    pub(super) fn findings_of<'a>(&'a self, kind: KindName, name: &'a Name) -> FindingsBuilder<'a> {
        let mut findings = FindingsBuilder::new(kind, &self.account.namespace, name);
        if let Some(shared) = &self.shared {
            findings.add_whole(FindingKind::Account(shared.clone()));
        }
        findings
    }
}
