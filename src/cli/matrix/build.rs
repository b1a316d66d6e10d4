//! Builds the matrix of a catalog or an account. Called by `roster matrix`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    Rows,
    grid::{AccessMatrix, Cell, MatrixChange, MatrixRow, MatrixSection, Without},
};
use crate::{
    cli::{
        ask::{Held, Subject, explanations, time_note, withheld},
        output::API_VERSION,
        people::Person,
    },
    model::{Catalog, Explanation, Findings, Layout, Name, Ranks, Step},
    resolve::{AccountResolution, Definitions, EffectiveCatalog},
    state::CatalogFacts,
};

/// Returns the matrix of a catalog's defaults.
pub(super) fn of_catalog(facts: &CatalogFacts, catalog: &Catalog) -> AccessMatrix {
    let mut rows: Vec<MatrixRow> = catalog
        .roles
        .iter()
        .map(|role| {
            let cells = role_cells(catalog, &role.ranks, &role.not_applicable);
            row(&role.name, &role.title, String::new(), cells)
        })
        .collect();
    if facts.spec.custom_roles.allowed {
        let cells = role_cells(catalog, &catalog.no_access(), &catalog.custom_not_applicable);
        rows.push(row("(custom)", "Roles of an account", "no access unless set".to_owned(), cells));
    }
    let notes = unmet_notes(catalog, catalog.roles.iter().map(|role| (role.name.as_str(), &role.ranks)));
    finish(None, None, &facts.name, Rows::Roles, Some(catalog), &catalog.layout, rows, Vec::new(), notes)
}

/// Returns the matrix of an account's effective levels.
///
/// # Errors
/// When the account does not resolve as a whole, so that roles and groups mean nothing, or nothing is known of its sections.
pub(super) fn of_account(subject: &Subject<'_>, rows: Rows, now: Timestamp) -> anyhow::Result<AccessMatrix> {
    let definitions = &subject.resolved.definitions;
    let frozen = || subject.frozen().unwrap_or_default();
    let whole = match &definitions.resolution {
        AccountResolution::Resolved(whole) => Some(whole.as_ref()),
        AccountResolution::Unresolvable => None,
    };
    let rows_are = rows;
    let (rows, changes, notes) = match (rows_are, whole) {
        (Rows::People, _) => {
            anyhow::ensure!(
                !subject.layout.is_empty(),
                "account {} does not resolve, and only its store has its sections: {}",
                subject.key,
                frozen()
            );
            let notes = whole.is_none().then(|| format!("The account keeps the content of its store: {}", frozen()));
            (people(subject, now), Vec::new(), notes.into_iter().collect())
        }
        (_, None) => anyhow::bail!("account {} does not resolve: {}", subject.key, frozen()),
        (Rows::Roles, Some(whole)) => {
            let (rows, notes) = roles(definitions, whole);
            (rows, changes(definitions, whole), notes)
        }
        (Rows::Groups, Some(whole)) => {
            let (rows, notes) = groups(definitions, &whole.catalog);
            (rows, Vec::new(), notes)
        }
    };
    let account = subject.objects.account.as_ref();
    let title = account.and_then(|account| account.spec.display_name.clone());
    let catalog = account.map(|account| Name::new(&account.spec.catalog_ref.name)).unwrap_or_default();
    let key = Some(subject.key.to_string());
    let compiled = subject.catalog.as_deref();
    Ok(finish(key, title, &catalog, rows_are, compiled, &subject.layout, rows, changes, notes))
}

#[allow(clippy::too_many_arguments, reason = "each is one part of the whole")]
pub(super) fn finish(
    account: Option<String>,
    title: Option<String>,
    catalog: &Name,
    rows_are: Rows,
    compiled: Option<&Catalog>,
    layout: &Layout,
    mut rows: Vec<MatrixRow>,
    changes: Vec<MatrixChange>,
    notes: Vec<String>,
) -> AccessMatrix {
    let sections = layout.ladders().iter().enumerate().map(|(place, ladder)| {
        let section = compiled.and_then(|catalog| catalog.sections.get(place));
        MatrixSection {
            name: ladder.section.to_string(),
            title: section.map_or_else(|| ladder.section.to_string(), |section| section.title.clone()),
            category: section.and_then(|section| section.category.clone()),
            levels: ladder.levels.iter().map(ToString::to_string).collect(),
        }
    });
    let sections: Vec<MatrixSection> = sections.collect();
    // Sections of one category are adjacent, at the position of the first one.
    let mut first: BTreeMap<Option<String>, usize> = BTreeMap::new();
    let mut order: Vec<(usize, usize)> = Vec::new();
    for (place, section) in sections.iter().enumerate() {
        order.push((*first.entry(section.category.clone()).or_insert(place), place));
    }
    order.sort_unstable();
    for row in &mut rows {
        row.cells = order.iter().filter_map(|(_, place)| row.cells.get(*place).cloned()).collect();
    }
    let mut sections: Vec<Option<MatrixSection>> = sections.into_iter().map(Some).collect();
    let sections = order.iter().filter_map(|(_, place)| sections.get_mut(*place)?.take()).collect();
    let (api_version, kind, catalog) = (API_VERSION, "AccessMatrix", catalog.to_string());
    AccessMatrix { api_version, kind, account, title, catalog, rows_are, sections, rows, changes, notes }
}

