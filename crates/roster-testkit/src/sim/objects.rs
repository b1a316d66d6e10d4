//! Objects as users write them, as the model reads them, and as the index keeps them. Used by the other modules of the simulator.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use roster_core::{
    api,
    model::{KindName, Name},
    state::{
        CatalogRecord, KnownStore, LastRevision, Meta, NamespaceRecord, Object, Record, StatusDigest, StoreFacts,
        digest,
    },
};
use serde_json::Value;

/// Spec of an object, or the labels of a namespace.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Spec {
    Namespace(BTreeMap<String, String>),
    Catalog(Box<api::PermissionCatalogSpec>),
    Store(Box<api::IdentityStoreSpec>),
    Account(Box<api::AccountSpec>),
    Role(api::RoleSpec),
    Group(api::UserGroupSpec),
    Member(Box<api::MembershipSpec>),
    Record(Name, Option<LastRevision>),
}

impl Spec {
    /// Returns the labels of a namespace; `None` for other kinds.
    #[must_use]
    pub fn labels(&self) -> Option<BTreeMap<String, String>> {
        match self {
            Self::Namespace(labels) => Some(labels.clone()),
            _ => None,
        }
    }
}

/// Content of an object, shared with the model.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Body {
    Namespace(Arc<BTreeMap<String, String>>),
    Catalog(Arc<api::PermissionCatalog>),
    Store(Arc<api::IdentityStore>),
    Account(Arc<api::Account>),
    Role(Arc<api::Role>),
    Group(Arc<api::UserGroup>),
    Member(Arc<api::Membership>),
    Record(Arc<(Name, Option<LastRevision>)>),
}

impl Body {
    /// Combines metadata and spec.
    #[must_use]
    pub fn new(metadata: &ObjectMeta, spec: Spec) -> Self {
        let metadata = metadata.clone();
        match spec {
            Spec::Namespace(labels) => Self::Namespace(Arc::new(labels)),
            Spec::Catalog(spec) => {
                Self::Catalog(Arc::new(api::PermissionCatalog { metadata, spec: *spec, status: None }))
            }
            Spec::Store(spec) => Self::Store(Arc::new(api::IdentityStore { metadata, spec: *spec, status: None })),
            Spec::Account(spec) => Self::Account(Arc::new(api::Account { metadata, spec: *spec, status: None })),
            Spec::Role(spec) => Self::Role(Arc::new(api::Role { metadata, spec, status: None })),
            Spec::Group(spec) => Self::Group(Arc::new(api::UserGroup { metadata, spec, status: None })),
            Spec::Member(spec) => Self::Member(Arc::new(api::Membership { metadata, spec: *spec, status: None })),
            Spec::Record(catalog, last) => Self::Record(Arc::new((catalog, last))),
        }
    }

    /// Returns the spec.
    #[must_use]
    pub fn spec(&self) -> Spec {
        match self {
            Self::Namespace(labels) => Spec::Namespace(labels.as_ref().clone()),
            Self::Catalog(of) => Spec::Catalog(Box::new(of.spec.clone())),
            Self::Store(of) => Spec::Store(Box::new(of.spec.clone())),
            Self::Account(of) => Spec::Account(Box::new(of.spec.clone())),
            Self::Role(of) => Spec::Role(of.spec.clone()),
            Self::Group(of) => Spec::Group(of.spec.clone()),
            Self::Member(of) => Spec::Member(Box::new(of.spec.clone())),
            Self::Record(of) => Spec::Record(of.0.clone(), of.1.clone()),
        }
    }

    /// Returns whether the spec equals this one.
    #[must_use]
    pub fn says(&self, spec: &Spec) -> bool {
        match (self, spec) {
            (Self::Namespace(known), Spec::Namespace(labels)) => **known == *labels,
            (Self::Catalog(known), Spec::Catalog(spec)) => known.spec == **spec,
            (Self::Store(known), Spec::Store(spec)) => known.spec == **spec,
            (Self::Account(known), Spec::Account(spec)) => known.spec == **spec,
            (Self::Role(known), Spec::Role(spec)) => known.spec == *spec,
            (Self::Group(known), Spec::Group(spec)) => known.spec == *spec,
            (Self::Member(known), Spec::Member(spec)) => known.spec == **spec,
            _ => false,
        }
    }
}

