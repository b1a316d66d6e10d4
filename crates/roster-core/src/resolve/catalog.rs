//! Returns the findings of a catalog alone, without any account. Called by reports and by `roster validate`.

use crate::{
    model::{FindingKind, Findings, FindingsBuilder, KindName, Name, RolePrerequisite},
    state::CatalogFacts,
};

impl CatalogFacts {
    /// Returns the rules that the catalog breaks; if it breaks none, advice on roles with levels whose prerequisites
    /// they do not include.
    #[must_use]
    pub fn findings(&self) -> Findings {
        let mut findings = FindingsBuilder::new(KindName::PermissionCatalog, "", &self.name);
        let catalog = match &self.compiled {
            Ok(catalog) => catalog,
            Err(faults) => {
                for fault in faults {
                    findings.add(fault.field.clone(), FindingKind::Catalog(fault.kind.clone()));
                }
                return findings.finish();
            }
        };
        for role in &catalog.roles {
            for rule in catalog.unmet(&role.ranks) {
                let rank = role.ranks.as_slice().get(rule.section).copied().unwrap_or(0);
                findings.add_whole(FindingKind::RoleCannotStandAlone(Box::new(RolePrerequisite {
                    role: role.name.clone(),
                    section: Name::new(catalog.section_name(rule.section)),
                    level: Name::new(catalog.level(rule.section, rank)),
                    needs: Name::new(catalog.section_name(rule.needs)),
                    at: Name::new(catalog.level(rule.needs, rule.level)),
                })));
            }
        }
        findings.finish()
    }
}
