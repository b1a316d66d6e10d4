//! Documents as what the engine knows of objects.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::ObjectId;
use crate::{
    api,
    model::AccountKey,
    resolve::Objects,
    state::{AccountFacts, CatalogFacts, GroupFacts, InvitationFacts, Labels, MemberFacts, RoleFacts, StoreFacts},
};

/// What the engine knows of one object.
pub(super) enum Facts {
    Namespace(Labels),
    Catalog(CatalogFacts),
    Store(StoreFacts),
    Account(AccountFacts, Labels),
    Role(AccountKey, RoleFacts),
    Group(AccountKey, GroupFacts),
    Member(AccountKey, MemberFacts),
    Invitation(AccountKey, InvitationFacts),
}

/// Files have no generations.
const GENERATION: i64 = 1;

impl Facts {
    /// What an object says, if it says enough.
    pub(super) fn read(id: &ObjectId, value: &Value) -> Result<Self, serde_json::Error> {
        let ObjectId { kind, namespace, name } = id.clone();
        let key = |account: &api::NameRef| AccountKey::new(&namespace, &account.name);
        let labels = |field: &str| Labels::deserialize(&value["metadata"][field]).unwrap_or_default();
        let spec = &value["spec"];
        Ok(match kind.as_str() {
            "PermissionCatalog" => Self::Catalog(CatalogFacts::new(name, GENERATION, Deserialize::deserialize(spec)?)),
            "IdentityStore" => Self::Store(StoreFacts::new(name, GENERATION, Deserialize::deserialize(spec)?)),
            "Account" => {
                let uid = crate::plan::FILES.into();
                let spec = Deserialize::deserialize(spec)?;
                let facts = AccountFacts { namespace, name, uid, generation: GENERATION, spec };
                Self::Account(facts, labels("annotations"))
            }
            "Role" => {
                let spec = api::RoleSpec::deserialize(spec)?;
                Self::Role(key(&spec.account_ref), RoleFacts { name, generation: GENERATION, spec })
            }
            "UserGroup" => {
                let spec = api::UserGroupSpec::deserialize(spec)?;
                Self::Group(key(&spec.account_ref), GroupFacts { name, generation: GENERATION, spec })
            }
            "Membership" => {
                let spec = api::MembershipSpec::deserialize(spec)?;
                Self::Member(key(&spec.account_ref), MemberFacts::new(name, GENERATION, &spec))
            }
            "Invitation" => {
                let spec = api::InvitationSpec::deserialize(spec)?;
                // Only a cluster mails invitations, so nobody can have accepted one.
                Self::Invitation(key(&spec.account_ref), InvitationFacts::new(name, GENERATION, &spec, false))
            }
            _ => Self::Namespace(labels("labels")),
        })
    }

    /// Adds it to all there are.
    pub(super) fn add(self, id: &ObjectId, objects: &mut Objects) {
        let name = id.name.clone();
        match self {
            Self::Namespace(labels) => {
                objects.namespaces.insert(name, Arc::new(labels));
            }
            Self::Catalog(facts) => {
                objects.catalogs.insert(name, Arc::new(facts));
            }
            Self::Store(facts) => {
                objects.stores.insert(name, Arc::new(facts));
            }
            Self::Account(facts, annotations) => {
                let entry = objects.entry(facts.key());
                (entry.account, entry.annotations) = (Some(Arc::new(facts)), annotations);
            }
            Self::Role(key, facts) => {
                objects.entry(key).roles.insert(name, Arc::new(facts));
            }
            Self::Group(key, facts) => {
                objects.entry(key).groups.insert(name, Arc::new(facts));
            }
            Self::Member(key, facts) => {
                objects.entry(key).members.insert(name, facts);
            }
            Self::Invitation(key, facts) => {
                objects.entry(key).invitations.insert(name, facts);
            }
        }
    }
}
