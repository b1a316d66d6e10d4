//! The API server: versions of objects, and a log of each kind that watches follow. Used by `perform_actions`, `calls` and
//! `deliver`.

mod controller_requests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time as K8sTime};
use roster_core::{
    api::APPROVE_DEFINITION_ANNOTATION,
    model::{KindName, Name, ObjectRef},
    state::{Meta, Object, RecreatedDefinitions, StatusDigest},
};
use serde_json::Value;

use super::{
    lease::Leases,
    objects::{Body, Spec, record_of, with_meta},
};

/// Version of an object.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Kind, namespace and name.
    pub object: ObjectRef,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Spec, with the metadata that the model reads.
    pub body: Body,
    /// Record as watches decode it.
    pub record: Object,
    /// Status.
    pub status: Arc<Value>,
    /// Digest of the status.
    pub digest: StatusDigest,
}

/// Entry in the log of a kind.
#[derive(Clone, Debug)]
pub enum Change {
    /// New version of an object.
    Put(Arc<Stored>),
    /// Deletion of an object.
    Gone(ObjectRef),
}

/// State of a kind's CRD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Definition {
    /// The kind is served.
    #[default]
    Served,
    /// The CRD is being deleted, with its objects.
    Terminating,
    /// The CRD is deleted.
    Absent,
    /// The CRD exists, but lists respond with 404 for now.
    Denied,
}

/// Returns the cluster's own time: one second per object created so far, plus milliseconds.
fn instant(count: u64, after: i64) -> Timestamp {
    let seconds = i64::try_from(count).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(seconds.saturating_mul(1_000).saturating_add(after)).unwrap_or_default()
}

/// Objects of a cluster, and the logs of their kinds.
#[derive(Default)]
pub struct Cluster {
    /// Leases.
    pub leases: Leases,
    objects: BTreeMap<ObjectRef, Arc<Stored>>,
    logs: BTreeMap<KindName, Vec<Change>>,
    definitions: BTreeMap<KindName, Definition>,
    /// UIDs of Accounts that were deleted while IdentityStore had no CRD: nothing could be removed from a store.
    pub without_store: BTreeSet<String>,
    /// Number of objects created when a CRD was recreated, by kind.
    recreated: BTreeMap<KindName, u64>,
    version: u64,
    given: u64,
    /// Kinds with new log entries since the last [`Self::take_news`].
    news: Vec<KindName>,
}

impl Cluster {
    /// Returns the current version of an object.
    #[must_use]
    pub fn get(&self, object: &ObjectRef) -> Option<&Arc<Stored>> {
        self.objects.get(object)
    }

