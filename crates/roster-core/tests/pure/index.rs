//! Tests the index of objects: after any history, its answers and counts are equal to those of a scan of every object.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use proptest::prelude::*;
use roster_core::{
    api::{AccountSpec, ConditionType, InvitationSpec, MembershipSpec, NameRef, Owner, RoleRef, RoleRefKind, User},
    model::{AccountKey, Email, FieldPath, KindName, Name, ObjectRef, RoleName, Seed},
    state::{Impact, Index, Meta, Object, Seconds, Since, StatusDigest, Tally, Unreadable},
};

#[derive(Clone, Debug)]
struct Put {
    kind: KindName,
    name: u8,
    account: u8,
    address: Option<u8>,
    role: Option<u8>,
    groups: BTreeSet<u8>,
    ready: Option<bool>,
}

#[derive(Clone, Debug)]
enum Step {
    Put(Put),
    /// Roster wrote a status and recorded the write.
    Written(KindName, u8, bool),
    /// A status was written by others, and the watch reported it.
    Restated(KindName, u8, bool),
    Remove(KindName, u8),
    /// A list with only the objects that are put after it.
    List(KindName, Vec<Put>),
}

const KINDS: [KindName; 3] = [KindName::Account, KindName::Membership, KindName::Invitation];

fn kind() -> impl Strategy<Value = KindName> {
    prop::sample::select(KINDS.to_vec())
}

