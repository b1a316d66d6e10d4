//! Checks that no person holds what the catalog keeps apart (static separation of duty). Called by
//! `authority::judge`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Violation, view::Potential};
use crate::{
    api::SeparationRule,
    model::{Catalog, Email},
    resolve::EffectiveCatalog,
};

/// Returns the people who would hold more of what is kept apart than is allowed, and something of it that they did not
/// hold before. Suspension and times do not count: both would be possible once they end.
pub(super) fn violations(
    whole: &EffectiveCatalog,
    before: &BTreeMap<Email, Potential>,
    after: &BTreeMap<Email, Potential>,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for rule in &whole.facts.spec.separation {
        for (person, held) in after {
            let holds = kept_apart(rule, &whole.catalog, held);
            let had = || before.get(person).map(|held| kept_apart(rule, &whole.catalog, held)).unwrap_or_default();
            if holds.len() > usize::try_from(rule.maximum).unwrap_or(usize::MAX) && !holds.is_subset(&had()) {
                found.push(Violation::Separation {
                    person: person.clone(),
                    holds: holds.into_iter().collect(),
                    maximum: rule.maximum,
                    message: rule.message.clone(),
                });
            }
        }
    }
    found
}

/// Returns what a person holds of what a rule keeps apart, in words. A former catalog's ranks are compared in the layout
/// of the present one.
fn kept_apart(rule: &SeparationRule, catalog: &Catalog, held: &Potential) -> BTreeSet<String> {
    let reaches = |section: &str, level: &str| {
        let section = catalog.section(section)?;
        let rank = catalog.rank(section, level)?;
        Some(held.ranks.as_slice().get(section)? >= &rank)
    };
    let sections = rule.sections.iter().filter(|one| reaches(&one.name, &one.level) == Some(true));
    let sections = sections.map(|one| format!("{}: {}", one.name, one.level));
    let roles = rule.roles.iter().filter(|role| held.roles.contains(role.as_str()));
    sections.chain(roles.map(|role| format!("the role {role}"))).collect()
}