    /// Returns all objects in order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Stored>> {
        self.objects.values()
    }

    /// Returns the log of a kind.
    #[must_use]
    pub fn log(&self, kind: KindName) -> &[Change] {
        self.logs.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// Returns the state of a kind's CRD.
    #[must_use]
    pub fn definition(&self, kind: KindName) -> Definition {
        self.definitions.get(&kind).copied().unwrap_or_default()
    }

    /// Changes the state of a kind's CRD. Returns whether it was recreated.
    pub fn define(&mut self, kind: KindName, definition: Definition) -> bool {
        let before = self.definitions.insert(kind, definition).unwrap_or_default();
        let was_gone = matches!(before, Definition::Terminating | Definition::Absent);
        let is_recreated = was_gone && definition == Definition::Served;
        if is_recreated {
            self.recreated.insert(kind, self.given);
        }
        is_recreated
    }

    /// Confirms on every Account that all its objects exist again after CRDs were recreated.
    pub fn confirm_all_exist(&mut self) {
        let accounts: Vec<ObjectRef> =
            self.objects.keys().filter(|object| object.kind == KindName::Account).cloned().collect();
        let approved =
            RecreatedDefinitions::KINDS.into_iter().filter_map(|kind| self.made(kind)).max().map(|at| at.to_string());
        for account in accounts {
            self.annotate(&account, APPROVE_DEFINITION_ANNOTATION, approved.as_deref());
        }
    }

    /// Returns the time when a CRD was recreated.
    fn made(&self, kind: KindName) -> Option<Timestamp> {
        self.recreated.get(&kind).map(|count| instant(*count, 1))
    }

    /// Returns the kinds with new log entries, and forgets them.
    pub fn take_news(&mut self) -> Vec<KindName> {
        std::mem::take(&mut self.news)
    }

    /// Returns the number of versions so far.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the objects that a list of a kind contains at a position of its log.
    #[must_use]
    pub fn snapshot(&self, kind: KindName, position: usize) -> Vec<Arc<Stored>> {
        let log = self.log(kind);
        if position >= log.len() {
            return self.objects.values().filter(|stored| stored.object.kind == kind).cloned().collect();
        }
        let mut there = BTreeMap::new();
        for change in &log[..position] {
            match change {
                Change::Put(stored) => there.insert(stored.object.clone(), stored.clone()),
                Change::Gone(object) => there.remove(object),
            };
        }
        there.into_values().collect()
    }

    /// Creates an object, or changes its spec. Returns whether that was possible.
    pub fn apply(&mut self, object: &ObjectRef, spec: &Spec) -> bool {
        let served = matches!(self.definition(object.kind), Definition::Served | Definition::Denied);
        let is_ending = |of: &Arc<Stored>| of.metadata.deletion_timestamp.is_some();
        let namespace =
            ObjectRef { kind: KindName::Namespace, namespace: Name::default(), name: object.namespace.clone() };
        let is_scoped = !object.namespace.is_empty();
        match self.objects.get(object).cloned() {
            Some(known) if !served || is_ending(&known) && object.kind == KindName::Namespace => false,
            Some(known) => {
                if known.body.says(spec) {
                    return true;
                }
                let mut metadata = known.metadata.clone();
                if object.kind == KindName::Namespace {
                    metadata.labels = spec.labels();
                } else {
                    metadata.generation = metadata.generation.map(|generation| generation + 1);
                }
                self.put(object, metadata, spec.clone(), known.status.clone(), known.digest.clone());
                true
            }
            None if !served || is_scoped && self.objects.get(&namespace).is_none_or(is_ending) => false,
            None => {
                self.given += 1;
                let metadata = ObjectMeta {
                    name: Some(object.name.to_string()),
                    namespace: Some(object.namespace.to_string()).filter(|namespace| !namespace.is_empty()),
                    uid: Some(format!("uid-{}", self.given)),
                    generation: Some(1),
                    labels: spec.labels(),
                    creation_timestamp: Some(K8sTime(instant(self.given, 0))),
                    ..ObjectMeta::default()
                };
                self.put(object, metadata, spec.clone(), Arc::new(Value::Null), StatusDigest::default());
                true
            }
        }
    }

    fn put(
        &mut self,
        object: &ObjectRef,
        mut metadata: ObjectMeta,
        spec: Spec,
        status: Arc<Value>,
        digest: StatusDigest,
    ) -> Arc<Stored> {
        self.version += 1;
        metadata.resource_version = Some(self.version.to_string());
        let body = Body::new(&metadata, spec);
        let record = record_of(&metadata, &body, digest.clone());
        self.store(Stored { object: object.clone(), metadata, body, record, status, digest })
    }

    /// Writes a version with changed metadata or status only.
    fn touch(
        &mut self,
        known: &Stored,
        mut metadata: ObjectMeta,
        status: Arc<Value>,
        digest: StatusDigest,
    ) -> Arc<Stored> {
        self.version += 1;
        metadata.resource_version = Some(self.version.to_string());
        let body = if metadata.deletion_timestamp == known.metadata.deletion_timestamp {
            known.body.clone()
        } else {
            Body::new(&metadata, known.body.spec())
        };
        let record = with_meta(&known.record, Meta::new(known.object.kind, &metadata, digest.clone()));
        self.store(Stored { object: known.object.clone(), metadata, body, record, status, digest })
    }

    fn store(&mut self, stored: Stored) -> Arc<Stored> {
        let stored = Arc::new(stored);
        self.objects.insert(stored.object.clone(), stored.clone());
        self.append(stored.object.kind, Change::Put(stored.clone()));
        stored
    }

    fn append(&mut self, kind: KindName, change: Change) {
        self.logs.entry(kind).or_default().push(change);
        self.news.push(kind);
    }

    fn remove(&mut self, object: &ObjectRef) {
        self.version += 1;
        if object.kind == KindName::Account && self.definition(KindName::IdentityStore) == Definition::Absent {
            let uid = self.objects.get(object).and_then(|stored| stored.metadata.uid.clone());
            self.without_store.extend(uid);
        }
        if self.objects.remove(object).is_some() {
            self.append(object.kind, Change::Gone(object.clone()));
        }
    }

    /// Deletes an object. One with finalizers stays until they are removed, and a namespace until it is empty.
    pub fn delete(&mut self, object: &ObjectRef, at: Timestamp) {
        let Some(known) = self.objects.get(object).cloned() else { return };
        let waits = known.metadata.finalizers.as_ref().is_some_and(|all| !all.is_empty());
        if !waits && object.kind != KindName::Namespace {
            return self.remove(object);
        }
        if known.metadata.deletion_timestamp.is_none() {
            let metadata = ObjectMeta { deletion_timestamp: Some(K8sTime(at)), ..known.metadata.clone() };
            self.touch(&known, metadata, known.status.clone(), known.digest.clone());
        }
    }

    /// Removes a namespace that is being deleted and is empty. Returns whether it is empty.
    pub fn finish_namespace(&mut self, namespace: &Name) -> bool {
        let used = self.objects.keys().any(|object| object.namespace == *namespace);
        if !used {
            self.remove(&ObjectRef { kind: KindName::Namespace, namespace: Name::default(), name: namespace.clone() });
        }
        !used
    }

    /// Sets or removes an annotation.
    pub fn annotate(&mut self, object: &ObjectRef, key: &str, value: Option<&str>) {
        let Some(known) = self.objects.get(object).cloned() else { return };
        let mut metadata = known.metadata.clone();
        let mut annotations = metadata.annotations.take().unwrap_or_default();
        match value {
            Some(value) => annotations.insert(key.to_owned(), value.to_owned()),
            None => annotations.remove(key),
        };
        metadata.annotations = Some(annotations).filter(|annotations| !annotations.is_empty());
        if metadata.annotations != known.metadata.annotations {
            self.touch(&known, metadata, known.status.clone(), known.digest.clone());
        }
    }
}
