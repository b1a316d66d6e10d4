//! Tests several shards: fair shares, and replicas with a different number of shards.

use roster_core::control::ShardEvent;
use roster_core::control::leases::{LeaseEvent, LeaseLog};

use super::world::{BEGIN, SECOND, World};

fn counts(world: &World, shards: u16) -> Vec<usize> {
    let held = |index| (0..shards).filter(|shard| world.holds(index, *shard)).count();
    (0..world.replicas.len()).map(held).collect()
}

#[test]
fn fair_shares_move_one_by_one() {
    let mut world = World::new();
    world.join("a", 8);
    world.join("b", 8);
    world.run(20 * SECOND);
    assert_eq!(counts(&world, 8), [4, 4]);
    world.join("c", 8);
    let reported = |world: &World| -> Vec<usize> {
        let back = |event: &&ShardEvent| matches!(event, ShardEvent::GiveBack(_));
        world.replicas.iter().map(|replica| replica.reported.iter().filter(back).count()).collect()
    };
    let before = reported(&world);
    let mut seen = before.clone();
    for _ in 0..30 {
        world.run(SECOND);
        let now = reported(&world);
        assert!(now.iter().zip(&seen).all(|(now, seen)| now - seen <= 1), "{seen:?}, then {now:?}");
        seen = now;
    }
    assert_eq!(counts(&world, 8), [3, 3, 2]);
    assert_eq!(seen.iter().sum::<usize>() - before.iter().sum::<usize>(), 2, "nothing else moved");
}

#[test]
fn a_shard_is_released_only_after_its_last_write() {
    let mut world = World::new();
    world.gives_back = false;
    world.join("a", 2);
    world.run(5 * SECOND);
    assert_eq!(counts(&world, 2), [2]);
    world.join("b", 2);
    world.run(20 * SECOND);
    assert_eq!((counts(&world, 2), world.replicas[0].asked_back.len()), (vec![2, 0], 1));
    let shard = *world.replicas[0].asked_back.first().unwrap();
    world.release(0, shard);
    world.run(5 * SECOND);
    assert_eq!(counts(&world, 2), [1, 1]);
}

#[test]
fn notes_of_holders_are_reported() {
    let mut world = World::new();
    world.join("a", 2);
    world.run(5 * SECOND);
    let epoch = world.replicas[0].held[&1];
    world.absorb(0, LeaseEvent::PublishNote(1, epoch, "news".to_owned()));
    world.run(5 * SECOND);
    let reported = world.replicas[0].reported.iter().rev().find_map(|event| match event {
        ShardEvent::Notes(reported) => Some(reported.clone()),
        _ => None,
    });
    assert_eq!(reported.unwrap(), [(1, "news".to_owned())].into());
}

#[test]
fn replicas_of_another_number_of_shards_are_waited_for() {
    let mut world = World::new();
    let old = world.join("old", 4);
    world.run(5 * SECOND);
    let new = world.join("new", 8);
    world.run(60 * SECOND);
    assert!(world.replicas[new].held.is_empty());
    assert_eq!(world.replicas[old].held.len(), 4, "it does not look at those that only wait");
    assert!(
        world.replicas[new].log.iter().any(|line| matches!(line, LeaseLog::WaitingForOthers(all) if all.len() == 4))
    );
    world.absorb(old, LeaseEvent::Stop);
    world.run(3 * SECOND);
    assert!(world.replicas[old].stopped);
    assert!(!world.leases.contains_key("roster-replica-of-4-old"), "others need not wait until it expires");
    (0..4).for_each(|shard| world.release(old, shard));
    world.run(5 * SECOND);
    assert_eq!(counts(&world, 8)[new], 8);
    let stale: Vec<&String> = world.leases.keys().filter(|name| name.contains("of-4")).collect();
    assert!(stale.is_empty(), "of no use: {stale:?}");
}

#[test]
fn everything_is_released_to_a_holder_that_ignores_others() {
    let mut world = World::new();
    let one = world.join("one", 2);
    world.run(5 * SECOND);
    assert_eq!(world.replicas[one].held.len(), 2);
    // A pod of the first release.
    world.put("roster", Some("first"), BEGIN);
    world.run(5 * SECOND);
    assert_eq!(world.replicas[one].asked_back.len(), 2);
    assert_eq!((counts(&world, 2), world.holder("roster-0-of-2")), (vec![0], None));
    // It stops; its Lease expires and is deleted.
    world.run(25 * SECOND);
    assert_eq!(counts(&world, 2), [2]);
    assert!(!world.leases.contains_key("roster"));
}

#[test]
fn a_stopped_replica_is_not_counted() {
    let mut world = World::new();
    world.join("a", 4);
    world.join("b", 4);
    world.run(20 * SECOND);
    assert_eq!(counts(&world, 4), [2, 2]);
    world.replicas[1].frozen_until = u64::MAX;
    world.run(40 * SECOND);
    assert_eq!(counts(&world, 4), [4, 0]);
    assert!(!world.leases.contains_key("roster-replica-of-4-b"));
}
