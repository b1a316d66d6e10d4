use super::*;
use crate::{control::ChangedObject, model::Email, resolve::Origin};

const NOW: Mono = Mono(Duration::ZERO);

fn acme() -> AccountKey {
    AccountKey { namespace: Name::new("acme"), name: Name::new("acme") }
}

fn other(name: &str) -> AccountKey {
    AccountKey { namespace: Name::new("acme"), name: Name::new(name) }
}

fn eve() -> Email {
    Email::parse("eve@acme.example").unwrap()
}

fn next(queue: &mut Queue) -> Option<Pending> {
    queue.take(|_, _| Admission::Start).map(|(_, pending)| pending)
}

fn next_key(queue: &mut Queue) -> Option<AccountKey> {
    queue.take(|_, _| Admission::Start).map(|(key, _)| key)
}

fn revocation() -> Trigger<'static> {
    Trigger { lane: Lane::Revocations, ..Trigger::CHANGE }
}

/// Wakes the queue after the longest wait.
fn wake(queue: &mut Queue) {
    queue.wake(NOW + 2 * LONGEST_WAIT);
}

#[test]
fn a_change_waits_until_a_pass_has_carried_it_out() {
    let mut queue = Queue::new(Seed::default());
    assert_eq!(queue.oldest_change(), None);
    queue.want(&acme(), WorkItem::Member(eve()), Trigger::CHANGE, NOW);
    let since = queue.oldest_change();
    assert!(since.is_some());
    for _ in 0..3 {
        assert_eq!(next(&mut queue).unwrap().changed, since);
        queue.finished(&acme(), Ended::FAILED, NOW);
        assert_eq!(queue.oldest_change(), since, "a pass that failed has not done it");
        assert!(next(&mut queue).is_none(), "not before a while has passed");
        wake(&mut queue);
    }
    assert!(next(&mut queue).unwrap().whole);
    assert_eq!(queue.oldest_change(), since, "while it is tried again");
    queue.finished(&acme(), Ended::Partly, NOW);
    assert_eq!(queue.oldest_change(), since, "the rest of it is to be done");
    assert!(next(&mut queue).is_some());
    queue.finished(&acme(), Ended::Done, NOW);
    assert_eq!(queue.oldest_change(), None);
}

#[test]
fn what_only_grants_is_tried_again_and_is_no_revocation() {
    let mut queue = Queue::new(Seed::default());
    queue.want(&acme(), WorkItem::Account, Trigger::CHANGE, NOW);
    assert!(next(&mut queue).is_some());
    assert_eq!(queue.oldest_change(), None, "its first pass begins with what goes");
    queue.finished(&acme(), Ended::Failed { revokes: false, members: None }, NOW);
    wake(&mut queue);
    assert!(next(&mut queue).unwrap().whole);
    assert_eq!(queue.oldest_change(), None);
}

#[test]
fn a_check_that_fails_is_repeated_and_is_no_change() {
    let mut queue = Queue::new(Seed::default());
    queue.want(&acme(), WorkItem::Account, Trigger::CHECK, NOW);
    assert_eq!(next(&mut queue).unwrap().lane, Lane::Checks);
    queue.finished(&acme(), Ended::FAILED, NOW);
    wake(&mut queue);
    let again = next(&mut queue).unwrap();
    assert!(again.whole && again.lane == Lane::Changes, "it goes ahead of other checks");
    assert_eq!(queue.oldest_change(), None);
}

#[test]
fn what_arrives_does_not_wait_with_what_failed() {
    let mut queue = Queue::new(Seed::default());
    queue.want(&acme(), WorkItem::Member(eve()), Trigger::CHANGE, NOW);
    for _ in 0..8 {
        assert!(next(&mut queue).is_some());
        queue.finished(&acme(), Ended::Failed { revokes: true, members: Some([eve()].into()) }, NOW);
        wake(&mut queue);
    }
    assert!(next(&mut queue).is_some());
    queue.finished(&acme(), Ended::Failed { revokes: true, members: Some([eve()].into()) }, NOW);
    let fay = Email::parse("fay@acme.example").unwrap();
    queue.want(&acme(), WorkItem::Member(fay.clone()), Trigger::CHANGE, NOW);
    let pending = next(&mut queue).expect("a change starts at once");
    assert!(!pending.whole && pending.members == [fay].into());
    queue.finished(&acme(), Ended::Done, NOW);
    assert!(next(&mut queue).is_none());
    let due = queue.next_due().unwrap();
    assert!(due <= NOW + LONGEST_WAIT_OF_REVOCATIONS, "a revocation is tried again soon");
    wake(&mut queue);
    assert_eq!(next(&mut queue).unwrap().members, [eve()].into(), "what failed is tried again by itself");
}

