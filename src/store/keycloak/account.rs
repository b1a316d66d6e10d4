//! Creates, updates and removes the parts of an account: an organization, a client with its roles, a client scope that
//! lets these roles into tokens, and a group above the groups of its roles and groups. Called by `apply` for the change
//! of an account.

use std::collections::HashMap;

use keycloak::types::{
    ClientRepresentation, ClientScopeRepresentation, GroupRepresentation, MembershipType, OrganizationRepresentation,
    RoleRepresentation,
};

use super::{
    apply::Work,
    names::{CLUSTER, FINGERPRINT, KIND, NOTE, UID},
    note::{Note, Parts, Stamp},
    realm::{client_without_login, made_id},
};
use crate::{
    plan::{Cause, Fingerprint},
    resolve::AccountContent,
    store::{Outcome, StoreError},
};

/// Number of client roles in one request. Keycloak handles that many in far less time than as many requests.
const AT_ONCE: usize = 100;

impl Work<'_> {
    /// Brings all parts of the account to the desired state and creates those that are missing.
    pub(super) async fn put_account(
        &mut self,
        content: &AccountContent,
        fingerprint: &Fingerprint,
        cause: Cause,
    ) -> Outcome {
        let stamp = Stamp::new(self.batch.mark, fingerprint);
        let parts = self.put_parts(content, &stamp, cause).await?;
        let note = Note::new(stamp, content, parts.clone(), self.realm.portals.clone());
        let former = self.snapshot.note.as_ref().map(|note| note.former(&content.layout)).unwrap_or_default();
        // The fingerprint comes last, so that an unfinished write is not taken for a change by somebody else. Until
        // then the note also names the layouts of which client roles may exist.
        let uuid = self.put_client(content, &note.clone().unfinished(&former)).await?;
        self.snapshot.parts = parts;
        self.snapshot.client = Some(ClientRepresentation {
            id: Some(uuid.clone()),
            client_id: Some(self.client_id.clone()),
            ..ClientRepresentation::default()
        });
        self.read_roles().await?;
        self.put_client_roles(&content.layout, &former).await?;
        self.put_scope(&uuid).await?;
        self.write_attribute(NOTE, &note).await
    }

    /// Creates or updates organization, client scope and group.
    async fn put_parts(&self, content: &AccountContent, stamp: &Stamp, cause: Cause) -> Result<Parts, StoreError> {
        let mut parts = self.snapshot.parts.clone();
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        if self.snapshot.anomalies.foreign_scope {
            let gone = || admin.realm_client_scopes_with_client_scope_id_delete(realm, &parts.scope);
            self.realm.remove("removing a client scope", gone).await?;
            parts.scope.clear();
        }
        let mut attributes: HashMap<String, Vec<String>> = stamp.attributes().collect();
        attributes.insert(KIND.0.to_owned(), vec![KIND.1.to_owned()]);
        let organization = OrganizationRepresentation {
            name: Some(self.client_id.clone()),
            description: Some(content.display_name.to_string()),
            enabled: Some(true),
            attributes: Some(attributes.clone()),
            ..OrganizationRepresentation::default()
        };
        if parts.organization.is_empty() {
            parts.organization = self.make_organization(organization, cause).await?;
        } else {
            // Attributes that somebody else added (domains, for example) stay. The alias never changes.
            let id = parts.organization.as_str();
            let read = || admin.realm_organizations_with_org_id_get(realm, id);
            let mut there = self.realm.wire.call("reading an organization", read).await?;
            let mut kept = there.attributes.take().unwrap_or_default();
            kept.extend(attributes.clone());
            (there.description, there.enabled, there.attributes) = (organization.description, Some(true), Some(kept));
            let organization = there;
            self.realm
                .wire
                .call("writing an organization", || {
                    admin.realm_organizations_with_org_id_put(realm, id, organization.clone())
                })
                .await?;
        }
        if parts.group.is_empty() {
            let group = GroupRepresentation {
                name: Some(self.client_id.clone()),
                attributes: Some(attributes),
                ..GroupRepresentation::default()
            };
            let made = self.realm.wire.create("creating a group", || admin.realm_groups_post(realm, group.clone()));
            parts.group = match made.await? {
                Some(made) => made_id(&made),
                None => self.taken_over("group", self.realm.top_group(&self.client_id).await?, cause, |there| {
                    (Stamp::of(&there.attributes.unwrap_or_default()), there.id)
                })?,
            };
        }
        if parts.scope.is_empty() {
            parts.scope = self.make_scope(stamp, cause).await?;
        }
        Ok(parts)
    }

    async fn make_organization(
        &self,
        mut organization: OrganizationRepresentation,
        cause: Cause,
    ) -> Result<String, StoreError> {
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        for alias in aliases(&self.client_id) {
            organization.alias = Some(alias);
            let post = || admin.realm_organizations_post(realm, organization.clone());
            if let Some(made) = self.realm.wire.create("creating an organization", post).await? {
                return Ok(made_id(&made));
            }
            if let Some(there) = self.realm.organization(&self.client_id).await? {
                let stamp_and_id =
                    |there: OrganizationRepresentation| (Stamp::of(&there.attributes.unwrap_or_default()), there.id);
                return self.taken_over("organization", Some(there), cause, stamp_and_id);
            }
        }
        Err(self.taken("organization"))
    }

    async fn make_scope(&self, stamp: &Stamp, cause: Cause) -> Result<String, StoreError> {
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let mut attributes: HashMap<String, String> =
            stamp.attributes().filter_map(|(key, values)| Some((key, values.into_iter().next()?))).collect();
        for (key, value) in [("include.in.token.scope", "true"), ("display.on.consent.screen", "false")] {
            attributes.insert(key.to_owned(), value.to_owned());
        }
        let scope = ClientScopeRepresentation {
            name: Some(self.client_id.clone()),
            protocol: Some("openid-connect".to_owned()),
            attributes: Some(attributes),
            ..ClientScopeRepresentation::default()
        };
        let made =
            self.realm.wire.create("creating a client scope", || admin.realm_client_scopes_post(realm, scope.clone()));
        if let Some(made) = made.await? {
            return Ok(made_id(&made));
        }
        self.taken_over("client scope", self.scope_by_name().await?, cause, |there| {
            let attributes = there.attributes.unwrap_or_default();
            let one = |key: &str| (key.to_owned(), attributes.get(key).cloned().into_iter().collect());
            (Stamp::of(&[CLUSTER, UID, FINGERPRINT].map(one).into_iter().collect()), there.id)
        })
    }

    /// Returns the id of the client scope with the account's name if it carries our mark, or an empty string. The id is
    /// lost together with the client.
    async fn own_scope_by_name(&self) -> Result<String, StoreError> {
        let there = self.scope_by_name().await?;
        let ours = there.filter(|there| {
            let cluster = there.attributes.as_ref().and_then(|attributes| attributes.get(CLUSTER));
            cluster.is_some_and(|cluster| cluster == self.batch.mark.cluster.as_str())
        });
        Ok(ours.and_then(|scope| scope.id).unwrap_or_default())
    }

    async fn scope_by_name(&self) -> Result<Option<ClientScopeRepresentation>, StoreError> {
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let scopes = self.realm.wire.call("listing client scopes", || admin.realm_client_scopes_get(realm)).await?;
        Ok(scopes.into_iter().find(|scope| scope.name.as_deref() == Some(&self.client_id)))
    }

    /// Returns the id of an existing part with the account's name if it may become part of the account: either an
    /// earlier attempt of ours created it, or the account is adopted.
    ///
    /// # Errors
    /// `Conflict` for any other existing part.
    fn taken_over<T>(
        &self,
        what: &str,
        there: Option<T>,
        cause: Cause,
        stamp_and_id: impl FnOnce(T) -> (Stamp, Option<String>),
    ) -> Result<String, StoreError> {
        let found = there.map(stamp_and_id).filter(|(stamp, _)| match stamp.mark(&self.batch.mark.account) {
            Some(mark) => mark.cluster == self.batch.mark.cluster,
            None => cause == Cause::Adoption,
        });
        found.and_then(|(_, id)| id).ok_or_else(|| self.taken(what))
    }

    fn taken(&self, what: &str) -> StoreError {
        StoreError::Conflict(format!("{what} {:?} exists without the mark of this account", self.client_id))
    }

    /// Creates or updates the client and returns its id. The client holds the roles; nobody can log in by it.
    async fn put_client(&self, content: &AccountContent, note: &Note) -> Result<String, StoreError> {
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let note = serde_json::to_string(note).map_err(|error| StoreError::Invalid(error.to_string()))?;
        let client = ClientRepresentation {
            name: Some(content.display_name.to_string()),
            description: Some("An account, kept by Roster".to_owned()),
            enabled: Some(true),
            ..client_without_login(self.client_id.clone(), (NOTE, note))
        };
        if let Some(uuid) = self.snapshot.client_uuid() {
            let put = || admin.realm_clients_with_client_uuid_put(realm, uuid, client.clone());
            self.realm.wire.call("writing a client", put).await?;
            return Ok(uuid.to_owned());
        }
        let made =
            self.realm.wire.create("creating a client", || admin.realm_clients_post(realm, client.clone())).await?;
        made.map(|made| made_id(&made)).ok_or_else(|| self.taken("client"))
    }

    /// Lets the client's roles into tokens that the portals' clients request with the account's scope.
    async fn put_scope(&self, uuid: &str) -> Result<(), StoreError> {
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let scope = self.snapshot.parts.scope.as_str();
        let mapped = self.realm.scope_roles(scope, uuid).await?;
        let missing: Vec<RoleRepresentation> =
            self.roles.iter().filter(|(name, _)| !mapped.contains(*name)).map(|(_, role)| role.clone()).collect();
        for some in missing.chunks(AT_ONCE) {
            let post = || {
                admin.realm_client_scopes_with_client_scope_id_scope_mappings_clients_with_client_post(
                    realm,
                    scope,
                    uuid,
                    some.to_vec(),
                )
            };
            self.realm.wire.call("writing a client scope", post).await?;
        }
        for portal in &self.realm.portals {
            self.realm.let_ask(portal, scope).await?;
        }
        let former = self.snapshot.note.iter().flat_map(|note| &note.portals);
        for portal in former.filter(|portal| !self.realm.portals.contains(portal)) {
            let gone = || {
                admin.realm_clients_with_client_uuid_optional_client_scopes_with_client_scope_id_delete(
                    realm, portal, scope,
                )
            };
            self.realm.remove("removing the account's scope from a portal", gone).await?;
        }
        Ok(())
    }

    /// Removes the account unless it still has members. The organization comes last, since an unfinished removal is
    /// found by it. If identity providers manage users in the organization, it stays, without Roster's attributes:
    /// Keycloak would delete those users with it.
    pub(super) async fn remove_account(&mut self) -> Outcome {
        let parts = self.snapshot.parts.clone();
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let members = self.realm.organization_members(&parts.organization).await?;
        let mut left = members.iter().any(|(_, membership)| *membership == MembershipType::Unmanaged);
        if let (false, Some(uuid)) = (left, self.snapshot.client_uuid()) {
            left = !self
                .realm
                .holders(uuid, &self.snapshot.observed.layout, &self.snapshot.former, true)
                .await?
                .is_empty();
        }
        if left {
            let account = &self.batch.mark.account;
            return Err(StoreError::Conflict(format!("account {account} cannot be removed: it still has a member")));
        }
        let scope = match parts.scope.as_str() {
            "" => self.own_scope_by_name().await?,
            scope => scope.to_owned(),
        };
        if !scope.is_empty() {
            let gone = || admin.realm_client_scopes_with_client_scope_id_delete(realm, &scope);
            self.realm.remove("removing a client scope", gone).await?;
        }
        if !parts.group.is_empty() {
            let gone = || admin.realm_groups_with_group_id_delete(realm, &parts.group);
            self.realm.remove("removing a group", gone).await?;
        }
        if let Some(uuid) = self.snapshot.client_uuid() {
            let gone = || admin.realm_clients_with_client_uuid_delete(realm, uuid);
            self.realm.remove("removing a client", gone).await?;
        }
        // Read again, since such users join by logging in.
        let managed = self.realm.organization_members(&parts.organization).await?.len();
        if managed > 0 {
            self.let_organization_go(&parts.organization, managed).await?;
        } else if !parts.organization.is_empty() {
            let gone = || admin.realm_organizations_with_org_id_delete(realm, &parts.organization);
            self.realm.remove("removing an organization", gone).await?;
        }
        self.realm.known.forget_account(&self.client_id).await;
        Ok(())
    }

    /// Removes all of Roster's attributes from an organization.
    async fn let_organization_go(&self, id: &str, users: usize) -> Result<(), StoreError> {
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let read = || admin.realm_organizations_with_org_id_get(realm, id);
        let mut there = self.realm.wire.call("reading an organization", read).await?;
        if let Some(attributes) = &mut there.attributes {
            attributes.retain(|key, _| ![KIND.0, CLUSTER, UID, FINGERPRINT].contains(&key.as_str()));
        }
        let put = || admin.realm_organizations_with_org_id_put(realm, id, there.clone());
        self.realm.wire.call("writing an organization", put).await?;
        tracing::warn!(
            account = %self.batch.mark.account,
            users,
            "the account's organization stays in the realm: it has users of an identity provider, whom Keycloak would \
             delete with it",
        );
        Ok(())
    }
}

/// Returns two candidates for an organization's alias: `namespace.name`, and then with two dots. Aliases
/// appear in paths and claims, so they must not contain a slash. Accounts of one store have different aliases, since a namespace has no dot.
/// But `prod/shop.acme` has the alias of `shop/acme` in a store with the prefix `prod.`; the account that comes second
/// uses two dots.
fn aliases(client_id: &str) -> [String; 2] {
    [".", ".."].map(|dots| client_id.replacen('/', dots, 1))
}
