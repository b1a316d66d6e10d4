//! Client roles of the realm and their holders. Called by the other modules of this store.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use keycloak::{
    KeycloakError,
    types::{GroupRepresentation, RoleRepresentation, UserRepresentation},
};

use super::Realm;
use crate::{
    model::Layout,
    store::{
        StoreError,
        keycloak::{names, wire::CONCURRENCY},
    },
};

impl Realm {
    /// Returns the roles of a client.
    pub(crate) async fn client_roles(&self, client: &str) -> Result<Vec<RoleRepresentation>, StoreError> {
        let lists = self.lists();
        let page = |first, max| lists.clients_with_client_uuid_roles_get(client).first(first).max(max).into_future();
        self.wire.pages("listing client roles", page).await
    }

    /// Returns the users who hold a client role of the account, directly or by a group. If `federated` is false, a list
    /// ends with a page that is not full.
    pub(crate) async fn holders(
        &self,
        client: &str,
        layout: &Layout,
        former: &[Layout],
        federated: bool,
    ) -> Result<Vec<UserRepresentation>, StoreError> {
        let roles: BTreeSet<String> = std::iter::once(layout).chain(former).flat_map(names::client_roles).collect();
        let holders = stream::iter(roles)
            .map(|role| async move {
                let mut users = self.users_with(client, &role, federated).await?;
                for group in self.groups_with(client, &role).await?.into_iter().filter_map(|group| group.id) {
                    users.extend(self.members_below(group).await?);
                }
                Ok::<_, StoreError>(users)
            })
            .buffer_unordered(CONCURRENCY);
        Ok(holders.try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
    }

    /// Returns the users who hold a client role directly.
    pub(crate) async fn users_with(
        &self,
        client: &str,
        role: &str,
        federated: bool,
    ) -> Result<Vec<UserRepresentation>, StoreError> {
        let lists = self.lists();
        let page = |first, max| {
            let users = lists.clients_with_client_uuid_roles_with_role_name_users_get(client, role);
            users.brief_representation(false).first(first).max(max).into_future()
        };
        self.users_of_many("listing users with a client role", federated, page).await
    }

    /// Returns the groups that have a client role.
    pub(crate) async fn groups_with(&self, client: &str, role: &str) -> Result<Vec<GroupRepresentation>, StoreError> {
        let lists = self.lists();
        let page = |first, max| {
            let groups = lists.clients_with_client_uuid_roles_with_role_name_groups_get(client, role);
            groups.brief_representation(true).first(first).max(max).into_future()
        };
        self.wire.pages_if_there("listing groups with a client role", page).await
    }

    /// Returns the roles that a role contains; none if there is no such role.
    pub(crate) async fn parts_of(&self, role: &str) -> Result<Vec<RoleRepresentation>, StoreError> {
        let admin = self.admin();
        let read = || admin.roles_by_id_with_role_id_composites_get(role).into_future();
        Ok(self.wire.find("reading what a role contains", read).await?.unwrap_or_default())
    }

    /// Returns the client roles that reach a user, direct and inherited.
    pub(crate) async fn effective(&self, user: &str, client: &str) -> Result<Vec<RoleRepresentation>, StoreError> {
        let found = self.wire.find("reading effective client roles", || self.composite(user, client));
        Ok(found.await?.unwrap_or_default())
    }

    /// Returns a role by which a user administers the realm. A missing user is an error here, not "none".
    pub(crate) async fn administers(&self, user: &str) -> Result<Option<String>, StoreError> {
        let held =
            self.wire.call("reading who administers the realm", || self.composite(user, &self.management)).await?;
        Ok(held.into_iter().find_map(|role| role.name))
    }

    fn composite<'a>(
        &'a self,
        user: &'a str,
        client: &'a str,
    ) -> impl Future<Output = Result<Vec<RoleRepresentation>, KeycloakError>> + Send + 'a {
        self.wire.admin.realm_users_with_user_id_role_mappings_clients_with_client_id_composite_get(
            self.name(),
            user,
            client,
            Some(true),
        )
    }

    /// Returns the client roles that a user has directly.
    pub(crate) async fn direct(&self, user: &str, client: &str) -> Result<Vec<RoleRepresentation>, StoreError> {
        let found = self.wire.find("reading client roles", || {
            self.wire.admin.realm_users_with_user_id_role_mappings_clients_with_client_id_get(self.name(), user, client)
        });
        Ok(found.await?.unwrap_or_default())
    }
}
