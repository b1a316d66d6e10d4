//! Tests a store that was replaced by a different one: nothing is granted in it, and revocations are made.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use roster_core::{
    api::{APPROVE_STORE_ANNOTATION, FINALIZER, IdentityStoreSpec, STORE_ID_ANNOTATION, SyncReason},
    model::{AccountKey, KindName, Name, Seed},
    report::{self, NoticeReason, StoreFound, Synced},
    state::{Impact, Index, KnownStore, Object, Record, StatusDigest, StoreFacts},
};

use crate::support::{PLAIN, Pass, membership, table};

const DANA: &str = "dana@acme.example";

/// Returns the account with dana, in a store whose known id is `known`.
fn dana(known: &str) -> Pass {
    let mut pass = Pass::synced("acme", &format!("{PLAIN}{}", membership("dana", "roleRef: {name: editor}")));
    know(&mut pass, known, "");
    pass.memory.id = Some(known.into());
    assert_eq!(table(&pass.run()), [""; 0], "the store is the known one");
    pass
}

fn know(pass: &mut Pass, id: &str, approved: &str) {
    let name = |text: &str| (!text.is_empty()).then(|| Name::new(text));
    for store in pass.world.stores.values_mut() {
        Arc::make_mut(store).known = KnownStore { id: name(id), approved: name(approved), is_lost: false };
    }
}

fn set(pass: &mut Pass, rest: &str) {
    pass.world.add(&membership("dana", rest));
}

#[test]
fn nothing_is_granted_in_an_empty_store_until_it_is_approved() {
    let mut pass = dana("one");
    (pass.memory, pass.memory.id) = (Default::default(), Some("two".into()));
    let plan = pass.run();
    assert_eq!(table(&plan), [""; 0]);
    assert!(Pass::holds(&plan).values().all(|hold| hold == "StoreReplaced"));
    assert_eq!(Pass::holds(&plan)["member dana@acme.example"], "StoreReplaced");
    know(&mut pass, "one", "three");
    assert_eq!(table(&pass.run()), [""; 0], "another one was approved");
    know(&mut pass, "one", "two");
    assert!(!table(&pass.run()).is_empty());
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
    // The approved id was stored.
    know(&mut pass, "two", "two");
    assert_eq!(table(&pass.run()), [""; 0]);
}

#[test]
fn a_store_without_an_id_is_another_one_where_an_id_is_known() {
    let mut pass = dana("one");
    (pass.memory, pass.memory.id) = (Default::default(), None);
    assert_eq!(Pass::holds(&pass.run())["member dana@acme.example"], "StoreReplaced");
}

#[test]
fn revocations_are_applied_in_a_replaced_store() {
    let mut pass = dana("one");
    pass.memory.id = Some("two".into());
    set(&mut pass, "roleRef: {name: viewer}");
    pass.run();
    assert_eq!(pass.access(DANA), "docs: View");
    set(&mut pass, "roleRef: {name: editor}");
    pass.run();
    assert_eq!(pass.access(DANA), "docs: View", "that would be more");
    set(&mut pass, "roleRef: {name: editor}, suspended: true");
    pass.run();
    assert_eq!(pass.access(DANA), "nothing ended: Suspended");
    pass.memory.id = Some("one".into());
    set(&mut pass, "roleRef: {name: editor}");
    pass.run();
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
}

fn metadata(version: &str, annotations: &[(&str, &str)]) -> ObjectMeta {
    let all: BTreeMap<_, _> = annotations.iter().map(|(key, id)| ((*key).to_owned(), (*id).to_owned())).collect();
    ObjectMeta {
        name: Some("default".to_owned()),
        uid: Some("uid".to_owned()),
        resource_version: Some(version.to_owned()),
        generation: Some(1),
        annotations: Some(all),
        ..ObjectMeta::default()
    }
}

fn store(version: &str, annotations: &[(&str, &str)]) -> Object {
    Object::store(&metadata(version, annotations), IdentityStoreSpec::default(), StatusDigest::default())
}

