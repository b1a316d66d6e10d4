//! Converts documents into the objects of the engine. Called by `files`.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::ObjectId;
use crate::{
    api,
    model::{KindName, Name},
    plan::FILES,
    state::{
        AccountFacts, CatalogFacts, GroupFacts, InvitationFacts, Labels, MemberFacts, Meta, NamespaceRecord, Object,
        Record, RoleFacts, StoreFacts, annotations_of, namespace_labels,
    },
};

/// Generation of every object from files, which have none.
const GENERATION: i64 = 1;

/// Converts a document.
///
/// # Errors
/// When its spec cannot be read as that of its kind.
pub(super) fn object(id: &ObjectId, value: &Value) -> Result<Object, serde_json::Error> {
    let ObjectId { kind, namespace, name } = id.clone();
    let spec = &value["spec"];
    Ok(match kind.as_str() {
        "PermissionCatalog" => {
            let facts = CatalogFacts::new(name, GENERATION, Deserialize::deserialize(spec)?);
            Object::Catalog(record(id, value, "", facts))
        }
        "IdentityStore" => {
            let facts = StoreFacts::new(name, GENERATION, Deserialize::deserialize(spec)?);
            Object::Store(record(id, value, "", facts))
        }
        "Account" => {
            let spec = Deserialize::deserialize(spec)?;
            let facts = AccountFacts { namespace, name, uid: FILES.into(), generation: GENERATION, spec };
            Object::Account(record(id, value, &id.name, facts))
        }
        "Role" => {
            let spec = api::RoleSpec::deserialize(spec)?;
            let account = spec.account_ref.name.clone();
            Object::Role(record(id, value, &account, RoleFacts { name, generation: GENERATION, spec }))
        }
        "UserGroup" => {
            let spec = api::UserGroupSpec::deserialize(spec)?;
            let account = spec.account_ref.name.clone();
            Object::Group(record(id, value, &account, GroupFacts { name, generation: GENERATION, spec }))
        }
        "Membership" => {
            let spec = api::MembershipSpec::deserialize(spec)?;
            let facts = MemberFacts::new(name, GENERATION, &spec);
            Object::Member(record(id, value, &spec.account_ref.name, facts))
        }
        "Invitation" => {
            let spec = api::InvitationSpec::deserialize(spec)?;
            // Only a cluster sends invitations, so none from a file is accepted.
            let facts = InvitationFacts::new(name, GENERATION, &spec, false);
            Object::Invitation(record(id, value, &spec.account_ref.name, facts))
        }
        _ => {
            let labels = namespace_labels(&name, words(value, "labels"));
            Object::Namespace(NamespaceRecord { name, labels: Arc::new(labels) })
        }
    })
}

fn record<F>(id: &ObjectId, value: &Value, account: &str, facts: F) -> Record<F> {
    let kind = KindName::ALL.into_iter().find(|kind| id.kind == kind.as_str());
    let annotations = kind.and_then(|kind| annotations_of(kind, &words(value, "annotations")));
    let meta = Meta {
        uid: FILES.into(),
        generation: GENERATION,
        deleting: !value["metadata"]["deletionTimestamp"].is_null(),
        annotations,
        ..Meta::default()
    };
    let (namespace, name, account) = (id.namespace.clone(), id.name.clone(), Name::new(account));
    Record { namespace, name, account, meta, facts: Arc::new(facts) }
}

fn words(value: &Value, field: &str) -> Labels {
    Labels::deserialize(&value["metadata"][field]).unwrap_or_default()
}
