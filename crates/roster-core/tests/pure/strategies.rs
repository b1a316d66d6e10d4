//! Strategies that several tests share: small catalogs that keep their own rules, worlds of objects on them, and
//! changes of these objects.

use std::sync::Arc;

use crate::support::World;
use jiff::Timestamp;
use proptest::{collection::vec, prelude::*, sample::subsequence, test_runner::RngSeed};
use roster_core::{
    api::{
        AccountSpec, AccountType, AllowedNamespaces, CustomRoleRules, DriftPolicy, HeldBy, InvitationRules, Lifting,
        MemberGroups, MemberRules, NameRef, Owner, PermissionCatalogSpec, Permissions, PredefinedRole, Requirement,
        Restriction, RoleRef, RoleRefKind, RoleSpec, Section, Unmanaged, UserGroupSpec,
    },
    model::{Catalog, Email, Name, Ranks},
    state::{AccountFacts, CatalogFacts, GroupFacts, MemberFacts, RoleFacts},
};

/// So many cases, or as many as `PROPTEST_CASES` says; always the same ones, unless `PROPTEST_RNG_SEED` says others
/// (`make properties`).
pub fn cases(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let mut config = ProptestConfig { max_shrink_iters: 600, failure_persistence: None, ..ProptestConfig::default() };
    config.cases = asked.unwrap_or(cases);
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(1);
    }
    config
}

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

/// `requires` only names earlier sections; the sections are shuffled afterwards.
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

/// Now and then some of the sections.
fn seldom(sections: &[Section]) -> impl Strategy<Value = Vec<String>> + use<> {
    let names: Vec<String> = sections.iter().map(|section| section.name.clone()).collect();
    let some = 1..=names.len();
    prop_oneof![3 => Just(Vec::new()), 1 => subsequence(names, some)]
}

/// A catalog that keeps its own rules: owner role `owner`, roles `r0` …, restrictions `x0` …; now and then something is
/// not applicable, not overridable, not available, or forbidden, or the owner has less than everything.
pub fn catalog() -> BoxedStrategy<PermissionCatalogSpec> {
    sections().prop_flat_map(catalog_of).boxed()
}