#[test]
fn revocations_go_first_wherever_work_waits() {
    let mut queue = Queue::new(Seed::default());
    let (a, b, c) = (other("a"), other("b"), other("c"));
    queue.want(&a, WorkItem::Account, Trigger::CHECK, NOW);
    queue.want(&b, WorkItem::Account, Trigger::CHANGE, NOW);
    queue.want(&c, WorkItem::Member(eve()), revocation(), NOW);
    let store = Name::new("store");
    assert!(queue.take(|_, _| Admission::Full(store.clone())).is_none(), "all of them wait for room");
    for expected in [c, b, a] {
        queue.room_in(&store, 1, 0);
        assert_eq!(next_key(&mut queue), Some(expected));
    }
}

#[test]
fn a_parked_check_that_becomes_a_change_is_not_lost() {
    let mut queue = Queue::new(Seed::default());
    queue.want(&acme(), WorkItem::Account, Trigger::CHECK, NOW);
    let store = Name::new("store");
    assert!(queue.take(|_, _| Admission::Full(store.clone())).is_none());
    for trigger in [Trigger::CHANGE, revocation(), Trigger::CHANGE] {
        queue.want(&acme(), WorkItem::Member(eve()), trigger, NOW);
        assert!(queue.take(|_, _| Admission::Full(store.clone())).is_none());
        assert_eq!(queue.depths(), (1, 0), "it waits once");
    }
    queue.room_in(&store, 1, 0);
    assert_eq!(next(&mut queue).unwrap().lane, Lane::Revocations);
}

#[test]
fn what_waits_until_more_is_known_is_looked_at_then_and_when_something_changes() {
    let mut queue = Queue::new(Seed::default());
    queue.want(&acme(), WorkItem::Account, Trigger::CHANGE, NOW);
    assert!(next(&mut queue).is_some());
    queue.finished(&acme(), Ended::Waits, NOW);
    assert!(next(&mut queue).is_none());
    queue.want(&acme(), WorkItem::Member(eve()), revocation(), NOW);
    assert!(next(&mut queue).is_some(), "a change does not wait with it");
    queue.finished(&acme(), Ended::Waits, NOW);
    queue.more_known();
    assert!(next(&mut queue).unwrap().whole);
}

#[test]
fn what_arrives_while_only_ends_are_made_does_not_wait_with_the_rest() {
    let mut queue = Queue::new(Seed::default());
    queue.want(&acme(), WorkItem::Member(eve()), revocation(), NOW);
    assert!(next(&mut queue).is_some());
    let fay = Email::parse("fay@acme.example").unwrap();
    queue.want(&acme(), WorkItem::Member(fay.clone()), revocation(), NOW);
    queue.finished(&acme(), Ended::Waits, NOW);
    let pending = next(&mut queue).expect("it arrived before the pass ended");
    assert!(pending.members.contains(&fay));
    queue.finished(&acme(), Ended::Waits, NOW);
    assert!(next(&mut queue).is_none());
}

#[test]
fn what_fails_again_and_again_is_done_again_once_however_much_arrives() {
    let mut queue = Queue::new(Seed::default());
    queue.want(&acme(), WorkItem::Account, Trigger::CHANGE, NOW);
    for _ in 0..100 {
        assert!(next(&mut queue).is_some());
        queue.finished(&acme(), Ended::FAILED, NOW);
        queue.want(&acme(), WorkItem::Member(eve()), Trigger::CHANGE, NOW);
    }
    assert!(next(&mut queue).is_some());
    queue.finished(&acme(), Ended::FAILED, NOW);
    let waiting: usize = queue.later.values().map(Vec::len).sum();
    assert_eq!(waiting, 1, "one retry, not one for each arrival");
    wake(&mut queue);
    assert!(next(&mut queue).unwrap().whole);
    assert!(next(&mut queue).is_none());
}

