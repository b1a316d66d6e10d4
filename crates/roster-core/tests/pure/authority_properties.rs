//! Property: no sequence of changes by one actor, in any order, gives anybody more than that actor held at the beginning.
//! Whatever the verdicts allow is made; nobody else changes anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    strategies::{self, Event, MEMBERS, cases},
    support::{Memory, World, email},
};
use jiff::Timestamp;
use proptest::{collection::vec, prelude::*};
use roster_core::{
    api::{AdministrationAction as Action, AdministrationRule, HeldBy},
    authority::{Actor, Change, Edit, Pending, judge_change},
    evaluate::{Authority, Context, evaluate, judge, prepare},
    model::{AccountKey, Email, Name, Ranks, RoleName, Scope},
    resolve::{Access, AccountResolution, Holder},
    state::{CatalogFacts, GroupFacts, RoleFacts, SnapshotSource as _},
};

const ACTIONS: [Action; 10] = [
    Action::CreateMembers,
    Action::EditMembers,
    Action::DeleteMembers,
    Action::CreateGroups,
    Action::EditGroups,
    Action::DeleteGroups,
    Action::CreateRoles,
    Action::EditRoles,
    Action::DeleteRoles,
    Action::AssignRoles,
];

/// What there is to hold in an account: of people, of single Memberships, of roles and groups.
#[derive(Debug, Default)]
struct Held {
    potential: BTreeMap<Email, Ranks>,
    granted: BTreeMap<Name, Ranks>,
    definitions: BTreeMap<String, Ranks>,
    effective: BTreeMap<Email, Ranks>,
}

fn key() -> AccountKey {
    World::key("acme")
}

fn held(world: &World, now: Timestamp) -> Held {
    let index = world.index();
    let prepared = prepare(&index.snapshot(&key()).unwrap());
    let members = index.members(&key(), &Scope::Account).unwrap();
    let judged = judge(&prepared, &members, &Context::new(crate::support::mark(&key()), now));
    let mut held = Held::default();
    for ((address, facts), resolved) in std::iter::zip(&members.addresses, &judged.members) {
        held.potential.extend(resolved.potential.clone().map(|ranks| ((*address).clone(), ranks)));
        for one in facts {
            let granted = prepared.definitions.granted(Holder::Member(one));
            held.granted.extend(granted.map(|ranks| (one.name.clone(), ranks)));
        }
    }
    if let (Some(owner), Some(potential)) =
        (prepared.definitions.owner.clone(), prepared.definitions.potential(Holder::Owner))
    {
        held.potential.insert(owner, potential.ranks);
    }
    for (address, desired) in &judged.desired.members {
        if let Access::Exactly(content) = &desired.access {
            held.effective.insert(address.clone(), content.ranks_at(now));
        }
    }
    if let AccountResolution::Resolved(whole) = &prepared.definitions.resolution {
        for role in &whole.catalog.roles {
            let name = RoleName::predefined(&role.name);
            let ranks = prepared.definitions.role_ranks(&name).cloned();
            held.definitions.extend(ranks.map(|ranks| (name.to_string(), ranks)));
        }
    }
    for (name, role) in prepared.definitions.roles.iter().filter(|(_, role)| role.overrides.is_none()) {
        held.definitions.insert(RoleName::custom(name).to_string(), role.ranks.clone());
    }
    for (name, group) in &prepared.definitions.groups {
        held.definitions.insert(format!("group {name}"), group.ranks.clone());
    }
    held
}

/// The change that an event is, if it is one of a Membership, Role or group.
fn changes(world: &World, event: Event) -> Vec<Change> {
    let key = key();
    match event {
        Event::Write(facts) => {
            let before = world.members.get(&(key.clone(), facts.name.clone())).cloned().map(Arc::new);
            vec![Change::Membership(key, Edit { before, after: Some(Arc::new(facts)) })]
        }
        Event::Delete(places) => {
            let facts = places.iter().filter_map(|place| world.members.get(&(key.clone(), format!("m{place}").into())));
            let edit =
                |facts: &roster_core::state::MemberFacts| Edit { before: Some(Arc::new(facts.clone())), after: None };
            facts.take(1).map(|facts| Change::Membership(key.clone(), edit(facts))).collect()
        }
        Event::Role(place, after) => {
            let before = world.roles.get(&(key.clone(), format!("c{place}").into())).cloned();
            vec![Change::Role(key, Edit { before, after: after.map(Arc::new) })]
        }
        Event::Group(place, after) => {
            let before = world.groups.get(&(key.clone(), format!("g{place}").into())).cloned();
            vec![Change::Group(key, Edit { before, after: after.map(Arc::new) })]
        }
        _ => Vec::new(),
    }
}

