//! Observing: what a realm holds of an account, however it came there.
//!
//! What counts of a member are their *effective* client roles: Keycloak's grants are unions, and one inherited from a
//! group or another role reaches the token like any other.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use keycloak::types::{ClientRepresentation, GroupRepresentation, RoleRepresentation, UserRepresentation};

use super::{
    names::{
        self, ACCOUNTS, ADDRESS, APPROVALS, DEFINITIONS, Definition, ENTRIES, NAME, NOTE, PERMISSIONS, REMOVALS, TITLE,
    },
    note::{Definitions, Entry, Note, Parts, Removals, Stamp, read},
    realm::Realm,
    wire::CONCURRENCY,
};
use crate::{
    model::{AccountKey, Email, Layout, Name, Scope},
    plan::{Mark, ObjectKey, Observed, Seen},
    resolve::{AccountContent, GroupContent, MemberContent, RoleContent},
    store::StoreError,
};

/// Above this many members the whole list is read, and not each of them.
const MANY: usize = 24;

/// What is wrong with an account besides what it says.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    /// All of it, in words.
    said: Vec<Name>,
    /// Its client scope lets more into tokens than the account's roles.
    pub(super) foreign_scope: bool,
    /// Its client roles that realm roles hand on.
    pub(super) handed_on: Vec<RoleRepresentation>,
}

/// What to look at besides the account itself.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// Everything there is of it, and who has access by whatever way.
    Whole,
    /// These members.
    Members(BTreeSet<Email>),
    /// What a batch names: these members, all roles and groups, and what the account consists of.
    Batch {
        members: BTreeSet<Email>,
        /// Whether the account itself is named.
        account: bool,
    },
}

impl Wanted {
    pub(super) fn scope(scope: &Scope) -> Self {
        match scope {
            Scope::Account => Self::Whole,
            Scope::Members(emails) => Self::Members(emails.iter().cloned().collect()),
        }
    }

    pub(super) fn batch<'a>(objects: impl Iterator<Item = &'a ObjectKey>) -> Self {
        let (mut members, mut others, mut account) = (BTreeSet::new(), false, false);
        for object in objects {
            match object {
                ObjectKey::Member(email) => drop(members.insert(email.clone())),
                ObjectKey::Account => account = true,
                ObjectKey::Role(_) | ObjectKey::Group(_) => others = true,
            }
        }
        if others || account { Self::Batch { members, account } } else { Self::Members(members) }
    }

    /// Whether all of the account itself is looked at.
    const fn account(&self) -> bool {
        matches!(self, Self::Whole | Self::Batch { account: true, .. })
    }

    const fn definitions(&self) -> bool {
        matches!(self, Self::Whole | Self::Batch { .. })
    }
}

/// Everything that was looked at.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) observed: Observed,
    /// The account's client, as it is.
    pub(super) client: Option<ClientRepresentation>,
    pub(super) note: Option<Note>,
    /// Where all of the account was looked at.
    pub(super) wrong: Wrong,
    /// Of what there is: an organization is also known without its client.
    pub(super) parts: Parts,
    pub(super) definitions: Definitions,
    pub(super) removals: Removals,
    /// Groups of roles and groups, where they were looked at.
    pub(super) groups: BTreeMap<Definition, GroupRepresentation>,
    pub(super) people: BTreeMap<Email, Person>,
}

impl Look {
    pub(super) fn client_uuid(&self) -> Option<&str> {
        self.client.as_ref()?.id.as_deref()
    }
}

/// Somebody who has, or had, something to do with an account.
#[derive(Clone, Debug, Default)]
pub(super) struct Person {
    pub(super) user: UserRepresentation,
    pub(super) entry: Option<Entry>,
    pub(super) in_organization: bool,
    /// Client roles of the account that reach them.
    pub(super) effective: Vec<RoleRepresentation>,
    /// Those of them that are theirs directly.
    pub(super) direct: Vec<RoleRepresentation>,
    /// Ids of groups they are in, where that was looked at.
    pub(super) groups: HashSet<String>,
    /// We have just made them, and nobody else knows them.
    pub(super) made: bool,
}

impl Person {
    pub(super) fn id(&self) -> &str {
        self.user.id.as_deref().unwrap_or_default()
    }

    /// Whether the attributes by which they are found say what their entry says.
    pub(super) fn is_indexed(&self, client_id: &str) -> bool {
        let has = |key: &str, value: &str| {
            let values = self.user.attributes.as_ref().and_then(|attributes| attributes.get(key));
            values.is_some_and(|values| values.iter().any(|one| one == value))
        };
        self.entry.as_ref().is_none_or(|entry| has(ACCOUNTS, client_id) && has(ADDRESS, &entry.address))
    }

