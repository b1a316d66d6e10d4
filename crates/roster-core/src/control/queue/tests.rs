use super::{completed::*, *};
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
fn a_change_is_pending_until_a_pass_has_applied_it() {
    let mut queue = Queue::new(Seed::default());
    assert_eq!(queue.oldest_change(), None);
    queue.add(&acme(), WorkItem::Member(eve()), Trigger::CHANGE, NOW);
    let since = queue.oldest_change();
    assert!(since.is_some());
    for _ in 0..3 {
        assert_eq!(next(&mut queue).unwrap().changed, since);
        queue.finished(&acme(), Completion::FAILED, NOW);
        assert_eq!(queue.oldest_change(), since, "a pass that failed has not done it");
        assert!(next(&mut queue).is_none(), "not before a while has passed");
        wake(&mut queue);
    }
    assert!(next(&mut queue).unwrap().whole);
    assert_eq!(queue.oldest_change(), since, "while it is tried again");
    queue.finished(&acme(), Completion::Partly, NOW);
    assert_eq!(queue.oldest_change(), since, "the rest of it is to be done");
    assert!(next(&mut queue).is_some());
    queue.finished(&acme(), Completion::Done, NOW);
    assert_eq!(queue.oldest_change(), None);
}

#[test]
fn a_failed_grant_is_retried_and_does_not_count_as_pending_revocation() {
    let mut queue = Queue::new(Seed::default());
    queue.add(&acme(), WorkItem::Account, Trigger::CHANGE, NOW);
    assert!(next(&mut queue).is_some());
    assert_eq!(queue.oldest_change(), None, "its first pass begins with what goes");
    queue.finished(&acme(), Completion::Failed { revokes: false, members: None }, NOW);
    wake(&mut queue);
    assert!(next(&mut queue).unwrap().whole);
    assert_eq!(queue.oldest_change(), None);
}

#[test]
fn a_failed_check_is_retried_and_does_not_count_as_change() {
    let mut queue = Queue::new(Seed::default());
    queue.add(&acme(), WorkItem::Account, Trigger::CHECK, NOW);
    assert_eq!(next(&mut queue).unwrap().lane, Lane::Checks);
    queue.finished(&acme(), Completion::FAILED, NOW);
    wake(&mut queue);
    let again = next(&mut queue).unwrap();
    assert!(again.whole && again.lane == Lane::Changes, "it goes ahead of other checks");
    assert_eq!(queue.oldest_change(), None);
}

#[test]
fn new_work_does_not_wait_for_failed_work() {
    let mut queue = Queue::new(Seed::default());
    queue.add(&acme(), WorkItem::Member(eve()), Trigger::CHANGE, NOW);
    for _ in 0..8 {
        assert!(next(&mut queue).is_some());
        queue.finished(&acme(), Completion::Failed { revokes: true, members: Some([eve()].into()) }, NOW);
        wake(&mut queue);
    }
    assert!(next(&mut queue).is_some());
    queue.finished(&acme(), Completion::Failed { revokes: true, members: Some([eve()].into()) }, NOW);
    let fay = Email::parse("fay@acme.example").unwrap();
    queue.add(&acme(), WorkItem::Member(fay.clone()), Trigger::CHANGE, NOW);
    let pending = next(&mut queue).expect("a change starts at once");
    assert!(!pending.whole && pending.members == [fay].into());
    queue.finished(&acme(), Completion::Done, NOW);
    assert!(next(&mut queue).is_none());
    let due = queue.next_due().unwrap();
    assert!(due <= NOW + LONGEST_WAIT_OF_REVOCATIONS, "a revocation is tried again soon");
    wake(&mut queue);
    assert_eq!(next(&mut queue).unwrap().members, [eve()].into(), "what failed is tried again by itself");
}

#[test]
fn revocations_go_first_in_every_queue() {
    let mut queue = Queue::new(Seed::default());
    let (a, b, c) = (other("a"), other("b"), other("c"));
    queue.add(&a, WorkItem::Account, Trigger::CHECK, NOW);
    queue.add(&b, WorkItem::Account, Trigger::CHANGE, NOW);
    queue.add(&c, WorkItem::Member(eve()), revocation(), NOW);
    let store = Name::new("store");
    assert!(queue.take(|_, _| Admission::Full(store.clone())).is_none(), "all of them wait for room");
    for expected in [c, b, a] {
        queue.room_in(&store, 1, 0);
        assert_eq!(next_key(&mut queue), Some(expected));
    }
}