pub(super) fn row(name: &str, title: &str, note: String, cells: Vec<Cell>) -> MatrixRow {
    MatrixRow { name: name.to_owned(), title: title.to_owned(), note, cells }
}

/// Cells of a role or group as it is by itself.
fn role_cells(catalog: &Catalog, ranks: &Ranks, not_applicable: &BTreeSet<usize>) -> Vec<Cell> {
    let ladders = catalog.layout.ladders().iter().zip(ranks.as_slice()).enumerate();
    let mut cells: Vec<Cell> = ladders
        .map(|(place, (ladder, rank))| {
            // A level that is granted nevertheless is effective, so it is shown.
            if not_applicable.contains(&place) && *rank == 0 {
                Cell::without(Without::NotApplicable)
            } else {
                Cell::level(&ladder.levels, *rank)
            }
        })
        .collect();
    for rule in catalog.unmet(ranks) {
        let (needs, level) = (catalog.section_name(rule.needs), catalog.level(rule.needs, rule.level));
        if let Some(cell) = cells.get_mut(rule.section) {
            let and = cell.needs.take().map_or_else(String::new, |before| before + ", ");
            cell.needs = Some(format!("{and}{needs} at {level}"));
        }
    }
    cells
}

/// Returns notes on prerequisites that roles or groups do not meet themselves.
fn unmet_notes<'a>(catalog: &Catalog, all: impl Iterator<Item = (&'a str, &'a Ranks)>) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, ranks) in all {
        let mut needs: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for rule in catalog.unmet(ranks) {
            let need = format!("{} at {}", catalog.section_name(rule.needs), catalog.level(rule.needs, rule.level));
            needs.entry(rule.section).or_default().push(need);
        }
        // Sections with equal requirements share a line.
        let mut by_needs: Vec<(String, Vec<String>)> = Vec::new();
        for (section, needs) in needs {
            let level = catalog.level(section, ranks.as_slice()[section]);
            let (cell, needs) = (format!("{level} of {}", catalog.section_name(section)), needs.join(", "));
            match by_needs.iter_mut().find(|(known, _)| *known == needs) {
                Some((_, cells)) => cells.push(cell),
                None => by_needs.push((needs, vec![cell])),
            }
        }
        let line = |(needs, cells): (String, Vec<String>)| {
            let verb = if cells.len() == 1 { "needs" } else { "need" };
            format!("↓ {name}: {} {verb} {needs} from another role or group.", cells.join(", "))
        };
        notes.extend(by_needs.into_iter().map(line));
    }
    notes
}

fn roles(definitions: &Definitions, whole: &EffectiveCatalog) -> (Vec<MatrixRow>, Vec<String>) {
    let catalog = whole.catalog.as_ref();
    let mut rows = Vec::new();
    let mut shown: Vec<(&str, &Ranks)> = Vec::new();
    let mut absent = Vec::new();
    for (place, (role, ranks)) in std::iter::zip(&catalog.roles, &whole.predefined).enumerate() {
        if !definitions.is_available(place) {
            absent.push(role.name.as_str());
            continue;
        }
        let mut cells = role_cells(catalog, ranks, &role.not_applicable);
        for (section, cell) in cells.iter_mut().enumerate() {
            let (default, now) = (role.ranks.as_slice()[section], ranks.as_slice()[section]);
            cell.default = (default != now).then(|| catalog.level(section, default).to_owned());
        }
        let note = if catalog.owner_role == Some(place) { "owner" } else { "" };
        rows.push(row(&role.name, &role.title, note.to_owned(), cells));
        shown.push((&role.name, ranks));
    }
    for (name, role) in definitions.roles.iter().filter(|(_, role)| role.overrides.is_none()) {
        let cells = role_cells(catalog, &role.ranks, &catalog.custom_not_applicable);
        let note = if role.usable { "custom" } else { "custom, invalid" };
        rows.push(row(name, &role.title, note.to_owned(), cells));
        shown.push((name, &role.ranks));
    }
    let mut notes = unmet_notes(catalog, shown.into_iter());
    if rows.is_empty() {
        notes.push("There are no roles here; pass --rows groups for the groups.".to_owned());
    }
    if !absent.is_empty() {
        let names = absent.join(", ");
        notes.push(format!("Roles that members of this account cannot have are omitted: {names}."));
    }
    (rows, notes)
}