fn catalog_of(sections: Vec<Section>) -> BoxedStrategy<PermissionCatalogSpec> {
    let role = (permissions(&sections), any::<bool>(), seldom(&sections), prop::bool::weighted(0.15));
    let owner = prop::option::of(prop::option::weighted(0.3, permissions(&sections)));
    let custom = (prop::bool::weighted(0.9), seldom(&sections));
    let restriction = (permissions(&sections), any::<bool>(), prop::bool::weighted(0.3), any::<bool>());
    (
        vec(role, 1..=3),
        vec(restriction, 0..=3),
        owner,
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        any::<bool>(),
        custom,
    )
        .prop_map(move |(roles, restrictions, owner, forbidden, default, change, (allowed, custom))| {
            let mut all: Vec<PredefinedRole> = (roles.into_iter().enumerate())
                .map(|(place, (mut permissions, overridable, not_applicable, partner))| {
                    permissions.retain(|section, _| !not_applicable.contains(section));
                    PredefinedRole {
                        name: format!("r{place}"),
                        permissions,
                        overridable,
                        not_applicable,
                        available_in: if partner { vec![AccountType::Partner] } else { Vec::new() },
                        ..PredefinedRole::default()
                    }
                })
                .collect();
            if let Some(some) = &owner {
                all.push(PredefinedRole {
                    name: "owner".to_owned(),
                    all_permissions: some.is_none(),
                    permissions: some.clone().unwrap_or_default(),
                    held_by: HeldBy::AccountOwner,
                    ..PredefinedRole::default()
                });
            }
            let owner = owner.is_some();
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
                allowed_namespaces: AllowedNamespaces::default(),
                sections: sections.clone(),
                restrictions,
                roles: all,
                owner_role: owner.then(|| "owner".to_owned()),
                owner_change: if change {
                    roster_core::api::OwnerChange::ByPlatform
                } else {
                    roster_core::api::OwnerChange::Never
                },
                default_role: default.then(|| "r0".to_owned()),
                members: MemberRules {
                    groups: if forbidden { MemberGroups::Forbidden } else { MemberGroups::Allowed },
                    ..MemberRules::default()
                },
                custom_roles: CustomRoleRules { allowed, not_applicable: custom },
                administration: Vec::new(),
                separation: Vec::new(),
                invitations: InvitationRules::default(),
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

/// The name of one of `count` things of a kind, sometimes of one that is not there.
fn one_of(kind: &'static str, count: usize) -> impl Strategy<Value = String> {
    (0..=count).prop_map(move |place| format!("{kind}{place}"))
}

fn role_ref() -> BoxedStrategy<RoleRef> {
    prop_oneof![
        3 => one_of("r", 2).prop_map(|name| RoleRef { kind: RoleRefKind::PredefinedRole, name }),
        2 => one_of("c", 2).prop_map(|name| RoleRef { kind: RoleRefKind::Role, name }),
    ]
    .boxed()
}

/// Cells by the names that sections have in any of these catalogs; some are not in the present catalog.
fn cells() -> impl Strategy<Value = Permissions> {
    let levels = prop::sample::select(vec!["None", "View", "Edit", "Create", "Delete"]);
    prop::collection::btree_map(one_of("s", 3), levels.prop_map(ToOwned::to_owned), 0..4)
}

fn role(place: usize) -> BoxedStrategy<RoleFacts> {
    (cells(), 0..4_usize, one_of("r", 2))
        .prop_map(move |(permissions, kind, other)| RoleFacts {
            name: format!("c{place}").into(),
            generation: 1,
            spec: RoleSpec {
                permissions,
                based_on: (kind == 1).then(|| other.clone()),
                overrides: (kind == 2).then_some(other),
                ..RoleSpec::default()
            },
        })
        .boxed()
}

fn group(place: usize) -> BoxedStrategy<GroupFacts> {
    (cells(), vec(role_ref(), 0..2))
        .prop_map(move |(permissions, role_refs)| GroupFacts {
            name: format!("g{place}").into(),
            generation: 1,
            spec: UserGroupSpec { permissions, role_refs, ..UserGroupSpec::default() },
        })
        .boxed()
}

/// Seconds after the beginning of time at which windows start and end; passes go on until about then.
fn instant() -> impl Strategy<Value = Option<Timestamp>> {
    prop::option::weighted(0.15, (0..4_000_i64).prop_map(|second| Timestamp::from_second(second).unwrap()))
}

/// A Membership of that name, mostly with an address of its own.
pub fn member(place: usize) -> BoxedStrategy<MemberFacts> {
    let names = |kind, count| vec(one_of(kind, count).prop_map(Name::from), 0..3);
    (
        (prop::bool::weighted(0.9), prop::option::weighted(0.8, role_ref()), names("g", 1)),
        (prop::bool::weighted(0.3), names("x", 2), names("x", 2), names("x", 2)),
        (prop::bool::weighted(0.1), instant(), instant(), prop::option::of(Just("Somebody"))),
    )
        .prop_map(
            move |((own, role, groups), (restricted, apply, lift, acknowledge), (suspended, start, end, title))| {
                let address = if own { format!("m{place}@acme.example") } else { "m0@acme.example".to_owned() };
                let some = |names: Vec<Name>| if restricted { names.into() } else { Box::default() };
                MemberFacts {
                    name: format!("m{place}").into(),
                    generation: 1,
                    email: Ok(Email::parse(&address).unwrap()),
                    display_name: title.map(Into::into),
                    external_id: None,
                    role: role.map(Box::new),
                    groups: groups.into(),
                    apply: some(apply),
                    lift: some(lift),
                    acknowledge: some(acknowledge),
                    suspended,
                    starts_at: start,
                    expires_at: end,
                    invitation: None,
                }
            },
        )
        .boxed()
}

/// Number of Memberships in a world.
pub const MEMBERS: usize = 9;

/// An account `acme` with roles, groups and members on a catalog.
pub fn world() -> BoxedStrategy<World> {
    let roles = (0..2).map(role).collect::<Vec<_>>();
    let groups = (0..2).map(group).collect::<Vec<_>>();
    let members = (0..MEMBERS).map(member).collect::<Vec<_>>();
    (catalog(), roles, groups, members)
        .prop_map(|(catalog, roles, groups, members)| {
            let mut world = World::of("");
            let key = World::key("acme");
            let account = AccountFacts {
                namespace: key.namespace.clone(),
                name: key.name.clone(),
                uid: "uid-1".into(),
                generation: 1,
                spec: AccountSpec {
                    catalog_ref: NameRef { name: "catalog".to_owned() },
                    store_ref: NameRef { name: "default".to_owned() },
                    owner: Some(Owner { email: "olga@acme.example".to_owned(), display_name: None }),
                    ..AccountSpec::default()
                },
            };
            world.catalogs.insert("catalog".to_owned(), Arc::new(CatalogFacts::new("catalog".into(), 1, catalog)));
            world.accounts.insert(key.clone(), Arc::new(account));
            world.roles = roles.into_iter().map(|r| ((key.clone(), r.name.clone()), Arc::new(r))).collect();
            world.groups = groups.into_iter().map(|g| ((key.clone(), g.name.clone()), Arc::new(g))).collect();
            world.members = members.into_iter().map(|m| ((key.clone(), m.name.clone()), m)).collect();
            world
        })
        .boxed()
}

/// Events between two passes.
#[derive(Clone, Debug)]
pub enum Event {
    /// These Memberships vanish.
    Delete(Vec<usize>),
    /// A Membership is there, as given.
    Write(MemberFacts),
    /// A Role is there, or gone.
    Role(usize, Option<RoleFacts>),
    /// A group is there, or gone.
    Group(usize, Option<GroupFacts>),
    /// The catalog is another one, or gone.
    Catalog(Option<PermissionCatalogSpec>),
    /// The account is suspended, or no longer.
    Suspend(bool),
    /// These members are blocked, and nobody else.
    Block(Vec<usize>),
    /// The account names another owner, or none.
    Owner(Option<usize>),
    /// The store is paused, or no longer.
    Pause(bool),
    /// Drift is corrected or reported.
    Drift(DriftPolicy),
    /// Setting for unmanaged members.
    Unmanaged(Unmanaged),
    /// Time passes, in seconds.
    Later(i64),
    /// Held removals are approved.
    Approve,
    /// A row of the store is changed by others. If it says that access has ended, that may stay.
    Tamper(usize, Vec<u8>, bool),
    /// A row is added to the store by others, with another cluster's mark or none.
    Stranger(usize, Vec<u8>, bool),
    /// A pass over some members only.
    Partial(Vec<usize>),
}

fn some_members() -> impl Strategy<Value = Vec<usize>> {
    (0..=MEMBERS).prop_flat_map(|count| subsequence((0..MEMBERS).collect::<Vec<_>>(), count))
}

/// Events by people who write objects.
pub fn event() -> BoxedStrategy<Event> {
    prop_oneof![
        4 => some_members().prop_map(Event::Delete),
        6 => (0..MEMBERS).prop_flat_map(member).prop_map(Event::Write),
        2 => (0..2_usize).prop_flat_map(|at| (Just(at), prop::option::of(role(at)))).prop_map(|(at, r)| Event::Role(at, r)),
        2 => (0..2_usize).prop_flat_map(|at| (Just(at), prop::option::of(group(at)))).prop_map(|(at, g)| Event::Group(at, g)),
        2 => prop::option::weighted(0.7, catalog()).prop_map(Event::Catalog),
        1 => any::<bool>().prop_map(Event::Suspend),
        1 => some_members().prop_map(Event::Block),
        1 => prop::option::of(0..MEMBERS).prop_map(Event::Owner),
        2 => any::<bool>().prop_map(Event::Pause),
        3 => (0..900_i64).prop_map(Event::Later),
        2 => Just(Event::Approve),
        3 => some_members().prop_map(Event::Partial),
    ]
    .boxed()
}

/// Events by people who write to the store.
pub fn tampering() -> BoxedStrategy<Event> {
    let ranks = || vec(0..4_u8, 0..5);
    prop_oneof![
        (0..=MEMBERS, ranks(), any::<bool>()).prop_map(|(place, ranks, ended)| Event::Tamper(place, ranks, ended)),
        (0..3_usize, ranks(), any::<bool>()).prop_map(|(place, ranks, marked)| Event::Stranger(place, ranks, marked)),
    ]
    .boxed()
}

/// Events of all kinds, and changes of policy.
pub fn any_event() -> BoxedStrategy<Event> {
    prop_oneof![
        8 => event(),
        3 => tampering(),
        1 => prop_oneof![Just(DriftPolicy::Correct), Just(DriftPolicy::Report)].prop_map(Event::Drift),
        1 => prop_oneof![Just(Unmanaged::Report), Just(Unmanaged::Remove), Just(Unmanaged::Ignore)]
            .prop_map(Event::Unmanaged),
    ]
    .boxed()
}
