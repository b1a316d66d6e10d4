//! Finds the accounts in which given people have access. Called by `KeycloakStore` for `Store::with_access`.
//!
//! The client roles that reach a user are computed from the user's roles, from the roles of the user's groups, and from
//! the roles that those roles contain, as Keycloak does it. So accounts without any relation to these people cost no
//! request, and an account is found even if no attribute of the user names it any more.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use keycloak::types::{MappingsRepresentation, RoleRepresentation, UserRepresentation};

use super::{
    names::{KIND, NOTES},
    person::Person,
    read_scope::ReadScope,
    realm::{Realm, Users},
    wire::CONCURRENCY,
};
use crate::{
    model::{AccountKey, Email},
    store::StoreError,
};

/// Role, with what is needed to find the roles that it contains.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Role {
    id: String,
    /// Id of its client; `None` for a realm role.
    client: Option<String>,
    /// Whether the role contains other roles.
    composite: bool,
}

/// Roles and groups that a user or group has directly.
#[derive(Debug, Default)]
struct Held {
    roles: Vec<Role>,
    /// Ids of the groups that a user is in, or of the parent of a group.
    groups: Vec<String>,
}

impl Realm {
    /// Returns the accounts in which a user with one of these addresses holds a client role, direct or inherited.
    /// Revocations and time windows in Roster's attributes do not count. If several users have one address, each of
    /// them counts.
    pub(super) async fn with_access(&self, who: &[Email]) -> Result<Vec<(AccountKey, Email)>, StoreError> {
        let who: BTreeSet<Email> = who.iter().cloned().collect();
        let users = self.users_of_all(&who).await?;
        let reached = self.reached(users.keys().cloned().collect()).await?;
        let mut reached_by: HashMap<String, Vec<UserRepresentation>> = HashMap::new();
        for (user, clients) in reached {
            for client in clients {
                reached_by.entry(client).or_default().extend(users.get(&user).cloned());
            }
        }
        let found = stream::iter(reached_by).map(|(client, users)| self.with_access_by(client, users, &who));
        let found: Vec<BTreeSet<(AccountKey, Email)>> = found.buffer_unordered(CONCURRENCY).try_collect().await?;
        let found: BTreeSet<(AccountKey, Email)> = found.into_iter().flatten().collect();
        Ok(found.into_iter().collect())
    }

    /// Returns the users who may have one of these addresses, or had it in some account when they were last found.
    async fn users_of_all(&self, who: &BTreeSet<Email>) -> Result<Users, StoreError> {
        let users = stream::iter(who.clone()).map(|address| async move { self.users_of(&address).await });
        let users: Vec<Users> = users.buffer_unordered(CONCURRENCY).try_collect().await?;
        let mut users: Users = users.into_iter().flatten().collect();
        let known = self.known.ids_anywhere(who).await.into_iter().filter(|id| !users.contains_key(id));
        let known = stream::iter(known.collect::<Vec<_>>());
        let known = known.map(|id| async move { Ok::<_, StoreError>(self.user(&id).await?.map(|user| (id, user))) });
        let known: Vec<_> = known.buffer_unordered(CONCURRENCY).try_collect().await?;
        users.extend(known.into_iter().flatten());
        Ok(users)
    }

    /// Returns the addresses of those users whom roles of a client reach, with the account of the client. The result is
    /// empty if the client belongs to no account.
    async fn with_access_by(
        &self,
        client: String,
        users: Vec<UserRepresentation>,
        who: &BTreeSet<Email>,
    ) -> Result<BTreeSet<(AccountKey, Email)>, StoreError> {
        let Some(account) = self.account_of(&client).await? else { return Ok(BTreeSet::new()) };
        let snapshot = self.read_account(&account, &ReadScope::Members(BTreeSet::new())).await?;
        let client_id = self.prefix.client_id(&account);
        let within = snapshot.within(&client_id);
        let people = stream::iter(users).map(|user| self.person(&within, user)).buffer_unordered(CONCURRENCY);
        let people: Vec<Person> = people.try_collect().await?;
        let with = people.iter().filter(|person| !person.effective.is_empty());
        // A user who is pinned to an address is that person in every account.
        let addresses = with.flat_map(|person| self.pinned_to(&person.user).chain([person.address()]));
        Ok(addresses.filter(|address| who.contains(address)).map(|address| (account.clone(), address)).collect())
    }

    /// Returns the account of a client. Roster's attributes on the client or on its organization decide: a client of
    /// somebody else may have a name like an account's.
    async fn account_of(&self, client: &str) -> Result<Option<AccountKey>, StoreError> {
        let (admin, realm) = (&self.wire.admin, self.wire.realm.as_str());
        let read = || admin.realm_clients_with_client_uuid_get(realm, client);
        let Some(client) = self.wire.find("reading a client", read).await? else { return Ok(None) };
        let name = client.client_id.unwrap_or_default();
        let Some(account) = self.prefix.account(&name) else { return Ok(None) };
        let attributes = client.attributes.unwrap_or_default();
        if NOTES.iter().any(|note| attributes.contains_key(*note)) {
            return Ok(Some(account));
        }
        let organization = self.organization(&name).await?;
        let attributes = organization.and_then(|organization| organization.attributes).unwrap_or_default();
        Ok(attributes.contains_key(KIND.0).then_some(account))
    }

