//! Positions on the ladders of a catalog. Used by the other modules.

use std::collections::BTreeMap;

use roster_core::api::{PermissionCatalogSpec, Section};

use crate::answer::NamedLevels;

/// Position on the ladder by section name, for every section of the catalog; 0 is "no access".
pub(crate) type Levels = BTreeMap<String, usize>;

/// Returns the ladder of a section.
pub(crate) fn ladder(section: &Section) -> Vec<&str> {
    match &section.levels {
        Some(levels) => levels.iter().map(String::as_str).collect(),
        None => vec!["Denied", "Allowed"],
    }
}

/// Returns the section with this name.
pub(crate) fn section<'a>(catalog: &'a PermissionCatalogSpec, name: &str) -> Option<&'a Section> {
    catalog.sections.iter().find(|section| section.name == name)
}

/// Returns the position of a level on the ladder of a section, if both are known.
pub(crate) fn rank(catalog: &PermissionCatalogSpec, name: &str, level: &str) -> Option<usize> {
    ladder(section(catalog, name)?).iter().position(|known| *known == level)
}

/// Returns no access in every section.
pub(crate) fn nothing(catalog: &PermissionCatalogSpec) -> Levels {
    catalog.sections.iter().map(|section| (section.name.clone(), 0)).collect()
}

/// Returns the highest level of every section.
pub(crate) fn everything(catalog: &PermissionCatalogSpec) -> Levels {
    catalog.sections.iter().map(|section| (section.name.clone(), ladder(section).len() - 1)).collect()
}

/// Returns the higher level per section.
pub(crate) fn higher(one: &Levels, other: &Levels) -> Levels {
    one.iter().map(|(section, level)| (section.clone(), (*level).max(other[section]))).collect()
}

/// Returns the lower level per section.
pub(crate) fn lower(one: &Levels, other: &Levels) -> Levels {
    one.iter().map(|(section, level)| (section.clone(), (*level).min(other[section]))).collect()
}

/// Applies step 4: lowers each level with an unmet prerequisite to the highest level whose prerequisites are met, until
/// nothing changes.
pub(crate) fn reduced(catalog: &PermissionCatalogSpec, levels: &Levels) -> Levels {
    let mut levels = levels.clone();
    loop {
        let before = levels.clone();
        for section in &catalog.sections {
            let mut level = levels[&section.name];
            while level > 0 && !prerequisites_hold(catalog, section, level, &levels) {
                level -= 1;
            }
            levels.insert(section.name.clone(), level);
        }
        if levels == before {
            return levels;
        }
    }
}

/// Returns whether all prerequisites of a level are met.
fn prerequisites_hold(catalog: &PermissionCatalogSpec, section: &Section, level: usize, levels: &Levels) -> bool {
    section.requires.iter().all(|rule| {
        let from = rank(catalog, &section.name, &rule.from);
        let needed = rank(catalog, &rule.section, &rule.level);
        let applies = from.is_some_and(|from| level >= from);
        !applies || needed.is_some_and(|needed| levels[&rule.section] >= needed)
    })
}

/// Returns the names of all levels above the first.
pub(crate) fn named(catalog: &PermissionCatalogSpec, levels: &Levels) -> NamedLevels {
    let above = catalog.sections.iter().filter(|section| levels[&section.name] > 0);
    above.map(|section| (section.name.clone(), ladder(section)[levels[&section.name]].to_owned())).collect()
}