    /// Names of their direct client roles.
    pub(super) fn holds(&self) -> BTreeSet<&str> {
        self.direct.iter().filter_map(|role| role.name.as_deref()).collect()
    }

    /// Client roles that reach them only by way of something else.
    pub(super) fn inherited(&self) -> impl Iterator<Item = &RoleRepresentation> {
        let direct = self.holds();
        self.effective.iter().filter(move |role| !direct.contains(role.name.as_deref().unwrap_or_default()))
    }

    /// The address they are declared by, or else their own.
    fn address(&self) -> Email {
        let own = self.user.email.as_deref().or(self.user.username.as_deref()).unwrap_or_default();
        let own = || Email::parse(own).unwrap_or_else(|_| Email::as_stored(own));
        self.entry.as_ref().map_or_else(own, |entry| Email::as_stored(&entry.address))
    }

    /// How somebody is called whose address is another user's, too.
    fn told_apart(&self) -> Email {
        Email::as_stored(&format!("{} ({})", self.user.username.as_deref().unwrap_or_default(), self.id()))
    }

    fn seen(
        &self,
        account: &AccountKey,
        layout: &Layout,
        definitions: &Definitions,
        has_organization: bool,
    ) -> Seen<MemberContent> {
        let stamp = self.entry.as_ref().map(|entry| entry.stamp.clone()).unwrap_or_default();
        // Where the organization is gone, the entry alone tells who was in it.
        let left = self.entry.is_some() && !has_organization;
        let there = self.in_organization || !self.effective.is_empty() || left;
        let content = there.then(|| self.content(layout, definitions));
        Seen { content, mark: stamp.mark(account), fingerprint: stamp.fingerprint() }
    }

    fn content(&self, layout: &Layout, definitions: &Definitions) -> MemberContent {
        let mut content = self.entry.as_ref().map(Entry::content).unwrap_or_default();
        let (ranks, beside) = names::ranks(layout, self.effective.iter().filter_map(|role| role.name.as_deref()));
        content.ranks = ranks;
        let is_in = |name: &Name| {
            let defined = definitions.get(&Definition::Group(name.clone()).group_name());
            defined.map(|defined| self.groups.contains(&defined.id))
        };
        // What the realm has no group for is what it was declared to be.
        let mut groups: Vec<Name> = content.groups.iter().filter(|name| is_in(name).unwrap_or(true)).cloned().collect();
        let ours = definitions.iter().filter(|(_, defined)| self.groups.contains(&defined.id));
        let ours = ours.filter_map(|(name, _)| match Definition::parse(name)? {
            Definition::Group(name) => Some(name),
            Definition::Role(_) => None,
        });
        let added: Vec<Name> = ours.filter(|name| !groups.contains(name)).collect();
        groups.extend(added);
        content.groups = groups.into();
        let mut anomalies: Vec<Name> = beside.iter().map(|role| Name::from(format!("{role} besides"))).collect();
        anomalies.extend(
            self.inherited()
                .filter_map(|role| role.name.as_deref())
                .map(|role| Name::from(format!("{role} is inherited"))),
        );
        if let Some(entry) = &self.entry {
            if !self.in_organization {
                anomalies.push("not in the organization".into());
            }
            if !self.is_indexed(&entry.account) {
                anomalies.push("Roster's attributes have been changed".into());
            }
        }
        content.anomalies = anomalies.into();
        content
    }
}

impl Realm {
    /// Looks at an account.
    pub(super) async fn look(&self, account: &AccountKey, wanted: &Wanted) -> Result<Look, StoreError> {
        let client_id = self.prefix.client_id(account);
        let mut look = Look { client: self.client(&client_id).await?, ..Look::default() };
        let Some(client) = &look.client else {
            return self.without_client(account, &client_id, wanted, look).await;
        };
        let attributes = client.attributes.as_ref();
        look.note = read::<Note>(attributes, NOTE);
        look.definitions = read(attributes, DEFINITIONS).unwrap_or_default();
        look.removals = read(attributes, REMOVALS).unwrap_or_default();
        look.observed.approvals = read(attributes, APPROVALS).unwrap_or_default();
        let note = look.note.clone().unwrap_or_default();
        look.parts = note.parts.clone();
        if wanted.account() {
            look.wrong = self.wrong(client, &note, &mut look.parts).await?;
        } else if wanted.definitions() {
            self.existing(&mut look.parts).await?;
        }
        let said = look.wrong.said.clone();
        let content: AccountContent = note.content(client.name.as_deref().unwrap_or_default(), said);
        let layout = content.layout.clone();
        look.observed.layout = layout.clone();
        look.observed.account = Some(Seen {
            content: Some(content),
            mark: note.stamp.mark(account),
            // Other portals than it was made for: that is the store's spec, and nobody's doing.
            fingerprint: note.stamp.fingerprint().filter(|_| !wanted.account() || note.portals == self.portals),
        });
        if wanted.definitions() {
            look.groups = self.definitions(&look.parts).await?;
            see_definitions(&mut look, account, &layout);
        }
        let uuid = look.client_uuid().unwrap_or_default().to_owned();
        look.people = self.people(&client_id, &uuid, &layout, &look, wanted).await?;
        self.see_people(&mut look, account, &layout, wanted).await?;
        Ok(look)
    }

