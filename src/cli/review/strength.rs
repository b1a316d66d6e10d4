//! Determines the people with the strongest access in an account. Called by `review::account` and `review::stored`.

use std::collections::BTreeSet;

use crate::{
    api::{AdministrationAction, HeldBy, NOT_ENFORCED},
    model::{Layout, Ranks, RoleName},
    resolve::{AccountResolution, Definitions, EffectiveCatalog},
};

/// Criteria for strong roles and people in one account.
pub struct Strength<'a> {
    layout: &'a Layout,
    /// The catalog; absent where the account does not resolve as a whole, or only its store knows it.
    whole: Option<&'a EffectiveCatalog>,
    /// Roles that have the most sections at their highest level; not the owner role, nor the one that everybody has who
    /// names none.
    strongest: BTreeSet<RoleName>,
    /// Number of these sections.
    most: usize,
    /// The most sections that anybody but the owner has at their highest level.
    most_held: usize,
}

/// Sections at their highest level.
pub fn at_top(layout: &Layout, ranks: &Ranks) -> usize {
    let ladders = layout.ladders().iter();
    ladders.zip(ranks.as_slice()).filter(|(ladder, rank)| usize::from(**rank) + 1 == ladder.levels.len()).count()
}

impl<'a> Strength<'a> {
    /// Creates the criteria for an account with these sections. `held` are the permissions of its members, without the
    /// owner and members equal to the owner.
    pub fn new<'r>(
        layout: &'a Layout,
        definitions: Option<&'a Definitions>,
        held: impl Iterator<Item = &'r Ranks>,
    ) -> Self {
        let whole = definitions.and_then(|definitions| match &definitions.resolution {
            AccountResolution::Resolved(whole) => Some((definitions, &**whole)),
            AccountResolution::Unresolvable => None,
        });
        let (strongest, most) =
            whole.map(|(definitions, whole)| strongest_roles(definitions, whole)).unwrap_or_default();
        let most_held = held.map(|ranks| at_top(layout, ranks)).max().unwrap_or(0);
        Self { layout, whole: whole.map(|(_, whole)| whole), strongest, most, most_held }
    }

    /// Returns why a person is among the strongest; empty if not. `ranks` are the person's permissions.
    pub fn why(&self, role: Option<&RoleName>, is_owner: bool, equal_to_owner: bool, ranks: &Ranks) -> Vec<String> {
        let sections = self.layout.len();
        let mut why = Vec::new();
        if is_owner {
            why.push("owner".to_owned());
        }
        if equal_to_owner {
            why.push("equal to the owner".to_owned());
        }
        let top = at_top(self.layout, ranks);
        if top == sections && sections > 0 {
            why.push("every section at its highest level".to_owned());
        } else if let Some(role) = role.filter(|role| self.strongest.contains(*role)) {
            why.push(format!("role {role} has the most sections at their highest level ({})", self.most));
        } else if top > 0 && top == self.most_held {
            why.push(format!("has the most sections at their highest level ({top})"));
        }
        let administers = self.administers(role, ranks);
        if !administers.is_empty() {
            why.push(format!("by the catalog may {} ({NOT_ENFORCED})", shortened(&administers).join(", ")));
        }
        why
    }

    /// Actions on other people that the catalog's administration rules let somebody do.
    fn administers(&self, role: Option<&RoleName>, ranks: &Ranks) -> Vec<String> {
        let Some(whole) = self.whole else { return Vec::new() };
        let catalog = &whole.catalog;
        let rules = whole.facts.spec.administration.iter();
        let others = rules.filter(|rule| rule.action != AdministrationAction::EditOwnDetails);
        let held = others.filter(|rule| {
            let by_role = role.is_some_and(|role| rule.roles.iter().any(|name| *role == RoleName::predefined(name)));
            let by_level = rule.section.as_deref().zip(rule.level.as_deref()).is_some_and(|(section, level)| {
                let place = catalog.section(section);
                let needed = place.and_then(|place| catalog.rank(place, level));
                let has = place.and_then(|place| ranks.as_slice().get(place).copied());
                needed.zip(has).is_some_and(|(needed, has)| has >= needed)
            });
            by_role || by_level
        });
        held.map(|rule| format!("{:?}", rule.action)).collect()
    }
}

/// Returns the strongest roles, and the number of sections in which they have the highest level.
fn strongest_roles(definitions: &Definitions, whole: &EffectiveCatalog) -> (BTreeSet<RoleName>, usize) {
    let catalog = &whole.catalog;
    let layout = &catalog.layout;
    let predefined = std::iter::zip(&catalog.roles, &whole.predefined)
        .filter(|(role, _)| role.held_by == HeldBy::Members)
        .map(|(role, ranks)| (RoleName::predefined(&role.name), at_top(layout, ranks)));
    let custom = definitions.roles.iter().filter(|(_, role)| role.usable && role.overrides.is_none());
    let custom = custom.map(|(name, role)| (RoleName::custom(name), at_top(layout, &role.ranks)));
    let tops: Vec<(RoleName, usize)> = predefined.chain(custom).collect();
    let most = tops.iter().map(|(_, top)| *top).max().unwrap_or(0);
    let strongest = tops.into_iter().filter(|(_, top)| *top == most && most > 0).map(|(name, _)| name);
    (strongest.filter(|name| definitions.default_role().as_ref() != Some(name)).collect(), most)
}

/// Combines create, edit and delete of the same object into one entry.
fn shortened(actions: &[String]) -> Vec<String> {
    let verbs = ["Create", "Edit", "Delete"];
    let mut left: Vec<String> = actions.to_vec();
    for what in ["Members", "Groups", "Roles"] {
        let all: Vec<String> = verbs.iter().map(|verb| format!("{verb}{what}")).collect();
        if all.iter().all(|action| left.contains(action))
            && let Some(place) = left.iter().position(|action| all.contains(action))
        {
            left.insert(place, format!("Create/Edit/Delete{what}"));
            left.retain(|action| !all.contains(action));
        }
    }
    left
}
