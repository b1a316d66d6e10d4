//! Shared strategies: small catalogs that keep their own rules, worlds of objects on them, and what can happen to them.

use proptest::{collection::vec, prelude::*, sample::subsequence};
use roster::{
    api::{
        CustomRoleRules, HeldBy, Lifting, MemberGroups, MemberRules, PermissionCatalogSpec, Permissions,
        PredefinedRole, Requirement, Restriction, Section,
    },
    model::{Catalog, Ranks},
};

/// Names of levels above the first, least permissive first: sections have parts of it, so that layouts overlap.
const LEVELS: [&str; 4] = ["View", "Edit", "Create", "Delete"];

pub fn permutation(count: usize) -> impl Strategy<Value = Vec<usize>> {
    Just((0..count).collect::<Vec<usize>>()).prop_shuffle()
}

fn section(place: usize) -> impl Strategy<Value = Section> {
    (subsequence(LEVELS.to_vec(), 1..=3), prop::sample::select(vec!["None", "Hide"])).prop_map(
        move |(levels, first)| {
            let levels = std::iter::once(first).chain(levels).map(ToOwned::to_owned).collect();
            Section { name: format!("s{place}"), levels: Some(levels), ..Section::default() }
        },
    )
}

/// Levels for some of the sections.
fn permissions(sections: &[Section]) -> impl Strategy<Value = Permissions> + use<> {
    let cells: Vec<_> = sections
        .iter()
        .map(|section| {
            let levels = section.levels.clone().unwrap_or_default();
            prop::option::of(prop::sample::select(levels)).prop_map({
                let name = section.name.clone();
                move |level| level.map(|level| (name.clone(), level))
            })
        })
        .collect();
    cells.prop_map(|cells| cells.into_iter().flatten().collect())
}

/// `requires` towards sections before; whatever order the sections then come in.
fn with_rules(sections: Vec<Section>) -> BoxedStrategy<Vec<Section>> {
    let count = sections.len();
    let rule = (0..count, any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>());
    (vec(rule, 0..=4), permutation(count))
        .prop_map(move |(rules, order)| {
            let mut all = sections.clone();
            for (at, needs, from, level) in rules.into_iter().filter(|(at, ..)| *at > 0) {
                let needs = needs.index(at);
                let from =
                    all[at].levels.clone().unwrap()[1 + from.index(all[at].levels.as_ref().unwrap().len() - 1)].clone();
                let level =
                    all[needs].levels.clone().unwrap()[level.index(all[needs].levels.as_ref().unwrap().len())].clone();
                let section = all[needs].name.clone();
                if !all[at].requires.iter().any(|rule| rule.from == from && rule.section == section) {
                    all[at].requires.push(Requirement { from, section, level });
                }
            }
            order.into_iter().map(|place| all[place].clone()).collect()
        })
        .boxed()
}

fn sections() -> BoxedStrategy<Vec<Section>> {
    (1..=4_usize).prop_flat_map(|count| (0..count).map(section).collect::<Vec<_>>()).prop_flat_map(with_rules).boxed()
}

/// A catalog that keeps its own rules: owner role `owner`, roles `r0` …, restrictions `x0` …; now and then something is
/// not applicable, not overridable, or forbidden.
pub fn catalog() -> BoxedStrategy<PermissionCatalogSpec> {
    sections().prop_flat_map(catalog_of).boxed()
}

fn catalog_of(sections: Vec<Section>) -> BoxedStrategy<PermissionCatalogSpec> {
    let role = (permissions(&sections), any::<bool>());
    let restriction = (permissions(&sections), any::<bool>(), prop::bool::weighted(0.3), any::<bool>());
    (
        vec(role, 1..=3),
        vec(restriction, 0..=3),
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        any::<bool>(),
    )
        .prop_map(move |(roles, restrictions, owner, forbidden, default, change)| {
            let mut all: Vec<PredefinedRole> = (roles.into_iter().enumerate())
                .map(|(place, (permissions, overridable))| PredefinedRole {
                    name: format!("r{place}"),
                    permissions,
                    overridable,
                    ..PredefinedRole::default()
                })
                .collect();
            if owner {
                all.push(PredefinedRole {
                    name: "owner".to_owned(),
                    all_permissions: true,
                    held_by: HeldBy::AccountOwner,
                    ..PredefinedRole::default()
                });
            }
            let restrictions = (restrictions.into_iter().enumerate())
                .map(|(place, (caps, applied_by_default, grants, needs_confirmation))| Restriction {
                    name: format!("x{place}"),
                    caps,
                    applied_by_default,
                    lifting: Lifting { grants_owner_access: grants && owner, needs_confirmation },
                    ..Restriction::default()
                })
                .collect();
            PermissionCatalogSpec {
                allowed_namespaces: Default::default(),
                sections: sections.clone(),
                restrictions,
                roles: all,
                owner_role: owner.then(|| "owner".to_owned()),
                owner_change: if change {
                    roster::api::OwnerChange::ByPlatform
                } else {
                    roster::api::OwnerChange::Never
                },
                default_role: default.then(|| "r0".to_owned()),
                members: MemberRules {
                    groups: if forbidden { MemberGroups::Forbidden } else { MemberGroups::Allowed },
                    ..MemberRules::default()
                },
                custom_roles: CustomRoleRules::default(),
                administration: Vec::new(),
                invitations: Default::default(),
            }
        })
        .boxed()
}

fn ranks(catalog: &Catalog) -> impl Strategy<Value = Ranks> + use<> {
    let places: Vec<_> =
        catalog.layout.ladders().iter().map(|ladder| 0..u8::try_from(ladder.levels.len()).unwrap()).collect();
    places.prop_map(|ranks| ranks.into_iter().collect())
}

/// A catalog, what sources grant on it, what the owner has if the member is equal to the owner, restrictions in force.
pub fn rows() -> BoxedStrategy<(PermissionCatalogSpec, Vec<Ranks>, Option<Ranks>, Vec<usize>)> {
    catalog()
        .prop_flat_map(|spec| {
            let catalog = Catalog::compile(&spec).unwrap();
            let caps: Vec<usize> = (0..spec.restrictions.len()).collect();
            let some = 0..=caps.len();
            (
                Just(spec),
                vec(ranks(&catalog), 0..=3),
                prop::option::weighted(0.3, ranks(&catalog)),
                subsequence(caps, some),
            )
        })
        .boxed()
}
