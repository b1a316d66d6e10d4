//! Tests the store in memory step by step: what a crash leaves, what faults do, and which access is in force.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::pedantic,
    reason = "tests end by panicking, and their tables read better as they stand"
)]

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use roster_core::{
    contract::{Batch, Claim, Outcome, StoreError},
    model::{Email, Layout, Name, Ranks, Scope},
    plan::{Cause, ObjectKey, Plan},
    resolve::RevocationReason,
};
use roster_testkit::{
    contract::world::{CLAIM, NOW, World, email, ladder, member, member_key, ranks, world},
    memory::{Apply, Kind, Levels, MemoryStore, OwnedBatch, Progress},
};

const ANN: &str = "ann@shop.example";
const BEN: &str = "ben@shop.example";
const CARL: &str = "carl@shop.example";
const DORA: &str = "dora@shop.example";
/// A member whom no object declares.
const STRANGER: &str = "stranger@shop.example";

fn plan(world: &World, store: &MemoryStore) -> Plan {
    let mut policy = world.policy.clone();
    policy.holds_windows = store.kind().capabilities().time_windows;
    let observed = store.observe(world.key(), &Scope::Account, NOW).unwrap();
    roster_core::testing::plan(&world.desired(Scope::Account), &observed, &policy)
}

fn call(world: &World, store: &MemoryStore, plan: Plan) -> Apply {
    let batch = OwnedBatch::from(&Batch::of(&plan, world.mark(), NOW));
    store.begin(batch, CLAIM)
}

fn begin(world: &World, store: &MemoryStore) -> Apply {
    call(world, store, plan(world, store))
}

/// Runs a call to its end; returns its outcomes and the number of its steps.
fn finish(mut apply: Apply, store: &mut MemoryStore) -> (Vec<Outcome>, usize) {
    for steps in 0..10_000 {
        match apply.step(store) {
            Progress::Done(outcomes) => return (outcomes, steps),
            Progress::Going { .. } => {}
            Progress::Waiting => panic!("the store does not answer"),
        }
    }
    panic!("a call without an end")
}

fn converge(world: &World, store: &mut MemoryStore) {
    let (outcomes, _) = finish(begin(world, store), store);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    world.assert_held(&store.observe(world.key(), &Scope::Account, NOW).unwrap());
    assert!(plan(world, store).changes.is_empty());
}

fn filled(kind: Kind) -> (MemoryStore, World) {
    let (mut store, world) = (MemoryStore::new(kind), world("acme"));
    converge(&world, &mut store);
    (store, world)
}

fn levels(pairs: &[(&str, &str)]) -> Levels {
    pairs.iter().map(|(section, level)| (Name::new(section), Name::new(level))).collect()
}

/// Returns a world in which one member gains and loses, one loses everything, and one is added; a role and a group
/// change.
fn other_people(world: &World) -> World {
    let mut after = world.clone();
    after.members.insert(email(ANN), member(&[1, 1, 2]));
    after.members.get_mut(&email(BEN)).unwrap().ranks = ranks(&[2, 0, 0]);
    after.members.insert(email(CARL), member(&[0, 1, 3]));
    after.members.remove(&email(DORA));
    after.groups.clear();
    after.roles.values_mut().for_each(|role| role.title = "Other".into());
    after
}

/// Sections come and go, and levels come and go within one.
fn other_sections(world: &World) -> World {
    let mut after = world.clone();
    after.account.layout = Layout::new(vec![
        ladder("brand-new", &["Denied", "Allowed"]),
        ladder("users", &["Hide", "Peek", "Edit"]),
        ladder("orders", &["Hide", "Edit", "View"]),
    ]);
    after.roles.values_mut().for_each(|role| role.ranks = ranks(&[1, 2, 1]));
    after.groups.values_mut().for_each(|group| group.ranks = ranks(&[0, 0, 1]));
    after.members.insert(email(ANN), member(&[1, 2, 0]));
    after.members.insert(email(BEN), member(&[0, 1, 2]));
    after.members.insert(email(CARL), member(&[1, 0, 1]));
    after.members.remove(&email(DORA));
    after
}

fn no_members(world: &World) -> World {
    let mut after = world.clone();
    after.members.clear();
    after
}

