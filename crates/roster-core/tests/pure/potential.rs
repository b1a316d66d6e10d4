//! Tests the engine: properties against a reference that works on names and tries every combination.

use std::collections::BTreeMap;

use proptest::prelude::*;
use roster_core::{
    api::PermissionCatalogSpec,
    model::{Catalog, Grant, MemberInputs, Name, NoTrace, Ranks, Source, Step, explain, potential},
};

use crate::strategies::{cases, catalog, permutation, rows};

/// Levels by section name, as the reference keeps them.
type Levels = BTreeMap<String, String>;

fn run(catalog: &Catalog, grants: &[Ranks], owner: Option<&Ranks>, caps: &[usize]) -> Ranks {
    let name = Name::new("x");
    let grants: Vec<Grant<'_>> = grants.iter().map(|ranks| Grant { source: Source::Group(&name), ranks }).collect();
    let restrictions: Vec<_> =
        caps.iter().map(|place| &catalog.restrictions[*place]).map(|r| (&r.name, &r.caps)).collect();
    let equal_to_owner = owner.map(|ranks| (&name, ranks));
    let inputs = MemberInputs { grants: &grants, equal_to_owner, restrictions: &restrictions };
    let mut out: Ranks = [7, 7, 7].into_iter().collect();
    potential(catalog, &inputs, &mut out, &mut NoTrace);
    let (explained, explanations) = explain(catalog, &inputs);
    assert_eq!(out, explained, "explain differs");
    for (section, explanation) in explanations.iter().enumerate() {
        assert_eq!(explanation.level, catalog.level(section, out.as_slice()[section]));
        let last = explanation.steps.last().map(|step| match step {
            Step::Granted { level, .. } | Step::EqualToOwner { level, .. } => level.clone(),
            Step::Capped { level, .. } | Step::Reduced { level, .. } => level.clone(),
        });
        let shown = last.unwrap_or_else(|| catalog.level(section, 0).into());
        assert_eq!(shown, explanation.level, "the last step is not the level");
    }
    out
}

fn named(catalog: &Catalog, ranks: &Ranks) -> Levels {
    let levels = ranks.as_slice().iter().enumerate();
    levels.map(|(s, rank)| (catalog.section_name(s).to_owned(), catalog.level(s, *rank).to_owned())).collect()
}

fn ladder(spec: &PermissionCatalogSpec, section: &str) -> Vec<String> {
    let found = spec.sections.iter().find(|s| s.name == section).unwrap();
    found.levels.clone().unwrap_or_else(|| vec!["Denied".to_owned(), "Allowed".to_owned()])
}

fn place(ladder: &[String], level: &str) -> usize {
    ladder.iter().position(|l| l == level).unwrap()
}

