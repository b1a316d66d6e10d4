//! Tests that both sources of snapshots, the objects of files and the index of a cluster, agree on the same objects.

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use proptest::{prelude::*, test_runner::RngSeed};
use serde_json::{Value, json};

use super::{LoadedObjects, Objects, read_files};
use crate::{
    api,
    cluster::wire::{FromWire, Wire},
    model::{AccountKey, Email, Name, Scope, Seed},
    plan::FILES,
    state::{
        CatalogRecord, Index, LastRevision, Meta, NamespaceRecord, Object, Record, Snapshot, SnapshotSource, WatchEvent,
    },
};

/// Asserts that both sources give equal snapshots and members for all accounts; returns the snapshots.
#[track_caller]
fn assert_same(files: &Objects, cluster: &Index) -> Vec<Snapshot> {
    let accounts: Vec<&AccountKey> = files.accounts().collect();
    assert_eq!(accounts, cluster.accounts().collect::<Vec<_>>());
    let nobody = Email::parse("nobody@acme.example").unwrap();
    let mut snapshots = Vec::new();
    for key in accounts {
        let snapshot = files.snapshot(key).unwrap();
        assert_eq!(snapshot, cluster.snapshot(key).unwrap(), "{key}");
        let whole = files.members(key, &Scope::Account).unwrap();
        assert_eq!(whole, cluster.members(key, &Scope::Account).unwrap(), "{key}");
        for email in whole.addresses.iter().map(|(email, _)| *email).chain([&nobody]) {
            let scope = Scope::Members([email.clone()].into());
            assert_eq!(files.members(key, &scope), cluster.members(key, &scope), "{key} {email}");
        }
        snapshots.push(snapshot);
    }
    let gone = AccountKey::new("nowhere", "gone");
    assert!(files.snapshot(&gone).is_none() && cluster.snapshot(&gone).is_none());
    snapshots
}

/// Decodes the object as a cluster's watch delivers it.
fn watched(document: &Value) -> Object {
    fn object<K: FromWire>(document: &Value) -> Object {
        match K::watch_event(serde_json::from_value::<Wire<K>>(document.clone()).unwrap()) {
            WatchEvent::Object(object) => object,
            other => panic!("{other:?}"),
        }
    }
    match document["kind"].as_str().unwrap() {
        "Namespace" => {
            let metadata: ObjectMeta = serde_json::from_value(document["metadata"].clone()).unwrap();
            Object::Namespace(NamespaceRecord::new(metadata))
        }
        "PermissionCatalog" => object::<api::PermissionCatalog>(document),
        "IdentityStore" => object::<api::IdentityStore>(document),
        "Account" => object::<api::Account>(document),
        "Role" => object::<api::Role>(document),
        "UserGroup" => object::<api::UserGroup>(document),
        "Membership" => object::<api::Membership>(document),
        "Invitation" => object::<api::Invitation>(document),
        other => panic!("no kind of ours: {other}"),
    }
}

fn index(objects: impl IntoIterator<Item = Object>) -> Index {
    let mut index = Index::new(Seed::default());
    for object in objects {
        index.apply(object, |_| None);
    }
    index
}

/// Returns the index of a cluster in which these files were applied: with the UID and generation that files have, and
/// with every namespace that an object is in.
fn applied(loaded: &[Value]) -> Index {
    let mut documents = loaded.to_vec();
    let named = |kind: &str, field: &str| -> BTreeSet<String> {
        let all = loaded.iter().filter(|document| kind.is_empty() || document["kind"] == kind);
        all.filter_map(|document| document["metadata"][field].as_str().map(ToOwned::to_owned)).collect()
    };
    for namespace in named("", "namespace").difference(&named("Namespace", "name")) {
        documents.push(json!({"kind": "Namespace", "metadata": {"name": namespace}}));
    }
    for document in &mut documents {
        (document["metadata"]["uid"], document["metadata"]["generation"]) = (json!(FILES), json!(1));
    }
    // In another order than the files.
    index(documents.iter().rev().map(watched))
}

fn examples(portal: &str) -> LoadedObjects {
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    read_files(&[examples.join("store.yaml"), examples.join(portal)], "default", false).unwrap()
}