#[test]
fn after_a_failure_of_single_members_the_whole_account_is_checked() {
    let mut queue = Queue::new(Seed::default());
    queue.want(&acme(), WorkItem::Account, Trigger::CHANGE, NOW);
    assert!(next(&mut queue).is_some());
    queue.finished(&acme(), Ended::Failed { revokes: true, members: Some([eve()].into()) }, NOW);
    wake(&mut queue);
    assert!(!next(&mut queue).unwrap().whole);
    queue.finished(&acme(), Ended::Done, NOW);
    let check = next(&mut queue).expect("what it said is not true any more");
    assert!(check.whole && check.lane == Lane::Checks);
    queue.finished(&acme(), Ended::Done, NOW);
    assert!(next(&mut queue).is_none());
}

#[test]
fn room_is_not_lost_with_those_who_are_somebody_elses_by_now() {
    let mut queue = Queue::new(Seed::default());
    let (store, keys) = (Name::new("store"), ["a", "b", "c"].map(other));
    for key in &keys {
        queue.want(key, WorkItem::Account, Trigger::CHANGE, NOW);
    }
    assert!(queue.take(|_, _| Admission::Full(store.clone())).is_none());
    let elsewhere =
        |key: &AccountKey, _: &Pending| if key.name == "c" { Admission::Start } else { Admission::Elsewhere };
    let mut taken = None;
    for _ in 0..3 {
        queue.room_in(&store, 1, 0);
        taken = taken.or(queue.take(elsewhere));
    }
    assert_eq!(taken.map(|(key, _)| key), Some(other("c")));
    assert!(queue.full_stores().is_empty());
}

#[test]
fn beyond_the_room_there_is_some_for_revocations_alone() {
    let mut queue = Queue::new(Seed::default());
    let store = Name::new("store");
    queue.want(&other("a"), WorkItem::Account, Trigger::CHANGE, NOW);
    queue.want(&other("b"), WorkItem::Member(eve()), revocation(), NOW);
    assert!(queue.take(|_, _| Admission::Full(store.clone())).is_none());
    queue.room_in(&store, 0, 2);
    assert_eq!(next_key(&mut queue), Some(other("b")));
    assert!(next(&mut queue).is_none());
}

#[test]
fn a_store_that_is_full_keeps_single_people_waiting_of_whom_something_is_taken_away() {
    let mut queue = Queue::new(Seed::default());
    let store = Name::new("store");
    let keeps = |queue: &Queue| queue.stores_kept_waiting().count();
    queue.want(&other("a"), WorkItem::Account, revocation(), NOW);
    queue.want(&other("b"), WorkItem::Member(eve()), Trigger::CHANGE, NOW);
    assert!(queue.take(|_, _| Admission::Full(store.clone())).is_none());
    assert_eq!(keeps(&queue), 0, "neither a whole account nor another change has a long pass end early");
    queue.want(&other("b"), WorkItem::Member(eve()), revocation(), NOW);
    assert_eq!(keeps(&queue), 0, "before it was asked for room");
    assert!(queue.take(|_, _| Admission::Full(store.clone())).is_none());
    assert_eq!(keeps(&queue), 1);
    queue.room_in(&store, 2, 0);
    assert_eq!(keeps(&queue), 0);
}