/// The reference: names only, from the catalog as it is written; every combination at or below what is granted and capped
/// is tried, and the highest of those that keep all `requires` wins.
fn reference(spec: &PermissionCatalogSpec, grants: &[Levels], owner: Option<&Levels>, caps: &[usize]) -> Levels {
    let mut bound: BTreeMap<String, usize> = BTreeMap::new();
    for section in &spec.sections {
        let ladder = ladder(spec, &section.name);
        let granted = grants.iter().map(|grant| place(&ladder, &grant[&section.name])).max().unwrap_or(0);
        let mut rank = owner.map_or(granted, |owner| place(&ladder, &owner[&section.name]));
        if owner.is_none() {
            for cap in caps.iter().filter_map(|r| spec.restrictions[*r].caps.get(&section.name)) {
                rank = rank.min(place(&ladder, cap));
            }
        }
        bound.insert(section.name.clone(), rank);
    }
    let mut all: Vec<BTreeMap<String, usize>> = vec![BTreeMap::new()];
    for (section, bound) in &bound {
        let wider = all.iter().flat_map(|row| {
            (0..=*bound).map(|rank| {
                let mut row = row.clone();
                row.insert(section.clone(), rank);
                row
            })
        });
        all = wider.collect();
    }
    let holds = |row: &BTreeMap<String, usize>| {
        spec.sections.iter().all(|section| {
            section.requires.iter().all(|rule| {
                let from = place(&ladder(spec, &section.name), &rule.from);
                let level = place(&ladder(spec, &rule.section), &rule.level);
                row[&section.name] < from || row[&rule.section] >= level
            })
        })
    };
    all.retain(holds);
    let top = |section: &String| all.iter().map(|row| row[section]).max().unwrap();
    let best: BTreeMap<String, usize> = bound.keys().map(|section| (section.clone(), top(section))).collect();
    assert!(holds(&best), "the highest of each section is no solution: there is no greatest one");
    best.into_iter().map(|(section, rank)| (section.clone(), ladder(spec, &section)[rank].clone())).collect()
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn the_engine_does_what_the_reference_does((spec, grants, owner, caps) in rows()) {
        let catalog = Catalog::compile(&spec).unwrap();
        let result = run(&catalog, &grants, owner.as_ref(), &caps);
        for rule in &catalog.rules {
            let ranks = result.as_slice();
            prop_assert!(ranks[rule.section] < rule.from || ranks[rule.needs] >= rule.level, "{rule:?} does not hold");
        }
        let by_name: Vec<Levels> = grants.iter().map(|ranks| named(&catalog, ranks)).collect();
        let owner = owner.map(|owner| named(&catalog, &owner));
        prop_assert_eq!(named(&catalog, &result), reference(&spec, &by_name, owner.as_ref(), &caps));
    }

    #[test]
    fn more_grants_never_give_less((spec, grants, _, caps) in rows()) {
        let catalog = Catalog::compile(&spec).unwrap();
        let all = run(&catalog, &grants, None, &caps);
        for count in 0..grants.len() {
            let fewer = run(&catalog, &grants[..count], None, &caps);
            prop_assert!(fewer.is_at_most(&all));
        }
    }

    #[test]
    fn a_restriction_never_gives_more((spec, grants, _, caps) in rows()) {
        let catalog = Catalog::compile(&spec).unwrap();
        let mut before = run(&catalog, &grants, None, &[]);
        for count in 1..=caps.len() {
            let after = run(&catalog, &grants, None, &caps[..count]);
            prop_assert!(after.is_at_most(&before));
            before = after;
        }
    }

    #[test]
    fn who_is_equal_to_the_owner_has_just_what_the_owner_has((spec, grants, owner, caps) in rows()) {
        let catalog = Catalog::compile(&spec).unwrap();
        let owner = owner.unwrap_or_else(|| catalog.no_access());
        let alone = run(&catalog, &[owner.clone()], None, &[]);
        prop_assert_eq!(run(&catalog, &grants, Some(&owner), &caps), alone);
    }

    #[test]
    fn the_order_of_grants_and_restrictions_does_not_matter((spec, grants, owner, caps) in rows()) {
        let catalog = Catalog::compile(&spec).unwrap();
        let (mut reversed, mut turned) = (grants.clone(), caps.clone());
        reversed.reverse();
        turned.reverse();
        prop_assert_eq!(
            run(&catalog, &grants, owner.as_ref(), &caps),
            run(&catalog, &reversed, owner.as_ref(), &turned)
        );
    }

    #[test]
    fn the_order_of_sections_does_not_matter(((spec, grants, owner, caps), order) in rows().prop_flat_map(|rows| {
        let sections = rows.0.sections.len();
        (Just(rows), permutation(sections))
    })) {
        let mut other = spec.clone();
        other.sections = order.iter().map(|place| spec.sections[*place].clone()).collect();
        for section in &mut other.sections {
            section.requires.reverse();
        }
        let (catalog, turned) = (Catalog::compile(&spec).unwrap(), Catalog::compile(&other).unwrap());
        let turn = |ranks: &Ranks| -> Ranks { order.iter().map(|place| ranks.as_slice()[*place]).collect() };
        let there = run(&turned, &grants.iter().map(turn).collect::<Vec<_>>(), owner.as_ref().map(turn).as_ref(), &caps);
        prop_assert_eq!(turn(&run(&catalog, &grants, owner.as_ref(), &caps)), there);
    }

    #[test]
    fn translating_never_widens_and_there_and_back_settles((one, other) in (catalog(), catalog())) {
        let (one, other) = (Catalog::compile(&one).unwrap(), Catalog::compile(&other).unwrap());
        let top: Ranks = one.layout.ladders().iter().map(|ladder| u8::try_from(ladder.levels.len() - 1).unwrap()).collect();
        let there = other.layout.translate(&top, &one.layout);
        let back = one.layout.translate(&there, &other.layout);
        prop_assert!(back.is_at_most(&top));
        prop_assert_eq!(other.layout.translate(&back, &one.layout), there);
        prop_assert!(other.layout.translate(&one.no_access(), &one.layout).is_none());
    }
}
