//! Objects as the index keeps them: slim records.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{
    AccountFacts, CatalogFacts, CatalogRecord, GroupFacts, InvitationFacts, Labels, MemberFacts, RoleFacts,
    StatusDigest, StoreFacts, annotations_of,
};
use crate::{
    api,
    model::{AccountKey, KindName, Name, ObjectRef},
};

/// Label of every namespace: its name.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Annotations of ours, by key.
pub type Annotations = BTreeMap<String, String>;

/// Metadata and status, as far as they matter.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    /// UID.
    pub uid: Name,
    /// Resource version last seen or written.
    pub resource_version: Name,
    /// Generation.
    pub generation: i64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether it carries our finalizer.
    pub finalizer: bool,
    /// Our annotations that mean something on this kind; none on most objects.
    pub annotations: Option<Box<Annotations>>,
    /// What the status says.
    pub status: StatusDigest,
}

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
            status,
        }
    }

    /// One of our annotations.
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
    }
}

/// An object as the index keeps it.
#[derive(Clone, Debug)]
pub struct Record<F> {
    /// Its namespace; empty for a cluster-scoped one.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// The account it belongs to, by name, in its namespace.
    pub account: Name,
    /// Metadata and status.
    pub meta: Meta,
    /// Spec fields that resolving needs.
    pub facts: Arc<F>,
}

impl<F> Record<F> {
    /// The account it belongs to.
    #[must_use]
    pub fn account_key(&self) -> AccountKey {
        AccountKey { namespace: self.namespace.clone(), name: self.account.clone() }
    }

    /// Its reference.
    #[must_use]
    pub fn reference(&self, kind: KindName) -> ObjectRef {
        ObjectRef { kind, namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

/// A namespace.
#[derive(Clone, Debug)]
pub struct NamespaceRecord {
    /// Name.
    pub name: Name,
    /// Labels.
    pub labels: Arc<BTreeMap<String, String>>,
}

/// Any object that is watched.
#[derive(Clone, Debug)]
pub enum Object {
    /// A namespace.
    Namespace(NamespaceRecord),
    /// A catalog, compiled.
    Catalog(Record<CatalogFacts>),
    /// A store.
    Store(Record<StoreFacts>),
    /// An account.
    Account(Record<AccountFacts>),
    /// A role.
    Role(Record<RoleFacts>),
    /// A group.
    Group(Record<GroupFacts>),
    /// A membership.
    Member(Record<MemberFacts>),
    /// An invitation.
    Invitation(Record<InvitationFacts>),
    /// The record of a catalog's last revision.
    CatalogRecord(Record<CatalogRecord>),
}

impl Object {
    /// Kind, name and generation.
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

    /// Returns its metadata; nothing of a namespace, of which only labels are known.
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

    /// Its reference.
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

    /// Returns whether it is being deleted: then it counts as gone.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        self.meta().is_some_and(|meta| meta.deleting)
    }

    /// Returns whether it may end somebody's access by somebody's word: a suspension, a block, a Membership that goes, is
    /// over, or has not begun.
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

/// Returns the labels that a namespace has where `labels` are written on it: the API server gives each the label of its
/// name, and lets nobody change it.
#[must_use]
pub fn namespace_labels(name: &Name, mut labels: Labels) -> Labels {
    labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name.to_string());
    labels
}

impl NamespaceRecord {
    /// The record of a namespace.
    #[must_use]
    pub fn new(metadata: ObjectMeta) -> Self {
        let name = metadata.name.unwrap_or_default().into();
        Self { labels: Arc::new(namespace_labels(&name, metadata.labels.unwrap_or_default())), name }
    }
}
