//! Generates random catalogs, most of which keep their own rules. Used by `worlds`.

use proptest::{collection::vec, prelude::*};
use roster_core::{
    api::{
        AccountType, CustomRoleRules, HeldBy, InvitationRules, Lifting, MemberDirect, MemberGroups, MemberRole,
        MemberRules, OwnerChange, PermissionCatalogSpec, Permissions, PredefinedRole, Requirement, Restriction,
        RoleAdvice, Section,
    },
    model::Catalog,
};

use crate::{cases, dice::Dice};

const LEVELS: [&str; 3] = ["View", "Edit", "Delete"];

fn ladder(section: &Section) -> Vec<String> {
    section.levels.clone().unwrap_or_else(|| vec!["Denied".to_owned(), "Allowed".to_owned()])
}

fn section(dice: &mut Dice, place: usize) -> Section {
    let levels = dice.sometimes(75, |dice| {
        let first = dice.pick(&["None", "Hide"]);
        let mut levels: Vec<&str> = LEVELS.into_iter().filter(|_| !dice.percent(30)).collect();
        if levels.is_empty() {
            levels.push("Edit");
        }
        std::iter::once(first).chain(levels).map(ToOwned::to_owned).collect()
    });
    Section { name: format!("s{place}"), levels, ..Section::default() }
}

/// A prerequisite from one section to another; mostly to sections before it, so that there is no cycle.
fn requirement(dice: &mut Dice, sections: &[Section]) -> Option<(usize, Requirement)> {
    let at = dice.below(sections.len());
    let to = if dice.percent(8) { dice.below(sections.len()) } else { dice.below(at) };
    let own = ladder(&sections[at]);
    let other = ladder(&sections[to]);
    let from = own[1 + dice.below(own.len() - 1)].clone();
    let level = dice.pick(&other);
    (at != to).then(|| (at, Requirement { from, section: sections[to].name.clone(), level }))
}

fn cells(dice: &mut Dice, sections: &[Section], percent: u32) -> Permissions {
    let mut cells = Permissions::new();
    for section in sections {
        if dice.percent(percent) {
            cells.insert(section.name.clone(), dice.pick(&ladder(section)));
        }
    }
    cells
}

fn names(dice: &mut Dice, sections: &[Section]) -> Vec<String> {
    if !dice.percent(20) {
        return Vec::new();
    }
    sections.iter().filter(|_| dice.percent(40)).map(|section| section.name.clone()).collect()
}

fn role(dice: &mut Dice, place: usize, sections: &[Section]) -> PredefinedRole {
    let not_applicable = names(dice, sections);
    let all_permissions = dice.percent(15);
    let mut permissions = cells(dice, sections, 80);
    permissions.retain(|name, _| !all_permissions && !not_applicable.contains(name));
    PredefinedRole {
        name: format!("r{place}"),
        permissions,
        all_permissions,
        not_applicable,
        held_by: if dice.percent(8) { HeldBy::AccountOwner } else { HeldBy::Members },
        overridable: dice.percent(70),
        available_in: dice
            .sometimes(15, |dice| dice.pick(&[AccountType::Partner, AccountType::Managed, AccountType::Standalone]))
            .into_iter()
            .collect(),
        advice: dice
            .sometimes(40, |dice| RoleAdvice { minimum_holders: Some(dice.pick(&[1, 2, 0])), ..RoleAdvice::default() }),
        ..PredefinedRole::default()
    }
}

fn restriction(dice: &mut Dice, place: usize, sections: &[Section], owner: bool) -> Restriction {
    Restriction {
        name: format!("x{place}"),
        caps: cells(dice, sections, 40),
        applied_by_default: dice.percent(35),
        lifting: Lifting { grants_owner_access: owner && dice.percent(40), needs_confirmation: dice.percent(50) },
        ..Restriction::default()
    }
}