#[test]
fn the_first_store_id_reconciles_no_account_and_an_approval_reconciles_all() {
    let pass = dana("");
    let mut index = Index::new(Seed::default());
    let accounts = pass.world.accounts.values().map(|facts| {
        let (namespace, name) = (facts.namespace.clone(), facts.name.clone());
        let meta = Default::default();
        Object::Account(Record { namespace, account: name.clone(), name, meta, facts: facts.clone() })
    });
    for account in accounts {
        index.apply(account, |_| None);
    }
    let known = [(STORE_ID_ANNOTATION, "one")];
    let mut wakes = |object: Object| {
        let impacts = index.apply(object, |_| None);
        impacts.iter().any(|impact| *impact == Impact::Account(AccountKey::new("default", "acme")))
    };
    assert!(wakes(store("1", &[])));
    assert!(!wakes(store("2", &known)), "the first use");
    assert!(!wakes(store("3", &[known[0], ("example.com/else", "x")])));
    assert!(wakes(store("4", &[known[0], (APPROVE_STORE_ANNOTATION, "two")])));
    // Passes wait for its finalizer, whatever else changes.
    let with_finalizer = |version: &str, annotations: &[(&str, &str)]| {
        let metadata = ObjectMeta { finalizers: Some(vec![FINALIZER.to_owned()]), ..metadata(version, annotations) };
        Object::store(&metadata, IdentityStoreSpec::default(), StatusDigest::default())
    };
    for (version, annotations) in [("6", &[][..]), ("8", &known[..])] {
        wakes(store(&(version.parse::<u8>().unwrap() - 1).to_string(), &[]));
        assert!(wakes(with_finalizer(version, annotations)), "{annotations:?}");
    }
}

#[test]
fn a_store_whose_object_lost_the_id_is_known_until_the_object_is_replaced() {
    let mut index = Index::new(Seed::default());
    let mut knows = |version: &str, uid: &str, annotations: &[(&str, &str)]| {
        let metadata = ObjectMeta { uid: Some(uid.to_owned()), ..metadata(version, annotations) };
        index.apply(Object::store(&metadata, IdentityStoreSpec::default(), StatusDigest::default()), |_| None);
        index.stores.get("default").and_then(|store| store.facts.known.id.clone())
    };
    let one = Some("one".into());
    assert_eq!(knows("1", "uid", &[(STORE_ID_ANNOTATION, "one")]), one);
    assert_eq!(knows("2", "uid", &[]), one);
    assert_eq!(knows("3", "uid", &[("example.com/else", "x")]), one);
    assert_eq!(knows("4", "uid", &[(STORE_ID_ANNOTATION, "two")]), Some("two".into()), "somebody says so");
    assert_eq!(knows("5", "other", &[]), None);
}

fn record(annotations: &[(&str, &str)]) -> Record<StoreFacts> {
    match store("1", annotations) {
        Object::Store(record) => record,
        _ => unreachable!(),
    }
}

#[test]
fn events_report_a_store_that_is_first_used_replaced_or_approved() {
    let found = |id: Option<&str>, accounts, members| StoreFound {
        id: id.map(Name::from),
        accounts,
        members,
        ..StoreFound::default()
    };
    let events_of = |annotations: &[(&str, &str)], found: &StoreFound| {
        let record = record(annotations);
        let notices = [report::store_used(&record, found), report::store_replaced(&record, found)];
        let events = notices.into_iter().flatten().map(|notice| {
            assert_eq!((notice.about.kind, &*notice.uid), (KindName::IdentityStore, "uid"));
            (notice.reason, notice.note)
        });
        (
            events.collect::<Vec<_>>(),
            match report::store(&record, 1, true, Ok(found)).synced {
                Synced::No(why) => Some(*why),
                _ => None,
            },
        )
    };
    let (events, synced) = events_of(&[], &found(Some("one"), 0, 0));
    assert_eq!(events, [(NoticeReason::StoreUsed, "store one is used for the first time; it is empty".to_owned())]);
    assert_eq!(synced, None);

    let known = (STORE_ID_ANNOTATION, "one");
    assert_eq!(events_of(&[known], &found(Some("one"), 1, 3)), (Vec::new(), None));

    let (events, synced) = events_of(&[known], &found(Some("two"), 1, 3));
    let why = synced.unwrap();
    assert_eq!(why.0, SyncReason::StoreReplaced);
    assert_eq!(
        why.1,
        "store one was used so far, and now store two responds, which holds 1 account and 3 members; only revocations \
         are applied. Restore the former store or, if this one is right: kubectl annotate --overwrite identitystore \
         default roster.dev/approve-store=two"
    );
    assert_eq!(events, [(NoticeReason::StoreReplaced, why.1)]);

    let (events, synced) = events_of(&[known, (APPROVE_STORE_ANNOTATION, "two")], &found(Some("two"), 0, 0));
    assert_eq!(
        events,
        [(NoticeReason::StoreUsed, "store two replaces store one, as approved; it is empty".to_owned())]
    );
    assert_eq!(synced, None);

    let (events, _) = events_of(&[known], &found(None, 0, 0));
    assert!(events[0].1.contains("a store without an id responds, which is empty"), "{events:?}");
}