#[test]
fn a_pass_that_made_way_goes_on_after_the_revocation_even_if_more_arrive() {
    let mut queue = Queue::new(Seed::default());
    queue.want(&acme(), WorkItem::Account, Trigger::CHANGE, NOW);
    assert!(next(&mut queue).unwrap().whole);
    queue.want(&acme(), WorkItem::Member(eve()), Trigger::CHANGE, NOW);
    assert!(queue.waits_for_pass(&acme()).is_none(), "other changes wait for its end");
    queue.want(&acme(), WorkItem::Member(eve()), revocation(), NOW);
    assert!(queue.waits_for_pass(&acme()).is_some());
    queue.finished(&acme(), Ended::Interrupted, NOW);
    let first = next(&mut queue).unwrap();
    assert!(!first.whole && first.members == [eve()].into(), "the revocation does not wait for the rest");
    assert!(queue.waits_for_pass(&acme()).is_none());
    queue.finished(&acme(), Ended::Done, NOW);
    assert!(next(&mut queue).is_none());
    queue.wake(NOW + AFTER_INTERRUPTION);
    let rest = next(&mut queue).unwrap();
    assert!(rest.whole);
    // A pass over single members makes way, too, and then continues with them.
    queue.finished(&acme(), Ended::Done, NOW);
    queue.want(&acme(), WorkItem::Member(eve()), Trigger::CHANGE, NOW);
    assert!(!next(&mut queue).unwrap().whole);
    let fay = Email::parse("fay@acme.example").unwrap();
    queue.want(&acme(), WorkItem::Member(fay.clone()), revocation(), NOW);
    assert!(queue.waits_for_pass(&acme()).is_some());
    queue.finished(&acme(), Ended::Interrupted, NOW);
    assert_eq!(next(&mut queue).unwrap().members, [fay].into());
    queue.finished(&acme(), Ended::Done, NOW);
    queue.wake(NOW + AFTER_INTERRUPTION);
    let rest = next(&mut queue).unwrap();
    assert!(!rest.whole && rest.members == [eve()].into());
    queue.finished(&acme(), Ended::Done, NOW);
    wake(&mut queue);
    assert!(next(&mut queue).is_none(), "and nothing is left");
}

fn fay() -> Email {
    Email::parse("fay@acme.example").unwrap()
}

fn everybody() -> BTreeSet<Email> {
    ["eve", "fay", "gus"].map(|name| Email::parse(&format!("{name}@acme.example")).unwrap()).into()
}

/// Starts a pass over the whole account; meanwhile fay changes, and eve's access is revoked.
fn eve_is_revoked_meanwhile() -> Queue {
    let mut queue = Queue::new(Seed::default());
    queue.want(&acme(), WorkItem::Account, Trigger::CHANGE, NOW);
    assert!(next(&mut queue).unwrap().whole);
    queue.want(&acme(), WorkItem::Member(fay()), Trigger::CHANGE, NOW);
    queue.want(&acme(), WorkItem::Member(eve()), revocation(), NOW);
    assert_eq!(queue.waits_for_pass(&acme()), Some(WaitingForPass::Revoked(&[eve()].into())));
    queue
}

#[test]
fn people_of_whom_something_is_taken_away_are_looked_at_beside_the_pass_that_runs() {
    let mut queue = eve_is_revoked_meanwhile();
    let parallel = queue.begin_parallel(&acme(), &everybody()).unwrap();
    assert!(!parallel.whole && parallel.members == [eve()].into() && parallel.lane == Lane::Revocations);
    // One at a time.
    let gus = Email::parse("gus@acme.example").unwrap();
    queue.want(&acme(), WorkItem::Member(gus.clone()), revocation(), NOW);
    assert_eq!(queue.waits_for_pass(&acme()), None);
    queue.finished_parallel(&acme(), Ended::Done, NOW);
    assert_eq!(queue.waits_for_pass(&acme()), Some(WaitingForPass::Revoked(&[gus.clone()].into())));
    assert!(next(&mut queue).is_none(), "the other one runs still");
    assert_eq!(queue.begin_parallel(&acme(), &everybody()).unwrap().members, [gus].into());
    // Nothing else begins before both have ended.
    queue.finished(&acme(), Ended::Done, NOW);
    assert!(next(&mut queue).is_none() && queue.is_running(&acme()));
    queue.finished_parallel(&acme(), Ended::Done, NOW);
    let rest = next(&mut queue).unwrap();
    assert!(!rest.whole && rest.members == [fay()].into() && rest.lane == Lane::Changes);
    queue.finished(&acme(), Ended::Done, NOW);
    assert!(next(&mut queue).is_none() && !queue.is_running(&acme()), "and nothing is left");
}

