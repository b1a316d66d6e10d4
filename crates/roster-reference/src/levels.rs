//! Places on the ladders of a catalog.

use std::collections::BTreeMap;

use roster_core::api::{PermissionCatalogSpec, Section};

use crate::answer::NamedLevels;

/// Section name → place on its ladder; 0 is "no access". Every section of the catalog is there.
pub(crate) type Levels = BTreeMap<String, usize>;

/// The ladder of a section.
pub(crate) fn ladder(section: &Section) -> Vec<&str> {
    match &section.levels {
        Some(levels) => levels.iter().map(String::as_str).collect(),
        None => vec!["Denied", "Allowed"],
    }
}

/// The section of that name.
pub(crate) fn section<'a>(catalog: &'a PermissionCatalogSpec, name: &str) -> Option<&'a Section> {
    catalog.sections.iter().find(|section| section.name == name)
}

/// The place of a level on the ladder of a section, if both are known.
pub(crate) fn place(catalog: &PermissionCatalogSpec, name: &str, level: &str) -> Option<usize> {
    ladder(section(catalog, name)?).iter().position(|known| *known == level)
}

/// No access anywhere.
pub(crate) fn nothing(catalog: &PermissionCatalogSpec) -> Levels {
    catalog.sections.iter().map(|section| (section.name.clone(), 0)).collect()
}

/// Every section at its highest level.
pub(crate) fn everything(catalog: &PermissionCatalogSpec) -> Levels {
    catalog.sections.iter().map(|section| (section.name.clone(), ladder(section).len() - 1)).collect()
}

/// Per section the higher of two.
pub(crate) fn higher(one: &Levels, other: &Levels) -> Levels {
    one.iter().map(|(section, level)| (section.clone(), (*level).max(other[section]))).collect()
}

/// Per section the lower of two.
pub(crate) fn lower(one: &Levels, other: &Levels) -> Levels {
    one.iter().map(|(section, level)| (section.clone(), (*level).min(other[section]))).collect()
}

/// Step 4: every level whose prerequisite is not met drops to the highest one whose prerequisites are, until nothing changes.
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

/// Whether all that a level of a section requires is there.
fn prerequisites_hold(catalog: &PermissionCatalogSpec, section: &Section, level: usize, levels: &Levels) -> bool {
    section.requires.iter().all(|rule| {
        let from = place(catalog, &section.name, &rule.from);
        let needed = place(catalog, &rule.section, &rule.level);
        let applies = from.is_some_and(|from| level >= from);
        !applies || needed.is_some_and(|needed| levels[&rule.section] >= needed)
    })
}

/// Names of the levels above the first.
pub(crate) fn named(catalog: &PermissionCatalogSpec, levels: &Levels) -> NamedLevels {
    let above = catalog.sections.iter().filter(|section| levels[&section.name] > 0);
    above.map(|section| (section.name.clone(), ladder(section)[levels[&section.name]].to_owned())).collect()
}
