//! Reads and changes objects of the realm, with one method for each request. Called by the other modules of this store.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt, stream};
use keycloak::{
    DefaultResponse, KeycloakError,
    types::{
        ClientRepresentation, GroupRepresentation, MemberRepresentation, MembershipType, OrganizationRepresentation,
        RoleRepresentation, UserRepresentation,
    },
};

use tokio::sync::Mutex;

use super::{
    known::Known,
    look::definition_named,
    names::{self, Definition, KIND, Prefix},
    note::Parts,
    seal::{self, Seal},
    wire::{CONCURRENCY, Wire},
};
use crate::{model::Layout, store::StoreError};

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
    pub(super) known: Known,
}

/// Time for which a check of the realm's identity is valid. Another realm may respond at the same address later.
const SAME_FOR: Duration = Duration::from_secs(5);

/// Time for which a list of a portal's scopes is valid: about one round of checks.
const GOOD_FOR: Duration = Duration::from_secs(30);

impl Realm {
    /// Checks that this is still the realm that was opened, at most every [`SAME_FOR`].
    ///
    /// # Errors
    /// `Unavailable` if the realm was recreated or another one responds; the store must then be opened again.
    pub(super) async fn still_the_same(&self) -> Result<(), StoreError> {
        let mut checked = self.checked.lock().await;
        if checked.elapsed() < SAME_FOR {
            return Ok(());
        }
        let now = seal::kept(self).await?.map(|seal| seal.store_id());
        if now != self.store_id() {
            return Err(StoreError::Unavailable(format!(
                "{}: the realm was made anew, or another one answers; it must be opened afresh",
                self.wire.said
            )));
        }
        *checked = Instant::now();
        Ok(())
    }

    pub(super) fn name(&self) -> &str {
        &self.wire.realm
    }

    // Accounts.

    pub(super) async fn client(&self, client_id: &str) -> Result<Option<ClientRepresentation>, StoreError> {
        let found = self.wire.call("looking for a client", || {
            self.wire.admin.realm_clients_get(self.name(), Some(client_id.to_owned()), None, None, None, None, None)
        });
        Ok(found.await?.into_iter().find(|client| client.client_id.as_deref() == Some(client_id)))
    }

    pub(super) async fn client_roles(&self, client: &str) -> Result<Vec<RoleRepresentation>, StoreError> {
        let page = |first, max| {
            self.wire.lists.realm_clients_with_client_uuid_roles_get(
                self.name(),
                client,
                None,
                Some(first),
                Some(max),
                None,
            )
        };
        self.wire.pages("listing client roles", page).await
    }

    /// Returns the organization with this name.
    pub(super) async fn organization(&self, name: &str) -> Result<Option<OrganizationRepresentation>, StoreError> {
        let found = self.wire.call("looking for an organization", || {
            let (brief, exact) = (Some(false), Some(true));
            self.wire.admin.realm_organizations_get(
                self.name(),
                brief,
                exact,
                None,
                None,
                None,
                None,
                Some(name.to_owned()),
            )
        });
        Ok(found.await?.into_iter().find(|organization| organization.name.as_deref() == Some(name)))
    }

    /// Returns all organizations that carry Roster's kind attribute.
    pub(super) async fn organizations(&self) -> Result<Vec<OrganizationRepresentation>, StoreError> {
        let query = format!("{}:{}", KIND.0, KIND.1);
        let page = |first, max| {
            let query = Some(query.clone());
            self.wire.lists.realm_organizations_get(
                self.name(),
                Some(false),
                None,
                Some(first),
                None,
                Some(max),
                query,
                None,
            )
        };
        self.wire.pages("listing organizations", page).await
    }

    /// Returns the top-level group with this name.
    pub(super) async fn top_group(&self, name: &str) -> Result<Option<GroupRepresentation>, StoreError> {
        let found = self.wire.call("looking for a group", || {
            let name = Some(name.to_owned());
            self.wire.admin.realm_groups_get(
                self.name(),
                Some(false),
                Some(true),
                None,
                Some(10),
                Some(false),
                None,
                name,
                None,
            )
        });
        Ok(found.await?.into_iter().find(|group| group.name.as_deref() == Some(name)))
    }

    /// Clears the ids of parts that do not exist any more.
    pub(super) async fn existing(&self, parts: &mut Parts) -> Result<(), StoreError> {
        let (admin, realm) = (&self.wire.admin, self.name());
        let organization = async {
            let id = parts.organization.as_str();
            let found =
                self.wire.find("reading an organization", || admin.realm_organizations_with_org_id_get(realm, id));
            Ok::<_, StoreError>(id.is_empty() || found.await?.is_none())
        };
        let scope = async {
            let id = parts.scope.as_str();
            let found = self
                .wire
                .find("reading a client scope", || admin.realm_client_scopes_with_client_scope_id_get(realm, id));
            Ok(id.is_empty() || found.await?.is_none())
        };
        let group = async {
            let id = parts.group.as_str();
            let found = self.wire.find("reading a group", || admin.realm_groups_with_group_id_get(realm, id));
            Ok(id.is_empty() || found.await?.is_none())
        };
        let (no_organization, no_scope, no_group) = futures::try_join!(organization, scope, group)?;
        for (gone, id) in
            [(no_organization, &mut parts.organization), (no_scope, &mut parts.scope), (no_group, &mut parts.group)]
        {
            if gone {
                id.clear();
            }
        }
        Ok(())
    }