#[test]
fn what_could_not_be_done_beside_a_pass_makes_it_end_early() {
    for rest in [Ended::Interrupted, Ended::Partly, Ended::Waits] {
        let mut queue = eve_is_revoked_meanwhile();
        queue.begin_parallel(&acme(), &everybody()).unwrap();
        queue.finished_parallel(&acme(), rest.clone(), NOW);
        assert_eq!(queue.waits_for_pass(&acme()), Some(WaitingForPass::EndPassEarly), "{rest:?}");
        queue.finished(&acme(), Ended::Interrupted, NOW);
        let first = next(&mut queue).unwrap();
        assert!(!first.whole && first.members == [eve(), fay()].into());
        assert_eq!(queue.waits_for_pass(&acme()), None);
    }
}

#[test]
fn what_fails_beside_a_pass_is_done_again_after_a_while_and_beside_it() {
    let mut queue = eve_is_revoked_meanwhile();
    queue.begin_parallel(&acme(), &everybody()).unwrap();
    queue.finished_parallel(&acme(), Ended::FAILED, NOW);
    assert_eq!(queue.waits_for_pass(&acme()), None, "the pass that runs goes on");
    wake(&mut queue);
    assert_eq!(queue.waits_for_pass(&acme()), Some(WaitingForPass::Revoked(&[eve()].into())));
}

#[test]
fn some_of_very_many_are_looked_at_beside_the_pass_at_a_time() {
    let mut queue = eve_is_revoked_meanwhile();
    queue.want(&acme(), WorkItem::Member(fay()), revocation(), NOW);
    assert_eq!(queue.begin_parallel(&acme(), &[fay()].into()).unwrap().members, [fay()].into());
    queue.finished_parallel(&acme(), Ended::Done, NOW);
    assert_eq!(queue.waits_for_pass(&acme()), Some(WaitingForPass::Revoked(&[eve()].into())));
}

#[test]
fn who_takes_the_whole_accounts_access_away_does_not_go_beside() {
    let mut queue = eve_is_revoked_meanwhile();
    queue.want(&acme(), WorkItem::Account, revocation(), NOW);
    assert_eq!(queue.waits_for_pass(&acme()), Some(WaitingForPass::EndPassEarly));
}

#[test]
fn a_check_within_some_time_is_not_put_off_by_asking_again_and_keeps_what_is_due_earlier() {
    let (mut queue, second) = (Queue::new(Seed::default()), Duration::from_secs(1));
    queue.want(&acme(), WorkItem::Account, Trigger::CHANGE, NOW);
    assert!(next(&mut queue).is_some());
    queue.finished(&acme(), Ended::Done, NOW);
    queue.check_after(&acme(), 100 * second, NOW);
    for asked in 0..6 {
        queue.check_within(&acme(), 5 * second, NOW + asked * second);
        queue.wake(NOW + asked * second);
    }
    assert_eq!(next(&mut queue).map(|pending| pending.lane), Some(Lane::Checks), "5 s after it was first asked");
    queue.finished(&acme(), Ended::Done, NOW + 5 * second);
    queue.wake(NOW + 200 * second);
    assert!(next(&mut queue).is_none(), "the later plan no longer counts");
}

#[test]
fn what_failed_of_one_person_does_not_come_with_what_else_brought_the_pass_about() {
    let mut queue = Queue::new(Seed::default());
    let role = ChangedObject::new(Origin::new("Role", Name::new("clerk"), 2));
    let of_eve = ChangedObject::new(Origin::new("Membership", Name::new("eve"), 3));
    queue.want(&acme(), WorkItem::Account, Trigger { object: Some(&role), ..Trigger::CHANGE }, NOW);
    queue.want(&acme(), WorkItem::Member(eve()), Trigger { object: Some(&of_eve), ..Trigger::CHANGE }, NOW);
    let first = |pending: &Pending| pending.triggers.first().map(ToString::to_string);
    assert_eq!(next(&mut queue).as_ref().and_then(first).as_deref(), Some("Role clerk@2"));
    let failed = Ended::Failed { revokes: false, members: Some(BTreeSet::from([eve()])) };
    queue.finished(&acme(), failed, NOW);
    wake(&mut queue);
    assert_eq!(next(&mut queue).as_ref().and_then(first).as_deref(), Some("Membership eve@3"));
}