fn groups(definitions: &Definitions, catalog: &Catalog) -> (Vec<MatrixRow>, Vec<String>) {
    let rows = definitions.groups.iter().map(|(name, group)| {
        let note = group.findings.reason().map_or_else(String::new, |reason| reason.to_string());
        row(name, &group.title, note, role_cells(catalog, &group.ranks, &BTreeSet::new()))
    });
    let mut notes = unmet_notes(catalog, definitions.groups.iter().map(|(name, group)| (name.as_str(), &group.ranks)));
    if definitions.groups.is_empty() {
        notes.push("The account has no groups.".to_owned());
    }
    (rows.collect(), notes)
}

fn people(subject: &Subject<'_>, now: Timestamp) -> Vec<MatrixRow> {
    let all = subject.people.iter().map(|person| {
        let name = person.content.as_ref().and_then(|content| content.display_name.as_deref());
        let email = person.email.as_str();
        row(email, name.unwrap_or(email), person_note(subject, person, now), person_cells(subject, person, now))
    });
    all.collect()
}

fn person_note(subject: &Subject<'_>, person: &Person, now: Timestamp) -> String {
    let mut notes = Vec::new();
    if person.is_owner {
        notes.push("owner".to_owned());
    }
    notes.extend(person.withheld(now).map(|why| withheld(subject, person, why)));
    notes.extend(Some(time_note(person, now)).filter(|note| !note.is_empty()));
    if let Some(equal) = equal_to_owner(subject, person) {
        notes.push(format!("equal to the owner ({equal} lifted)"));
    }
    let reason = person.findings.iter().find_map(Findings::reason);
    notes.extend(reason.filter(|_| person.withheld(now).is_none()).map(|reason| reason.to_string()));
    notes.extend(subject.difference(person, None, now));
    notes.join(", ")
}

fn equal_to_owner(subject: &Subject<'_>, person: &Person) -> Option<Name> {
    let mut steps = explanations(subject, person).into_iter().flatten().flat_map(|one| one.steps);
    steps.find_map(|step| if let Step::EqualToOwner { restriction, .. } = step { Some(restriction) } else { None })
}

fn person_cells(subject: &Subject<'_>, person: &Person, now: Timestamp) -> Vec<Cell> {
    let ranks = match subject.held(person, now) {
        Held::Exactly(ranks) => ranks,
        // An upper limit of no access means no access.
        Held::AtMost(ranks) if ranks.is_none() => ranks,
        Held::AtMost(_) | Held::Unknown => {
            return subject.layout.ladders().iter().map(|_| Cell::without(Without::Unknown)).collect();
        }
    };
    let ladders = subject.layout.ladders().iter().zip(ranks.as_slice());
    let mut cells: Vec<Cell> = ladders.map(|(ladder, rank)| Cell::level(&ladder.levels, *rank)).collect();
    if person.withheld(now).is_none() && !subject.is_by_store(person, now) {
        for all in explanations(subject, person) {
            for (cell, explanation) in std::iter::zip(&mut cells, &all) {
                mark(cell, explanation);
            }
        }
    }
    cells
}

fn mark(cell: &mut Cell, explanation: &Explanation) {
    for step in &explanation.steps {
        match step {
            Step::Capped { restriction, .. } => cell.restricted_by = Some(restriction.to_string()),
            Step::Reduced { needs, at, .. } => cell.needs = Some(format!("{needs} at {at}")),
            Step::Granted { .. } | Step::EqualToOwner { .. } => {}
        }
    }
}

/// Returns the levels of overrides that differ from the catalog; also those that are not in force, because another
/// override of the role has a lower level.
fn changes(definitions: &Definitions, whole: &EffectiveCatalog) -> Vec<MatrixChange> {
    let catalog = whole.catalog.as_ref();
    let in_force = |role: &str, section: &str| {
        let (place, section) = (catalog.role(role)?, catalog.section(section)?);
        Some(catalog.level(section, *whole.predefined.get(place)?.as_slice().get(section)?).to_owned())
    };
    let overriding = definitions.roles.iter().filter_map(|(name, role)| Some((name, role.overrides.as_ref()?, role)));
    let all = overriding.flat_map(|(by, target, role)| {
        let changes = role.changes_from_default.iter().map(|change| (change, true));
        let changes = changes.chain(role.outweighed.iter().map(|change| (change, false)));
        changes.map(move |(change, counts)| MatrixChange {
            role: target.to_string(),
            section: change.section.clone(),
            default: change.default.clone(),
            now: in_force(target, &change.section).unwrap_or_else(|| change.now.clone()),
            by: by.to_string(),
            outweighed: (!counts).then(|| change.now.clone()),
        })
    });
    all.collect()
}