/// Makes a change. What cannot change about a Role or Membership stays.
fn make(world: &mut World, change: &Change) {
    match change {
        Change::Membership(key, Edit { before, after }) => {
            before.iter().for_each(|facts| drop(world.members.remove(&(key.clone(), facts.name.clone()))));
            after
                .iter()
                .for_each(|facts| drop(world.members.insert((key.clone(), facts.name.clone()), (**facts).clone())));
        }
        Change::Role(key, Edit { before, after }) => {
            before.iter().for_each(|facts| drop(world.roles.remove(&(key.clone(), facts.name.clone()))));
            after.iter().for_each(|facts| drop(world.roles.insert((key.clone(), facts.name.clone()), facts.clone())));
        }
        Change::Group(key, Edit { before, after }) => {
            before.iter().for_each(|facts| drop(world.groups.remove(&(key.clone(), facts.name.clone()))));
            after.iter().for_each(|facts| drop(world.groups.insert((key.clone(), facts.name.clone()), facts.clone())));
        }
        _ => unreachable!(),
    }
}

/// Fields that the API server keeps as they are.
fn is_possible(change: &Change) -> bool {
    match change {
        Change::Membership(_, Edit { before: Some(before), after: Some(after) }) => before.email == after.email,
        Change::Role(_, Edit { before: Some(before), after: Some(after) }) => {
            before.spec.overrides == after.spec.overrides && before.spec.based_on == after.spec.based_on
        }
        Change::Role(_, Edit { before: None, after: None }) | Change::Group(_, Edit { before: None, after: None }) => {
            false
        }
        _ => true,
    }
}

/// Kinds of objects that an actor may make, each of one that grants nothing.
fn allowed_actions(world: &World, actor: &Actor, now: Timestamp) -> BTreeSet<&'static str> {
    let index = world.index();
    let role = RoleFacts { name: "probe".into(), generation: 1, ..RoleFacts::default() };
    let group = GroupFacts { name: "probe".into(), generation: 1, ..GroupFacts::default() };
    let probes = [
        ("role", Change::Role(key(), Edit { before: None, after: Some(Arc::new(role)) })),
        ("group", Change::Group(key(), Edit { before: None, after: Some(Arc::new(group)) })),
    ];
    let allowed = probes.into_iter().filter(|(_, change)| judge_change(&index, change, actor, now).is_allowed());
    allowed.map(|(kind, _)| kind).collect()
}

fn assert_bounded<K: Ord + std::fmt::Debug>(
    what: &str,
    first: &BTreeMap<K, Ranks>,
    now: &BTreeMap<K, Ranks>,
    most: &Ranks,
) -> Result<(), TestCaseError> {
    for (who, ranks) in now {
        let mut bound = most.clone();
        if let Some(first) = first.get(who) {
            bound.raise_to(first.as_slice());
        }
        prop_assert!(ranks.is_at_most(&bound), "{} of {:?}: {:?} is above {:?}", what, who, ranks, bound);
    }
    Ok(())
}

fn rules(level: &str, section: &str) -> Vec<AdministrationRule> {
    let rule = |action| AdministrationRule {
        action,
        section: Some(section.to_owned()),
        level: Some(level.to_owned()),
        roles: Vec::new(),
    };
    ACTIONS.into_iter().map(rule).collect()
}

/// A world whose catalog lets everybody with the lowest level of its first section administer; in some, whoever holds the
/// last role changes members and roles.
fn governed() -> BoxedStrategy<World> {
    (strategies::world(), any::<bool>())
        .prop_map(|(mut world, by_role)| {
            let mut spec = world.catalogs["catalog"].spec.clone();
            let section = spec.sections[0].clone();
            spec.administration = rules(&section.levels.clone().unwrap()[1], &section.name);
            let last = spec.roles.iter().rfind(|role| role.held_by == HeldBy::Members).map(|role| role.name.clone());
            for rule in spec.administration.iter_mut().filter(|_| by_role).step_by(3) {
                (rule.section, rule.level, rule.roles) = (None, None, last.iter().cloned().collect());
            }
            world.catalogs.insert("catalog".to_owned(), Arc::new(CatalogFacts::new("catalog".into(), 1, spec)));
            world
        })
        .boxed()
}

/// Makes a pass of an account that enforces who may change access, without any webhook.
fn pass(world: &World, memory: &mut Memory, authority: Option<&BTreeMap<String, BTreeSet<Name>>>, now: Timestamp) {
    let (index, mark) = (world.index(), crate::support::mark(&key()));
    let objects = index.in_scope(&key(), None, now).unwrap();
    let observed = memory.observe(&Scope::Account, now);
    let authority = authority.map_or(Authority::NotEnforced, |grants| {
        let pending = Pending::of(&objects, &observed, &mark, None);
        Authority::Judged(Arc::new(pending.settle(grants, Some("oidc:")).0))
    });
    let context = Context { authority, ..Context::new(mark.clone(), now) };
    let plan = evaluate(&prepare(&objects.snapshot), &objects.members(), &observed, &context).plan;
    memory.apply(&plan, &mark, now);
}

/// What the store gives people at the moment.
fn given(memory: &Memory, now: Timestamp) -> BTreeMap<Email, Ranks> {
    let rows = memory.members.iter().filter_map(|(email, row)| Some((email, row.content.as_ref()?)));
    rows.map(|(email, content)| (email.clone(), content.ranks_at(now))).collect()
}

