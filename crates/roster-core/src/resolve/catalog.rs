//! Returns the findings of a catalog alone, without any account. Called by reports and by `roster validate`.

use crate::{
    api::PermissionCatalogSpec,
    model::{
        Catalog, FieldPath, FindingKind, Findings, FindingsBuilder, KindName, Name, RolePrerequisite, WithoutEffect,
    },
    state::CatalogFacts,
};

impl CatalogFacts {
    /// Returns the rules that the catalog breaks; if it breaks none, advice on rules without effect, and on roles with
    /// levels whose prerequisites they do not include.
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
        rules_without_effect(&self.spec, catalog, &mut findings);
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

/// Advises on prerequisites that everybody fulfils, caps that lower nothing, and separations that keep nothing apart.
fn rules_without_effect(spec: &PermissionCatalogSpec, catalog: &Catalog, findings: &mut FindingsBuilder<'_>) {
    let mut add = |field: FieldPath, part| findings.add(field, FindingKind::WithoutEffect(Box::new(part)));
    let rank = |section: &str, level: &str| {
        let index = catalog.section(section)?;
        let highest = catalog.layout.ladders().get(index)?.levels.len().saturating_sub(1);
        Some((usize::from(catalog.rank(index, level)?), highest))
    };
    for section in &spec.sections {
        let field = || FieldPath::spec("sections").item(&section.name).field("requires");
        for requirement in &section.requires {
            if let Some((0, _)) = rank(&requirement.section, &requirement.level) {
                let (section, level) = (Name::new(&requirement.section), Name::new(&requirement.level));
                add(field(), WithoutEffect::Requires { section, level });
            }
        }
    }
    for restriction in &spec.restrictions {
        let field = || FieldPath::spec("restrictions").item(&restriction.name).field("caps");
        for (section, level) in &restriction.caps {
            if rank(section, level).is_some_and(|(rank, highest)| rank == highest) {
                add(field(), WithoutEffect::Cap { section: Name::new(section), level: Name::new(level) });
            }
        }
    }
    for (index, rule) in spec.separation.iter().enumerate() {
        let named = rule.roles.len() + rule.sections.len();
        if usize::try_from(rule.maximum).is_ok_and(|maximum| maximum >= named) {
            let field = FieldPath::spec("separation").item(&index.to_string());
            add(field, WithoutEffect::Separation { maximum: rule.maximum, named });
        }
    }
}
