//! Finding people: one way for all who ask, so that whoever is observed is also found when something is taken from them.
//!
//! A person goes by the address of their entry, or else by their own. Several users may go by one address: their addresses
//! change, and attributes can be copied. Then the one with our seal is the member, and each other one is told apart by
//! their user name and id.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt, TryStreamExt, stream};
use keycloak::types::UserRepresentation;
use tokio::sync::Mutex;

use super::{
    look::Wanted,
    names::{ACCOUNTS, ADDRESS},
    note::Definitions,
    person::Person,
    realm::Realm,
    wire::CONCURRENCY,
};
use crate::{
    model::{Email, Layout},
    store::StoreError,
};

/// Above this many members the whole list is read, and not each of them.
const MANY: usize = 24;

/// The account in which people are looked for.
#[derive(Clone, Copy)]
pub(super) struct Within<'a> {
    pub(super) client_id: &'a str,
    /// Id of its client; empty where it has none.
    pub(super) client: &'a str,
    /// Id of its organization; empty where it has none.
    pub(super) organization: &'a str,
    pub(super) layout: &'a Layout,
    pub(super) definitions: &'a Definitions,
}

/// People who were found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Those who were asked for, by the name that they go by.
    pub(super) people: BTreeMap<Email, Person>,
    /// Others whose address was asked for, while it stands for somebody else.
    pub(super) beside: Vec<Person>,
}

/// Ids of the users for whom names stood when they were last looked for, by client id. Attributes and addresses can change
/// at any time; the id tells who it was.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<String, HashMap<Email, String>>>);

impl Known {
    pub(super) async fn id(&self, client_id: &str, name: &Email) -> Option<String> {
        self.0.lock().await.get(client_id)?.get(name).cloned()
    }

    pub(super) async fn note(&self, client_id: &str, name: &Email, id: &str) {
        self.0.lock().await.entry(client_id.to_owned()).or_default().insert(name.clone(), id.to_owned());
    }

    pub(super) async fn forget(&self, client_id: &str, name: &Email) {
        if let Some(names) = self.0.lock().await.get_mut(client_id) {
            names.remove(name);
        }
    }

    pub(super) async fn forget_account(&self, client_id: &str) {
        self.0.lock().await.remove(client_id);
    }

    /// Notes who was found; where everybody was looked for, nobody else is left.
    async fn note_all(&self, client_id: &str, people: &BTreeMap<Email, Person>, everybody: bool) {
        let found = people.iter().map(|(name, person)| (name.clone(), person.id().to_owned()));
        let mut known = self.0.lock().await;
        if everybody {
            known.insert(client_id.to_owned(), found.collect());
        } else if !people.is_empty() {
            known.entry(client_id.to_owned()).or_default().extend(found);
        }
    }
}

impl Realm {
    /// Finds people who have to do with an account, as far as is wanted.
    pub(super) async fn find(&self, within: &Within<'_>, wanted: &Wanted) -> Result<Found, StoreError> {
        let named = wanted.members();
        let people = match named {
            Some(named) if named.len() <= MANY => self.named(within, named).await?,
            _ => self.everybody(within, named).await?,
        };
        let found = arranged(people, named);
        self.known.note_all(within.client_id, &found.people, named.is_none()).await;
        Ok(found)
    }

    /// Returns one user with what they have of an account.
    pub(super) async fn person(&self, within: &Within<'_>, user: UserRepresentation) -> Result<Person, StoreError> {
        let mut person = self.person_of(user, within.client_id);
        person.membership = self.membership(within.organization, person.id()).await?;
        let mut person = self.with_roles(within.client, person).await?;
        if person.has_anything() {
            person.groups = self.groups_of(person.id()).await?;
        }
        Ok(person)
    }

    /// Everybody who has anything of an account; where names are given, only those who may go by one of them.
    async fn everybody(&self, within: &Within<'_>, named: Option<&BTreeSet<Email>>) -> Result<Vec<Person>, StoreError> {
        let mut memberships = HashMap::new();
        let mut users: HashMap<String, UserRepresentation> = HashMap::new();
        for (user, membership) in self.organization_members(within.organization).await? {
            if let Some(id) = user.id.clone() {
                memberships.insert(id.clone(), membership);
                users.insert(id, user);
            }
        }
        let mut others = self.users_by(ACCOUNTS, within.client_id).await?;
        if !within.client.is_empty() {
            others.extend(self.holders(within.client, within.layout).await?);
        }
        users.extend(others.into_iter().filter_map(|user| Some((user.id.clone()?, user))));
        let mut in_groups = self.in_groups(within.definitions).await?;
        let people = users.into_iter().map(|(id, user)| {
            let groups = in_groups.remove(&id).unwrap_or_default();
            Person { membership: memberships.remove(&id), groups, ..self.person_of(user, within.client_id) }
        });
        let mut people: Vec<Person> = people.collect();
        if let Some(named) = named {
            let addresses = addresses(&people, named);
            people.retain(|person| person.possible_addresses().iter().any(|address| addresses.contains(address)));
        }
        let people = stream::iter(people).map(|person| self.with_roles(within.client, person));
        people.buffer_unordered(CONCURRENCY).try_collect().await
    }