/// Returns the index of a section's level; a level that is not held or not known has none.
fn index(layout: &Layout, levels: &Levels, section: &Name) -> Option<usize> {
    let ladder = layout.ladders().iter().find(|ladder| ladder.section == *section)?;
    ladder.levels.iter().position(|level| Some(level) == levels.get(section))
}

/// Checks that nobody has more access than before or after the batch.
fn assert_no_wider(held: &Levels, before: (&Layout, &Levels), after: (&Layout, &Levels), what: &str) {
    for section in held.keys() {
        let within = |(layout, limit): (&Layout, &Levels)| {
            let held = index(layout, held, section);
            held.is_some() && held <= index(layout, limit, section)
        };
        assert!(within(before) || within(after), "{what}: {section} in {held:?}, from {before:?} to {after:?}");
    }
}

#[test]
fn a_crash_leaves_a_prefix_that_is_no_wider_than_before_or_after() {
    for kind in Kind::ALL {
        for (name, change) in
            [("people", other_people as fn(&World) -> World), ("sections", other_sections), ("nobody", no_members)]
        {
            let (mut store, mut world) = filled(kind);
            world.members.insert(email(DORA), member(&[2, 1, 1]));
            converge(&world, &mut store);
            store.tamper_member(world.key(), &email(STRANGER), levels(&[("orders", "Edit"), ("users", "View")]));
            let mut after_store = store.clone();
            let after = change(&world);
            let (outcomes, steps) = finish(begin(&after, &after_store), &mut after_store);
            assert!(outcomes.iter().all(Result::is_ok), "{name}: {outcomes:?}");
            assert_eq!(kind == Kind::Transactional, steps == 2, "{name}: {steps}");
            let (was, is) = (store.all_access(NOW), after_store.all_access(NOW));
            let nothing = Levels::new();
            let limit = |all: &BTreeMap<_, Levels>, who: &Email| {
                all.get(&(world.key().clone(), who.clone())).unwrap_or(&nothing).clone()
            };
            for cut in 0..=steps {
                let what = format!("{kind:?}, {name}, after {cut} of {steps} steps");
                let mut store = store.clone();
                let mut apply = begin(&after, &store);
                for _ in 0..cut {
                    let before = store.all_access(NOW);
                    let Progress::Going { touched } = apply.step(&mut store) else { panic!("{what}: too early") };
                    let changed = store.all_access(NOW);
                    let is_told = |who: &Email| touched.contains(&member_key(who));
                    let silent = changed.iter().filter(|(key, levels)| before.get(key) != Some(levels));
                    assert!(silent.clone().all(|((_, who), _)| is_told(who)), "{what}: {touched:?}");
                }
                drop(apply);
                for who in [ANN, BEN, CARL, DORA, STRANGER].map(email) {
                    let held = store.access(world.key(), &who, NOW);
                    let before = (&world.account.layout, &limit(&was, &who));
                    assert_no_wider(
                        &held,
                        before,
                        (&after.account.layout, &limit(&is, &who)),
                        &format!("{what}: {who}"),
                    );
                }
                if kind == Kind::Transactional {
                    assert!([&was, &is].contains(&&store.all_access(NOW)), "{what}");
                }
                let observed = store.observe(world.key(), &Scope::Account, NOW).unwrap();
                let known = |ranks: &Ranks| ranks.as_slice().len() == observed.layout.len();
                let contents = observed.members.values().filter_map(|existing| existing.content.as_ref());
                assert!(contents.clone().all(|content| known(&content.ranks)), "{what}: a level that no ladder has");
                // A partly applied change does not look like a change by others.
                let drifts = plan(&after, &store).changes.into_iter().filter(|change| change.cause == Cause::Drift);
                assert_eq!(drifts.collect::<Vec<_>>(), [], "{what}");
                // The next pass makes it whole.
                finish(begin(&after, &store), &mut store);
                assert!(plan(&after, &store).changes.is_empty(), "{what}");
                assert_eq!(store.all_access(NOW), is, "{what}");
                assert!(store.verify_audit().is_whole(), "{what}");
            }
        }
    }
}

