//! Checks that no person holds what the catalog keeps apart (static separation of duty). Called by
//! `authority::judge`.

use std::collections::BTreeSet;

use super::{Violation, view::View};
use crate::{
    api::SeparationRule,
    model::{Catalog, Email, Name, Ranks, Scope},
    resolve::Access,
    state::SnapshotSource,
};

/// Returns the people of a scope who would hold more of what is kept apart than is allowed, and more of it than before.
/// Suspension and times do not count: both would be possible once they end.
pub(super) fn violations<S: SnapshotSource, T: SnapshotSource>(
    scope: &Scope,
    before: &View<'_, S>,
    after: &View<'_, T>,
) -> Vec<Violation> {
    let Some(whole) = after.whole().filter(|whole| !whole.facts.spec.separation.is_empty()) else { return Vec::new() };
    let mut found = Vec::new();
    for (person, held) in after.potentials(scope) {
        for rule in &whole.facts.spec.separation {
            let holds = after.kept_apart(rule, &person, Some(&held.ranks));
            let former = || before.potentials(&one(&person)).remove(&person).map(|held| held.ranks);
            let had = || before.kept_apart(rule, &person, former().as_ref());
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

fn one(person: &Email) -> Scope {
    Scope::Members([person.clone()].into())
}

impl<S: SnapshotSource> View<'_, S> {
    /// Returns what a person holds of what a rule keeps apart, in words.
    fn kept_apart(&self, rule: &SeparationRule, person: &Email, ranks: Option<&Ranks>) -> BTreeSet<String> {
        let Some(whole) = self.whole() else { return BTreeSet::new() };
        let catalog: &Catalog = &whole.catalog;
        let reaches = |section: &str, level: &str| {
            let section = catalog.section(section)?;
            let rank = catalog.rank(section, level)?;
            Some(ranks?.as_slice().get(section)? >= &rank)
        };
        let sections = rule.sections.iter().filter(|one| reaches(&one.name, &one.level) == Some(true));
        let mut held: BTreeSet<String> = sections.map(|one| format!("{}: {}", one.name, one.level)).collect();
        if !rule.roles.is_empty() {
            let roles = self.roles_of(person);
            let held_roles = rule.roles.iter().filter(|role| roles.contains(role.as_str()));
            held.extend(held_roles.map(|role| format!("the role {role}")));
        }
        held
    }

    /// Returns the predefined roles of a person, whether or not they are in effect at the moment.
    fn roles_of(&self, person: &Email) -> BTreeSet<Name> {
        let member = if self.owner() == Some(person) {
            self.prepared().definitions.owner_member().map(|(_, member)| member)
        } else {
            self.member(person).and_then(|member| member.desired)
        };
        match member.map(|member| member.access) {
            Some(Access::Exactly(content) | Access::AtMost(content)) => self.predefined_roles(&content),
            _ => BTreeSet::new(),
        }
    }
}
