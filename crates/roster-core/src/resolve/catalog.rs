//! What is to be said of a catalog by itself.

use super::Finding;
use crate::{api::InvalidReason, state::CatalogFacts};

impl CatalogFacts {
    /// How it breaks its own rules; else, which of its roles cannot stand alone.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let mut finding = Finding::default();
        let catalog = match &self.compiled {
            Ok(catalog) => catalog,
            Err(faults) => {
                for fault in faults {
                    finding.fault(InvalidReason::CatalogInvalid, fault.to_string());
                }
                return finding;
            }
        };
        for role in &catalog.roles {
            for rule in catalog.unmet(&role.ranks) {
                let rank = role.ranks.as_slice().get(rule.section).copied().unwrap_or(0);
                finding.advise(format!(
                    "role {}: {} at {} needs {} at {}, which must come from elsewhere",
                    role.name,
                    catalog.section_name(rule.section),
                    catalog.level(rule.section, rank),
                    catalog.section_name(rule.needs),
                    catalog.level(rule.needs, rule.level),
                ));
            }
        }
        finding
    }
}