#[test]
fn both_readers_agree_on_the_example_portals() {
    let portals = ["secondary-users", "service-provider", "partner-accounts", "developer-platform", "field-operations"];
    let mut accounts = 0;
    for portal in portals {
        let loaded = examples(portal);
        let super::Source::Files(files) = &loaded.source else { panic!("files") };
        let documents: Vec<Value> = files.documents.iter().map(|document| document.value().unwrap()).collect();
        let snapshots = assert_same(&loaded.objects, &applied(&documents));
        accounts += snapshots.len();
        let has_label = |snapshot: &Snapshot| {
            let labels = snapshot.namespace_labels.as_ref().unwrap();
            labels.get("kubernetes.io/metadata.name").map(String::as_str) == Some(snapshot.account.namespace.as_str())
        };
        assert!(snapshots.iter().all(has_label), "{portal}");
    }
    assert!(accounts > 8, "{accounts} accounts");
}

/// Choices made by a sequence of bytes, so that a failing case shrinks to few and simple objects.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % limit
    }

    fn is_rare(&mut self) -> bool {
        self.below(4) == 3
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// Returns random objects in two namespaces with random references.
fn documents(bytes: &[u8]) -> Vec<Value> {
    let mut choose = Choices(bytes.iter());
    let choose = &mut choose;
    let mut documents = Vec::new();
    let object = |choose: &mut Choices<'_>, kind: &str, namespace: &str, name: &str, spec: Value| {
        let mut metadata = json!({"name": name});
        if !namespace.is_empty() {
            metadata["namespace"] = json!(namespace);
        }
        if choose.is_rare() {
            metadata["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        let annotation = match choose.below(6) {
            3 => Some(("roster.dev/paused", "true")),
            4 => Some(("roster.dev/approve-removal", "0123456789abcdef")),
            5 => Some(("example.com/of-somebody-else", "true")),
            _ => None,
        };
        if let Some((key, value)) = annotation {
            metadata["annotations"] = json!({key: value});
        }
        json!({"apiVersion": "roster.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
    };
    for name in ["a", "b"] {
        if !choose.is_rare() {
            let sections = json!([{"name": "docs"}, {"name": "billing"}]);
            let roles = json!([{"name": "editor", "permissions": {"docs": "Allowed"}}]);
            documents.push(object(
                choose,
                "PermissionCatalog",
                "",
                name,
                json!({"sections": sections, "roles": roles}),
            ));
        }
    }
    // Always present: files without one assume one.
    documents.push(object(choose, "IdentityStore", "", "default", json!({"sqlite": {"file": "roster.db"}})));
    for namespace in ["east", "west"] {
        if choose.is_rare() {
            let metadata = json!({"name": namespace, "labels": {"team": "blue"}});
            documents.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}));
        }
        for name in ["acme", "bolt"] {
            if choose.is_rare() {
                continue;
            }
            let catalog = choose.one(&["a", "b", "missing"]);
            let mut spec = json!({"catalogRef": {"name": catalog}, "partner": choose.is_rare()});
            spec["storeRef"] = json!({"name": choose.one(&["default", "default", "missing"])});
            if choose.is_rare() {
                let parent = choose.one(&["acme", "bolt", "missing"]);
                spec["parentRef"] = json!({"name": parent, "namespace": choose.one(&["east", "west"])});
            }
            documents.push(object(choose, "Account", namespace, name, spec));
        }
        for number in 0..choose.below(3) {
            let account = choose.one(&["acme", "bolt", "missing"]);
            let spec = json!({"accountRef": {"name": account}, "permissions": {"docs": "Allowed"}});
            documents.push(object(choose, "Role", namespace, &format!("r{number}"), spec.clone()));
            documents.push(object(choose, "UserGroup", namespace, &format!("g{number}"), spec));
        }
        for number in 0..choose.below(5) {
            let account = choose.one(&["acme", "acme", "bolt", "missing"]);
            let email = choose.one(&["dana@acme.example", "DANA@acme.example", "eve@acme.example", "no address"]);
            let mut spec = json!({"accountRef": {"name": account}, "user": {"email": email}});
            if choose.is_rare() {
                spec["roleRef"] = json!({"name": choose.one(&["editor", "missing"])});
            }
            if choose.is_rare() {
                spec["invitationRef"] = json!({"name": choose.one(&["i0", "missing"])});
            }
            documents.push(object(choose, "Membership", namespace, &format!("m{number}"), spec));
        }
        for number in 0..choose.below(3) {
            let account = choose.one(&["acme", "bolt"]);
            let spec =
                json!({"accountRef": {"name": account}, "email": choose.one(&["dana@acme.example", "no address"])});
            documents.push(object(choose, "Invitation", namespace, &format!("i{number}"), spec));
        }
    }
    documents
}

