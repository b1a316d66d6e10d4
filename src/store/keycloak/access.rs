//! Who has access: asked by person, over all accounts.
//!
//! Which client roles reach somebody is worked out from what they hold, what their groups hand on and what roles contain,
//! as Keycloak does it. So no account is asked that has nothing to do with them, and none is passed over because nothing
//! names it any more.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use keycloak::types::{MappingsRepresentation, RoleRepresentation, UserRepresentation};

use super::{
    look::Wanted,
    names::{KIND, NOTES},
    person::Person,
    realm::Realm,
    users::Users,
    wire::CONCURRENCY,
};
use crate::{
    model::{AccountKey, Email},
    store::StoreError,
};

/// A role, as far as it leads to others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Role {
    id: String,
    /// Id of its client; none where it is the realm's.
    client: Option<String>,
    /// It contains others.
    composite: bool,
}

/// Roles and groups that a user or group has directly.
#[derive(Debug, Default)]
struct Held {
    roles: Vec<Role>,
    /// Ids of the groups that they are in, or of the one above.
    groups: Vec<String>,
}

impl Realm {
    /// Returns the accounts in which somebody with one of these addresses holds a client role, by whatever way. No end and
    /// no time that we once noted counts, and of several users with one address each does.
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

    /// Users who may go by one of these addresses, or went by it in some account when they were last found.
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

    /// Addresses of those users whom roles of a client reach, with its account; none where it is no account's.
    async fn with_access_by(
        &self,
        client: String,
        users: Vec<UserRepresentation>,
        who: &BTreeSet<Email>,
    ) -> Result<BTreeSet<(AccountKey, Email)>, StoreError> {
        let Some(account) = self.account_of(&client).await? else { return Ok(BTreeSet::new()) };
        let look = self.look(&account, &Wanted::Members(BTreeSet::new())).await?;
        let client_id = self.prefix.client_id(&account);
        let within = look.within(&client_id);
        let people = stream::iter(users).map(|user| self.person(&within, user)).buffer_unordered(CONCURRENCY);
        let people: Vec<Person> = people.try_collect().await?;
        let with = people.iter().filter(|person| !person.effective.is_empty());
        // Whoever is pinned to an address is that person everywhere.
        let addresses = with.flat_map(|person| self.pinned_to(&person.user).chain([person.address()]));
        Ok(addresses.filter(|address| who.contains(address)).map(|address| (account.clone(), address)).collect())
    }

    /// The account of a client. It is known by what Roster writes there, or else by its organization: somebody else's
    /// client may be called as accounts are.
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

    /// Ids of the clients of which a role reaches these users, by the user's id.
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

    /// Roles and groups of a user; the realm's default role is among them, where it is theirs.
    async fn held(&self, user: String) -> Result<(String, Held), StoreError> {
        let (admin, realm) = (&self.wire.admin, self.wire.realm.as_str());
        let read = || admin.realm_users_with_user_id_role_mappings_get(realm, &user);
        let (mappings, groups) =
            futures::try_join!(self.wire.find("reading a user's roles", read), self.groups_of(&user))?;
        let held = Held { roles: roles_of(mappings.unwrap_or_default()), groups: groups.into_iter().collect() };
        Ok((user, held))
    }

    /// Roles that a group hands on to whoever is in it, and the group above, whose roles it hands on, too.
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

    /// Roles that a role contains.
    async fn contained(&self, role: String) -> Result<(String, Vec<Role>), StoreError> {
        let (admin, realm) = (&self.wire.admin, self.wire.realm.as_str());
        let read = || admin.realm_roles_by_id_with_role_id_composites_get(realm, &role, None, None, None);
        let parts = self.wire.find("reading what a role contains", read).await?.unwrap_or_default();
        Ok((role, parts.into_iter().filter_map(role_of).collect()))
    }
}

/// Reads what is asked for and all that it leads to, each of it once.
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

/// Ids of the roles that contain others.
fn composite(roles: &[Role]) -> Vec<String> {
    roles.iter().filter(|role| role.composite).map(|role| role.id.clone()).collect()
}

fn roles_of(mappings: MappingsRepresentation) -> Vec<Role> {
    let clients = mappings.client_mappings.unwrap_or_default().into_values();
    let of_clients = clients.flat_map(|client| client.mappings.unwrap_or_default());
    let all = mappings.realm_mappings.unwrap_or_default().into_iter().chain(of_clients);
    all.filter_map(role_of).collect()
}

/// Where Keycloak does not say what a role contains, or whose it is, that is asked.
fn role_of(role: RoleRepresentation) -> Option<Role> {
    let client = role.container_id.filter(|_| role.client_role != Some(false));
    Some(Role { id: role.id?, client, composite: role.composite != Some(false) })
}
