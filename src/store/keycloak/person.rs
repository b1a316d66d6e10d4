//! A user from the point of view of one account: what Keycloak holds of them, and what of it counts. Created by `find` and `realm`;
//! read by `people`, `identity` and `access`.
//!
//! Only *effective* client roles count: Keycloak's grants are unions, and a role inherited from a group or another role
//! reaches the token like any other. Roster's entry says who the user is and what was desired, never what the user may
//! do.

use std::collections::{BTreeSet, HashSet};

use keycloak::types::{MembershipType, RoleRepresentation, UserRepresentation};

use super::{
    known::KnownUser,
    names::{self, ACCOUNTS, ADDRESS, Definition, ENTRIES},
    note::{Definitions, Entry, Stamp},
    realm::Realm,
    spelling::username,
};
use crate::{
    model::{AccountKey, Email, Layout, Name},
    plan::Existing,
    resolve::{MemberContent, Window},
};

/// User from the point of view of one account.
#[derive(Clone, Debug, Default)]
pub(super) struct Person {
    pub(super) user: UserRepresentation,
    /// Entry for this account in the user's attributes, if it can be trusted: see [`Self::settle`].
    pub(super) entry: Option<Entry>,
    /// Whether the entry carries our seal.
    pub(super) sealed: bool,
    /// Whether the address of the entry certainly belongs to the user.
    pub(super) certain: bool,
    /// Kind of membership in the account's organization; `None` if the user is not in it.
    pub(super) membership: Option<MembershipType>,
    /// Client roles of the account that reach the user, direct and inherited.
    pub(super) effective: Vec<RoleRepresentation>,
    /// Client roles that the user has directly.
    pub(super) direct: Vec<RoleRepresentation>,
    /// Ids of the user's groups; empty if they were not read.
    pub(super) groups: HashSet<String>,
    /// Whether only our memory identifies the user: somebody removed Roster's attributes.
    pub(super) recalled: bool,
    /// Whether we have just created the user.
    pub(super) made: bool,
}

impl Realm {
    /// Returns a user with what the attributes say of an account; roles and groups are not read.
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

    /// Returns what is remembered of the person in an account with this mark.
    pub(super) fn known_user(&self, stamp: &Stamp) -> KnownUser {
        KnownUser { id: self.id().to_owned(), ours: self.entry.as_ref().is_some_and(|entry| entry.stamp.is_of(stamp)) }
    }

    /// Returns the user's login name.
    pub(super) fn login(&self) -> &str {
        self.user.username.as_deref().unwrap_or_default()
    }

    /// Returns whether somebody put the user into the organization. Other members are managed by an identity provider:
    /// nobody need have declared them, and Keycloak would delete them if they were removed.
    pub(super) fn was_put_in(&self) -> bool {
        self.membership == Some(MembershipType::Unmanaged)
    }

    /// Drops an entry that the user may have written. Without our seal it counts only together with something that
    /// users cannot give themselves.
    pub(super) fn settle(&mut self) {
        if !self.sealed && self.direct.is_empty() && !self.was_put_in() {
            self.entry = None;
        }
    }

    /// Returns whether the note that Roster created the user can be trusted: the entry is sealed, or the login name is
    /// the one that Roster would choose.
    pub(super) fn may_be_made(&self) -> bool {
        let name = |entry: &Entry| username(&Email::as_stored(&entry.address));
        self.sealed || self.entry.as_ref().is_some_and(|entry| self.login() == name(entry))
    }

    /// Returns whether the user has anything of the account.
    pub(super) fn has_anything(&self) -> bool {
        self.entry.is_some() || self.was_put_in() || !self.effective.is_empty()
    }

    /// Returns whether the attributes for searching agree with the entry.
    pub(super) fn is_indexed(&self, client_id: &str) -> bool {
        let has = |key: &str, value: &str| {
            let values = self.user.attributes.as_ref().and_then(|attributes| attributes.get(key));
            values.is_some_and(|values| values.iter().any(|one| one == value))
        };
        self.entry.as_ref().is_none_or(|entry| has(ACCOUNTS, client_id) && has(ADDRESS, &entry.address))
    }

    /// Returns the names of the direct client roles.
    pub(super) fn holds(&self) -> BTreeSet<&str> {
        self.direct.iter().filter_map(|role| role.name.as_deref()).collect()
    }