/// Stamps the changed object, or leaves the stamp that it had.
fn stamp(world: &mut World, change: &Change, user: Option<&str>) {
    let (kind, name) = change.object();
    let generation = match change {
        Change::Membership(_, edit) => edit.after.as_ref().map(|facts| facts.generation),
        Change::Role(_, edit) => edit.after.as_ref().map(|facts| facts.generation),
        Change::Group(_, edit) => edit.after.as_ref().map(|facts| facts.generation),
        _ => None,
    };
    if let (Some(user), Some(generation)) = (user, generation) {
        world.stamps.insert((kind, name), format!("{generation}:{user}"));
    } else {
        world.stamps.remove(&(kind, name));
    }
}

proptest! {
    #![proptest_config(cases(150))]

    /// No webhook refuses anything: whatever one actor applies, and whatever vanishes, is there when a pass begins.
    #[test]
    fn a_store_gives_nobody_more_than_the_actor_held_though_no_webhook_refuses_anything(
        world in governed(),
        events in vec((strategies::event(), any::<bool>(), prop::bool::weighted(0.8)), 1..40),
        who in 0..=MEMBERS,
        pipeline in prop::option::weighted(0.2, 0..3_usize),
    ) {
        const PIPELINE: &str = "system:serviceaccount:acme:flux";
        let now = Timestamp::from_second(1_000).unwrap();
        let (mut world, mut memory) = (world, Memory::default());
        pass(&world, &mut memory, None, now);
        pass(&world, &mut memory, Some(&BTreeMap::new()), now);
        let first = given(&memory, now);
        let person = if who == MEMBERS { email("olga@acme.example") } else { email(&format!("m{who}@acme.example")) };
        let sections = world.catalogs["catalog"].spec.sections.len();
        let none = || Ranks::none(sections);
        let (user, grants, most) = match pipeline {
            Some(place) => {
                let compiled = world.catalogs["catalog"].compiled.clone().unwrap();
                let role = compiled.roles.iter().find(|role| role.name == format!("r{place}"));
                let most = role.map_or_else(none, |role| role.ranks.clone());
                let grants = BTreeSet::from([Name::new(format!("r{place}"))]);
                (PIPELINE.to_owned(), BTreeMap::from([(PIPELINE.to_owned(), grants)]), most)
            }
            None => {
                let most = first.get(&person).cloned().unwrap_or_else(none);
                (format!("oidc:{person}"), BTreeMap::new(), most)
            }
        };
        for (event, passes, recorded) in events {
            for change in changes(&world, event) {
                if is_possible(&change) {
                    make(&mut world, &change);
                    stamp(&mut world, &change, recorded.then_some(&*user));
                }
            }
            if !passes {
                continue;
            }
            pass(&world, &mut memory, Some(&grants), now);
            let last = given(&memory, now);
            assert_bounded("given", &first, &last, &most)?;
            let own = |given: &BTreeMap<Email, Ranks>| given.get(&person).cloned().unwrap_or_else(none);
            let rose = !own(&last).is_at_most(&own(&first));
            prop_assert!(!rose || pipeline.is_some(), "{person} raised themselves");
        }
    }

    #[test]
    fn no_sequence_of_changes_by_one_actor_gives_more_than_they_held(
        world in governed(),
        events in vec(strategies::event(), 1..40),
        who in 0..=MEMBERS,
        pipeline in prop::option::weighted(0.2, 0..3_usize),
    ) {
        let now = Timestamp::from_second(1_000).unwrap();
        let mut world = world;
        let first = held(&world, now);
        let person = if who == MEMBERS { email("olga@acme.example") } else { email(&format!("m{who}@acme.example")) };
        let none = || Ranks::none(world.catalogs["catalog"].spec.sections.len());
        let (actor, most) = match pipeline {
            Some(place) => {
                let compiled = world.catalogs["catalog"].compiled.clone().unwrap();
                let role = compiled.roles.iter().find(|role| role.name == format!("r{place}"));
                let most = role.map_or_else(none, |role| role.ranks.clone());
                (Actor::Pipeline([Name::new(format!("r{place}"))].into()), most)
            }
            None => (Actor::Member(person.clone()), first.effective.get(&person).cloned().unwrap_or_else(none)),
        };
        let first_rules = allowed_actions(&world, &actor, now);
        for event in events {
            for change in changes(&world, event) {
                if is_possible(&change) && judge_change(&world.index(), &change, &actor, now).is_allowed() {
                    make(&mut world, &change);
                }
            }
            let last = held(&world, now);
            assert_bounded("potential", &first.potential, &last.potential, &most)?;
            assert_bounded("effective", &first.effective, &last.effective, &most)?;
            assert_bounded("granted", &first.granted, &last.granted, &most)?;
            assert_bounded("definition", &first.definitions, &last.definitions, &most)?;
            if pipeline.is_none() {
                let own = |held: &Held| held.potential.get(&person).cloned();
                let rose = own(&last).is_some_and(|after| own(&first).is_none_or(|before| !after.is_at_most(&before)));
                prop_assert!(!rose, "{person} raised themselves");
                let allowed = allowed_actions(&world, &actor, now);
                prop_assert!(allowed.is_subset(&first_rules), "{person} may do more: {allowed:?} than {first_rules:?}");
            }
        }
    }
}
