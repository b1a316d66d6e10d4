//! Finds the users who have something of an account. Called by `snapshot`, and for single users by `access` and `identity`,
//! so that every user who is observed is also found when access is removed.
//!
//! A person is identified by the address in their entry, or else by their own address. Several users may have one
//! address, since addresses change and attributes can be copied. Then the user with our seal is the member, and every
//! other user is identified by user name and id.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use keycloak::types::UserRepresentation;

use super::{
    names::{ACCOUNTS, Definition},
    note::{Definitions, Entry, Stamp},
    person::Person,
    read_scope::ReadScope,
    realm::{Realm, Users, by_id},
    wire::CONCURRENCY,
};
use crate::{
    model::{Email, Layout},
    store::StoreError,
};

/// Largest number of members that are read one by one; above it the whole list is read.
const MANY: usize = 24;

/// Account in which people are searched.
#[derive(Clone, Copy)]
pub(super) struct Within<'a> {
    pub(super) client_id: &'a str,
    /// Id of its client; empty if it has none.
    pub(super) client: &'a str,
    /// Id of its organization; empty if it has none.
    pub(super) organization: &'a str,
    pub(super) layout: &'a Layout,
    /// Former layouts of which client roles may still exist.
    pub(super) former: &'a [Layout],
    /// Mark of the account; empty if it has none.
    pub(super) stamp: &'a Stamp,
    pub(super) definitions: &'a Definitions,
}

/// People who were found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// People who were asked for, by their name in the account.
    pub(super) people: BTreeMap<Email, Person>,
    /// Users with an address that was asked for, while the address stands for another user.
    pub(super) others: Vec<Person>,
}

impl Realm {
    /// Finds the people who have something of an account, limited to `scope`.
    pub(super) async fn find(&self, within: &Within<'_>, scope: &ReadScope) -> Result<Found, StoreError> {
        let named = scope.members();
        let people = match named {
            Some(named) if named.len() <= MANY => self.named(within, named).await?,
            _ => self.everybody(within, named).await?,
        };
        let people = self.recalled(within, people).await;
        let found = arranged(people, named);
        let users = found.people.iter().map(|(name, person)| (name.clone(), person.known_user(within.stamp)));
        self.known.note_all(within.client_id, users.collect(), named.is_none()).await;
        Ok(found)
    }

    /// Returns one user with what they have of an account.
    pub(super) async fn person(&self, within: &Within<'_>, user: UserRepresentation) -> Result<Person, StoreError> {
        let person = self.by_attributes(within, user).await?;
        Ok(self.recalled(within, vec![person]).await.remove(0))
    }

    /// Restores the cached identity of users who lost Roster's attributes but still have something of the account, if
    /// Roster had made them members. They keep and lose access like members. They gain more only when they are certain
    /// to be the member, like any user whose entry has no seal.
    async fn recalled(&self, within: &Within<'_>, mut people: Vec<Person>) -> Vec<Person> {
        let is_lost = |person: &Person| person.entry.is_none() && person.has_anything();
        let lost: HashSet<String> = people.iter().filter(|one| is_lost(one)).map(|one| one.id().to_owned()).collect();
        if lost.is_empty() {
            return people;
        }
        let names = self.known.names(within.client_id, &lost).await;
        for person in people.iter_mut().filter(|person| is_lost(person)) {
            if let Some(name) = names.get(person.id()) {
                person.entry = Some(Entry::recalled(within.client_id, within.stamp, name));
                person.recalled = true;
            }
        }
        people
    }

    /// Reads what one user has of an account, by the user's attributes alone.
    async fn by_attributes(&self, within: &Within<'_>, user: UserRepresentation) -> Result<Person, StoreError> {
        let mut person = self.person_of(user, within.client_id);
        person.membership = self.membership(within.organization, person.id()).await?;
        let mut person = self.with_roles(within.client, person).await?;
        if person.has_anything() {
            person.groups = self.groups_of(person.id()).await?;
        }
        Ok(person)
    }

