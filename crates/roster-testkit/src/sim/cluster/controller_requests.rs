//! Requests of the controller to the API server: statuses, finalizers, records and fresh reads. `calls` sends them.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use roster_core::{
    api::{self, APPROVE_DEFINITION_ANNOTATION},
    control::{ApiFault, FreshRead, RecordWrite, StatusWritten},
    model::{AccountKey, KindName, Name, ObjectRef},
    state::{Object, RecreatedDefinitions, StatusDigest},
};
use serde_json::Value;

use super::{Cluster, Definition, Stored};
use crate::sim::objects::{Body, Spec, digest_of};

fn fault(code: u16, message: &str) -> ApiFault {
    ApiFault { code: Some(code), message: message.to_owned(), lacks_right: None }
}

impl Cluster {
    /// Writes a status, with the known version as precondition.
    ///
    /// # Errors
    /// 404 if the object is gone, 409 if it has another version.
    pub fn write_status(
        &mut self,
        object: &ObjectRef,
        version: &str,
        status: &Value,
    ) -> Result<StatusWritten, ApiFault> {
        let known = self.objects.get(object).cloned().filter(|_| self.definition(object.kind) != Definition::Absent);
        let Some(known) = known else { return Err(fault(404, "not found")) };
        if known.metadata.resource_version.as_deref() != Some(version) {
            return Err(fault(409, "the object has been modified"));
        }
        let stored = if *known.status == *status {
            known
        } else {
            let digest = digest_of(object.kind, status);
            self.touch(&known, known.metadata.clone(), Arc::new(status.clone()), digest)
        };
        Ok(StatusWritten {
            uid: stored.metadata.uid.as_deref().unwrap_or_default().into(),
            resource_version: stored.metadata.resource_version.as_deref().unwrap_or_default().into(),
        })
    }

    /// Adds or removes our finalizer, like `src/cluster/finalizer.rs`.
    pub fn set_finalizer(&mut self, object: &ObjectRef, uid: &str, wanted: bool) {
        let Some(known) = self.objects.get(object).cloned() else { return };
        let has = known.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == api::FINALIZER);
        let another = known.metadata.uid.as_deref() != Some(uid);
        let is_ending = known.metadata.deletion_timestamp.is_some();
        if has == wanted || another || (wanted && is_ending) {
            return;
        }
        if !wanted && is_ending {
            return self.remove(object);
        }
        let mut finalizers = known.metadata.finalizers.clone().unwrap_or_default();
        finalizers.retain(|finalizer| finalizer != api::FINALIZER);
        if wanted {
            finalizers.push(api::FINALIZER.to_owned());
        }
        let metadata = ObjectMeta { finalizers: Some(finalizers), ..known.metadata.clone() };
        self.touch(&known, metadata, known.status.clone(), known.digest.clone());
    }

    /// Writes the record of a catalog's last revision. Returns the written record.
    ///
    /// # Errors
    /// 409 if it has another version.
    pub fn write_record(&mut self, catalog: &Name, write: &RecordWrite) -> Result<Option<Object>, ApiFault> {
        let object = ObjectRef {
            kind: KindName::CatalogRecord,
            namespace: Name::new("roster-system"),
            name: Name::new(format!("roster-catalog-{catalog}")),
        };
        let known = self.objects.get(&object).cloned();
        let version = |of: &Arc<Stored>| of.metadata.resource_version.clone().unwrap_or_default();
        match write {
            RecordWrite::Put { last, resource_version } => {
                let conflicts = match (&known, resource_version) {
                    (Some(known), Some(expected)) => version(known) != expected.as_str(),
                    (None, None) => false,
                    _ => true,
                };
                if conflicts {
                    return Err(fault(409, "the record has been modified"));
                }
                let metadata = known.map_or_else(
                    || {
                        self.given += 1;
                        ObjectMeta {
                            name: Some(object.name.to_string()),
                            namespace: Some(object.namespace.to_string()),
                            uid: Some(format!("uid-{}", self.given)),
                            ..ObjectMeta::default()
                        }
                    },
                    |known| known.metadata.clone(),
                );
                let spec = Spec::Record(catalog.clone(), Some(last.clone()));
                let stored = self.put(&object, metadata, spec, Arc::new(Value::Null), StatusDigest::default());
                Ok(Some(stored.record.clone()))
            }
            RecordWrite::Delete { resource_version, .. } => match known {
                Some(known) if version(&known) != resource_version.as_str() => {
                    Err(fault(409, "the record has been modified"))
                }
                Some(_) => {
                    self.remove(&object);
                    Ok(None)
                }
                None => Ok(None),
            },
        }
    }

    /// Returns whether the Account with this UID, its namespace and the CRDs exist and are not being deleted, like
    /// `src/cluster/fresh.rs`.
    #[must_use]
    pub fn read_fresh(&self, account: &AccountKey, uid: &str) -> FreshRead {
        let there = |kind, namespace: &Name, name: &Name| {
            let object = ObjectRef { kind, namespace: namespace.clone(), name: name.clone() };
            self.objects.get(&object)
        };
        let is_ending = |stored: &Arc<Stored>| stored.metadata.deletion_timestamp.is_some();
        let object = there(KindName::Account, &account.namespace, &account.name)
            .filter(|stored| stored.metadata.uid.as_deref() == Some(uid));
        let without = [KindName::Namespace, KindName::CatalogRecord];
        let mut kinds = KindName::ALL.into_iter().filter(|kind| !without.contains(kind));
        let others_stay = there(KindName::Namespace, &Name::default(), &account.namespace)
            .is_some_and(|stored| !is_ending(stored))
            && kinds.all(|kind| matches!(self.definition(kind), Definition::Served | Definition::Denied));
        let recreated = object.and_then(|object| {
            let annotations = object.metadata.annotations.as_ref();
            let approved = annotations.and_then(|all| all.get(APPROVE_DEFINITION_ANNOTATION)).map(String::as_str);
            RecreatedDefinitions::find(|kind| self.made(kind), object.metadata.creation_timestamp.as_ref()?.0, approved)
        });
        FreshRead::of(object.is_some(), object.is_some_and(is_ending), others_stay, recreated)
    }

    /// Returns whether there is no IdentityStore with this name; `false` while the server denies that it knows the
    /// kind.
    #[must_use]
    pub fn lacks_store(&self, name: &Name) -> bool {
        let store = ObjectRef { kind: KindName::IdentityStore, namespace: Name::default(), name: name.clone() };
        match self.definition(KindName::IdentityStore) {
            Definition::Absent => true,
            Definition::Denied => false,
            _ => !self.objects.contains_key(&store),
        }
    }

    /// Returns whether no Account names this catalog or store.
    #[must_use]
    pub fn is_unused(&self, kind: KindName, name: &str) -> bool {
        let uses = |stored: &Arc<Stored>| match &stored.body {
            Body::Account(account) if kind == KindName::PermissionCatalog => account.spec.catalog_ref.name == name,
            Body::Account(account) => account.spec.store_ref.name == name,
            _ => false,
        };
        match self.definition(KindName::Account) {
            Definition::Denied => false,
            _ => !self.objects.values().any(uses),
        }
    }
}