    /// An account whose client somebody removed is still known by its organization.
    async fn without_client(
        &self,
        account: &AccountKey,
        client_id: &str,
        wanted: &Wanted,
        mut look: Look,
    ) -> Result<Look, StoreError> {
        let Some(organization) = self.organization(client_id).await? else { return Ok(look) };
        let attributes = organization.attributes.unwrap_or_default();
        let stamp = Stamp::of(&attributes);
        look.parts.organization = organization.id.unwrap_or_default();
        look.observed.account =
            Some(Seen { content: None, mark: stamp.mark(account), fingerprint: stamp.fingerprint() });
        if let Some(group) = self.top_group(client_id).await? {
            look.parts.group = group.id.unwrap_or_default();
        }
        if wanted.definitions() {
            look.groups = self.definitions(&look.parts).await?;
            let named = |(definition, group): (&Definition, &GroupRepresentation)| {
                let stamp = Stamp::of(group.attributes.as_ref()?);
                Some((definition.group_name(), super::note::Defined { stamp, id: group.id.clone()? }))
            };
            look.definitions = look.groups.iter().filter_map(named).collect();
            see_definitions(&mut look, account, &Layout::default());
        }
        look.people = self.people(client_id, "", &Layout::default(), &look, wanted).await?;
        self.see_people(&mut look, account, &Layout::default(), wanted).await?;
        Ok(look)
    }

    async fn see_people(
        &self,
        look: &mut Look,
        account: &AccountKey,
        layout: &Layout,
        wanted: &Wanted,
    ) -> Result<(), StoreError> {
        let has_organization = !look.parts.organization.is_empty();
        let seen = look
            .people
            .iter()
            .map(|(email, person)| (email.clone(), person.seen(account, layout, &look.definitions, has_organization)));
        look.observed.members = seen.collect();
        look.observed.member_count = match wanted {
            Wanted::Whole => look.observed.members.values().filter(|seen| seen.content.is_some()).count() as u64,
            _ if look.parts.organization.is_empty() => 0,
            _ => self.member_count(&look.parts.organization).await?,
        };
        Ok(())
    }

    /// What of an account's parts is there, and what is wrong with them.
    async fn wrong(&self, client: &ClientRepresentation, note: &Note, parts: &mut Parts) -> Result<Wrong, StoreError> {
        self.existing(parts).await?;
        let mut anomalies = Vec::new();
        let on = |flag: Option<bool>| flag.unwrap_or(false);
        for (wrong, said) in [
            (!client.enabled.unwrap_or(true), "the client is disabled"),
            (on(client.standard_flow_enabled), "the client's standard flow is on"),
            (on(client.implicit_flow_enabled), "the client's implicit flow is on"),
            (on(client.direct_access_grants_enabled), "the client's direct access grants are on"),
            (on(client.service_accounts_enabled), "the client has a service account"),
            (client.full_scope_allowed.unwrap_or(true), "the client's full scope is allowed"),
            (parts.organization.is_empty(), "its organization is missing"),
            (parts.scope.is_empty(), "its client scope is missing"),
            (parts.group.is_empty(), "its group is missing"),
        ] {
            if wrong {
                anomalies.push(said.into());
            }
        }
        let uuid = client.id.as_deref().unwrap_or_default();
        let layout = note.content("", Vec::new()).layout;
        let wanted: BTreeSet<String> = names::client_roles(&layout).collect();
        let there = self.client_roles(uuid).await?;
        let composite =
            there.iter().filter(|role| role.composite == Some(true)).filter_map(|role| role.name.as_deref());
        anomalies.extend(composite.map(|role| Name::from(format!("client role {role} contains others"))));
        let handed_on = self.handed_on(uuid).await?;
        anomalies.extend(handed_on.iter().map(|(parent, role)| {
            Name::from(format!("realm role {parent} hands on {}", role.name.as_deref().unwrap_or_default()))
        }));
        let foreign_scope = !parts.scope.is_empty() && self.lets_others_pass(&parts.scope, uuid).await?;
        if foreign_scope {
            anomalies.push("its client scope lets other things into tokens".into());
        }
        let there: BTreeSet<String> = there.into_iter().filter_map(|role| role.name).collect();
        anomalies.extend(wanted.difference(&there).map(|role| Name::from(format!("client role {role} is missing"))));
        anomalies.extend(there.difference(&wanted).map(|role| Name::from(format!("client role {role} is not ours"))));
        if !parts.scope.is_empty() {
            let mapped: BTreeSet<String> = self.scope_roles(&parts.scope, uuid).await?;
            let missing = wanted.intersection(&there).filter(|role| !mapped.contains(*role));
            anomalies.extend(missing.map(|role| Name::from(format!("client role {role} is not in the client scope"))));
            // One that never had it is no difference that somebody made.
            for portal in self.portals.iter().filter(|portal| note.portals.contains(portal)) {
                if !self.may_ask(portal, &parts.scope).await? {
                    anomalies.push("a portal lacks its client scope".into());
                }
            }
        }
        let handed_on = handed_on.into_iter().map(|(_, role)| role).collect();
        Ok(Wrong { said: anomalies, foreign_scope, handed_on })
    }