#[test]
fn a_plain_store_writes_marks_then_revocations_then_grants() {
    let (mut store, world) = filled(Kind::Plain);
    let mut apply = begin(&other_people(&world), &store);
    let account = world.key();
    let mut existing = Vec::new();
    loop {
        let Progress::Going { touched } = apply.step(&mut store) else { break };
        if touched.contains(&member_key(&email(ANN))) || touched.contains(&member_key(&email(CARL))) {
            existing.push((store.access(account, &email(ANN), NOW), store.access(account, &email(CARL), NOW)));
        }
    }
    let ann = levels(&[("orders", "Edit"), ("payments", "Allowed"), ("users", "Delete")]);
    let taken = levels(&[("orders", "View"), ("payments", "Allowed"), ("users", "Edit")]);
    let carl = levels(&[("payments", "Allowed"), ("users", "Delete")]);
    let none = Levels::new();
    assert_ne!(ann, taken);
    let expected = [
        (taken.clone(), none.clone()), // taken from Ann
        (taken.clone(), none.clone()), // her fingerprint
        (taken.clone(), none),         // Carl is marked
        (taken.clone(), carl.clone()), // given to Carl
        (taken, carl),                 // his fingerprint
    ];
    assert_eq!(existing, expected);
}

#[test]
fn visibility_of_a_write_depends_on_the_kind_of_store() {
    for kind in Kind::ALL {
        let (mut store, world) = filled(kind);
        let enforces = kind == Kind::Transactional;
        let held = levels(&[("orders", "View")]);
        let access = |store: &MemoryStore, at: Timestamp| store.access(world.key(), &email(BEN), at);
        assert_eq!(access(&store, NOW), held);
        let hour = SignedDuration::from_hours(1);
        store.tamper_with_member(world.key(), &email(BEN), |content, _| {
            content.window.starts_at = Some(NOW + hour);
            content.window.expires_at = Some(NOW + hour * 2);
        });
        for (at, is_within) in [(NOW, false), (NOW + hour, true), (NOW + hour * 2, false)] {
            assert_eq!(access(&store, at) == held, is_within || !enforces, "{kind:?} {at}");
        }
        store
            .tamper_with_member(world.key(), &email(BEN), |content, _| content.ended = Some(RevocationReason::Blocked));
        assert_eq!(access(&store, NOW + hour).is_empty(), enforces, "{kind:?}");
        assert_eq!(store.with_access(&[email(BEN)], NOW).unwrap().is_empty(), enforces, "{kind:?}");
        // Without its account nothing is in force.
        store.tamper_delete(world.key(), &ObjectKey::Account);
        assert!(store.all_access(NOW).is_empty());
    }
}

#[test]
fn a_store_that_is_down_or_locked_fails_as_a_whole() {
    for kind in Kind::ALL {
        let (mut store, world) = filled(kind);
        let before = store.all_access(NOW);
        let apply = begin(&other_people(&world), &store);
        let is_unavailable = |outcome: &Outcome| matches!(outcome, Err(StoreError::Unavailable(_)));
        type Turn = fn(&mut MemoryStore, bool, &World);
        let faults: [(Turn, bool); 3] = [
            (|store, on, _| store.faults.unavailable = on, false),
            (|store, on, _| store.faults.locked = on, true),
            (|store, _, world| store.faults.locked_accounts.extend([world.key().clone()]), true),
        ];
        for (turn, reads) in faults {
            turn(&mut store, true, &world);
            assert_eq!(store.observe(world.key(), &Scope::Account, NOW).is_ok(), reads);
            let (outcomes, _) = finish(apply.clone(), &mut store);
            assert!(outcomes.iter().all(is_unavailable), "{outcomes:?}");
            assert_eq!(store.all_access(NOW), before);
            turn(&mut store, false, &world);
        }
        // The lock of one tenant does not affect another tenant.
        converge(&roster_testkit::contract::world::world("zeta"), &mut store);
        store.faults.locked_accounts.clear();
        assert!(finish(apply, &mut store).0.iter().all(Result::is_ok));
    }
}