#[test]
fn a_waiting_check_that_becomes_a_change_is_not_lost() {
    let mut queue = Queue::new(Seed::default());
    queue.add(&acme(), WorkItem::Account, Trigger::CHECK, NOW);
    let store = Name::new("store");
    assert!(queue.take(|_, _| Admission::Full(store.clone())).is_none());
    for trigger in [Trigger::CHANGE, revocation(), Trigger::CHANGE] {
        queue.add(&acme(), WorkItem::Member(eve()), trigger, NOW);
        assert!(queue.take(|_, _| Admission::Full(store.clone())).is_none());
        assert_eq!(queue.depths(), (1, 0), "it waits once");
    }
    queue.room_in(&store, 1, 0);
    assert_eq!(next(&mut queue).unwrap().lane, Lane::Revocations);
}

#[test]
fn work_that_waits_for_lists_continues_when_they_arrive_or_something_changes() {
    let mut queue = Queue::new(Seed::default());
    queue.add(&acme(), WorkItem::Account, Trigger::CHANGE, NOW);
    assert!(next(&mut queue).is_some());
    queue.finished(&acme(), Completion::Waits, NOW);
    assert!(next(&mut queue).is_none());
    queue.add(&acme(), WorkItem::Member(eve()), revocation(), NOW);
    assert!(next(&mut queue).is_some(), "a change does not wait with it");
    queue.finished(&acme(), Completion::Waits, NOW);
    queue.more_known();
    assert!(next(&mut queue).unwrap().whole);
}

#[test]
fn work_that_arrives_during_a_revocations_only_pass_does_not_wait() {
    let mut queue = Queue::new(Seed::default());
    queue.add(&acme(), WorkItem::Member(eve()), revocation(), NOW);
    assert!(next(&mut queue).is_some());
    let fay = Email::parse("fay@acme.example").unwrap();
    queue.add(&acme(), WorkItem::Member(fay.clone()), revocation(), NOW);
    queue.finished(&acme(), Completion::Waits, NOW);
    let pending = next(&mut queue).expect("it arrived before the pass ended");
    assert!(pending.members.contains(&fay));
    queue.finished(&acme(), Completion::Waits, NOW);
    assert!(next(&mut queue).is_none());
}

#[test]
fn repeated_failures_make_one_retry_regardless_of_new_work() {
    let mut queue = Queue::new(Seed::default());
    queue.add(&acme(), WorkItem::Account, Trigger::CHANGE, NOW);
    for _ in 0..100 {
        assert!(next(&mut queue).is_some());
        queue.finished(&acme(), Completion::FAILED, NOW);
        queue.add(&acme(), WorkItem::Member(eve()), Trigger::CHANGE, NOW);
    }
    assert!(next(&mut queue).is_some());
    queue.finished(&acme(), Completion::FAILED, NOW);
    let waiting: usize = queue.later.values().map(Vec::len).sum();
    assert_eq!(waiting, 1, "one retry, not one for each arrival");
    wake(&mut queue);
    assert!(next(&mut queue).unwrap().whole);
    assert!(next(&mut queue).is_none());
}

#[test]
fn after_a_failure_of_single_members_the_whole_account_is_checked() {
    let mut queue = Queue::new(Seed::default());
    queue.add(&acme(), WorkItem::Account, Trigger::CHANGE, NOW);
    assert!(next(&mut queue).is_some());
    queue.finished(&acme(), Completion::Failed { revokes: true, members: Some([eve()].into()) }, NOW);
    wake(&mut queue);
    assert!(!next(&mut queue).unwrap().whole);
    queue.finished(&acme(), Completion::Done, NOW);
    let check = next(&mut queue).expect("a complete check follows");
    assert!(check.whole && check.lane == Lane::Checks);
    queue.finished(&acme(), Completion::Done, NOW);
    assert!(next(&mut queue).is_none());
}

