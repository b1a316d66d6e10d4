//! Tests how a replica keeps a Lease: renewals, and the time at which it stops.

use jiff::ToSpan as _;
use k8s_openapi::api::coordination::v1::Lease;
use roster_core::control::leases::{LeaseEvent, LeaseLog};

use super::world::{SECOND, World};

/// Returns a world in which one replica holds all shards and another one waits.
fn led() -> World {
    let mut world = World::new();
    world.join("one", 1);
    world.run(SECOND);
    world.join("two", 1);
    world.run(4 * SECOND);
    assert_eq!(world.holders(0), [0]);
    world
}

#[test]
fn a_lost_answer_to_a_renewal_is_no_loss() {
    let mut world = led();
    world.absorb(0, LeaseEvent::Stop);
    world.replicas[0].lost_answers = 1;
    world.run(60 * SECOND);
    assert!(world.replicas[0].log.contains(&LeaseLog::RenewalUnanswered));
    assert_eq!(world.replicas[0].lost, []);
    assert_eq!(world.holders(0), [0]);
}

#[test]
fn an_annotation_by_others_is_no_loss() {
    let mut world = led();
    let mut lease = world.leases.remove("roster").unwrap();
    lease.metadata.resource_version = Some("another".to_owned());
    lease.metadata.annotations = Some([("note".to_owned(), "hands off".to_owned())].into());
    world.leases.insert("roster".to_owned(), lease);
    world.run(30 * SECOND);
    assert_eq!(world.holders(0), [0]);
    assert_eq!(world.annotation("roster", "note"), Some("hands off"));
}

#[test]
fn a_lease_taken_by_another_replica_is_lost() {
    let changes: [fn(&mut Lease); 3] = [
        |lease| lease.spec.as_mut().unwrap().holder_identity = Some("somebody".to_owned()),
        |lease| lease.spec.as_mut().unwrap().acquire_time.as_mut().unwrap().0 += 1.second(),
        |lease| lease.metadata.uid = Some("another".to_owned()),
    ];
    for change in changes {
        let mut world = led();
        let lease = world.leases.get_mut("roster").unwrap();
        lease.metadata.resource_version = Some("another".to_owned());
        change(lease);
        world.run(3 * SECOND);
        assert_eq!(world.replicas[0].lost, [(0, "the lease was taken or deleted")]);
    }
}

#[test]
fn a_lease_that_is_deleted_under_its_holder_is_lost() {
    let mut world = led();
    world.leases.remove("roster");
    world.run(3 * SECOND);
    assert_eq!(world.replicas[0].lost, [(0, "the lease was taken or deleted")]);
    // A replica that saw a holder waits until the holder has noticed, even if that is late.
    assert!(world.holders(0).is_empty());
    world.absorb(0, LeaseEvent::Abandon);
    world.run(8 * SECOND);
    assert!(world.holders(0).is_empty());
    world.run(8 * SECOND);
    assert_eq!(world.holders(0), [1]);
}

#[test]
fn a_holder_stops_before_another_takes_over() {
    let mut world = led();
    world.replicas[0].is_cut_off = true;
    world.run(11 * SECOND);
    assert!(world.holders(0).is_empty(), "ten seconds after the last renewal was asked for");
    world.run(3 * SECOND);
    assert_eq!(world.replicas[0].lost, [(0, "the lease was not renewed in time")]);
    world.run(5 * SECOND);
    assert_eq!(world.holders(0), [1]);
}

#[test]
fn the_validity_of_a_lease_counts_from_before_the_request() {
    let mut world = World::new();
    let one = world.join("one", 1);
    // The Lease is written at once, but the response is late.
    world.replicas[one].slow_answers = 7 * SECOND;
    world.run(7 * SECOND + SECOND / 2);
    assert_eq!(world.holders(0), [one]);
    world.replicas[one].is_cut_off = true;
    world.run(3 * SECOND);
    assert!(world.holders(0).is_empty());
}

#[test]
fn a_process_that_was_suspended_writes_nothing_and_notices_the_loss() {
    let mut world = led();
    world.replicas[0].frozen_until = world.time + 60 * SECOND;
    world.run(30 * SECOND);
    assert_eq!(world.holders(0), [1]);
    assert_eq!(world.replicas[0].lost, [], "nothing ran that could have noticed");
    world.run(40 * SECOND);
    assert_eq!(world.replicas[0].lost, [(0, "the lease was not renewed in time")]);
    assert_eq!(world.holders(0), [1]);
}

#[test]
fn a_dropped_lease_is_neither_renewed_nor_released() {
    let mut world = led();
    let epoch = world.replicas[0].held[&0];
    world.absorb(0, LeaseEvent::Abandon);
    world.absorb(0, LeaseEvent::Drop(0, epoch));
    world.run(10 * SECOND);
    assert_eq!((world.holder("roster"), world.holders(0)), (Some("one"), Vec::new()));
    world.run(10 * SECOND);
    assert_eq!(world.holders(0), [1]);
}

#[test]
fn after_stop_no_shard_is_taken_and_held_shards_are_kept() {
    let mut world = led();
    world.absorb(0, LeaseEvent::Stop);
    world.run(30 * SECOND);
    assert!(world.replicas[0].stopped);
    assert_eq!(world.holders(0), [0]);
    world.release(0, 0);
    world.run(3 * SECOND);
    assert_eq!(world.holders(0), [1]);
    assert!(world.replicas[0].log.contains(&LeaseLog::GaveBack("roster".to_owned())));
}

/// The Lease names this process, which dropped it during an API outage. It takes the Lease back in a later epoch, when
/// earlier requests have ended. Another process waits until the Lease expires.
#[test]
fn a_process_takes_its_own_lease_back_at_once() {
    for (identity, at_once) in [("one", true), ("two", false)] {
        let mut world = World::new();
        world.join("one", 1);
        world.run(SECOND);
        world.replicas[0].is_cut_off = true;
        world.run(13 * SECOND);
        assert_eq!(world.replicas[0].lost.len(), 1);
        // The controller restarts.
        world.restart(0, identity, 1);
        world.run(3 * SECOND);
        assert_eq!(world.holders(0), Vec::<usize>::new(), "{identity}");
        // Five seconds after the start, not in the next regular round.
        world.run(2 * SECOND + SECOND / 2);
        assert_eq!(world.holders(0) == [0], at_once, "{identity}");
        world.run(18 * SECOND);
        assert_eq!((world.holders(0), world.holder("roster")), (vec![0], Some(identity)));
    }
}

/// Another replica started meanwhile. This process also takes back the shards that belong to the other one by fair
/// shares; otherwise the other one would wait until they expire.
#[test]
fn a_process_takes_back_all_its_leases_and_then_shares_them() {
    let mut world = World::new();
    world.join("one", 4);
    world.run(5 * SECOND);
    world.replicas[0].is_cut_off = true;
    world.run(13 * SECOND);
    assert_eq!(world.replicas[0].lost.len(), 4);
    world.restart(0, "one", 4);
    world.join("two", 4);
    world.run(7 * SECOND);
    let held = |world: &World| (0..4).map(|shard| world.holders(shard).len()).collect::<Vec<_>>();
    assert_eq!(held(&world), [1; 4]);
    world.run(15 * SECOND);
    assert_eq!(held(&world), [1; 4]);
    assert_eq!((0..4).filter(|shard| world.holders(*shard) == [0]).count(), 2);
}
