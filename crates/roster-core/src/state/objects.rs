//! Records of objects: metadata and spec → record. Every producer of records (a watch, a simulated cluster) makes them here.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{
    AccountFacts, CatalogFacts, GroupFacts, InvitationFacts, KnownStore, MemberFacts, Meta, Object, Record, RoleFacts,
    StatusDigest, StoreFacts,
};
use crate::{
    api::{
        AccountSpec, IdentityStoreSpec, InvitationSpec, MembershipSpec, PermissionCatalogSpec, RoleSpec, UserGroupSpec,
    },
    model::{KindName, Name},
};

fn name(metadata: &ObjectMeta) -> Name {
    metadata.name.as_deref().unwrap_or_default().into()
}

fn generation(metadata: &ObjectMeta) -> i64 {
    metadata.generation.unwrap_or(0)
}

fn record<F>(kind: KindName, metadata: &ObjectMeta, status: StatusDigest, account: Name, facts: F) -> Record<F> {
    Record {
        namespace: metadata.namespace.as_deref().unwrap_or_default().into(),
        name: name(metadata),
        account,
        meta: Meta::new(kind, metadata, status),
        facts: Arc::new(facts),
    }
}

impl Object {
    /// Returns the record of a `PermissionCatalog`.
    #[must_use]
    pub fn catalog(metadata: &ObjectMeta, spec: PermissionCatalogSpec, status: StatusDigest) -> Self {
        let facts = CatalogFacts::new(name(metadata), generation(metadata), spec);
        Self::Catalog(record(KindName::PermissionCatalog, metadata, status, Name::default(), facts))
    }

    /// Returns the record of an `IdentityStore`.
    #[must_use]
    pub fn store(metadata: &ObjectMeta, spec: IdentityStoreSpec, status: StatusDigest) -> Self {
        let annotation = |key: &str| metadata.annotations.as_ref()?.get(key).map(String::as_str);
        let known = KnownStore::read(annotation);
        let facts = StoreFacts::new(name(metadata), generation(metadata), spec).knowing(known);
        Self::Store(record(KindName::IdentityStore, metadata, status, Name::default(), facts))
    }

    /// Returns the record of an `Account`.
    #[must_use]
    pub fn account(metadata: &ObjectMeta, spec: AccountSpec, status: StatusDigest) -> Self {
        let facts = AccountFacts {
            namespace: metadata.namespace.as_deref().unwrap_or_default().into(),
            name: name(metadata),
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            generation: generation(metadata),
            spec,
        };
        Self::Account(record(KindName::Account, metadata, status, name(metadata), facts))
    }

    /// Returns the record of a `Role`.
    #[must_use]
    pub fn role(metadata: &ObjectMeta, spec: RoleSpec, status: StatusDigest) -> Self {
        let account = Name::new(&spec.account_ref.name);
        let facts = RoleFacts { name: name(metadata), generation: generation(metadata), spec };
        Self::Role(record(KindName::Role, metadata, status, account, facts))
    }

    /// Returns the record of a `UserGroup`.
    #[must_use]
    pub fn group(metadata: &ObjectMeta, spec: UserGroupSpec, status: StatusDigest) -> Self {
        let account = Name::new(&spec.account_ref.name);
        let facts = GroupFacts { name: name(metadata), generation: generation(metadata), spec };
        Self::Group(record(KindName::UserGroup, metadata, status, account, facts))
    }

    /// Returns the record of a `Membership`.
    #[must_use]
    pub fn member(metadata: &ObjectMeta, spec: &MembershipSpec, status: StatusDigest) -> Self {
        let facts = MemberFacts::new(name(metadata), generation(metadata), spec);
        Self::Member(record(KindName::Membership, metadata, status, Name::new(&spec.account_ref.name), facts))
    }

    /// Returns the record of an `Invitation`.
    #[must_use]
    pub fn invitation(metadata: &ObjectMeta, spec: &InvitationSpec, status: StatusDigest) -> Self {
        // Nothing is mailed yet, so nothing can have been accepted.
        let facts = InvitationFacts::new(name(metadata), generation(metadata), spec, false);
        Self::Invitation(record(KindName::Invitation, metadata, status, Name::new(&spec.account_ref.name), facts))
    }
}
