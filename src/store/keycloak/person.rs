//! Somebody who has, or had, something to do with an account: what Keycloak says of them, and what of it counts.
//!
//! What counts are their *effective* client roles: Keycloak's grants are unions, and one inherited from a group or another
//! role reaches the token like any other. Our own entry says who they are and what was wanted; never what they may do.

use std::collections::{BTreeSet, HashSet};

use keycloak::types::{MembershipType, RoleRepresentation, UserRepresentation};

use super::{
    identity::username,
    names::{self, ACCOUNTS, ADDRESS, Definition, ENTRIES},
    note::{Definitions, Entry},
    realm::Realm,
};
use crate::{
    model::{AccountKey, Email, Layout, Name},
    plan::Seen,
    resolve::{MemberContent, Window},
};

/// A user, as seen from one account.
#[derive(Clone, Debug, Default)]
pub(super) struct Person {
    pub(super) user: UserRepresentation,
    /// What their attributes say of this account, where that can be believed: see [`Self::settle`].
    pub(super) entry: Option<Entry>,
    /// The entry carries our seal.
    pub(super) sealed: bool,
    /// The address of the entry is surely theirs.
    pub(super) certain: bool,
    /// How they are in the account's organization, if they are.
    pub(super) membership: Option<MembershipType>,
    /// Client roles of the account that reach them.
    pub(super) effective: Vec<RoleRepresentation>,
    /// Those of them that are theirs directly.
    pub(super) direct: Vec<RoleRepresentation>,
    /// Ids of groups they are in, where that was looked at.
    pub(super) groups: HashSet<String>,
    /// Only our memory says who they are: somebody took Roster's attributes from them.
    pub(super) recalled: bool,
    /// We have just made them, and nobody else knows them.
    pub(super) made: bool,
}

impl Realm {
    /// Returns a user with what their attributes say of an account, and nothing else yet.
    pub(super) fn person_of(&self, user: UserRepresentation, client_id: &str) -> Person {
        let entry = entry_of(&user, client_id);
        let sealed = entry.as_ref().is_some_and(|entry| self.is_sealed(entry, &user));
        let certain = entry.as_ref().is_some_and(|entry| self.is_certain(&user, &entry.address));
        Person { user, entry, sealed, certain, ..Person::default() }
    }
}

impl Person {
    pub(super) fn id(&self) -> &str {
        self.user.id.as_deref().unwrap_or_default()
    }

    /// The name by which they log in.
    pub(super) fn login(&self) -> &str {
        self.user.username.as_deref().unwrap_or_default()
    }

    /// Whether somebody put them into the organization. An identity provider keeps others in it, whom nobody need have
    /// declared, and whom Keycloak would delete if they were taken out.
    pub(super) fn was_put_in(&self) -> bool {
        self.membership == Some(MembershipType::Unmanaged)
    }

    /// Drops an entry that they may have written themselves: without our seal it counts only beside something that
    /// nobody can give themselves.
    pub(super) fn settle(&mut self) {
        if !self.sealed && self.direct.is_empty() && !self.was_put_in() {
            self.entry = None;
        }
    }

    /// Whether what says that Roster made them can be believed: it is sealed, or they are called as Roster calls people.
    pub(super) fn may_be_made(&self) -> bool {
        let name = |entry: &Entry| username(&Email::as_stored(&entry.address));
        self.sealed || self.entry.as_ref().is_some_and(|entry| self.login() == name(entry))
    }

    /// Whether they have anything of the account.
    pub(super) fn has_anything(&self) -> bool {
        self.entry.is_some() || self.was_put_in() || !self.effective.is_empty()
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
    pub(super) fn address(&self) -> Email {
        self.entry.as_ref().map_or_else(|| self.own_address(), |entry| Email::as_stored(&entry.address))
    }

    /// Addresses one of which is theirs, whatever comes of their entry.
    pub(super) fn possible_addresses(&self) -> [Email; 2] {
        [self.address(), self.own_address()]
    }

    fn own_address(&self) -> Email {
        let own = self.user.email.as_deref().or(self.user.username.as_deref()).unwrap_or_default();
        Email::parse(own).unwrap_or_else(|_| Email::as_stored(own))
    }

    /// The name that somebody goes by whose address is another user's, too.
    pub(super) fn told_apart(&self) -> Email {
        Email::as_stored(&format!("{} ({})", self.login(), self.id()))
    }

    /// The user's id in such a name.
    pub(super) fn told_apart_id(name: &Email) -> Option<&str> {
        Some(name.as_str().strip_suffix(')')?.rsplit_once(" (")?.1)
    }

    pub(super) fn seen(
        &self,
        account: &AccountKey,
        layout: &Layout,
        former: &[Layout],
        definitions: &Definitions,
        has_organization: bool,
    ) -> Seen<MemberContent> {
        let stamp = self.entry.as_ref().map(|entry| entry.stamp.clone()).unwrap_or_default();
        // Where the organization is gone, the entry alone tells who was in it.
        let in_organization = self.membership.is_some() || !has_organization;
        let there = (self.entry.is_some() && in_organization) || self.was_put_in() || !self.effective.is_empty();
        let content = there.then(|| self.content(layout, former, definitions));
        // An entry that could be sealed and is not has yet to be written.
        let fingerprint = stamp.fingerprint().filter(|_| self.sealed || !self.certain);
        Seen { content, mark: stamp.mark(account), fingerprint }
    }

    fn content(&self, layout: &Layout, former: &[Layout], definitions: &Definitions) -> MemberContent {
        let mut content = self.entry.as_ref().map(Entry::content).unwrap_or_default();
        let effective = self.effective.iter().filter_map(|role| role.name.as_deref());
        let (ranks, beside) = names::ranks_becoming(layout, former, effective);
        content.ranks = ranks;
        if !self.effective.is_empty() {
            // Keycloak knows of no end and of no time: who holds a role has access, whatever we once noted.
            content.ended = None;
            if self.entry.as_ref().is_some_and(Entry::granted_nothing) {
                content.window = Window::default();
            }
        }
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
            if self.membership.is_none() {
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

/// The entry of an account among a user's attributes.
pub(super) fn entry_of(user: &UserRepresentation, client_id: &str) -> Option<Entry> {
    Entry::find(user.attributes.as_ref()?.get(ENTRIES)?, client_id)
}
