//! Keeps the client roles of an account's levels, and moves users off the roles of removed levels. Called by `account`
//! when an account is written.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use keycloak::types::RoleRepresentation;

use super::{apply::Work, names, wire::CONCURRENCY};
use crate::{
    model::{Layout, Ranks},
    store::StoreError,
};

impl Work<'_> {
    /// Creates the client roles of the layout, and removes all others. A user with a removed level gets the highest
    /// remaining level below it, as in every store ([`Layout::translate`]).
    pub(super) async fn put_client_roles(&mut self, layout: &Layout, former: &[Layout]) -> Result<(), StoreError> {
        let uuid = self.client()?.to_owned();
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let wanted: BTreeSet<String> = names::client_roles(layout).collect();
        let missing: Vec<String> = wanted.iter().filter(|role| !self.roles.contains_key(*role)).cloned().collect();
        if !missing.is_empty() {
            let made: Vec<_> = missing.into_iter().map(|role| self.make_client_role(&uuid, role)).collect();
            stream::iter(made).buffer_unordered(CONCURRENCY).try_collect::<Vec<()>>().await?;
            self.read_roles().await?;
        }
        let composite: Vec<String> =
            self.roles.iter().filter(|(_, role)| role.composite == Some(true)).map(|(name, _)| name.clone()).collect();
        for role in composite {
            let read = || admin.realm_clients_with_client_uuid_roles_with_role_name_composites_get(realm, &uuid, &role);
            let parts = self.realm.wire.call("reading a client role", read).await?;
            let delete = || {
                admin.realm_clients_with_client_uuid_roles_with_role_name_composites_delete(
                    realm,
                    &uuid,
                    &role,
                    parts.clone(),
                )
            };
            self.realm.remove("removing roles from a client role", delete).await?;
        }
        if !self.snapshot.anomalies.handed_on.is_empty() {
            self.realm.cut_off(&uuid, &self.snapshot.anomalies.handed_on).await?;
        }
        let obsolete: Vec<String> = self.roles.keys().filter(|role| !wanted.contains(*role)).cloned().collect();
        for role in obsolete {
            self.translate_holders(&uuid, &role, layout, former).await?;
            let gone = || admin.realm_clients_with_client_uuid_roles_with_role_name_delete(realm, &uuid, &role);
            self.realm.remove("removing a client role", gone).await?;
            self.roles.remove(&role);
        }
        Ok(())
    }

    async fn make_client_role(&self, uuid: &str, name: String) -> Result<(), StoreError> {
        let role = RoleRepresentation { name: Some(name), ..RoleRepresentation::default() };
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let post = || admin.realm_clients_with_client_uuid_roles_post(realm, uuid, role.clone());
        self.realm.wire.create("creating a client role", post).await.map(drop)
    }

    /// Moves all holders of an obsolete client role to its successor, several users at a time. A finished user no
    /// longer holds the role, so a repeat continues where this attempt stopped.
    async fn translate_holders(
        &self,
        uuid: &str,
        role: &str,
        layout: &Layout,
        former: &[Layout],
    ) -> Result<(), StoreError> {
        let Some(going) = self.roles.get(role) else { return Ok(()) };
        let kept: Ranks = names::becomes(layout, former, role).unwrap_or_default();
        let becomes: Vec<RoleRepresentation> =
            names::granted(layout, &kept).iter().filter_map(|name| self.roles.get(name)).cloned().collect();
        let holders = self.realm.users_with(uuid, role, true).await?.into_iter().filter_map(|user| user.id);
        let holders: Vec<_> =
            holders.map(|user| self.translate_holder(uuid, user, going.clone(), becomes.clone())).collect();
        stream::iter(holders).buffer_unordered(CONCURRENCY).try_collect::<Vec<()>>().await.map(drop)
    }

    async fn translate_holder(
        &self,
        uuid: &str,
        user: String,
        going: RoleRepresentation,
        becomes: Vec<RoleRepresentation>,
    ) -> Result<(), StoreError> {
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let revoke = |roles: Vec<RoleRepresentation>| {
            admin.realm_users_with_user_id_role_mappings_clients_with_client_id_delete(realm, &user, uuid, roles)
        };
        if !becomes.is_empty() {
            let grant = || {
                admin.realm_users_with_user_id_role_mappings_clients_with_client_id_post(
                    realm,
                    &user,
                    uuid,
                    becomes.clone(),
                )
            };
            self.realm.remove("translating a permission", grant).await?;
            // A parallel pass may have revoked the role since the list was read. Then its successor must be revoked,
            // too.
            let held = self.realm.direct(&user, uuid).await?;
            if held.iter().all(|held| held.id != going.id) {
                return self.realm.remove("revoking a permission", || revoke(becomes.clone())).await;
            }
        }
        self.realm.remove("removing a former permission", || revoke(vec![going.clone()])).await?;
        self.realm.log_out(&user).await
    }
}
