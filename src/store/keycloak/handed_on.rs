//! Finds and removes indirect holders of client roles: through groups, and through realm roles that contain the client
//! role. Called by `snapshot`, `levels`, `people` and `realm`.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt, stream};
use keycloak::types::{GroupRepresentation, RoleRepresentation, UserRepresentation};

use super::{realm::Realm, wire::CONCURRENCY};
use crate::store::StoreError;

impl Realm {
    /// Returns the members of a group and of all groups below it, who inherit its roles.
    pub(super) async fn members_below(&self, group: String) -> Result<Vec<UserRepresentation>, StoreError> {
        let (mut waiting, mut users) = (vec![group], Vec::new());
        while let Some(id) = waiting.pop() {
            users.extend(self.group_members(&id).await?);
            let below = self.children(&id, true).await?;
            waiting.extend(below.into_iter().filter_map(|group| group.id));
        }
        Ok(users)
    }

    /// Returns each realm role that contains roles of a client (the default role among them), with each contained role.
    pub(super) async fn handed_on(&self, client: &str) -> Result<Vec<(String, RoleRepresentation)>, StoreError> {
        let (admin, lists, realm) = (&self.wire.admin, self.lists(), self.name());
        let page = |first, max| lists.roles_get().brief_representation(false).first(first).max(max).into_future();
        let roles = self.wire.pages("listing realm roles", page).await?;
        let mut found = Vec::new();
        for parent in roles.into_iter().filter(|role| role.composite == Some(true)).filter_map(|role| role.name) {
            let parts = self.wire.find("reading a composite role", || {
                admin.realm_roles_with_role_name_composites_clients_with_target_client_uuid_get(realm, &parent, client)
            });
            found.extend(parts.await?.unwrap_or_default().into_iter().map(|part| (parent.clone(), part)));
        }
        Ok(found)
    }

    /// Removes client roles from groups and from realm roles that contain them, and logs out the users who had them
    /// that way. Users of the default role, that is all users, stay logged in.
    pub(super) async fn cut_off(&self, client: &str, roles: &[RoleRepresentation]) -> Result<(), StoreError> {
        let (admin, realm) = (&self.wire.admin, self.name());
        let (mut groups, mut parents) = (Vec::new(), Vec::new());
        for role in roles {
            let (name, one) = (role.name.as_deref().unwrap_or_default(), vec![role.clone()]);
            for group in self.groups_with(client, name).await?.into_iter().filter_map(|group| group.id) {
                let delete = || {
                    admin.realm_groups_with_group_id_role_mappings_clients_with_client_id_delete(
                        realm,
                        &group,
                        client,
                        one.clone(),
                    )
                };
                self.remove("removing a client role from a group", delete).await?;
                groups.push(group);
            }
        }
        for (parent, part) in self.handed_on(client).await? {
            if roles.iter().any(|role| role.id == part.id) {
                let delete = || admin.realm_roles_with_role_name_composites_delete(realm, &parent, vec![part.clone()]);
                self.remove("removing a client role from a composite", delete).await?;
                parents.extend(Some(parent).filter(|parent| *parent != self.default_role));
            }
        }
        let mut users = HashSet::new();
        for parent in parents {
            users.extend(ids(self.with_realm_role(&parent).await?));
            groups.extend(self.groups_with_realm_role(&parent).await?.into_iter().filter_map(|group| group.id));
        }
        for group in groups {
            users.extend(ids(self.members_below(group).await?));
        }
        let log_out = users.into_iter().map(|user| async move { self.log_out(&user).await });
        stream::iter(log_out.collect::<Vec<_>>()).buffer_unordered(CONCURRENCY).try_collect::<Vec<()>>().await.map(drop)
    }

    async fn with_realm_role(&self, role: &str) -> Result<Vec<UserRepresentation>, StoreError> {
        let lists = self.lists();
        let page = |first, max| {
            let users = lists.roles_with_role_name_users_get(role);
            users.brief_representation(true).first(first).max(max).into_future()
        };
        self.wire.users_if_there("listing users with a realm role", page).await
    }

    async fn groups_with_realm_role(&self, role: &str) -> Result<Vec<GroupRepresentation>, StoreError> {
        let lists = self.lists();
        let page = |first, max| {
            let groups = lists.roles_with_role_name_groups_get(role);
            groups.brief_representation(true).first(first).max(max).into_future()
        };
        self.wire.pages_if_there("listing groups with a realm role", page).await
    }
}

fn ids(users: Vec<UserRepresentation>) -> impl Iterator<Item = String> {
    users.into_iter().filter_map(|user| user.id)
}
