//! Clients of the realm, and the client scopes that let roles into tokens. Called by `snapshot`, `account`, `open` and `seal`.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::{Duration, Instant},
};

use keycloak::types::ClientRepresentation;

use super::Realm;
use crate::store::StoreError;

/// Time for which a list of a portal's scopes is valid: about one round of checks.
const GOOD_FOR: Duration = Duration::from_secs(30);

/// Returns a client by which nobody can log in, with one attribute. It is disabled; the caller may enable it.
pub(crate) fn client_without_login(client_id: String, attribute: (&str, String)) -> ClientRepresentation {
    let off = Some(false);
    let (key, value) = attribute;
    ClientRepresentation {
        client_id: Some(client_id),
        enabled: off,
        protocol: Some("openid-connect".to_owned()),
        public_client: off,
        standard_flow_enabled: off,
        implicit_flow_enabled: off,
        direct_access_grants_enabled: off,
        service_accounts_enabled: off,
        full_scope_allowed: off,
        attributes: Some(HashMap::from([(key.to_owned(), value)])),
        ..ClientRepresentation::default()
    }
}

impl Realm {
    /// Returns the client with this client id.
    pub(crate) async fn client(&self, client_id: &str) -> Result<Option<ClientRepresentation>, StoreError> {
        let admin = self.admin();
        let found = self
            .wire
            .call("looking for a client", || admin.clients_get().client_id(client_id.to_owned()).into_future());
        Ok(found.await?.into_iter().find(|client| client.client_id.as_deref() == Some(client_id)))
    }

    /// Returns whether there is a client scope with this id.
    pub(crate) async fn is_scope(&self, id: &str) -> Result<bool, StoreError> {
        let (admin, realm) = (&self.wire.admin, self.name());
        let read = || admin.realm_client_scopes_with_client_scope_id_get(realm, id);
        Ok(!id.is_empty() && self.wire.find("reading a client scope", read).await?.is_some())
    }

    /// Returns the names of the client's roles that a client scope lets into tokens.
    pub(crate) async fn scope_roles(&self, scope: &str, client: &str) -> Result<BTreeSet<String>, StoreError> {
        let mapped = self.wire.find("reading a client scope", || {
            self.wire.admin.realm_client_scopes_with_client_scope_id_scope_mappings_clients_with_client_get(
                self.name(),
                scope,
                client,
            )
        });
        Ok(mapped.await?.unwrap_or_default().into_iter().filter_map(|role| role.name).collect())
    }

    /// Returns whether a client scope lets more into tokens than roles of this client.
    #[allow(deprecated, reason = "nothing else tells of clients that nobody thinks of")]
    pub(crate) async fn lets_others_pass(&self, scope: &str, client: &str) -> Result<bool, StoreError> {
        let (admin, realm) = (&self.wire.admin, self.name());
        let read = || admin.realm_client_scopes_with_client_scope_id_get(realm, scope);
        let mappers = self.wire.find("reading a client scope", read).await?.and_then(|scope| scope.protocol_mappers);
        let read = || admin.realm_client_scopes_with_client_scope_id_scope_mappings_get(realm, scope);
        let mapped = self.wire.find("reading a client scope", read).await?.unwrap_or_default();
        let clients = mapped.client_mappings.unwrap_or_default();
        let others = clients.values().any(|mappings| mappings.id.as_deref() != Some(client));
        Ok(others
            || mappers.is_some_and(|all| !all.is_empty())
            || mapped.realm_mappings.is_some_and(|all| !all.is_empty()))
    }

    /// Returns whether a portal may request tokens with a client scope.
    pub(crate) async fn may_ask(&self, portal: &str, scope: &str) -> Result<bool, StoreError> {
        let mut asked_for = self.asked_for.lock().await;
        if let Some((at, scopes)) = asked_for.get(portal)
            && at.elapsed() < GOOD_FOR
        {
            return Ok(scopes.contains(scope));
        }
        let listed = self.wire.find("listing a portal's client scopes", || {
            self.wire.lists.realm_clients_with_client_uuid_optional_client_scopes_get(self.name(), portal)
        });
        // A missing portal client requests no tokens. Opening the store reports it.
        let Some(listed) = listed.await? else { return Ok(true) };
        let scopes: HashSet<String> = listed.into_iter().filter_map(|scope| scope.id).collect();
        let may = scopes.contains(scope);
        asked_for.insert(portal.to_owned(), (Instant::now(), scopes));
        Ok(may)
    }

    /// Lets a portal request tokens with a client scope. Removes it from the portal's default scopes, since it would
    /// then be in all tokens.
    pub(crate) async fn let_ask(&self, portal: &str, scope: &str) -> Result<(), StoreError> {
        let (admin, realm) = (&self.wire.admin, self.name());
        let unasked = || {
            admin.realm_clients_with_client_uuid_default_client_scopes_with_client_scope_id_delete(realm, portal, scope)
        };
        self.remove("taking a client scope from a portal's default ones", unasked).await?;
        let put = || {
            admin.realm_clients_with_client_uuid_optional_client_scopes_with_client_scope_id_put(realm, portal, scope)
        };
        self.wire.find("giving a portal the account's scope", put).await?;
        if let Some((_, scopes)) = self.asked_for.lock().await.get_mut(portal) {
            scopes.insert(scope.to_owned());
        }
        Ok(())
    }
}
