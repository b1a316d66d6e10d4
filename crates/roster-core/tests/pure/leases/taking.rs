//! Tests how a replica takes Leases: free ones, clean ones, and its report when it can take none.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use roster_core::contract::Epoch;
use roster_core::control::ShardEvent;
use roster_core::control::leases::{LeaseAnswer, LeaseEffect, LeaseEvent, LeaseTiming, ShardConfig, ShardCoordinator};
use roster_core::control::{Mono, Now};

use super::world::{BEGIN, SECOND, World, fault};

fn taken(world: &World, index: usize) -> Option<(Epoch, bool)> {
    world.replicas[index].reported.iter().find_map(|event| match event {
        ShardEvent::Taken { epoch, clean, .. } => Some((*epoch, *clean)),
        _ => None,
    })
}

#[test]
fn a_free_lease_is_taken_at_once() {
    let mut world = World::new();
    let one = world.join("one", 1);
    world.run(SECOND);
    let (epoch, clean) = taken(&world, one).unwrap();
    assert!(world.holds(one, 0));
    assert!(epoch.0 >= BEGIN.as_microsecond());
    assert!(!clean, "of a new Lease nobody can say what was before");
    world.absorb(one, LeaseEvent::MarkClean(0, epoch));
    world.release(one, 0);
    let two = world.join("two", 1);
    world.run(SECOND);
    let (later, clean) = taken(&world, two).unwrap();
    assert!(later > epoch && clean);
    assert_eq!(world.lease("roster").spec.as_ref().unwrap().lease_transitions, Some(2));
}

#[test]
fn expiry_is_measured_by_the_local_clock() {
    // A Lease that was renewed long ago, or will be in hours, by the clock of whoever held it.
    for hours in [-8, 8] {
        let mut world = World::new();
        let then = BEGIN + hours.hours();
        world.put("roster", Some("died"), then);
        let one = world.join("one", 1);
        world.run(15 * SECOND);
        assert_eq!(taken(&world, one), None, "{hours}");
        world.run(3 * SECOND);
        let (epoch, clean) = taken(&world, one).unwrap();
        assert!(!clean);
        assert!(epoch.0 > then.as_microsecond(), "a clock that was ahead makes no lower epoch");
    }
}

#[test]
fn a_lease_that_is_renewed_is_never_taken() {
    let mut world = World::new();
    let one = world.join("one", 1);
    world.run(SECOND);
    let two = world.join("two", 1);
    for _ in 0..100 {
        world.run(SECOND);
        assert_eq!(world.holders(0), [one]);
    }
    assert_eq!(taken(&world, two), None);
    assert!(matches!(world.replicas[two].reported.last(), Some(ShardEvent::CanAcquire)));
}

#[test]
fn an_unclean_release_is_recorded_in_the_lease() {
    let mut world = World::new();
    world.put("roster", Some("died"), BEGIN);
    let one = world.join("one", 1);
    world.run(20 * SECOND);
    assert_eq!(taken(&world, one).map(|(_, clean)| clean), Some(false));
    world.release(one, 0);
    world.run(SECOND / 10);
    assert_eq!((world.holder("roster"), world.annotation("roster", "roster.dev/unclean")), (None, Some("true")));
    let two = world.join("two", 1);
    world.run(SECOND);
    let (epoch, clean) = taken(&world, two).unwrap();
    assert!(!clean, "the former holder recorded it");
    assert_eq!(world.annotation("roster", "roster.dev/unclean"), None, "that was another one's word");
    world.absorb(two, LeaseEvent::MarkClean(0, epoch));
    world.release(two, 0);
    world.run(SECOND / 10);
    assert_eq!(world.annotation("roster", "roster.dev/unclean"), None);
}