    /// Everybody who may go by one of a few names.
    async fn named(&self, within: &Within<'_>, named: &BTreeSet<Email>) -> Result<Vec<Person>, StoreError> {
        let mut addresses = BTreeSet::new();
        for name in named {
            let told_apart = match Person::told_apart_id(name) {
                Some(id) => self.user(id).await?,
                None => None,
            };
            match told_apart {
                Some(user) => addresses.extend(self.person_of(user, within.client_id).possible_addresses()),
                None => drop(addresses.insert(name.clone())),
            }
        }
        let users = stream::iter(addresses).map(|address| self.users_called(within, address));
        let users: Vec<Vec<UserRepresentation>> = users.buffer_unordered(CONCURRENCY).try_collect().await?;
        let users: HashMap<String, UserRepresentation> =
            users.into_iter().flatten().filter_map(|user| Some((user.id.clone()?, user))).collect();
        let people = stream::iter(users.into_values()).map(|user| self.person(within, user));
        people.buffer_unordered(CONCURRENCY).try_collect().await
    }

    /// Users who may go by an address: pinned to it, with it as their own, or who went by it when last looked for.
    async fn users_called(&self, within: &Within<'_>, address: Email) -> Result<Vec<UserRepresentation>, StoreError> {
        let text = address.as_str();
        let (mut users, with_email, with_name) = futures::try_join!(
            self.users_by(ADDRESS, text),
            self.users_exactly(Some(text), None),
            self.users_exactly(None, Some(text)),
        )?;
        users.extend(with_email.into_iter().chain(with_name));
        if let Some(id) = self.known.id(within.client_id, &address).await
            && !users.iter().any(|user| user.id.as_ref() == Some(&id))
        {
            users.extend(self.user(&id).await?);
        }
        users.retain(|user| self.person_of(user.clone(), within.client_id).possible_addresses().contains(&address));
        Ok(users)
    }

    /// Adds the client roles that reach somebody, by which alone an entry without our seal can be believed.
    async fn with_roles(&self, client: &str, mut person: Person) -> Result<Person, StoreError> {
        if !client.is_empty() {
            person.effective = self.effective(person.id(), client).await?;
            let names: BTreeSet<&str> = person.effective.iter().filter_map(|role| role.name.as_deref()).collect();
            let as_granted = |entry: &super::note::Entry| entry.granted(names.iter().copied());
            // Just what was granted: no need to ask whether all of it is direct, since none of it is more.
            let is_direct = names.is_empty() || (person.sealed && person.entry.as_ref().is_some_and(as_granted));
            person.direct = if is_direct { person.effective.clone() } else { self.direct(person.id(), client).await? };
        }
        person.settle();
        Ok(person)
    }
}

/// The addresses that people with these names may have.
fn addresses(people: &[Person], named: &BTreeSet<Email>) -> BTreeSet<Email> {
    let ids: BTreeSet<&str> = named.iter().filter_map(Person::told_apart_id).collect();
    let told_apart = people.iter().filter(|person| ids.contains(person.id()));
    told_apart.flat_map(Person::possible_addresses).chain(named.iter().cloned()).collect()
}

/// Gives everybody who has anything of the account a name, the same one whoever else was looked at besides those of one
/// address.
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
            let name = if place == 0 { address.clone() } else { person.told_apart() };
            if named.is_none_or(|named| named.contains(&name)) {
                found.people.insert(name, person);
            } else if named.is_some_and(|named| named.contains(&address)) {
                found.beside.push(person);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use keycloak::types::{MembershipType, RoleRepresentation};

    use super::{super::note::Entry, *};

    const ANN: &str = "ann@shop.example";

    /// A user whose own address is Ann's, and who is in the organization.
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
    fn of_several_users_the_sealed_one_goes_by_the_address_whoever_is_asked_for() {
        let sealed = Person { entry: entry(ANN), sealed: true, ..person("c") };
        let told = Person { entry: entry(ANN), ..person("b") };
        let all = [person("a"), told, sealed];
        let apart = ["name-a (a)", "name-b (b)"];
        for turn in 0..3 {
            let mut people = all.to_vec();
            people.rotate_left(turn);
            let found = arranged(people.clone(), None);
            assert_eq!(names(&found), [(ANN, "c"), (apart[0], "a"), (apart[1], "b")]);
            // And each of them alone, by the same name.
            for (name, id) in [(ANN, "c"), (apart[0], "a"), (apart[1], "b")] {
                let found = arranged(people.clone(), Some(&BTreeSet::from([Email::as_stored(name)])));
                assert_eq!(names(&found), [(name, id)]);
                assert_eq!(found.beside.len(), if name == ANN { 2 } else { 0 }, "{name}");
            }
        }
    }

    #[test]
    fn an_entry_that_its_user_may_have_written_counts_only_beside_what_was_given_to_them() {
        let told = || Person { entry: entry("ben@shop.example"), membership: None, ..person("a") };
        let managed = Person { membership: Some(MembershipType::Managed), ..told() };
        let inherits = Person { effective: vec![RoleRepresentation::default()], ..told() };
        let put_in = Person { membership: Some(MembershipType::Unmanaged), ..told() };
        let holds = Person { direct: vec![RoleRepresentation::default()], ..told() };
        let sealed = Person { sealed: true, ..told() };
        for (number, (mut person, believed)) in
            [(told(), false), (managed, false), (inherits, false), (put_in, true), (holds, true), (sealed, true)]
                .into_iter()
                .enumerate()
        {
            person.settle();
            let address = if believed { "ben@shop.example" } else { ANN };
            assert_eq!(person.address().as_str(), address, "{number}");
        }
    }

    #[test]
    fn whom_a_name_tells_apart_is_looked_for_by_their_addresses() {
        let people = [Person { entry: entry("ben@shop.example"), ..person("a") }, person("b")];
        let named = BTreeSet::from([people[0].told_apart()]);
        let found = addresses(&people, &named);
        assert!(found.contains("ben@shop.example") && found.contains(ANN));
    }
}
