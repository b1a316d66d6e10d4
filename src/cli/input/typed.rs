//! From a document that the server would take to what resolving needs of it.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{Document, ObjectId};
use crate::{
    api,
    model::{AccountKey, Name},
    plan::FILES,
    resolve::{AccountFacts, CatalogFacts, GroupFacts, InvitationFacts, MemberFacts, Objects, RoleFacts, StoreFacts},
};

/// Objects of files have no generation; every one of them is the first.
const GENERATION: i64 = 1;

fn spec<T: DeserializeOwned>(document: &Document) -> Result<T, serde_json::Error> {
    document.value.get("spec").map_or_else(|| T::deserialize(serde_json::json!({})), T::deserialize)
}

/// A store as it is by default.
pub(super) fn default_store(name: Name) -> Arc<StoreFacts> {
    Arc::new(StoreFacts::new(name, GENERATION, api::IdentityStoreSpec::default()))
}

/// Adds the object to all there are.
pub(super) fn add(objects: &mut Objects, document: &Document) -> Result<(), serde_json::Error> {
    let ObjectId { kind, namespace, name } = document.id.clone();
    let generation = GENERATION;
    let key = |account: &api::NameRef| AccountKey::new(&namespace, &account.name);
    let metadata = |field: &str| {
        let found = document.value.get("metadata").and_then(|metadata| metadata.get(field));
        found.and_then(|found| serde_json::from_value(found.clone()).ok()).unwrap_or_default()
    };
    match kind.as_str() {
        "Namespace" => {
            objects.namespaces.insert(name, Arc::new(metadata("labels")));
        }
        "PermissionCatalog" => {
            let facts = CatalogFacts::new(name.clone(), generation, spec(document)?);
            objects.catalogs.insert(name, Arc::new(facts));
        }
        "IdentityStore" => {
            let facts = StoreFacts::new(name.clone(), generation, spec(document)?);
            objects.stores.insert(name, Arc::new(facts));
        }
        "Account" => {
            let facts = AccountFacts { namespace, name, uid: FILES.into(), generation, spec: spec(document)? };
            let annotations = metadata("annotations");
            let entry = objects.entry(facts.key());
            (entry.account, entry.annotations) = (Some(Arc::new(facts)), annotations);
        }
        "Role" => {
            let spec: api::RoleSpec = spec(document)?;
            let entry = objects.entry(key(&spec.account_ref));
            entry.roles.insert(name.clone(), Arc::new(RoleFacts { name, generation, spec }));
        }
        "UserGroup" => {
            let spec: api::UserGroupSpec = spec(document)?;
            let entry = objects.entry(key(&spec.account_ref));
            entry.groups.insert(name.clone(), Arc::new(GroupFacts { name, generation, spec }));
        }
        "Membership" => {
            let spec: api::MembershipSpec = spec(document)?;
            let entry = objects.entry(key(&spec.account_ref));
            entry.members.insert(name.clone(), MemberFacts::new(name, generation, &spec));
        }
        _ => {
            let spec: api::InvitationSpec = spec(document)?;
            let entry = objects.entry(key(&spec.account_ref));
            // Only a cluster mails invitations, so nobody can have accepted one.
            entry.invitations.insert(name.clone(), InvitationFacts::new(name, generation, &spec, false));
        }
    }
    Ok(())
}
