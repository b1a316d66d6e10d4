//! One store's realm of Keycloak: connection, settings and caches, and a file of requests for each kind of object.
//! Called by the other modules of this store, which decide what to ask and change.

mod clients;
mod groups;
mod organizations;
mod roles;
mod users;

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use keycloak::{DefaultResponse, KeycloakError, KeycloakRealmAdmin};
use tokio::sync::Mutex;

pub(super) use self::{
    clients::client_without_login,
    users::{Users, by_id},
};
use super::{
    known::KnownUsers,
    names::Prefix,
    seal::Seal,
    wire::{Shared, Wire},
};
use crate::store::StoreError;

/// Realm of one store: its connection, its settings and caches.
pub(super) struct Realm {
    pub(super) wire: Wire,
    pub(super) prefix: Prefix,
    /// Ids of the portals' clients. Each account's scope is an optional scope of theirs.
    pub(super) portals: Vec<String>,
    /// Name of the role that all users of the realm get.
    pub(super) default_role: String,
    /// Id of the client `realm-management`, whose roles administer the realm.
    pub(super) management: String,
    /// Optional client scopes of each portal, and the time when they were listed: one list serves many accounts.
    pub(super) asked_for: Mutex<HashMap<String, (Instant, HashSet<String>)>>,
    /// Time of the last check that this is still the realm that was opened.
    pub(super) checked: Mutex<Instant>,
    /// Key of seals; `None` if no version with seals has written to the realm yet, and the store is open read-only.
    pub(super) seal: Option<Seal>,
    /// Users who were found before.
    pub(super) known: KnownUsers,
}

impl Realm {
    pub(super) fn name(&self) -> &str {
        &self.wire.realm
    }

    /// Returns the admin API of this realm.
    fn admin(&self) -> KeycloakRealmAdmin<'_, Shared> {
        self.wire.admin.realm(self.name())
    }

    /// Returns the admin API of this realm, with the timeout of list requests.
    pub(super) fn lists(&self) -> KeycloakRealmAdmin<'_, Shared> {
        self.wire.lists.realm(self.name())
    }

    /// Sends a request without a result. It also succeeds if the object to remove is already gone.
    pub(super) async fn remove<F>(&self, doing: &str, request: impl FnMut() -> F) -> Result<(), StoreError>
    where
        F: Future<Output = Result<DefaultResponse, KeycloakError>>,
    {
        self.wire.find(doing, request).await.map(drop)
    }
}

/// Returns the id in the response to a request that created something.
pub(super) fn made_id(answer: &DefaultResponse) -> String {
    answer.to_id().unwrap_or_default().to_owned()
}