#[test]
fn other_fields_of_a_lease_are_kept() {
    let mut world = World::new();
    world.put("roster", None, BEGIN);
    let lease = world.leases.get_mut("roster").unwrap();
    let annotations = [("note", "hands off"), ("roster.dev/gone-over", "{}")];
    let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned()));
    lease.metadata.annotations = Some(BTreeMap::from(annotations));
    lease.spec.as_mut().unwrap().strategy = Some("OldestEmulationVersion".to_owned());
    let one = world.join("one", 1);
    world.run(SECOND);
    assert_eq!(world.holder("roster"), Some("one"));
    assert_eq!(world.annotation("roster", "note"), Some("hands off"));
    assert_eq!(world.annotation("roster", "roster.dev/gone-over"), None, "that was another one's word");
    assert_eq!(world.lease("roster").spec.as_ref().unwrap().strategy.as_deref(), Some("OldestEmulationVersion"));
    let epoch = world.replicas[one].held[&0];
    world.absorb(one, LeaseEvent::PublishNote(0, epoch, "{\"uid\":3}".to_owned()));
    world.run(3 * SECOND);
    assert_eq!(world.annotation("roster", "roster.dev/gone-over"), Some("{\"uid\":3}"));
}

/// Returns the events of a machine whose list request is answered by `result`.
fn listed(result: Option<Result<LeaseAnswer, roster_core::control::ApiFault>>) -> Vec<String> {
    let config = ShardConfig {
        namespace: "nowhere".to_owned(),
        identity: "one".to_owned(),
        shards: 1,
        timing: LeaseTiming::default(),
    };
    let mut machine = ShardCoordinator::new(config);
    let at = |seconds| Now { mono: Mono(std::time::Duration::from_secs(seconds)), wall: BEGIN };
    let mut effects = Vec::new();
    machine.decide(at(0), &mut effects);
    let Some(LeaseEffect::Call(call)) = effects.pop() else { panic!("nothing is asked for") };
    let end = if result.is_some() { 1 } else { 10 };
    if let Some(result) = result {
        machine.absorb(LeaseEvent::Answered { id: call.id, result }, at(end));
    }
    machine.decide(at(end), &mut effects);
    let why = effects.into_iter().filter_map(|effect| match effect {
        LeaseEffect::Report(ShardEvent::CannotAcquire(why)) => Some(why),
        _ => None,
    });
    why.collect()
}

#[test]
fn a_refusal_is_reported_at_once_with_a_remedy() {
    let missing = listed(Some(Err(fault(Some(404), "namespaces \"nowhere\" not found"))));
    let hint = "create it with `kubectl create namespace nowhere`";
    assert_eq!(missing, [format!("cannot take a lease in nowhere: namespaces \"nowhere\" not found; {hint}")]);
    let mut refused = fault(Some(403), "forbidden");
    refused.lacks_right = Some("forbidden; give it its rights".to_owned());
    assert_eq!(listed(Some(Err(refused))), ["cannot take a lease in nowhere: forbidden; give it its rights"]);
    assert_eq!(listed(None), ["the API server does not respond"]);
    assert_eq!(listed(Some(Ok(LeaseAnswer::Listed(Vec::new())))), Vec::<String>::new());
}

#[test]
fn a_replica_with_earlier_success_reports_after_five_failures() {
    let mut world = World::new();
    world.put("roster", Some("another"), BEGIN);
    let one = world.join("one", 1);
    world.run(3 * SECOND);
    world.replicas[one].is_cut_off = true;
    let unable =
        |world: &World| world.replicas[one].reported.iter().any(|event| matches!(event, ShardEvent::CannotAcquire(_)));
    // Each round is aborted after ten seconds, and the next one begins two seconds later.
    world.run(50 * SECOND);
    assert!(!unable(&world));
    world.run(15 * SECOND);
    assert!(unable(&world));
    world.replicas[one].is_cut_off = false;
    world.run(15 * SECOND);
    assert!(matches!(world.replicas[one].reported.last(), Some(ShardEvent::CanAcquire)));
}
