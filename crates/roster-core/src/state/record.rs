//! Records of objects, as the index keeps them: small extracts of metadata, status and spec. Watches and the
//! simulator create them, and the index stores them.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{
    AccountFacts, Annotations, CatalogFacts, CatalogRecord, GroupFacts, InvitationFacts, Labels, MemberFacts,
    RoleFacts, StatusDigest, StoreFacts, annotations_of,
};
use crate::{
    api,
    model::{AccountKey, KindName, Name, ObjectRef},
};

/// Label with its own name on every namespace.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Metadata and status, limited to the fields that Roster uses.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    /// `metadata.uid` of the object.
    pub uid: Name,
    /// `metadata.resourceVersion` as last read or written.
    pub resource_version: Name,
    /// `metadata.generation` of the object; 0 if absent.
    pub generation: i64,
    /// Whether the object is being deleted.
    pub deleting: bool,
    /// Whether it carries Roster's finalizer.
    pub finalizer: bool,
    /// Roster's annotations that have a meaning on this kind; `None` on most objects.
    pub annotations: Option<Box<Annotations>>,
    /// Stamp that says whose the spec is, as it is written; `None` without one.
    pub stamp: Option<Box<str>>,
    /// Digest of the status.
    pub status: StatusDigest,
}

/// Maximum length of a stamp that is kept, in bytes: a user's name and an address are much shorter.
const MAX_STAMP: usize = 1024;

impl Meta {
    /// Extracts the metadata that the controller needs of an object of this kind.
    #[must_use]
    pub fn new(kind: KindName, metadata: &ObjectMeta, status: StatusDigest) -> Self {
        Self {
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            resource_version: metadata.resource_version.as_deref().unwrap_or_default().into(),
            generation: metadata.generation.unwrap_or(0),
            deleting: metadata.deletion_timestamp.is_some(),
            finalizer: metadata.finalizers.iter().flatten().any(|finalizer| finalizer == api::FINALIZER),
            annotations: metadata.annotations.as_ref().and_then(|all| annotations_of(kind, all)),
            stamp: metadata
                .annotations
                .as_ref()
                .and_then(|all| all.get(api::ACTOR_ANNOTATION))
                .filter(|stamp| stamp.len() <= MAX_STAMP)
                .map(|stamp| stamp.as_str().into()),
            status,
        }
    }

    /// Returns the value of one of Roster's annotations.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }

    /// Returns whether a field that affects access or deletion differs from `earlier`.
    #[must_use]
    pub fn differs(&self, earlier: &Self) -> bool {
        self.generation != earlier.generation
            || self.uid != earlier.uid
            || self.deleting != earlier.deleting
            || self.finalizer != earlier.finalizer
            || self.annotations != earlier.annotations
            || self.stamp != earlier.stamp
    }
}

/// Record of one object.
#[derive(Clone, Debug)]
pub struct Record<F> {
    /// `metadata.namespace`; empty for a cluster-scoped object.
    pub namespace: Name,
    /// `metadata.name` of the object.
    pub name: Name,
    /// Name of the account that it belongs to, in the same namespace.
    pub account: Name,
    /// Metadata and status.
    pub meta: Meta,
    /// Spec fields that resolving needs.
    pub facts: Arc<F>,
}

impl<F> Record<F> {
    /// Returns the account that the object belongs to.
    #[must_use]
    pub fn account_key(&self) -> AccountKey {
        AccountKey { namespace: self.namespace.clone(), name: self.account.clone() }
    }