    /// Returns all users who have something of an account. With `named`, returns only those who may go by one of these
    /// names.
    async fn everybody(&self, within: &Within<'_>, named: Option<&BTreeSet<Email>>) -> Result<Vec<Person>, StoreError> {
        let federated = self.is_federated().await?;
        let mut memberships = HashMap::new();
        let mut users = Users::new();
        for (user, membership) in self.organization_members(within.organization).await? {
            if let Some(id) = user.id.clone() {
                memberships.insert(id.clone(), membership);
                users.insert(id, user);
            }
        }
        let mut others = self.users_by(ACCOUNTS, within.client_id).await?;
        if !within.client.is_empty() {
            others.extend(self.holders(within.client, within.layout, within.former, federated).await?);
        }
        users.extend(by_id(others));
        let known = match named {
            Some(named) => self.known.ids(within.client_id, named).await,
            None => HashSet::new(),
        };
        for id in known.iter().filter(|id| !users.contains_key(*id)).cloned().collect::<Vec<_>>() {
            users.extend(self.user(&id).await?.map(|user| (id, user)));
        }
        let people = users
            .into_iter()
            .map(|(id, user)| Person { membership: memberships.remove(&id), ..self.person_of(user, within.client_id) });
        let mut people: Vec<Person> = people.collect();
        if let Some(named) = named {
            let addresses = addresses(&people, named);
            people.retain(|person| {
                known.contains(person.id())
                    || person.possible_addresses().iter().any(|address| addresses.contains(address))
            });
        }
        let people = stream::iter(people).map(|person| self.with_roles(within.client, person));
        let people: Vec<Person> = people.buffer_unordered(CONCURRENCY).try_collect().await?;
        self.with_groups(within, people, federated).await
    }

    /// Adds the groups of each person. Asks for each person or for each group of the account, whichever are fewer.
    async fn with_groups(
        &self,
        within: &Within<'_>,
        mut people: Vec<Person>,
        federated: bool,
    ) -> Result<Vec<Person>, StoreError> {
        let groups = groups_of(within.definitions);
        if people.len() <= groups.len() {
            let people = stream::iter(people).map(async |mut person| {
                person.groups = self.groups_of(person.id()).await?;
                Ok(person)
            });
            return people.buffer_unordered(CONCURRENCY).try_collect().await;
        }
        let mut in_groups = self.in_groups(groups, federated).await?;
        for person in &mut people {
            person.groups = in_groups.remove(person.id()).unwrap_or_default();
        }
        Ok(people)
    }

    /// Returns the users who may go by one of a few names.
    async fn named(&self, within: &Within<'_>, named: &BTreeSet<Email>) -> Result<Vec<Person>, StoreError> {
        let mut addresses = BTreeSet::new();
        for name in named {
            let user = match Person::id_in_name(name) {
                Some(id) => self.user(id).await?,
                None => None,
            };
            match user {
                Some(user) => addresses.extend(self.person_of(user, within.client_id).possible_addresses()),
                None => drop(addresses.insert(name.clone())),
            }
        }
        let users = stream::iter(addresses).map(|address| self.users_called(within, address));
        let users: Vec<Users> = users.buffer_unordered(CONCURRENCY).try_collect().await?;
        let users: Users = users.into_iter().flatten().collect();
        let people = stream::iter(users.into_values()).map(|user| self.by_attributes(within, user));
        people.buffer_unordered(CONCURRENCY).try_collect().await
    }

    /// Returns the users who may go by an address: pinned to it, with it as their own, or with it when they were last
    /// found.
    async fn users_called(&self, within: &Within<'_>, address: Email) -> Result<Users, StoreError> {
        let mut users = self.users_of(&address).await?;
        let known = self.known.find(within.client_id, &address).await.map(|user| user.id);
        if let Some(id) = &known
            && !users.contains_key(id)
        {
            users.extend(self.user(id).await?.map(|user| (id.clone(), user)));
        }
        users.retain(|id, user| {
            let person = || self.person_of(user.clone(), within.client_id);
            known.as_ref() == Some(id) || person().possible_addresses().contains(&address)
        });
        Ok(users)
    }

    /// Adds the client roles that reach a person. They alone can confirm an entry without our seal.
    async fn with_roles(&self, client: &str, mut person: Person) -> Result<Person, StoreError> {
        if !client.is_empty() {
            person.effective = self.effective(person.id(), client).await?;
            let names: BTreeSet<&str> = person.effective.iter().filter_map(|role| role.name.as_deref()).collect();
            let as_granted = |entry: &Entry| entry.granted(names.iter().copied());
            // The user holds exactly what was granted, so there is no inherited role to tell from direct ones: one
            // request less.
            let is_direct = names.is_empty() || (person.sealed && person.entry.as_ref().is_some_and(as_granted));
            person.direct = if is_direct { person.effective.clone() } else { self.direct(person.id(), client).await? };
        }
        person.settle();
        Ok(person)
    }
}

/// Returns the ids of the realm groups that stand for the account's groups.
fn groups_of(definitions: &Definitions) -> Vec<String> {
    let groups = definitions.iter().filter(|(name, defined)| {
        matches!(Definition::parse(name), Some(Definition::Group(_))) && !defined.id.is_empty()
    });
    groups.map(|(_, defined)| defined.id.clone()).collect()
}

