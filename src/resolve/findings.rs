//! What is to be said of every object there is.

use super::{CatalogFacts, Finding, Objects};
use crate::{
    api::InvalidReason,
    model::{AccountKey, Name, Ranks},
};

/// What is to be said of one object.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace; empty for a cluster-scoped one.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// Faults and advice.
    pub finding: Finding,
}

impl CatalogFacts {
    /// What is to be said of the catalog itself.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let mut finding = Finding::default();
        match &self.compiled {
            Err(faults) => {
                for fault in faults {
                    finding.fault(InvalidReason::CatalogInvalid, fault.to_string());
                }
            }
            Ok(catalog) => {
                for role in &catalog.roles {
                    for rule in catalog.unmet(&role.ranks) {
                        finding.advise(format!(
                            "role {}: {} at {} needs {} at {}, which must come from elsewhere",
                            role.name,
                            catalog.section_name(rule.section),
                            catalog.level(rule.section, level_of(&role.ranks, rule.section)),
                            catalog.section_name(rule.needs),
                            catalog.level(rule.needs, rule.level),
                        ));
                    }
                }
            }
        }
        finding
    }
}

fn level_of(ranks: &Ranks, section: usize) -> u8 {
    ranks.as_slice().get(section).copied().unwrap_or(0)
}

impl Finding {
    /// What is to be said of an object whose account does not exist.
    #[must_use]
    pub fn without_account(account: &str, namespace: &str) -> Self {
        let mut finding = Self::default();
        let message = format!("spec.accountRef: there is no Account {account:?} in namespace {namespace:?}");
        finding.fault(InvalidReason::AccountNotFound, message);
        finding
    }
}

impl Objects {
    /// What is to be said of each catalog, and of each of these accounts and everything in them, by kind and name.
    #[must_use]
    pub fn findings<'a>(&self, accounts: impl Iterator<Item = &'a AccountKey>) -> Vec<Said> {
        let catalogs = self.catalogs.iter().map(|(name, facts)| Said {
            kind: "PermissionCatalog",
            namespace: Name::default(),
            name: name.clone(),
            finding: facts.finding(),
        });
        let mut all: Vec<Said> = catalogs.collect();
        accounts.for_each(|key| self.findings_of(key, &mut all));
        all
    }

    fn findings_of(&self, key: &AccountKey, all: &mut Vec<Said>) {
        let Some(entry) = self.accounts.get(key) else { return };
        let mut say = |kind, name: &Name, finding| {
            all.push(Said { kind, namespace: key.namespace.clone(), name: name.clone(), finding });
        };
        let Some((resolved, account)) = self.resolve(key).zip(entry.account.as_ref()) else {
            let orphan = || Finding::without_account(&key.name, &key.namespace);
            entry.roles.keys().for_each(|name| say("Role", name, orphan()));
            entry.groups.keys().for_each(|name| say("UserGroup", name, orphan()));
            entry.members.keys().for_each(|name| say("Membership", name, orphan()));
            entry.invitations.keys().for_each(|name| say("Invitation", name, orphan()));
            return;
        };
        let definitions = &resolved.definitions;
        let advice = definitions.account_advice(account, &entry.role_refs());
        say("Account", &key.name, Finding { advice, ..definitions.finding.clone() });
        entry.roles.keys().for_each(|name| say("Role", name, definitions.role_finding(name)));
        entry.groups.keys().for_each(|name| say("UserGroup", name, definitions.group_finding(name)));
        for ((_, facts), member) in std::iter::zip(entry.addresses(), &resolved.members) {
            for (one, view) in std::iter::zip(facts, &member.views) {
                say("Membership", &one.name, view.finding.clone());
            }
        }
        for one in entry.members.values().filter(|one| one.email.is_err()) {
            say("Membership", &one.name, definitions.unaddressed(one).finding);
        }
        for invitation in entry.invitations.values() {
            say("Invitation", &invitation.name, definitions.invitation(invitation));
        }
    }
}