    /// Returns the names of the client's roles that a client scope lets into tokens.
    pub(super) async fn scope_roles(&self, scope: &str, client: &str) -> Result<BTreeSet<String>, StoreError> {
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
    pub(super) async fn lets_others_pass(&self, scope: &str, client: &str) -> Result<bool, StoreError> {
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

    /// Returns the groups of an account's roles and groups.
    pub(super) async fn definitions(
        &self,
        parts: &Parts,
    ) -> Result<std::collections::BTreeMap<Definition, GroupRepresentation>, StoreError> {
        if parts.group.is_empty() {
            return Ok(std::collections::BTreeMap::new());
        }
        let children = self.children(&parts.group, false).await?;
        Ok(children.into_iter().filter_map(|group| Some((definition_named(&group)?, group))).collect())
    }

    /// Returns the direct subgroups of a group; without their attributes if `brief`.
    pub(super) async fn children(&self, group: &str, brief: bool) -> Result<Vec<GroupRepresentation>, StoreError> {
        let page = |first, max| {
            self.wire.lists.realm_groups_with_group_id_children_get(
                self.name(),
                group,
                Some(brief),
                None,
                Some(first),
                Some(max),
                None,
                None,
            )
        };
        self.wire.pages("listing groups", page).await
    }

    /// Returns whether a portal may request tokens with a client scope.
    pub(super) async fn may_ask(&self, portal: &str, scope: &str) -> Result<bool, StoreError> {
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

    // People.

    /// Returns the members of an organization, each with the kind of membership.
    pub(super) async fn organization_members(
        &self,
        organization: &str,
    ) -> Result<Vec<(UserRepresentation, MembershipType)>, StoreError> {
        if organization.is_empty() {
            return Ok(Vec::new());
        }
        let page = |first, max| {
            self.wire.lists.realm_organizations_with_org_id_members_get(
                self.name(),
                organization,
                Some(false),
                None,
                Some(first),
                Some(max),
                None,
                None,
            )
        };
        let members = self.wire.users("listing members", page).await?;
        Ok(members.into_iter().map(|member| (type_of(&member), member)).map(|(how, it)| (user_of(it), how)).collect())
    }

    pub(super) async fn member_count(&self, organization: &str) -> Result<u64, StoreError> {
        let count = self.wire.find("counting members", || {
            self.wire.admin.realm_organizations_with_org_id_members_count_get(self.name(), organization)
        });
        Ok(u64::try_from(count.await?.unwrap_or(0)).unwrap_or(0))
    }

    /// Returns a user's kind of membership in an organization; `None` if there is none.
    pub(super) async fn membership(
        &self,
        organization: &str,
        user: &str,
    ) -> Result<Option<MembershipType>, StoreError> {
        if organization.is_empty() {
            return Ok(None);
        }
        let member = self.wire.find("looking for a member", || {
            self.wire.admin.realm_organizations_with_org_id_members_with_member_id_get(self.name(), organization, user)
        });
        Ok(member.await?.as_ref().map(type_of))
    }

    /// Returns the ids of a user's groups.
    pub(super) async fn groups_of(&self, user: &str) -> Result<HashSet<String>, StoreError> {
        let page = |first, max| {
            self.wire.lists.realm_users_with_user_id_groups_get(
                self.name(),
                user,
                Some(true),
                Some(first),
                Some(max),
                None,
            )
        };
        Ok(self.wire.pages("listing groups", page).await?.into_iter().filter_map(|group| group.id).collect())
    }

    /// Returns, by user id, which of these groups each user is in.
    pub(super) async fn in_groups(
        &self,
        ids: Vec<String>,
        federated: bool,
    ) -> Result<HashMap<String, HashSet<String>>, StoreError> {
        let members = stream::iter(ids)
            .map(|id| async move { self.members_of(&id, federated).await.map(|members| (id, members)) })
            .buffer_unordered(CONCURRENCY);
        let mut found: HashMap<String, HashSet<String>> = HashMap::new();
        let mut members = std::pin::pin!(members);
        while let Some((group, members)) = members.try_next().await? {
            for user in members.into_iter().filter_map(|user| user.id) {
                found.entry(user).or_default().insert(group.clone());
            }
        }
        Ok(found)
    }

    /// Returns the members of a group; none if there is no such group.
    pub(super) async fn group_members(&self, group: &str) -> Result<Vec<UserRepresentation>, StoreError> {
        self.members_of(group, true).await
    }

    /// Returns whether the realm has user federation. Keycloak may omit federated users from a page.
    pub(super) async fn is_federated(&self) -> Result<bool, StoreError> {
        let (admin, realm) = (&self.wire.admin, self.name());
        let providers = Some("org.keycloak.storage.UserStorageProvider".to_owned());
        let found = self
            .wire
            .call("looking for federations", || admin.realm_components_get(realm, None, None, None, providers.clone()));
        Ok(!found.await?.is_empty())
    }

    /// Reads one of many lists of users. The last page is an empty one if the realm has user federation, otherwise one
    /// that is not full: that saves a request per list.
    async fn users_of_many<F>(
        &self,
        doing: &str,
        federated: bool,
        page: impl FnMut(i32, i32) -> F,
    ) -> Result<Vec<UserRepresentation>, StoreError>
    where
        F: Future<Output = Result<Vec<UserRepresentation>, KeycloakError>>,
    {
        if federated {
            self.wire.users_if_there(doing, page).await
        } else {
            self.wire.pages_if_there(doing, page).await
        }
    }

    async fn members_of(&self, group: &str, federated: bool) -> Result<Vec<UserRepresentation>, StoreError> {
        let page = |first, max| {
            self.wire.lists.realm_groups_with_group_id_members_get(
                self.name(),
                group,
                Some(false),
                Some(first),
                Some(max),
            )
        };
        self.users_of_many("listing members of a group", federated, page).await
    }

    /// Returns the users who hold a client role of the account, directly or by a group. If `federated` is false, a list
    /// ends with a page that is not full.
    pub(super) async fn holders(
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
    pub(super) async fn users_with(
        &self,
        client: &str,
        role: &str,
        federated: bool,
    ) -> Result<Vec<UserRepresentation>, StoreError> {
        let page = |first, max| {
            self.wire.lists.realm_clients_with_client_uuid_roles_with_role_name_users_get(
                self.name(),
                client,
                role,
                Some(false),
                Some(first),
                Some(max),
            )
        };
        self.users_of_many("listing users with a client role", federated, page).await
    }

    /// Returns the client roles that reach a user, direct and inherited.
    pub(super) async fn effective(&self, user: &str, client: &str) -> Result<Vec<RoleRepresentation>, StoreError> {
        let found = self.wire.find("reading effective client roles", || self.composite(user, client));
        Ok(found.await?.unwrap_or_default())
    }

    /// Returns a role by which a user administers the realm. A missing user is an error here, not "none".
    pub(super) async fn administers(&self, user: &str) -> Result<Option<String>, StoreError> {
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
    pub(super) async fn direct(&self, user: &str, client: &str) -> Result<Vec<RoleRepresentation>, StoreError> {
        let found = self.wire.find("reading client roles", || {
            self.wire.admin.realm_users_with_user_id_role_mappings_clients_with_client_id_get(self.name(), user, client)
        });
        Ok(found.await?.unwrap_or_default())
    }

    // Changing.

    /// Lets a portal request tokens with a client scope. Removes it from the portal's default scopes, since it would
    /// then be in all tokens.
    pub(super) async fn let_ask(&self, portal: &str, scope: &str) -> Result<(), StoreError> {
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

    /// Ends a user's sessions, so that no refresh token restores revoked access. Access tokens that are already issued
    /// remain valid until they expire ([`crate::contract::Store::revocation_delay`]).
    pub(super) async fn log_out(&self, user: &str) -> Result<(), StoreError> {
        let (admin, realm) = (&self.wire.admin, self.name());
        self.remove("logging out", || admin.realm_users_with_user_id_logout_post(realm, user)).await
    }

    /// Adds a user to a group.
    pub(super) async fn join_group(&self, user: &str, group: &str) -> Result<(), StoreError> {
        let (admin, realm) = (&self.wire.admin, self.name());
        let put = || admin.realm_users_with_user_id_groups_with_group_id_put(realm, user, group);
        self.wire.call("adding to a group", put).await.map(drop)
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

/// Returns a member's kind of membership. If Keycloak omits it, the member counts as managed and is left in place.
fn type_of(member: &MemberRepresentation) -> MembershipType {
    member.membership_type.clone().unwrap_or(MembershipType::Managed)
}

fn user_of(member: MemberRepresentation) -> UserRepresentation {
    UserRepresentation {
        id: member.id,
        username: member.username,
        email: member.email,
        email_verified: member.email_verified,
        enabled: member.enabled,
        first_name: member.first_name,
        last_name: member.last_name,
        attributes: member.attributes,
        ..UserRepresentation::default()
    }
}