/// Returns the record of an object.
#[must_use]
pub fn record_of(metadata: &ObjectMeta, body: &Body, status: StatusDigest) -> Object {
    match body {
        Body::Namespace(_) => namespace_record(metadata),
        Body::Catalog(of) => Object::catalog(metadata, of.spec.clone(), status),
        Body::Store(of) => Object::store(metadata, of.spec.clone(), status),
        Body::Account(of) => Object::account(metadata, of.spec.clone(), status),
        Body::Role(of) => Object::role(metadata, of.spec.clone(), status),
        Body::Group(of) => Object::group(metadata, of.spec.clone(), status),
        Body::Member(of) => Object::member(metadata, &of.spec, status),
        Body::Record(of) => Object::CatalogRecord(Record {
            namespace: metadata.namespace.as_deref().unwrap_or_default().into(),
            name: metadata.name.as_deref().unwrap_or_default().into(),
            account: Name::default(),
            meta: Meta::new(KindName::CatalogRecord, metadata, status),
            facts: Arc::new(CatalogRecord { catalog: Some(of.0.clone()), last: of.1.clone() }),
        }),
    }
}

/// Returns a record with other metadata.
#[must_use]
pub fn with_meta(object: &Object, meta: Meta) -> Object {
    match object {
        Object::Namespace(record) => Object::Namespace(record.clone()),
        Object::Catalog(record) => Object::Catalog(replaced(record, meta)),
        Object::Store(record) => {
            let known = KnownStore::read(|key| meta.annotation(key));
            let facts = Arc::new(StoreFacts::clone(&record.facts).knowing(known));
            Object::Store(Record { facts, ..replaced(record, meta) })
        }
        Object::Account(record) => Object::Account(replaced(record, meta)),
        Object::Role(record) => Object::Role(replaced(record, meta)),
        Object::Group(record) => Object::Group(replaced(record, meta)),
        Object::Member(record) => Object::Member(replaced(record, meta)),
        Object::Invitation(record) => Object::Invitation(replaced(record, meta)),
        Object::CatalogRecord(record) => Object::CatalogRecord(replaced(record, meta)),
    }
}

/// Returns the digest of a status, as watches decode it.
#[must_use]
pub fn digest_of(kind: KindName, status: &Value) -> StatusDigest {
    macro_rules! read {
        ($status:ident) => {
            serde_json::from_value::<api::$status>(status.clone()).as_ref().map(digest).unwrap_or_default()
        };
    }
    match kind {
        KindName::PermissionCatalog => read!(PermissionCatalogStatus),
        KindName::IdentityStore => read!(IdentityStoreStatus),
        KindName::Account => read!(AccountStatus),
        KindName::Role => read!(RoleStatus),
        KindName::UserGroup => read!(UserGroupStatus),
        KindName::Membership => read!(MembershipStatus),
        KindName::Invitation => read!(InvitationStatus),
        KindName::Namespace | KindName::CatalogRecord => StatusDigest::default(),
    }
}

/// Returns status, reason and message of a condition, if it exists.
#[must_use]
pub fn condition<'a>(status: &'a Value, name: &str) -> Option<(bool, &'a str, &'a str)> {
    let conditions = status.get("conditions")?.as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == name)?;
    let text = |key: &str| found.get(key).and_then(Value::as_str).unwrap_or_default();
    Some((found["status"] == "True", text("reason"), text("message")))
}

/// Returns the record of a namespace.
fn namespace_record(metadata: &ObjectMeta) -> Object {
    Object::Namespace(NamespaceRecord::new(metadata.clone()))
}

/// Returns a record with other metadata.
fn replaced<F>(record: &Record<F>, meta: Meta) -> Record<F> {
    Record {
        namespace: record.namespace.clone(),
        name: record.name.clone(),
        account: record.account.clone(),
        meta,
        facts: record.facts.clone(),
    }
}
