//! How many hold each role, which advice and the removal guard ask for.

use std::collections::{BTreeSet, HashMap};

use super::{Definitions, Finding, Outlook, settings};
use crate::{
    model::{Name, RoleName},
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
            Outlook::Frozen => false,
        };
        self.members_with(role, refs) + u64::from(owns)
    }

    fn members_with(&self, role: &RoleName, refs: &RoleRefs) -> u64 {
        let count = |key: &Option<RoleName>| refs.get(key).copied().unwrap_or(0);
        let implicit = if self.default_role().as_ref() == Some(role) { count(&None) } else { 0 };
        count(&Some(role.clone())) + implicit
    }

    /// Roles that must not lose their last holder unasked, and that no membership holds.
    #[must_use]
    pub fn last_holders(&self, refs: &RoleRefs) -> BTreeSet<RoleName> {
        let guarded = self.guarded_roles().map(|name| RoleName::predefined(name));
        guarded.filter(|role| self.members_with(role, refs) == 0).collect()
    }

    /// What is advised on the Account: by its definitions, by how many hold each role, by what is looser than its store.
    #[must_use]
    pub fn account_advice(&self, facts: &AccountFacts, refs: &RoleRefs) -> Vec<String> {
        let mut all_holders: HashMap<RoleName, u64> = HashMap::new();
        if let Outlook::Whole(whole) = &self.outlook {
            for role in &whole.catalog.roles {
                let name = RoleName::predefined(&role.name);
                let count = self.holders(&name, refs);
                all_holders.insert(name, count);
            }
        }
        let mut advice = self.finding.advice.clone();
        advice.extend(self.holder_advice(&all_holders));
        if let Some(store) = &self.store {
            advice.extend(settings::looser(&store.spec, &facts.spec));
        }
        advice
    }

    /// What is to be said of a Role of this account.
    #[must_use]
    pub fn role_finding(&self, name: &Name) -> Finding {
        self.roles.get(name).map_or_else(|| self.shared_finding(), |role| role.finding.clone())
    }

    /// What is to be said of a `UserGroup` of this account.
    #[must_use]
    pub fn group_finding(&self, name: &Name) -> Finding {
        self.groups.get(name).map_or_else(|| self.shared_finding(), |group| group.finding.clone())
    }

    /// What is to be said of anything in the account, because of the Account.
    #[must_use]
    pub fn shared_finding(&self) -> Finding {
        Finding { faults: self.shared_fault.iter().cloned().collect(), advice: Vec::new() }
    }
}
