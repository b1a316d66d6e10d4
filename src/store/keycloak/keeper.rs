//! Client that keeps the key of a realm's seals, and with it the identity of the realm as a store. Called by `open`, and
//! by `snapshot` and `KeycloakStore` before they read.

use std::time::{Duration, Instant};

use keycloak::types::ClientRepresentation;

use super::{
    realm::{Realm, client_without_login},
    seal::{self, Seal},
};
use crate::{model::Name, store::StoreError};

/// Client that keeps the key. The name has no slash, so no account has it.
pub(super) const KEEPER: &str = "roster-seal";
/// Attribute of that client: the key in base64.
const KEY: &str = "roster.seal";
/// Time for which a check of the realm's identity is valid. Another realm may respond at the same address later.
const SAME_FOR: Duration = Duration::from_secs(5);

impl Realm {
    /// Returns the id of the realm as a store. It is derived from the key, and lost with it.
    pub(super) fn store_id(&self) -> Option<Name> {
        self.seal.as_ref().map(Seal::store_id)
    }

    /// Checks that this is still the realm that was opened, at most every [`SAME_FOR`].
    ///
    /// # Errors
    /// `Unavailable` if the realm was recreated or another one responds; the store must then be opened again.
    pub(super) async fn still_the_same(&self) -> Result<(), StoreError> {
        let mut checked = self.checked.lock().await;
        if checked.elapsed() < SAME_FOR {
            return Ok(());
        }
        let now = kept(self).await?.map(|seal| seal.store_id());
        if now != self.store_id() {
            return Err(StoreError::Unavailable(format!(
                "{}: the realm was recreated, or a different one responds; the store must be reopened",
                self.wire.location
            )));
        }
        *checked = Instant::now();
        Ok(())
    }
}

/// Reads the key of a realm; `None` if no version with seals has written there yet.
pub(super) async fn kept(realm: &Realm) -> Result<Option<Seal>, StoreError> {
    let keeper = realm.client(KEEPER).await?;
    let key = keeper.and_then(|keeper| keeper.attributes?.remove(KEY));
    Ok(key.and_then(|key| Seal::parse(&key, &realm.wire.realm)))
}

/// Creates the key of a realm, or returns the one that another process has created.
pub(super) async fn make(realm: &Realm) -> Result<Seal, StoreError> {
    let keeper = keeper(seal::new_key()?);
    let (admin, name) = (&realm.wire.admin, realm.wire.realm.as_str());
    let post = || admin.realm_clients_post(name, keeper.clone());
    let made = realm.wire.create("creating the client that keeps the key of seals", post).await?;
    let there = kept(realm).await?;
    if let (None, None) = (made, &there) {
        // Somebody removed the attribute but not the client.
        let client = realm.client(KEEPER).await?.and_then(|client| client.id).unwrap_or_default();
        let put = || admin.realm_clients_with_client_uuid_put(name, &client, keeper.clone());
        realm.wire.call("writing the key of seals", put).await?;
        return kept(realm).await?.ok_or_else(lost);
    }
    there.ok_or_else(lost)
}

fn lost() -> StoreError {
    StoreError::Conflict(format!("client {KEEPER}, which keeps the key of seals, was changed at the same time"))
}

/// Returns the client that keeps a key.
fn keeper(key: String) -> ClientRepresentation {
    ClientRepresentation {
        name: Some("Seal of Roster".to_owned()),
        description: Some("Keeps the key of Roster's seals; do not remove it".to_owned()),
        ..client_without_login(KEEPER.to_owned(), (KEY, key))
    }
}