/// A catalog that keeps its own rules, except for cycles of prerequisites, which are rare.
pub fn catalog(dice: &mut Dice) -> PermissionCatalogSpec {
    let count = 1 + dice.below(4);
    let mut shape = dice.split(60);
    let mut sections: Vec<Section> = (0..count).map(|place| section(&mut shape, place)).collect();
    for (at, requirement) in shape.some(5, |dice| requirement(dice, &sections)).into_iter().flatten() {
        if !sections[at]
            .requires
            .iter()
            .any(|rule| rule.from == requirement.from && rule.section == requirement.section)
        {
            sections[at].requires.push(requirement);
        }
    }
    if shape.percent(50) {
        sections.reverse();
    }
    let owner = !dice.percent(30);
    let mut roles: Vec<PredefinedRole> = (0..3).map(|place| role(&mut dice.split(24), place, &sections)).collect();
    let restrictions = (0..3).map(|place| restriction(&mut dice.split(16), place, &sections, owner)).collect();
    if owner {
        let some = dice.percent(20);
        roles.push(PredefinedRole {
            name: "owner".to_owned(),
            all_permissions: !some,
            permissions: if some { cells(dice, &sections, 70) } else { Permissions::new() },
            held_by: if dice.percent(15) { HeldBy::Members } else { HeldBy::AccountOwner },
            ..PredefinedRole::default()
        });
    }
    let default_role = (roles[0].held_by == HeldBy::Members).then(|| "r0".to_owned()).filter(|_| dice.percent(25));
    PermissionCatalogSpec {
        allowed_namespaces: Default::default(),
        restrictions,
        roles,
        owner_role: owner.then(|| "owner".to_owned()),
        owner_change: OwnerChange::ByPlatform,
        default_role,
        members: MemberRules {
            role: if dice.percent(25) { MemberRole::Required } else { MemberRole::Optional },
            groups: if dice.percent(20) { MemberGroups::Forbidden } else { MemberGroups::Allowed },
            direct: if dice.percent(6) { MemberDirect::ByInvitationOnly } else { MemberDirect::Allowed },
        },
        custom_roles: CustomRoleRules { allowed: !dice.percent(12), not_applicable: names(dice, &sections) },
        administration: Vec::new(),
        separation: Vec::new(),
        invitations: InvitationRules {
            requires_plan_feature: dice.sometimes(25, |_| "spend".to_owned()),
            ..InvitationRules::default()
        },
        sections,
    }
}

/// Breaks one rule, or changes something that breaks none.
pub fn broken(dice: &mut Dice, mut spec: PermissionCatalogSpec) -> PermissionCatalogSpec {
    let sections = spec.sections.len();
    let (at, other) = (dice.below(sections), dice.below(sections));
    let unknown = || "nowhere".to_owned();
    match dice.below(20) {
        0 => spec.sections[at].name = spec.sections[other].name.clone(),
        1 => spec.sections[at].levels = Some(vec!["None".to_owned()]),
        2 => spec.sections[at].levels = Some(vec!["None".to_owned(), "Edit".to_owned(), "None".to_owned()]),
        3 => {
            let (own, to) = (ladder(&spec.sections[at]), ladder(&spec.sections[other]));
            let rule = Requirement { from: dice.pick(&own), section: format!("s{other}"), level: dice.pick(&to) };
            spec.sections[at].requires.push(rule);
        }
        4 => {
            let from = ladder(&spec.sections[at]).pop().unwrap_or_default();
            let section = dice.pick(&["nowhere", "s0"]).to_owned();
            spec.sections[at].requires.push(Requirement { from, section, level: unknown() });
        }
        5 => spec.restrictions[0].name = "x1".to_owned(),
        6 => drop(spec.restrictions[0].caps.insert(unknown(), "None".to_owned())),
        7 => drop(spec.restrictions[0].caps.insert("s0".to_owned(), unknown())),
        8 => spec.restrictions[0].lifting.grants_owner_access = true,
        9 => spec.roles[1].name = dice.pick(&["r0", "r7"]).to_owned(),
        10 => drop(spec.roles[1].permissions.insert(dice.pick(&["s0", "nowhere"]).to_owned(), "Edit".to_owned())),
        11 => spec.roles[1].not_applicable.push(dice.pick(&["s0", "nowhere"]).to_owned()),
        12 => spec.roles[1].all_permissions = true,
        13 => spec.owner_role = Some(dice.pick(&["r1", "nobody"]).to_owned()),
        14 => spec.default_role = Some(dice.pick(&["r1", "nobody", "owner"]).to_owned()),
        15 => spec.custom_roles.not_applicable.push(dice.pick(&["s0", "nowhere"]).to_owned()),
        16 => spec.owner_role = None,
        17 => {
            spec.roles[1].advice =
                Some(RoleAdvice { minimum_holders: Some(2), maximum_holders: Some(1), ..RoleAdvice::default() });
        }
        18 => drop(spec.roles[1].permissions.insert("s0".to_owned(), dice.pick(&["None", "Hide", "View"]).to_owned())),
        _ => {}
    }
    spec
}

proptest! {
    #![proptest_config(cases(3_000))]

    #[test]
    fn a_catalog_keeps_its_rules_for_both(bytes in vec(any::<u8>(), 300)) {
        let mut dice = Dice::new(&bytes);
        let mut own = dice.split(30);
        let mut spec = catalog(&mut dice);
        for _ in 0..own.below(3) {
            spec = broken(&mut own, spec);
        }
        let model = roster_reference::status_of_catalog(&spec);
        let engine = Catalog::compile(&spec);
        prop_assert_eq!(engine.is_ok(), model.is_empty(), "{:?}: {:#?}", engine.err(), spec);
    }
}