/// Returns the addresses that people with these names may have.
fn addresses(people: &[Person], named: &BTreeSet<Email>) -> BTreeSet<Email> {
    let ids: BTreeSet<&str> = named.iter().filter_map(Person::id_in_name).collect();
    let named_by_id = people.iter().filter(|person| ids.contains(person.id()));
    named_by_id.flat_map(Person::possible_addresses).chain(named.iter().cloned()).collect()
}

/// Gives a name to each person who has something of the account. The name does not depend on which other people were
/// read, apart from those with the same address.
fn arranged(people: Vec<Person>, named: Option<&BTreeSet<Email>>) -> Found {
    let mut by_address: BTreeMap<Email, Vec<Person>> = BTreeMap::new();
    for person in people.into_iter().filter(Person::has_anything) {
        by_address.entry(person.address()).or_default().push(person);
    }
    let mut found = Found::default();
    for (address, mut people) in by_address {
        let rank = |person: &Person| (!person.sealed, person.entry.is_none(), !person.certain);
        people.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.id().cmp(b.id())));
        for (place, person) in people.into_iter().enumerate() {
            let name = if place == 0 { address.clone() } else { person.unique_name() };
            if named.is_none_or(|named| named.contains(&name)) {
                found.people.insert(name, person);
            } else if named.is_some_and(|named| named.contains(&address)) {
                found.others.push(person);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use keycloak::types::{MembershipType, RoleRepresentation};

    use super::*;

    const ANN: &str = "ann@shop.example";

    /// Returns a user with Ann's address who is in the organization.
    fn person(id: &str) -> Person {
        let user = UserRepresentation {
            id: Some(id.to_owned()),
            username: Some(format!("name-{id}")),
            email: Some(ANN.to_owned()),
            ..UserRepresentation::default()
        };
        Person { user, membership: Some(MembershipType::Unmanaged), ..Person::default() }
    }

    fn entry(address: &str) -> Option<Entry> {
        Entry::parse(&format!(r#"{{"address": "{address}"}}"#))
    }

    fn names(found: &Found) -> Vec<(&str, &str)> {
        found.people.iter().map(|(name, person)| (name.as_str(), person.id())).collect()
    }

    #[test]
    fn among_several_users_the_sealed_one_has_the_address() {
        let sealed = Person { entry: entry(ANN), sealed: true, ..person("c") };
        let distinguished = Person { entry: entry(ANN), ..person("b") };
        let all = [person("a"), distinguished, sealed];
        let apart = ["name-a (a)", "name-b (b)"];
        for turn in 0..3 {
            let mut people = all.to_vec();
            people.rotate_left(turn);
            let found = arranged(people.clone(), None);
            assert_eq!(names(&found), [(ANN, "c"), (apart[0], "a"), (apart[1], "b")]);
            // Each of them alone gets the same name.
            for (name, id) in [(ANN, "c"), (apart[0], "a"), (apart[1], "b")] {
                let found = arranged(people.clone(), Some(&BTreeSet::from([Email::as_stored(name)])));
                assert_eq!(names(&found), [(name, id)]);
                assert_eq!(found.others.len(), if name == ANN { 2 } else { 0 }, "{name}");
            }
        }
    }

    #[test]
    fn an_unsealed_entry_counts_only_with_granted_roles() {
        let distinguished = || Person { entry: entry("ben@shop.example"), membership: None, ..person("a") };
        let managed = Person { membership: Some(MembershipType::Managed), ..distinguished() };
        let inherits = Person { effective: vec![RoleRepresentation::default()], ..distinguished() };
        let put_in = Person { membership: Some(MembershipType::Unmanaged), ..distinguished() };
        let holds = Person { direct: vec![RoleRepresentation::default()], ..distinguished() };
        let sealed = Person { sealed: true, ..distinguished() };
        for (number, (mut person, believed)) in [
            (distinguished(), false),
            (managed, false),
            (inherits, false),
            (put_in, true),
            (holds, true),
            (sealed, true),
        ]
        .into_iter()
        .enumerate()
        {
            person.settle();
            let address = if believed { "ben@shop.example" } else { ANN };
            assert_eq!(person.address().as_str(), address, "{number}");
        }
    }

    #[test]
    fn people_with_a_distinguishing_name_are_searched_by_their_addresses() {
        let people = [Person { entry: entry("ben@shop.example"), ..person("a") }, person("b")];
        let named = BTreeSet::from([people[0].unique_name()]);
        let found = addresses(&people, &named);
        assert!(found.contains("ben@shop.example") && found.contains(ANN));
    }
}