    /// Returns, for each user id, the ids of the clients of which a role reaches the user.
    async fn reached(&self, users: Vec<String>) -> Result<HashMap<String, HashSet<String>>, StoreError> {
        let users = explored(users, |user| self.held(user), |_| Vec::new()).await?;
        let groups = users.values().flat_map(|held| held.groups.clone()).collect();
        let groups = explored(groups, |group| self.handed_down(group), |held| held.groups.clone()).await?;
        let roles = users.values().chain(groups.values()).flat_map(|held| composite(&held.roles)).collect();
        let parts = explored(roles, |role| self.contained(role), |parts| composite(parts)).await?;
        let reached = users.iter().map(|(user, held)| {
            let mut clients = HashSet::new();
            let (mut above, mut waiting): (Vec<&String>, Vec<&Role>) = (held.groups.iter().collect(), Vec::new());
            waiting.extend(&held.roles);
            let (mut seen_groups, mut seen) = (HashSet::new(), HashSet::new());
            while let Some(group) = above.pop() {
                if let Some(held) = groups.get(group).filter(|_| seen_groups.insert(group)) {
                    above.extend(&held.groups);
                    waiting.extend(&held.roles);
                }
            }
            while let Some(role) = waiting.pop() {
                if seen.insert(&role.id) {
                    clients.extend(role.client.clone());
                    waiting.extend(parts.get(&role.id).into_iter().flatten());
                }
            }
            (user.clone(), clients)
        });
        Ok(reached.collect())
    }

    /// Reads the direct roles and groups of a user, including the realm's default role if the user has it.
    async fn held(&self, user: String) -> Result<(String, Held), StoreError> {
        let (admin, realm) = (&self.wire.admin, self.wire.realm.as_str());
        let read = || admin.realm_users_with_user_id_role_mappings_get(realm, &user);
        let (mappings, groups) =
            futures::try_join!(self.wire.find("reading a user's roles", read), self.groups_of(&user))?;
        let held = Held { roles: roles_of(mappings.unwrap_or_default()), groups: groups.into_iter().collect() };
        Ok((user, held))
    }

    /// Reads the roles that a group gives to its members, and its parent group, whose roles its members inherit as
    /// well.
    async fn handed_down(&self, group: String) -> Result<(String, Held), StoreError> {
        let (admin, realm) = (&self.wire.admin, self.wire.realm.as_str());
        let mappings = || admin.realm_groups_with_group_id_role_mappings_get(realm, &group);
        let mappings = self.wire.find("reading a group's roles", mappings);
        let there = self.wire.find("reading a group", || admin.realm_groups_with_group_id_get(realm, &group));
        let (mappings, there) = futures::try_join!(mappings, there)?;
        let above = there.and_then(|there| there.parent_id).filter(|above| !above.is_empty());
        let held = Held { roles: roles_of(mappings.unwrap_or_default()), groups: above.into_iter().collect() };
        Ok((group, held))
    }

    /// Reads the roles that a role contains.
    async fn contained(&self, role: String) -> Result<(String, Vec<Role>), StoreError> {
        let parts = self.parts_of(&role).await?;
        Ok((role, parts.into_iter().filter_map(role_of).collect()))
    }
}

/// Reads the given items and all items that they lead to, each of them once.
async fn explored<T, F>(
    first: Vec<String>,
    read: impl Fn(String) -> F,
    leads_to: impl Fn(&T) -> Vec<String>,
) -> Result<HashMap<String, T>, StoreError>
where
    F: Future<Output = Result<(String, T), StoreError>>,
{
    let mut found: HashMap<String, T> = HashMap::new();
    let mut next: HashSet<String> = first.into_iter().collect();
    while !next.is_empty() {
        let read: Vec<F> = std::mem::take(&mut next).into_iter().map(&read).collect();
        let read: Vec<(String, T)> = stream::iter(read).buffer_unordered(CONCURRENCY).try_collect().await?;
        next = read.iter().flat_map(|(_, one)| leads_to(one)).collect();
        found.extend(read);
        next.retain(|id| !found.contains_key(id));
    }
    Ok(found)
}

/// Returns the ids of the roles that contain others.
fn composite(roles: &[Role]) -> Vec<String> {
    roles.iter().filter(|role| role.composite).map(|role| role.id.clone()).collect()
}

fn roles_of(mappings: MappingsRepresentation) -> Vec<Role> {
    let clients = mappings.client_mappings.unwrap_or_default().into_values();
    let of_clients = clients.flat_map(|client| client.mappings.unwrap_or_default());
    let all = mappings.realm_mappings.unwrap_or_default().into_iter().chain(of_clients);
    all.filter_map(role_of).collect()
}

/// Converts a role. If Keycloak omits whether the role contains others or belongs to a client, the answer is assumed to
/// be yes, so that a further request finds out.
fn role_of(role: RoleRepresentation) -> Option<Role> {
    let client = role.container_id.filter(|_| role.client_role != Some(false));
    Some(Role { id: role.id?, client, composite: role.composite != Some(false) })
}