    /// People who have to do with an account, as far as is wanted.
    async fn people(
        &self,
        client_id: &str,
        client: &str,
        layout: &Layout,
        look: &Look,
        wanted: &Wanted,
    ) -> Result<BTreeMap<Email, Person>, StoreError> {
        let named = match wanted {
            Wanted::Whole => None,
            Wanted::Members(named) | Wanted::Batch { members: named, .. } if named.len() > MANY => Some(named),
            Wanted::Members(named) | Wanted::Batch { members: named, .. } => {
                let found = stream::iter(named.iter().cloned())
                    .map(|email| async move { self.person(client_id, client, look, &email).await.map(|p| (email, p)) })
                    .buffer_unordered(CONCURRENCY)
                    .try_filter_map(async |(email, person)| Ok(person.map(|person| (email, person))));
                return found.try_collect().await;
            }
        };
        let members = self.organization_members(&look.parts.organization).await?;
        let in_organization: HashSet<String> = members.iter().filter_map(|user| user.id.clone()).collect();
        let mut users: HashMap<String, UserRepresentation> = HashMap::new();
        let marked = self.users_by(ACCOUNTS, client_id).await?;
        let mut holders = Vec::new();
        if !client.is_empty() {
            holders = self.holders(client, layout).await?;
        }
        for user in holders.into_iter().chain(members).chain(marked) {
            if let Some(id) = user.id.clone() {
                users.insert(id, user);
            }
        }
        let in_groups = self.in_groups(&look.definitions).await?;
        let people = users.into_values().map(|user| {
            let id = user.id.clone().unwrap_or_default();
            let person = Person {
                entry: entry_of(&user, client_id),
                in_organization: in_organization.contains(&id),
                groups: in_groups.get(&id).cloned().unwrap_or_default(),
                user,
                ..Person::default()
            };
            let email = person.address();
            (email, person)
        });
        let people = people.filter(|(email, _)| named.is_none_or(|named| named.contains(email)));
        let found = stream::iter(people)
            .map(|(email, person)| async move { self.with_roles(client, person).await.map(|person| (email, person)) })
            .buffer_unordered(CONCURRENCY);
        // Two users of one address: the one with our mark is the member, and the other, where they have access, is told
        // by their name.
        let mut all: BTreeMap<Email, Person> = BTreeMap::new();
        let mut found = std::pin::pin!(found);
        while let Some((email, person)) = found.try_next().await? {
            let other = match all.get(&email) {
                Some(there) if there.entry.is_none() && person.entry.is_some() => all.insert(email, person),
                Some(_) => Some(person),
                None => all.insert(email, person),
            };
            if let Some(other) = other {
                all.insert(other.told_apart(), other);
            }
        }
        Ok(all)
    }

