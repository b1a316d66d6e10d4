//! Tests how a replica keeps a Lease: renewals, and the end of its belief.

use jiff::ToSpan as _;
use k8s_openapi::api::coordination::v1::Lease;
use roster_core::control::leases::{LeaseEvent, LeaseLog};

use super::world::{SECOND, World};

/// A world in which one replica holds everything, and another one waits.
fn led() -> World {
    let mut world = World::new();
    world.join("one", 1);
    world.run(SECOND);
    world.join("two", 1);
    world.run(4 * SECOND);
    assert_eq!(world.believers(0), [0]);
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
    assert_eq!(world.believers(0), [0]);
}

#[test]
fn an_annotation_of_somebody_is_no_loss() {
    let mut world = led();
    let mut lease = world.leases.remove("roster").unwrap();
    lease.metadata.resource_version = Some("another".to_owned());
    lease.metadata.annotations = Some([("note".to_owned(), "hands off".to_owned())].into());
    world.leases.insert("roster".to_owned(), lease);
    world.run(30 * SECOND);
    assert_eq!(world.believers(0), [0]);
    assert_eq!(world.annotation("roster", "note"), Some("hands off"));
}

#[test]
fn a_lease_that_is_another_ones_by_now_is_lost() {
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
    assert!(world.believers(0).is_empty());
    world.absorb(0, LeaseEvent::Abandon);
    world.run(8 * SECOND);
    assert!(world.believers(0).is_empty());
    world.run(8 * SECOND);
    assert_eq!(world.believers(0), [1]);
}

#[test]
fn belief_ends_before_anybody_else_takes_over() {
    let mut world = led();
    world.replicas[0].is_cut_off = true;
    world.run(11 * SECOND);
    assert!(world.believers(0).is_empty(), "ten seconds after the last renewal was asked for");
    world.run(3 * SECOND);
    assert_eq!(world.replicas[0].lost, [(0, "the lease was not renewed in time")]);
    world.run(5 * SECOND);
    assert_eq!(world.believers(0), [1]);
}

#[test]
fn belief_counts_from_before_a_lease_was_asked_for() {
    let mut world = World::new();
    let one = world.join("one", 1);
    // Its Lease is written at once, and it hears of that late.
    world.replicas[one].slow_answers = 7 * SECOND;
    world.run(7 * SECOND + SECOND / 2);
    assert_eq!(world.believers(0), [one]);
    world.replicas[one].is_cut_off = true;
    world.run(3 * SECOND);
    assert!(world.believers(0).is_empty());
}

#[test]
fn a_process_that_stood_still_believes_nothing_and_finds_out() {
    let mut world = led();
    world.replicas[0].frozen_until = world.time + 60 * SECOND;
    world.run(30 * SECOND);
    assert_eq!(world.believers(0), [1]);
    assert_eq!(world.replicas[0].lost, [], "nothing ran that could have noticed");
    world.run(40 * SECOND);
    assert_eq!(world.replicas[0].lost, [(0, "the lease was not renewed in time")]);
    assert_eq!(world.believers(0), [1]);
}

#[test]
fn what_is_let_go_of_is_renewed_no_more_and_not_given_back() {
    let mut world = led();
    let epoch = world.replicas[0].held[&0];
    world.absorb(0, LeaseEvent::Abandon);
    world.absorb(0, LeaseEvent::Drop(0, epoch));
    world.run(10 * SECOND);
    assert_eq!((world.holder("roster"), world.believers(0)), (Some("one"), Vec::new()));
    world.run(10 * SECOND);
    assert_eq!(world.believers(0), [1]);
}

#[test]
fn nothing_more_is_taken_after_stop_and_what_is_held_is_kept() {
    let mut world = led();
    world.absorb(0, LeaseEvent::Stop);
    world.run(30 * SECOND);
    assert!(world.replicas[0].stopped);
    assert_eq!(world.believers(0), [0]);
    world.release(0, 0);
    world.run(3 * SECOND);
    assert_eq!(world.believers(0), [1]);
    assert!(world.replicas[0].log.contains(&LeaseLog::GaveBack("roster".to_owned())));
}

/// The Lease names this very process, which let go of it while the API server could not be reached: it takes it back
/// when requests from before have ended, in a later epoch. Another process waits until the Lease expires.
#[test]
fn a_process_takes_its_own_lease_back_at_once() {
    for (identity, at_once) in [("one", true), ("two", false)] {
        let mut world = World::new();
        world.join("one", 1);
        world.run(SECOND);
        world.replicas[0].is_cut_off = true;
        world.run(13 * SECOND);
        assert_eq!(world.replicas[0].lost.len(), 1);
        // The controller starts again.
        world.restart(0, identity, 1);
        world.run(3 * SECOND);
        assert_eq!(world.believers(0), Vec::<usize>::new(), "{identity}");
        // Five seconds from when it began, not at the round after that.
        world.run(2 * SECOND + SECOND / 2);
        assert_eq!(world.believers(0) == [0], at_once, "{identity}");
        world.run(18 * SECOND);
        assert_eq!((world.believers(0), world.holder("roster")), (vec![0], Some(identity)));
    }
}

/// Another replica has begun meanwhile, and saw the Leases change later: what is its by fair shares is taken back as
/// well, or it would wait until they expire.
#[test]
fn a_process_takes_back_all_that_was_its_own_and_shares_it_out_then() {
    let mut world = World::new();
    world.join("one", 4);
    world.run(5 * SECOND);
    world.replicas[0].is_cut_off = true;
    world.run(13 * SECOND);
    assert_eq!(world.replicas[0].lost.len(), 4);
    world.restart(0, "one", 4);
    world.join("two", 4);
    world.run(7 * SECOND);
    let held = |world: &World| (0..4).map(|shard| world.believers(shard).len()).collect::<Vec<_>>();
    assert_eq!(held(&world), [1; 4]);
    world.run(15 * SECOND);
    assert_eq!(held(&world), [1; 4]);
    assert_eq!((0..4).filter(|shard| world.believers(*shard) == [0]).count(), 2);
}