/// Adds data that only a cluster has: accepted invitations, the revision of a catalog that an account follows, versions
/// of objects, and unknown namespaces.
fn clusters_own(documents: &[Value], bytes: &[u8]) -> Vec<Object> {
    let choose = &mut Choices(bytes.iter());
    let mut objects = Vec::new();
    for document in documents {
        let mut document = document.clone();
        document["metadata"]["uid"] = json!("uid-1");
        document["metadata"]["generation"] = json!(2 + choose.below(2));
        if choose.is_rare() {
            document["metadata"]["annotations"] = json!({"roster.dev/rollout": "AllAtOnce"});
        }
        let mut object = watched(&document);
        if let Object::Invitation(record) = &mut object {
            Arc::make_mut(&mut record.facts).accepted = !choose.is_rare();
        }
        if let Object::Catalog(record) = &object
            && !choose.is_rare()
        {
            let mut facts = record.facts.as_ref().clone();
            facts.generation = i64::try_from(1 + choose.below(4)).unwrap();
            let uid = Name::new(choose.one(&["uid-1", "uid-1", "uid-1", "of another catalog"]));
            let up_to = AccountKey::parse(choose.one(&["", "east/acme", "east/bolt", "west/acme"]));
            let last = (!choose.is_rare()).then(|| LastRevision {
                uid,
                facts: Arc::new(facts),
                up_to,
                held_before: BTreeSet::new(),
            });
            let catalog = Some(record.name.clone());
            let meta = Meta { uid: "uid-1".into(), resource_version: "1".into(), ..Meta::default() };
            objects.push(Object::CatalogRecord(Record {
                namespace: "roster-system".into(),
                name: Name::new(format!("roster-catalog-{}", record.name)),
                account: Name::default(),
                meta,
                facts: Arc::new(CatalogRecord { catalog, last }),
            }));
        }
        objects.push(object);
    }
    objects
}

/// Reads documents as files.
fn read(documents: &[Value]) -> LoadedObjects {
    let folder = tempfile::tempdir().unwrap();
    for (number, document) in documents.iter().enumerate() {
        fs::write(folder.path().join(format!("{number:03}.json")), document.to_string()).unwrap();
    }
    read_files(&[folder.path().to_owned()], "default", false).unwrap()
}

proptest! {
    // A fixed seed gives the same cases everywhere.
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::with_cases(150) })]

    #[test]
    fn both_readers_agree_on_random_files(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let documents = documents(&bytes);
        assert_same(&read(&documents).objects, &applied(&documents));
    }

    #[test]
    fn both_readers_agree_on_random_cluster_objects(
        (bytes, more) in (prop::collection::vec(any::<u8>(), 0..400), prop::collection::vec(any::<u8>(), 0..200))
    ) {
        let all = clusters_own(&documents(&bytes), &more);
        let mut listed = Objects::default();
        all.iter().cloned().for_each(|object| listed.add(object));
        assert_same(&listed, &index(all));
    }
}

/// Tests that the generated objects include each case that the tests above compare.
#[test]
fn deletion_annotations_revisions_and_unknown_namespaces_occur() {
    let mut seen = BTreeSet::new();
    for seed in 0..60_u64 {
        // A pseudo-random sequence that is the same on each run.
        let mut state = seed + 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        };
        let bytes: Vec<u8> = (0..400).map(|_| next()).collect();
        let more: Vec<u8> = (0..200).map(|_| next()).collect();
        let mut listed = Objects::default();
        for object in clusters_own(&documents(&bytes), &more) {
            listed.add(object);
        }
        for key in listed.accounts() {
            let snapshot = listed.snapshot(key).unwrap();
            let members = listed.members(key, &Scope::Account).unwrap();
            let present = listed.catalogs.get(snapshot.account.spec.catalog_ref.name.as_str());
            let follows_last =
                present.zip(snapshot.catalog.as_ref()).is_some_and(|(one, two)| !Arc::ptr_eq(&one.facts, two));
            let all = [
                ("deleting", !snapshot.deleting.is_empty()),
                ("paused", snapshot.annotations.paused),
                ("approved", snapshot.annotations.approved.is_some()),
                ("unknown namespace", snapshot.namespace_labels.is_none()),
                ("labelled namespace", snapshot.namespace_labels.is_some()),
                ("last revision", follows_last),
                ("parent", snapshot.parent.is_some()),
                ("roles and groups", !snapshot.roles.is_empty() && !snapshot.groups.is_empty()),
                ("accepted", !members.accepted.is_empty()),
                ("two memberships", members.addresses.iter().any(|(_, facts)| facts.len() > 1)),
                (
                    "deleted membership",
                    members.role_refs.values().sum::<u64>() > listed.accounts[key].members.len() as u64,
                ),
            ];
            seen.extend(all.into_iter().filter(|(_, occurs)| *occurs).map(|(what, _)| what));
        }
    }
    assert_eq!(seen.len(), 11, "{seen:?}");
}
