//! Tests that a shard never has two holders: random worlds with lost calls and answers, delays, freezes,
//! deaths and wrong clocks.

use roster_core::control::leases::LeaseEvent;

use super::world::{Random, SECOND, World};

/// Injects a random fault into a world. [`World`] asserts at every take and handover that no other replica is a holder.
fn inject_fault(world: &mut World, random: &mut Random, shards: u16, deaths: &mut u32) {
    let count = world.replicas.len() as u64;
    let index = usize::try_from(random.below(count)).unwrap();
    match random.below(40) {
        0 => world.replicas[index].frozen_until = world.time + random.below(40 * SECOND),
        1 => world.replicas[index].is_cut_off = true,
        2..=4 => world.replicas[index].is_cut_off = false,
        5 => world.replicas[index].skew = i64::try_from(random.below(100)).unwrap() - 50,
        6 => {
            *deaths += 1;
            world.restart(index, &format!("replica-{index}-{deaths}"), shards);
        }
        7 | 8 => {
            let held: Vec<u16> = world.replicas[index].held.keys().copied().collect();
            if let Some(shard) = held.first() {
                world.release(index, *shard);
            }
        }
        9 => {
            if let Some((shard, epoch)) = world.replicas[index].held.pop_first() {
                world.absorb(index, LeaseEvent::Drop(shard, epoch));
            }
        }
        _ => {}
    }
}

#[test]
fn a_shard_never_has_two_holders() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let shards = [1, 3][usize::try_from(random.below(2)).unwrap()];
        let mut world = World::new();
        world.random = Some(Random(seed + 1_000_000));
        for index in 0..2 + random.below(2) {
            let replica = world.join(&format!("replica-{index}"), shards);
            world.replicas[replica].skew = i64::try_from(random.below(20)).unwrap() - 10;
        }
        let mut deaths = 0;
        for _ in 0..300 {
            inject_fault(&mut world, &mut random, shards, &mut deaths);
            world.run(SECOND);
            for shard in 0..shards {
                let holders = world.holders(shard);
                assert!(holders.len() <= 1, "seed {seed} at {} ms: {holders:?}", world.time);
                for index in holders {
                    let epoch = world.replicas[index].held[&shard];
                    assert_eq!(Some(&epoch), world.epochs.get(&shard), "seed {seed} at {} ms", world.time);
                }
            }
        }
        // After the faults, every shard has a holder.
        world.random = None;
        for replica in &mut world.replicas {
            (replica.frozen_until, replica.is_cut_off) = (0, false);
        }
        world.run(90 * SECOND);
        let unheld: Vec<u16> = (0..shards).filter(|shard| world.holders(*shard).len() != 1).collect();
        assert!(unheld.is_empty(), "seed {seed}: nobody holds {unheld:?}");
    }
}