#[test]
fn a_refused_object_does_not_affect_others() {
    for kind in Kind::ALL {
        let (mut store, world) = filled(kind);
        let refusal = StoreError::Invalid("no".into());
        store.faults.refused.insert((world.key().clone(), member_key(&email(CARL))), refusal.clone());
        let apply = begin(&other_people(&world), &store);
        let changes = apply.batch().changes.clone();
        let (outcomes, _) = finish(apply, &mut store);
        for (change, outcome) in changes.iter().zip(outcomes) {
            let refused = change.object == member_key(&email(CARL));
            assert_eq!(outcome, if refused { Err(refusal.clone()) } else { Ok(()) }, "{}", change.object);
        }
        assert!(store.access(world.key(), &email(CARL), NOW).is_empty());
        store.faults.refused.clear();
        converge(&other_people(&world), &mut store);
    }
}

#[test]
fn a_refused_account_prevents_its_dependent_changes() {
    for kind in Kind::ALL {
        let (mut store, world) = (MemoryStore::new(kind), world("acme"));
        let refusal = StoreError::Denied("no".into());
        store.faults.refused.insert((world.key().clone(), ObjectKey::Account), refusal.clone());
        let (outcomes, _) = finish(begin(&world, &store), &mut store);
        assert!(outcomes.iter().all(|outcome| *outcome == Err(refusal.clone())), "{outcomes:?}");
        assert_eq!((store.all_access(NOW), store.keys().unwrap()), (BTreeMap::new(), vec![]));
    }
}

#[test]
fn a_reply_can_be_lost_after_the_changes_were_made() {
    for kind in Kind::ALL {
        let (mut store, world) = filled(kind);
        store.faults.lost_replies = 1;
        let after = other_people(&world);
        let (outcomes, _) = finish(begin(&after, &store), &mut store);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(StoreError::Unavailable(_)))), "{outcomes:?}");
        after.assert_held(&store.observe(after.key(), &Scope::Account, NOW).unwrap());
        converge(&world, &mut store);
    }
}

#[test]
fn a_store_can_die_between_two_writes() {
    for kind in Kind::ALL {
        let (store, world) = filled(kind);
        let after = other_people(&world);
        let mut whole = store.clone();
        finish(begin(&after, &whole), &mut whole);
        let writes = u32::try_from(whole.writes() - store.writes()).unwrap();
        assert_eq!(kind == Kind::Transactional, writes == 1);
        for survived in 0..writes {
            let mut store = store.clone();
            store.faults.dies_after_writes = Some(survived);
            let (outcomes, _) = finish(begin(&after, &store), &mut store);
            assert!(outcomes.iter().any(Result::is_err), "after {survived} writes: {outcomes:?}");
            assert!(store.faults.unavailable && store.observe(after.key(), &Scope::Account, NOW).is_err());
            store.faults = Default::default();
            converge(&after, &mut store);
        }
    }
}

#[test]
fn a_silent_store_neither_answers_nor_writes_until_it_is_resumed() {
    for kind in Kind::ALL {
        let (mut store, world) = filled(kind);
        let before = store.clone();
        let mut apply = begin(&other_people(&world), &store);
        apply.step(&mut store);
        store.faults.silent = true;
        for _ in 0..3 {
            assert_eq!(apply.step(&mut store), Progress::Waiting);
        }
        assert_eq!((store.writes(), store.all_access(NOW)), (before.writes(), before.all_access(NOW)));
        store.faults.silent = false;
        let (outcomes, _) = finish(apply, &mut store);
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    }
}

#[test]
fn a_claim_between_two_steps_fences_a_commit_out() {
    let (mut store, world) = filled(Kind::Transactional);
    let before = store.all_access(NOW);
    let mut apply = begin(&other_people(&world), &store);
    apply.step(&mut store);
    let mut later = CLAIM.epoch;
    later.0 += 1;
    store.claim("cluster-a", Claim::whole(later)).unwrap();
    let (outcomes, _) = finish(apply, &mut store);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(StoreError::Conflict(_)))), "{outcomes:?}");
    assert_eq!(store.all_access(NOW), before);
}

#[test]
fn a_clean_pass_writes_nothing() {
    for kind in Kind::ALL {
        let (mut store, world) = filled(kind);
        let writes = store.writes();
        let blind = roster_core::testing::plan(&world.desired(Scope::Account), &Default::default(), &world.policy);
        let (outcomes, _) = finish(call(&world, &store, blind), &mut store);
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        assert_eq!(store.writes(), writes);
    }
}