    /// Returns the client roles that reach the user only by inheritance.
    pub(super) fn inherited(&self) -> impl Iterator<Item = &RoleRepresentation> {
        let direct = self.holds();
        self.effective.iter().filter(move |role| !direct.contains(role.name.as_deref().unwrap_or_default()))
    }

    /// Returns the address by which the user is declared, or else the user's own address.
    pub(super) fn address(&self) -> Email {
        self.entry.as_ref().map_or_else(|| self.own_address(), |entry| Email::as_stored(&entry.address))
    }

    /// Returns the user's addresses with and without the entry.
    pub(super) fn possible_addresses(&self) -> [Email; 2] {
        [self.address(), self.own_address()]
    }

    fn own_address(&self) -> Email {
        let own = self.user.email.as_deref().or(self.user.username.as_deref()).unwrap_or_default();
        Email::parse(own).unwrap_or_else(|_| Email::as_stored(own))
    }

    /// Returns a unique name for a user whose address another user has, too.
    pub(super) fn unique_name(&self) -> Email {
        Email::as_stored(&format!("{} ({})", self.login(), self.id()))
    }

    /// Returns the user id in a name made by [`Self::unique_name`].
    pub(super) fn id_in_name(name: &Email) -> Option<&str> {
        Some(name.as_str().strip_suffix(')')?.rsplit_once(" (")?.1)
    }

    pub(super) fn as_existing(
        &self,
        account: &AccountKey,
        layout: &Layout,
        former: &[Layout],
        definitions: &Definitions,
        has_organization: bool,
    ) -> Existing<MemberContent> {
        let stamp = self.entry.as_ref().map(|entry| entry.stamp.clone()).unwrap_or_default();
        // If the organization is missing, the entry alone shows who was a member.
        let in_organization = self.membership.is_some() || !has_organization;
        let there = (self.entry.is_some() && in_organization) || self.was_put_in() || !self.effective.is_empty();
        let content = there.then(|| self.content(layout, former, definitions));
        // An entry that could carry a seal and does not must be written again.
        let fingerprint = if self.sealed || !self.certain { stamp.fingerprint() } else { stamp.outdated() };
        Existing { content, mark: stamp.mark(account), fingerprint }
    }

    fn content(&self, layout: &Layout, former: &[Layout], definitions: &Definitions) -> MemberContent {
        let mut content = self.entry.as_ref().map(Entry::content).unwrap_or_default();
        let effective = self.effective.iter().filter_map(|role| role.name.as_deref());
        let (ranks, other_roles) = names::ranks_becoming(layout, former, effective);
        content.ranks = ranks;
        if !self.effective.is_empty() {
            // Keycloak evaluates neither revocations nor time windows: a user who holds a role has access, whatever our
            // entry says.
            content.ended = None;
            if self.entry.as_ref().is_some_and(Entry::granted_nothing) {
                content.window = Window::default();
            }
        }
        let is_in = |name: &Name| {
            let defined = definitions.get(&Definition::Group(name.clone()).group_name());
            defined.map(|defined| self.groups.contains(&defined.id))
        };
        // A group that does not exist in the realm counts as declared.
        let mut groups: Vec<Name> = content.groups.iter().filter(|name| is_in(name).unwrap_or(true)).cloned().collect();
        let ours = definitions.iter().filter(|(_, defined)| self.groups.contains(&defined.id));
        let ours = ours.filter_map(|(name, _)| match Definition::parse(name)? {
            Definition::Group(name) => Some(name),
            Definition::Role(_) => None,
        });
        let added: Vec<Name> = ours.filter(|name| !groups.contains(name)).collect();
        groups.extend(added);
        content.groups = groups.into();
        let mut anomalies: Vec<Name> = other_roles.iter().map(|role| Name::from(format!("{role} besides"))).collect();
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
                anomalies.push("Roster's attributes were changed".into());
            }
        }
        content.anomalies = anomalies.into();
        content
    }
}

/// Returns the entry of an account in a user's attributes.
pub(super) fn entry_of(user: &UserRepresentation, client_id: &str) -> Option<Entry> {
    Entry::find(user.attributes.as_ref()?.get(ENTRIES)?, client_id)
}