#[test]
fn accounts_that_moved_to_another_replica_free_their_room() {
    let mut queue = Queue::new(Seed::default());
    let (store, keys) = (Name::new("store"), ["a", "b", "c"].map(other));
    for key in &keys {
        queue.add(key, WorkItem::Account, Trigger::CHANGE, NOW);
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
fn some_room_is_reserved_for_revocations() {
    let mut queue = Queue::new(Seed::default());
    let store = Name::new("store");
    queue.add(&other("a"), WorkItem::Account, Trigger::CHANGE, NOW);
    queue.add(&other("b"), WorkItem::Member(eve()), revocation(), NOW);
    assert!(queue.take(|_, _| Admission::Full(store.clone())).is_none());
    queue.room_in(&store, 0, 2);
    assert_eq!(next_key(&mut queue), Some(other("b")));
    assert!(next(&mut queue).is_none());
}

#[test]
fn a_full_store_reports_that_revocations_of_single_members_wait() {
    let mut queue = Queue::new(Seed::default());
    let store = Name::new("store");
    let keeps = |queue: &Queue| queue.stores_kept_waiting().count();
    queue.add(&other("a"), WorkItem::Account, revocation(), NOW);
    queue.add(&other("b"), WorkItem::Member(eve()), Trigger::CHANGE, NOW);
    assert!(queue.take(|_, _| Admission::Full(store.clone())).is_none());
    assert_eq!(keeps(&queue), 0, "neither a whole account nor another change has a long pass end early");
    queue.add(&other("b"), WorkItem::Member(eve()), revocation(), NOW);
    assert_eq!(keeps(&queue), 0, "before it was asked for room");
    assert!(queue.take(|_, _| Admission::Full(store.clone())).is_none());
    assert_eq!(keeps(&queue), 1);
    queue.room_in(&store, 2, 0);
    assert_eq!(keeps(&queue), 0);
}

#[test]
fn an_interrupted_pass_continues_after_the_revocation() {
    let mut queue = Queue::new(Seed::default());
    queue.add(&acme(), WorkItem::Account, Trigger::CHANGE, NOW);
    assert!(next(&mut queue).unwrap().whole);
    queue.add(&acme(), WorkItem::Member(eve()), Trigger::CHANGE, NOW);
    assert!(queue.waits_for_pass(&acme()).is_none(), "other changes wait for its end");
    queue.add(&acme(), WorkItem::Member(eve()), revocation(), NOW);
    assert!(queue.waits_for_pass(&acme()).is_some());
    queue.finished(&acme(), Completion::Interrupted, NOW);
    let first = next(&mut queue).unwrap();
    assert!(!first.whole && first.members == [eve()].into(), "the revocation does not wait for the rest");
    assert!(queue.waits_for_pass(&acme()).is_none());
    queue.finished(&acme(), Completion::Done, NOW);
    assert!(next(&mut queue).is_none());
    queue.wake(NOW + AFTER_INTERRUPTION);
    let rest = next(&mut queue).unwrap();
    assert!(rest.whole);
    // A pass over single members makes way, too, and then continues with them.
    queue.finished(&acme(), Completion::Done, NOW);
    queue.add(&acme(), WorkItem::Member(eve()), Trigger::CHANGE, NOW);
    assert!(!next(&mut queue).unwrap().whole);
    let fay = Email::parse("fay@acme.example").unwrap();
    queue.add(&acme(), WorkItem::Member(fay.clone()), revocation(), NOW);
    assert!(queue.waits_for_pass(&acme()).is_some());
    queue.finished(&acme(), Completion::Interrupted, NOW);
    assert_eq!(next(&mut queue).unwrap().members, [fay].into());
    queue.finished(&acme(), Completion::Done, NOW);
    queue.wake(NOW + AFTER_INTERRUPTION);
    let rest = next(&mut queue).unwrap();
    assert!(!rest.whole && rest.members == [eve()].into());
    queue.finished(&acme(), Completion::Done, NOW);
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
    queue.add(&acme(), WorkItem::Account, Trigger::CHANGE, NOW);
    assert!(next(&mut queue).unwrap().whole);
    queue.add(&acme(), WorkItem::Member(fay()), Trigger::CHANGE, NOW);
    queue.add(&acme(), WorkItem::Member(eve()), revocation(), NOW);
    assert_eq!(queue.waits_for_pass(&acme()), Some(WaitingForPass::Revoked(&[eve()].into())));
    queue
}

#[test]
fn revoked_members_are_reconciled_in_a_parallel_pass() {
    let mut queue = eve_is_revoked_meanwhile();
    let parallel = queue.begin_parallel(&acme(), &everybody()).unwrap();
    assert!(!parallel.whole && parallel.members == [eve()].into() && parallel.lane == Lane::Revocations);
    // One at a time.
    let gus = Email::parse("gus@acme.example").unwrap();
    queue.add(&acme(), WorkItem::Member(gus.clone()), revocation(), NOW);
    assert_eq!(queue.waits_for_pass(&acme()), None);
    queue.finished_parallel(&acme(), Completion::Done, NOW);
    assert_eq!(queue.waits_for_pass(&acme()), Some(WaitingForPass::Revoked(&[gus.clone()].into())));
    assert!(next(&mut queue).is_none(), "the other one runs still");
    assert_eq!(queue.begin_parallel(&acme(), &everybody()).unwrap().members, [gus].into());
    // Nothing else begins before both have ended.
    queue.finished(&acme(), Completion::Done, NOW);
    assert!(next(&mut queue).is_none() && queue.is_running(&acme()));
    queue.finished_parallel(&acme(), Completion::Done, NOW);
    let rest = next(&mut queue).unwrap();
    assert!(!rest.whole && rest.members == [fay()].into() && rest.lane == Lane::Changes);
    queue.finished(&acme(), Completion::Done, NOW);
    assert!(next(&mut queue).is_none() && !queue.is_running(&acme()), "and nothing is left");
}

#[test]
fn work_that_a_parallel_pass_cannot_do_ends_the_running_pass_early() {
    for rest in [Completion::Interrupted, Completion::Partly, Completion::Waits] {
        let mut queue = eve_is_revoked_meanwhile();
        queue.begin_parallel(&acme(), &everybody()).unwrap();
        queue.finished_parallel(&acme(), rest.clone(), NOW);
        assert_eq!(queue.waits_for_pass(&acme()), Some(WaitingForPass::EndPassEarly), "{rest:?}");
        queue.finished(&acme(), Completion::Interrupted, NOW);
        let first = next(&mut queue).unwrap();
        assert!(!first.whole && first.members == [eve(), fay()].into());
        assert_eq!(queue.waits_for_pass(&acme()), None);
    }
}

#[test]
fn a_failed_parallel_pass_is_retried_in_parallel_after_a_wait() {
    let mut queue = eve_is_revoked_meanwhile();
    queue.begin_parallel(&acme(), &everybody()).unwrap();
    queue.finished_parallel(&acme(), Completion::FAILED, NOW);
    assert_eq!(queue.waits_for_pass(&acme()), None, "the pass that runs goes on");
    wake(&mut queue);
    assert_eq!(queue.waits_for_pass(&acme()), Some(WaitingForPass::Revoked(&[eve()].into())));
}

#[test]
fn many_revoked_members_are_split_into_several_parallel_passes() {
    let mut queue = eve_is_revoked_meanwhile();
    queue.add(&acme(), WorkItem::Member(fay()), revocation(), NOW);
    assert_eq!(queue.begin_parallel(&acme(), &[fay()].into()).unwrap().members, [fay()].into());
    queue.finished_parallel(&acme(), Completion::Done, NOW);
    assert_eq!(queue.waits_for_pass(&acme()), Some(WaitingForPass::Revoked(&[eve()].into())));
}

#[test]
fn a_revocation_of_the_whole_account_does_not_run_in_parallel() {
    let mut queue = eve_is_revoked_meanwhile();
    queue.add(&acme(), WorkItem::Account, revocation(), NOW);
    assert_eq!(queue.waits_for_pass(&acme()), Some(WaitingForPass::EndPassEarly));
}

#[test]
fn asking_again_does_not_delay_a_planned_check() {
    let (mut queue, second) = (Queue::new(Seed::default()), Duration::from_secs(1));
    queue.add(&acme(), WorkItem::Account, Trigger::CHANGE, NOW);
    assert!(next(&mut queue).is_some());
    queue.finished(&acme(), Completion::Done, NOW);
    queue.check_after(&acme(), 100 * second, NOW);
    for asked in 0..6 {
        queue.check_within(&acme(), 5 * second, NOW + asked * second);
        queue.wake(NOW + asked * second);
    }
    assert_eq!(next(&mut queue).map(|pending| pending.lane), Some(Lane::Checks), "5 s after it was first asked");
    queue.finished(&acme(), Completion::Done, NOW + 5 * second);
    queue.wake(NOW + 200 * second);
    assert!(next(&mut queue).is_none(), "the later plan no longer counts");
}

#[test]
fn a_retry_of_one_member_keeps_only_the_triggers_of_that_member() {
    let mut queue = Queue::new(Seed::default());
    let role = ChangedObject::new(Origin::new("Role", Name::new("clerk"), 2));
    let of_eve = ChangedObject::new(Origin::new("Membership", Name::new("eve"), 3));
    queue.add(&acme(), WorkItem::Account, Trigger { object: Some(&role), ..Trigger::CHANGE }, NOW);
    queue.add(&acme(), WorkItem::Member(eve()), Trigger { object: Some(&of_eve), ..Trigger::CHANGE }, NOW);
    let first = |pending: &Pending| pending.triggers.first().map(ToString::to_string);
    assert_eq!(next(&mut queue).as_ref().and_then(first).as_deref(), Some("Role clerk@2"));
    let failed = Completion::Failed { revokes: false, members: Some(BTreeSet::from([eve()])) };
    queue.finished(&acme(), failed, NOW);
    wake(&mut queue);
    assert_eq!(next(&mut queue).as_ref().and_then(first).as_deref(), Some("Membership eve@3"));
}