    /// Returns the reference to the object, of this kind.
    #[must_use]
    pub fn reference(&self, kind: KindName) -> ObjectRef {
        ObjectRef { kind, namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

/// Record of a namespace.
#[derive(Clone, Debug)]
pub struct NamespaceRecord {
    /// `metadata.name` of the namespace.
    pub name: Name,
    /// `metadata.labels` of the namespace.
    pub labels: Arc<BTreeMap<String, String>>,
}

/// Record of any watched object.
#[derive(Clone, Debug)]
pub enum Object {
    /// A namespace, with its labels.
    Namespace(NamespaceRecord),
    /// A `PermissionCatalog`, compiled.
    Catalog(Record<CatalogFacts>),
    /// An `IdentityStore`.
    Store(Record<StoreFacts>),
    /// An `Account`.
    Account(Record<AccountFacts>),
    /// A `Role`.
    Role(Record<RoleFacts>),
    /// A `UserGroup`.
    Group(Record<GroupFacts>),
    /// A `Membership`.
    Member(Record<MemberFacts>),
    /// An `Invitation`.
    Invitation(Record<InvitationFacts>),
    /// The ConfigMap that records a catalog's last revision.
    CatalogRecord(Record<CatalogRecord>),
}

impl Object {
    /// Returns kind, name and generation; 0 for a namespace or a catalog's record.
    #[must_use]
    pub fn identity(&self) -> (KindName, Name, i64) {
        match self {
            Self::Namespace(record) => (KindName::Namespace, record.name.clone(), 0),
            Self::Catalog(record) => (KindName::PermissionCatalog, record.name.clone(), record.meta.generation),
            Self::Store(record) => (KindName::IdentityStore, record.name.clone(), record.meta.generation),
            Self::Account(record) => (KindName::Account, record.name.clone(), record.meta.generation),
            Self::Role(record) => (KindName::Role, record.name.clone(), record.meta.generation),
            Self::Group(record) => (KindName::UserGroup, record.name.clone(), record.meta.generation),
            Self::Member(record) => (KindName::Membership, record.name.clone(), record.meta.generation),
            Self::Invitation(record) => (KindName::Invitation, record.name.clone(), record.meta.generation),
            Self::CatalogRecord(record) => (KindName::CatalogRecord, record.name.clone(), 0),
        }
    }

    /// Returns the metadata; `None` for a namespace, whose record has only labels.
    #[must_use]
    pub fn meta(&self) -> Option<&Meta> {
        Some(match self {
            Self::Namespace(_) => return None,
            Self::Catalog(record) => &record.meta,
            Self::Store(record) => &record.meta,
            Self::Account(record) => &record.meta,
            Self::Role(record) => &record.meta,
            Self::Group(record) => &record.meta,
            Self::Member(record) => &record.meta,
            Self::Invitation(record) => &record.meta,
            Self::CatalogRecord(record) => &record.meta,
        })
    }

    /// Returns the reference to the object.
    #[must_use]
    pub fn reference(&self) -> ObjectRef {
        match self {
            Self::Namespace(record) => {
                ObjectRef { kind: KindName::Namespace, namespace: Name::default(), name: record.name.clone() }
            }
            Self::Catalog(record) => record.reference(KindName::PermissionCatalog),
            Self::Store(record) => record.reference(KindName::IdentityStore),
            Self::Account(record) => record.reference(KindName::Account),
            Self::Role(record) => record.reference(KindName::Role),
            Self::Group(record) => record.reference(KindName::UserGroup),
            Self::Member(record) => record.reference(KindName::Membership),
            Self::Invitation(record) => record.reference(KindName::Invitation),
            Self::CatalogRecord(record) => record.reference(KindName::CatalogRecord),
        }
    }

    /// Returns whether the object is being deleted; it then counts as gone.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        self.meta().is_some_and(|meta| meta.deleting)
    }

    /// Returns whether this object may revoke access: suspended, blocking, deleted, expired or not started.
    #[must_use]
    pub fn takes_away(&self, now: Timestamp) -> bool {
        match self {
            Self::Account(record) => record.facts.spec.suspended,
            Self::Store(record) => !record.facts.blocked.is_empty(),
            Self::Member(record) => {
                record.facts.suspended || record.meta.deleting || !record.facts.window().contains(now)
            }
            _ => false,
        }
    }
}

/// Returns the labels of a namespace with `labels` in its manifest: the API server adds the label of its name, which
/// cannot be changed.
#[must_use]
pub fn namespace_labels(name: &Name, mut labels: Labels) -> Labels {
    labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name.to_string());
    labels
}

impl NamespaceRecord {
    /// Extracts the record from the metadata of a namespace.
    #[must_use]
    pub fn new(metadata: ObjectMeta) -> Self {
        let name = metadata.name.unwrap_or_default().into();
        Self { labels: Arc::new(namespace_labels(&name, metadata.labels.unwrap_or_default())), name }
    }
}
