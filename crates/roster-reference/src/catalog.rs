//! Checks the rules of a catalog itself. Called by `account` and `scope`.

use std::collections::BTreeSet;

use roster_core::api::{HeldBy, PermissionCatalogSpec, Permissions};

use crate::levels::{ladder, rank, section};

/// Returns whether a catalog keeps its own rules. An account does not resolve if its catalog breaks them.
pub(crate) fn keeps_its_rules(catalog: &PermissionCatalogSpec) -> bool {
    sections_are_sound(catalog)
        && prerequisites_lead_somewhere(catalog)
        && !prerequisites_run_in_a_circle(catalog)
        && restrictions_are_sound(catalog)
        && roles_are_sound(catalog)
        && role_names_lead_somewhere(catalog)
        && administration_is_sound(catalog)
}

fn differ<T: Ord>(names: impl Iterator<Item = T>) -> bool {
    let mut seen = BTreeSet::new();
    names.into_iter().all(|name| seen.insert(name))
}

fn sections_are_sound(catalog: &PermissionCatalogSpec) -> bool {
    !catalog.sections.is_empty()
        && differ(catalog.sections.iter().map(|section| &section.name))
        && catalog.sections.iter().all(|section| {
            let levels = ladder(section);
            let below_the_last = &levels[..levels.len().saturating_sub(1)];
            levels.len() >= 2
                && differ(levels.iter())
                && section.advisories.iter().all(|advisory| below_the_last.contains(&advisory.above.as_str()))
        })
}

/// Checks that `from` is above the first level, and that the rule names an existing level of another section.
fn prerequisites_lead_somewhere(catalog: &PermissionCatalogSpec) -> bool {
    catalog.sections.iter().all(|section| {
        section.requires.iter().all(|rule| {
            rank(catalog, &section.name, &rule.from).is_some_and(|from| from > 0)
                && rule.section != section.name
                && rank(catalog, &rule.section, &rule.level).is_some()
        })
    })
}

/// Returns whether a level requires itself, directly or indirectly. A level also requires what the levels below it
/// require.
fn prerequisites_run_in_a_circle(catalog: &PermissionCatalogSpec) -> bool {
    let needed_by = |name: &str, level: usize| {
        let rules = section(catalog, name).map(|section| section.requires.as_slice()).unwrap_or_default();
        let applying = rules.iter().filter(|rule| rank(catalog, name, &rule.from).is_some_and(|from| from <= level));
        let needed =
            applying.filter_map(|rule| Some((rule.section.clone(), rank(catalog, &rule.section, &rule.level)?)));
        needed.filter(|(_, level)| *level > 0).collect::<Vec<_>>()
    };
    catalog.sections.iter().any(|start| {
        (1..ladder(start).len()).any(|level| {
            let mut reached = BTreeSet::new();
            let mut open = needed_by(&start.name, level);
            while let Some(next) = open.pop() {
                if reached.insert(next.clone()) {
                    open.extend(needed_by(&next.0, next.1));
                }
            }
            // Requiring a higher level of the same section is a cycle, too: that level includes this one.
            reached.iter().any(|(name, needed)| *name == start.name && *needed >= level)
        })
    })
}

fn cells_are_known(catalog: &PermissionCatalogSpec, cells: &Permissions) -> bool {
    cells.iter().all(|(name, level)| rank(catalog, name, level).is_some())
}

fn sections_are_known(catalog: &PermissionCatalogSpec, names: &[String]) -> bool {
    names.iter().all(|name| section(catalog, name).is_some())
}

fn restrictions_are_sound(catalog: &PermissionCatalogSpec) -> bool {
    differ(catalog.restrictions.iter().map(|restriction| &restriction.name))
        && catalog.restrictions.iter().all(|restriction| {
            cells_are_known(catalog, &restriction.caps)
                // Without an owner role there is no access to be equal to.
                && (!restriction.lifting.grants_owner_access || catalog.owner_role.is_some())
        })
}

fn roles_are_sound(catalog: &PermissionCatalogSpec) -> bool {
    differ(catalog.roles.iter().map(|role| &role.name))
        && catalog.roles.iter().all(|role| {
            cells_are_known(catalog, &role.permissions)
                && sections_are_known(catalog, &role.not_applicable)
                && (!role.all_permissions || role.permissions.is_empty())
                && role.not_applicable.iter().all(|name| {
                    // Permissions may only name "no access" for it.
                    role.permissions.get(name).is_none_or(|level| rank(catalog, name, level) == Some(0))
                })
                && role.advice.as_ref().is_none_or(|advice| {
                    let (minimum, maximum) = (advice.minimum_holders, advice.maximum_holders);
                    minimum.is_none_or(|minimum| maximum.is_none_or(|maximum| minimum <= maximum))
                })
        })
        && sections_are_known(catalog, &catalog.custom_roles.not_applicable)
}

/// Checks that the owner role exists and is not overridable, and that the default role exists and members can hold it.
fn role_names_lead_somewhere(catalog: &PermissionCatalogSpec) -> bool {
    let role = |name: &String| catalog.roles.iter().find(|role| role.name == *name);
    let owner = catalog.owner_role.as_ref().is_none_or(|name| role(name).is_some_and(|role| !role.overridable));
    let default = catalog.default_role.as_ref();
    owner && default.is_none_or(|name| role(name).is_some_and(|role| role.held_by == HeldBy::Members))
}

fn administration_is_sound(catalog: &PermissionCatalogSpec) -> bool {
    differ(catalog.administration.iter().map(|rule| rule.action))
        && catalog.administration.iter().all(|rule| {
            let cell = match (&rule.section, &rule.level) {
                (Some(section), Some(level)) => rank(catalog, section, level).is_some(),
                (None, None) => true,
                _ => false,
            };
            cell && rule.roles.iter().all(|name| catalog.roles.iter().any(|role| role.name == *name))
        })
}