    /// Who is a member by this address: whom it is pinned to, or else who has it and has anything of the account.
    async fn person(
        &self,
        client_id: &str,
        client: &str,
        look: &Look,
        email: &Email,
    ) -> Result<Option<Person>, StoreError> {
        let pinned = self.users_by(ADDRESS, email.as_str()).await?;
        let ours = pinned.into_iter().find(|user| entry_of(user, client_id).is_some());
        let user = match ours {
            Some(user) => Some(user),
            None => self.user_called(email).await?,
        };
        let Some(user) = user else { return Ok(None) };
        let entry = entry_of(&user, client_id);
        // Somebody else's, whatever their address has become.
        if entry.as_ref().is_some_and(|entry| entry.address != email.as_str()) {
            return Ok(None);
        }
        let person = Person { user, entry, ..Person::default() };
        let mut person = self.with_roles(client, person).await?;
        person.in_organization = self.is_in_organization(&look.parts.organization, person.id()).await?;
        if person.entry.is_none() && !person.in_organization && person.effective.is_empty() {
            return Ok(None);
        }
        person.groups = self.groups_of(person.id()).await?;
        Ok(Some(person))
    }

    /// Who is called so where no pin says it: by their address, or as [`Person::told_apart`] says, or by their name where
    /// they have no address.
    async fn user_called(&self, email: &Email) -> Result<Option<UserRepresentation>, StoreError> {
        if let Some((_, id)) = email.as_str().strip_suffix(')').and_then(|text| text.rsplit_once(" (")) {
            return self.user(id).await;
        }
        match self.user_by_email(email).await? {
            Some(user) => Ok(Some(user)),
            None => Ok(self.user_by_name(email.as_str()).await?.filter(|user| user.email.is_none())),
        }
    }

    /// With the client roles that reach them.
    pub(super) async fn with_roles(&self, client: &str, mut person: Person) -> Result<Person, StoreError> {
        if client.is_empty() {
            return Ok(person);
        }
        person.effective = self.effective(person.id(), client).await?;
        let names: BTreeSet<&str> = person.effective.iter().filter_map(|role| role.name.as_deref()).collect();
        let as_granted = person.entry.as_ref().is_some_and(|entry| entry.granted(names.iter().copied()));
        // Just what was granted: no need to ask whether all of it is direct, since none of it is more.
        person.direct = if as_granted || names.is_empty() {
            person.effective.clone()
        } else {
            self.direct(person.id(), client).await?
        };
        Ok(person)
    }
}

/// Adds roles and groups to what is observed: those that are there, and marks of those that somebody removed.
fn see_definitions(look: &mut Look, account: &AccountKey, layout: &Layout) {
    let gone = look.definitions.iter().filter_map(|(name, defined)| {
        let definition = Definition::parse(name).filter(|definition| !look.groups.contains_key(definition))?;
        Some((definition, None, defined.stamp.clone()))
    });
    let there = look.groups.iter().map(|(definition, group)| {
        let attributes = group.attributes.clone().unwrap_or_default();
        (definition.clone(), Some(attributes.clone()), Stamp::of(&attributes))
    });
    let all: Vec<_> = gone.chain(there).collect();
    for (definition, attributes, stamp) in all {
        let (mark, fingerprint) = (stamp.mark(account), stamp.fingerprint());
        let parts = attributes.map(|attributes| definition_of(&attributes, layout));
        match definition {
            Definition::Role(name) => {
                let content = parts.map(|(title, ranks)| RoleContent { title, ranks });
                look.observed.roles.insert(name, Seen { content, mark, fingerprint });
            }
            Definition::Group(name) => {
                let content = parts.map(|(title, ranks)| GroupContent { title, ranks });
                look.observed.groups.insert(name, Seen { content, mark, fingerprint });
            }
        }
    }
}

/// Title and ranks as a group's attributes show them.
fn definition_of(attributes: &HashMap<String, Vec<String>>, layout: &Layout) -> (Name, crate::model::Ranks) {
    let title = attributes.get(TITLE).and_then(|titles| titles.first()).map(|title| title.as_str().into());
    let permissions = attributes.get(PERMISSIONS).cloned().unwrap_or_default();
    (title.unwrap_or_default(), names::ranks(layout, permissions).0)
}

/// The entry of an account among a user's attributes.
pub(super) fn entry_of(user: &UserRepresentation, client_id: &str) -> Option<Entry> {
    Entry::find(user.attributes.as_ref()?.get(ENTRIES)?, client_id)
}

/// What a group of the realm stands for.
pub(super) fn definition_named(group: &GroupRepresentation) -> Option<Definition> {
    let exact = group.attributes.as_ref().and_then(|attributes| attributes.get(NAME)).and_then(|names| names.first());
    Definition::parse(exact.or(group.name.as_ref())?)
}

/// The mark on an organization.
pub(super) fn mark_of(attributes: Option<&HashMap<String, Vec<String>>>, account: &AccountKey) -> Option<Mark> {
    Stamp::of(attributes?).mark(account)
}