fn put(kind: impl Strategy<Value = KindName>) -> impl Strategy<Value = Put> {
    let groups = prop::collection::btree_set(0..3_u8, 0..3);
    let rest =
        (prop::option::weighted(0.9, 0..4_u8), prop::option::of(0..3_u8), groups, prop::option::of(any::<bool>()));
    (kind, 0..6_u8, 0..3_u8, rest).prop_map(|(kind, name, account, rest)| {
        let (address, role, groups, ready) = rest;
        let name = if kind == KindName::Account { name % 3 } else { name };
        Put { kind, name, account, address, role, groups, ready }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => put(kind()).prop_map(Step::Put),
        2 => (kind(), 0..6_u8, any::<bool>()).prop_map(|(kind, name, ready)| Step::Written(kind, name, ready)),
        2 => (kind(), 0..6_u8, any::<bool>()).prop_map(|(kind, name, ready)| Step::Restated(kind, name, ready)),
        3 => (kind(), 0..6_u8).prop_map(|(kind, name)| Step::Remove(kind, name)),
        1 => kind().prop_flat_map(|kind| prop::collection::vec(put(Just(kind)), 0..4).prop_map(move |puts| Step::List(kind, puts))),
    ]
}

fn address(number: Option<u8>) -> String {
    number.map_or_else(|| "nobody".to_owned(), |number| format!("p{number}@acme.example"))
}

fn status(ready: Option<bool>) -> StatusDigest {
    let since = |is_true| Since { condition: ConditionType::Ready, is_true, at: Seconds(1) };
    let hash = ready.map_or(0, |ready| 1 + u64::from(ready));
    StatusDigest { hash, since: ready.map(since).into_iter().collect(), ..StatusDigest::default() }
}

fn object(put: &Put, generation: i64, version: i64) -> Object {
    let metadata = ObjectMeta {
        namespace: Some("acme".to_owned()),
        name: Some(format!("n{}", put.name)),
        uid: Some("uid".to_owned()),
        generation: Some(generation),
        resource_version: Some(version.to_string()),
        ..ObjectMeta::default()
    };
    let account_ref = NameRef { name: format!("n{}", put.account) };
    let user = User { email: address(put.address), ..User::default() };
    let role_ref = put.role.map(|role| RoleRef { kind: RoleRefKind::PredefinedRole, name: format!("r{role}") });
    let group_refs: Vec<_> = put.groups.iter().map(|group| NameRef { name: format!("g{group}") }).collect();
    let status = status(put.ready);
    match put.kind {
        KindName::Account => {
            let owner = put.address.map(|number| Owner { email: address(Some(number)), display_name: None });
            Object::account(&metadata, AccountSpec { owner, ..AccountSpec::default() }, status)
        }
        KindName::Membership => {
            let spec = MembershipSpec { account_ref, user, role_ref, group_refs, ..MembershipSpec::default() };
            Object::member(&metadata, &spec, status)
        }
        _ => {
            let email = address(put.address);
            let spec = InvitationSpec { account_ref, email, ..InvitationSpec::default() };
            Object::invitation(&metadata, &spec, status)
        }
    }
}

fn reference(kind: KindName, name: u8) -> ObjectRef {
    ObjectRef { kind, namespace: "acme".into(), name: format!("n{name}").into() }
}

/// Applies the steps to an index and to a plain map of the objects.
fn play(steps: &[Step]) -> (Index, BTreeMap<(KindName, u8), Put>) {
    let mut index = Index::new(Seed::default());
    let mut there = BTreeMap::new();
    let mut version = 0;
    for step in steps {
        version += 1;
        match step {
            Step::Put(put) => {
                index.apply(object(put, version, version), |_| None);
                there.insert((put.kind, put.name), put.clone());
            }
            Step::Written(kind, name, ready) => {
                index.note_written(&reference(*kind, *name), |meta| meta.status = status(Some(*ready)));
                if let Some(put) = there.get_mut(&(*kind, *name)) {
                    put.ready = Some(*ready);
                }
            }
            Step::Restated(kind, name, ready) => {
                if let Some(put) = there.get_mut(&(*kind, *name)) {
                    put.ready = Some(*ready);
                    let generation = index.meta(&reference(*kind, *name)).unwrap().generation;
                    index.apply(object(put, generation, version), |_| None);
                }
            }
            Step::Remove(kind, name) => {
                index.remove(&reference(*kind, *name));
                there.remove(&(*kind, *name));
            }
            Step::List(kind, puts) => {
                index.begin_list(*kind);
                there.retain(|(of, _), _| of != kind);
                for put in puts {
                    version += 1;
                    index.apply(object(put, version, version), |_| None);
                    there.insert((put.kind, put.name), put.clone());
                }
                index.end_list(*kind);
            }
        }
    }
    (index, there)
}

fn key(number: u8) -> AccountKey {
    AccountKey::new("acme", format!("n{number}").as_str())
}

proptest! {
    #[test]
    fn the_index_answers_like_a_scan_of_all_objects(steps in prop::collection::vec(step(), 0..40)) {
        let (index, there) = play(&steps);
        let members = || there.values().filter(|put| put.kind == KindName::Membership);
        for number in 0..4 {
            let email = Email::parse(&address(Some(number))).unwrap();
            let named = there.values().filter(|put| put.address == Some(number));
            let expected: BTreeSet<AccountKey> =
                named.map(|put| key(if put.kind == KindName::Account { put.name } else { put.account })).collect();
            let found: Vec<AccountKey> = index.accounts_of(&email).cloned().collect();
            prop_assert_eq!(&found, &expected.into_iter().collect::<Vec<_>>());
            let expected: BTreeSet<Name> =
                members().filter(|put| put.address == Some(number)).map(|put| format!("n{}", put.name).into()).collect();
            let found: BTreeSet<Name> = index.memberships_of(&email).map(|record| record.name.clone()).collect();
            prop_assert_eq!(found, expected);
        }
        for account in 0..3 {
            let of = |pick: &dyn Fn(&Put) -> bool| -> Vec<Name> {
                let picked = members().filter(|put| put.account == account && pick(put));
                picked.map(|put| format!("n{}", put.name).into()).collect()
            };
            for role in [None, Some(0), Some(1), Some(2)] {
                let name = role.map(|role| RoleName::predefined(&format!("r{role}")));
                let found: Vec<Name> =
                    index.memberships_with_role(&key(account), name.as_ref()).map(|record| record.name.clone()).collect();
                prop_assert_eq!(found, of(&|put| put.role == role));
            }
            for group in 0..3 {
                let name = Name::from(format!("g{group}"));
                let found: Vec<Name> =
                    index.memberships_in_group(&key(account), &name).map(|record| record.name.clone()).collect();
                prop_assert_eq!(found, of(&|put| put.groups.contains(&group)));
            }
        }
    }

    #[test]
    fn the_index_counts_like_a_scan_of_all_objects(steps in prop::collection::vec(step(), 0..40)) {
        let (index, there) = play(&steps);
        let mut expected = Tally::default();
        for put in there.values() {
            let word = put.ready.map_or("Unknown", |ready| if ready { "True" } else { "False" });
            *expected.ready.entry((put.kind, word)).or_default() += 1;
        }
        let mut found = index.tally(true, |_| true);
        found.ready.retain(|_, count| *count != 0);
        prop_assert_eq!(found, expected);
    }
}

fn unreadable(name: &str, uid: &str, version: i64, deleting: bool) -> Unreadable {
    let metadata = ObjectMeta {
        uid: Some(uid.to_owned()),
        resource_version: Some(version.to_string()),
        generation: Some(version),
        ..ObjectMeta::default()
    };
    let mut meta = Meta::new(KindName::Membership, &metadata, StatusDigest::default());
    meta.deleting = deleting;
    let object = ObjectRef { kind: KindName::Membership, namespace: Name::new("ns"), name: Name::new(name) };
    let (field, how) = (FieldPath::spec("suspended"), "invalid type".into());
    Unreadable { object, account: Some(Name::new("shop")), meta, field, how }
}

fn readable(name: &str, uid: &str, version: i64) -> Object {
    let metadata = ObjectMeta {
        namespace: Some("ns".to_owned()),
        name: Some(name.to_owned()),
        uid: Some(uid.to_owned()),
        resource_version: Some(version.to_string()),
        generation: Some(version),
        ..ObjectMeta::default()
    };
    let user = User { email: format!("{name}@shop.example"), display_name: None, external_id: None };
    let spec = MembershipSpec { account_ref: NameRef { name: "shop".to_owned() }, user, ..MembershipSpec::default() };
    Object::member(&metadata, &spec, StatusDigest::default())
}

fn shop() -> AccountKey {
    AccountKey::new("ns", "shop")
}

#[test]
fn an_object_that_became_unreadable_counts_as_before() {
    let mut index = Index::new(Seed::default());
    index.apply(readable("dana", "uid-1", 1), |_| None);
    index.note_unreadable(unreadable("dana", "uid-1", 2, false));
    let dana = index.member(&Name::new("ns"), &Name::new("dana")).unwrap();
    assert_eq!((dana.meta.generation, dana.facts.generation), (2, 1));
    assert_eq!(index.holding_back(&shop()).map(ToString::to_string), None);
    // Also if a list contains it. It is removed when it is deleted.
    index.begin_list(KindName::Membership);
    index.note_unreadable(unreadable("dana", "uid-1", 3, false));
    assert_eq!(index.end_list(KindName::Membership), []);
    let mut impacts = index.note_unreadable(unreadable("dana", "uid-1", 4, true));
    impacts.dedup();
    assert_eq!(impacts, [Impact::Member(shop(), Email::parse("dana@shop.example").unwrap())]);
    // Another object of this name does not inherit its effect.
    index.apply(readable("eve", "uid-2", 5), |_| None);
    index.note_unreadable(unreadable("eve", "uid-3", 6, false));
    assert!(index.member(&Name::new("ns"), &Name::new("eve")).is_none());
}

#[test]
fn an_object_that_was_always_unreadable_limits_its_account_only_if_it_may_have_been_valid() {
    let mut index = Index::new(Seed::default());
    // A new unreadable object never had an effect.
    assert_eq!(index.note_unreadable(unreadable("dana", "uid-1", 1, false)), []);
    assert!(index.holding_back(&shop()).is_none());
    // A later list does not change this.
    index.begin_list(KindName::Membership);
    assert_eq!(index.note_unreadable(unreadable("dana", "uid-1", 1, false)), []);
    index.end_list(KindName::Membership);
    assert!(index.holding_back(&shop()).is_none());
    // In the first list: a former leader may have read an earlier version.
    index.begin_list(KindName::Membership);
    index.note_unreadable(unreadable("dana", "uid-1", 1, false));
    assert_eq!(index.note_unreadable(unreadable("eve", "uid-2", 2, false)), [Impact::Account(shop())]);
    assert_eq!(index.end_list(KindName::Membership), []);
    assert_eq!(index.holding_back(&shop()).unwrap().object.name, "eve");
    index.note_unreadable(unreadable("eve", "uid-2", 3, false));
    assert!(index.holding_back(&shop()).is_some(), "another edit does not mend it");
    // Fixed or deleted, also by a list without it.
    let eve = Email::parse("eve@shop.example").unwrap();
    let impacts = index.apply(readable("eve", "uid-2", 4), |_| None);
    assert!(impacts.contains(&Impact::Account(shop())) && impacts.contains(&Impact::Member(shop(), eve)));
    assert!(index.holding_back(&shop()).is_none());
    index.begin_list(KindName::Membership);
    index.apply(readable("eve", "uid-2", 4), |_| None);
    // An object that is not listed any more is forgotten.
    index.note_unreadable(unreadable("fay", "uid-3", 5, false));
    index.end_list(KindName::Membership);
    assert!(index.holding_back(&shop()).is_some());
    index.begin_list(KindName::Membership);
    index.apply(readable("eve", "uid-2", 4), |_| None);
    assert_eq!(index.end_list(KindName::Membership), [Impact::Account(shop())]);
    assert!(index.holding_back(&shop()).is_none());
}

/// An object that belongs to no account is reported with the generation that could be read, so that its status stays up
/// to date.
#[test]
fn an_account_that_became_unreadable_is_reported_as_before() {
    let metadata = |version: i64| ObjectMeta {
        namespace: Some("ns".to_owned()),
        name: Some("shop".to_owned()),
        uid: Some("uid-1".to_owned()),
        resource_version: Some(version.to_string()),
        generation: Some(version),
        ..ObjectMeta::default()
    };
    let mut index = Index::new(Seed::default());
    index.apply(Object::account(&metadata(1), AccountSpec::default(), StatusDigest::default()), |_| None);
    let object = ObjectRef { kind: KindName::Account, namespace: Name::new("ns"), name: Name::new("shop") };
    let meta = Meta::new(KindName::Account, &metadata(2), StatusDigest::default());
    let (field, how) = (FieldPath::spec("partner"), "invalid type".into());
    index.note_unreadable(Unreadable { object: object.clone(), account: None, meta, field, how });
    let meta = index.meta(&object).unwrap();
    assert_eq!((meta.generation, &*meta.resource_version), (1, "2"));
    assert!(index.unreadable(&object).is_some());
}
