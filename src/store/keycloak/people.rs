//! Members: whose address it is, what they hold, and what is taken from them.
//!
//! A user is pinned once: by an address that the realm has verified, or because Roster made them. From then on the user's
//! id counts (`sub` in tokens of this issuer), whatever becomes of addresses. Of users whom somebody else made or who are
//! in several accounts only Roster's own attributes change: never a name, an address or whether they are enabled.

use std::{
    collections::{BTreeSet, HashMap, HashSet, hash_map::DefaultHasher},
    fmt::Write as _,
    hash::{Hash, Hasher},
};

use keycloak::types::{RoleRepresentation, UserRepresentation};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::{
    apply::{Work, differences, group_ids, own_groups},
    look::{Person, entry_of},
    names::{self, ACCOUNTS, ADDRESS, ENTRIES, MADE_BY},
    note::{Entry, Stamp},
    realm::made_id,
};
use crate::{
    model::Email,
    plan::Fingerprint,
    resolve::MemberContent,
    store::{Outcome, StoreError},
};

/// One user's attributes are read and written back as a whole: by one pass at a time, also where a person is in several
/// accounts.
pub(super) struct Locks([Mutex<()>; 64]);

impl Default for Locks {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }
}

impl Locks {
    fn of(&self, email: &Email) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        email.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % 64).unwrap_or(0);
        &self.0[place]
    }
}

impl Work<'_> {
    /// Makes somebody a member with just these permissions.
    pub(super) async fn put_member(&self, email: &Email, content: &MemberContent, fingerprint: Fingerprint) -> Outcome {
        let _alone = self.locks.of(email).lock().await;
        let granted = names::granted(self.batch.layout, &content.ranks);
        let stamp = Stamp::new(self.batch.mark, fingerprint);
        let entry = Entry::new(&self.client_id, stamp, email, content, &granted);
        let person = match self.look.people.get(email) {
            Some(person) => self.kept(person),
            None => self.new_person(email, content, &entry).await?,
        };
        let wanted: BTreeSet<&str> = granted.iter().map(String::as_str).collect();
        let (surplus, missing) = differences(&person.holds(), &wanted);
        let mut narrowed = self.revoke(&person, |role| surplus.contains(role)).await?;
        narrowed |= self.cut_off_inherited(&person).await?;
        if person.entry.as_ref() != Some(&entry) {
            self.write_entry(person.id(), Some(&entry), email).await?;
        }
        if !person.in_organization {
            self.join(person.id()).await?;
        }
        self.grant(person.id(), &missing).await?;
        self.put_groups(&person, &group_ids(&self.look, &content.groups)).await?;
        if narrowed {
            self.log_out(person.id()).await?;
        }
        Ok(())
    }

    /// Ends somebody's membership: they keep nothing of this account. Who has no other account and was made by this
    /// cluster's Roster goes.
    pub(super) async fn remove_member(&self, email: &Email) -> Outcome {
        let _alone = self.locks.of(email).lock().await;
        let Some(person) = self.look.people.get(email) else { return Ok(()) };
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        if person.entry.is_some() {
            let user = self.user(person.id()).await?;
            let attributes = user.and_then(|user| user.attributes).unwrap_or_default();
            let values = |key: &str| attributes.get(key).cloned().unwrap_or_default();
            let others = values(ENTRIES)
                .iter()
                .any(|value| Entry::parse(value).is_none_or(|entry| entry.account != self.client_id));
            let ours = !others && values(MADE_BY).iter().any(|cluster| cluster == self.batch.mark.cluster.as_str());
            // Who has become an administrator meanwhile only ceases to be a member.
            if ours && self.realm.effective(person.id(), &self.realm.management).await?.is_empty() {
                let gone = || admin.realm_users_with_user_id_delete(realm, person.id());
                return self.realm.remove("removing a user", gone).await;
            }
        }
        let mut narrowed = self.revoke(person, |_| true).await?;
        narrowed |= self.cut_off_inherited(person).await?;
        self.put_groups(person, &HashSet::new()).await?;
        if person.in_organization {
            let organization = self.look.parts.organization.as_str();
            let gone = || {
                admin.realm_organizations_with_org_id_members_with_member_id_delete(realm, organization, person.id())
            };
            self.realm.remove("removing a member", gone).await?;
        }
        if person.entry.is_some() {
            self.write_entry(person.id(), None, email).await?;
        }
        if narrowed {
            self.log_out(person.id()).await?;
        }
        Ok(())
    }

    /// Somebody with the client roles that are still there: their ids change when one is made anew.
    fn kept(&self, person: &Person) -> Person {
        let is_there = |role: &RoleRepresentation| {
            let there = role.name.as_ref().and_then(|name| self.roles.get(name));
            there.is_some_and(|there| there.id == role.id)
        };
        let mut kept = person.clone();
        kept.direct.retain(is_there);
        kept.effective.retain(is_there);
        kept
    }

    /// Finds the user of an address, or makes one.
    async fn new_person(&self, email: &Email, content: &MemberContent, entry: &Entry) -> Result<Person, StoreError> {
        let pinned = self.realm.users_by(ADDRESS, email.as_str()).await?;
        if let Some(user) = pinned.into_iter().next() {
            return self.known(user).await;
        }
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let (first, last) = names_of(content.display_name.as_deref().unwrap_or_default());
        let text = serde_json::to_string(entry).map_err(|error| StoreError::Invalid(error.to_string()))?;
        let attributes = HashMap::from([
            (ENTRIES.to_owned(), vec![text]),
            (ACCOUNTS.to_owned(), vec![self.client_id.clone()]),
            (ADDRESS.to_owned(), vec![email.to_string()]),
            (MADE_BY.to_owned(), vec![self.batch.mark.cluster.to_string()]),
        ]);
        let user = UserRepresentation {
            username: Some(username(email)),
            email: Some(email.to_string()),
            first_name: first,
            last_name: last,
            enabled: Some(true),
            attributes: Some(attributes.clone()),
            ..UserRepresentation::default()
        };
        if email.as_str().split('@').next().is_some_and(|local| local.len() > 64) {
            return Err(StoreError::Unsupported(format!(
                "Keycloak takes no address with more than 64 characters before the @, and {email} has"
            )));
        }
        let made = self.realm.wire.create("making a user", || admin.realm_users_post(realm, user.clone())).await?;
        if let Some(made) = made {
            let user = UserRepresentation { id: Some(made_id(&made)), ..user };
            return Ok(Person { user, entry: Some(entry.clone()), ..Person::default() });
        }
        let there = match self.realm.user_by_email(email).await? {
            Some(user) => Some(user),
            None => self.realm.user_by_name(email.as_str()).await?,
        };
        let user = there.ok_or_else(|| StoreError::Conflict(format!("the user of {email} is gone again")))?;
        self.may_pin(email, &user).await?;
        self.known(user).await
    }

    /// A user who was there. What they hold in this account was nobody's word, unless it was adopted.
    async fn known(&self, user: UserRepresentation) -> Result<Person, StoreError> {
        let person = Person { entry: entry_of(&user, &self.client_id), user, ..Person::default() };
        let mut person = self.realm.with_roles(self.client()?, person).await?;
        person.in_organization = self.realm.is_in_organization(&self.look.parts.organization, person.id()).await?;
        if person.entry.is_none() && (person.in_organization || !person.effective.is_empty()) {
            let name = person.user.username.as_deref().unwrap_or_default();
            return Err(StoreError::Conflict(format!("user {name} is a member by now, and not by us")));
        }
        Ok(person)
    }

    /// Whether this user is who the address means, and may be a member.
    async fn may_pin(&self, email: &Email, user: &UserRepresentation) -> Result<(), StoreError> {
        let name = user.username.as_deref().unwrap_or_default();
        let refuse = |why: String| Err(StoreError::Invalid(why));
        let own = user.email.as_deref().and_then(|own| Email::parse(own).ok());
        if own.as_ref() != Some(email) || user.email_verified != Some(true) {
            return refuse(format!(
                "IdentityUnverified: user {name} of the realm has not verified the address {email}; have them verify it, \
                 or set Email verified"
            ));
        }
        let pinned =
            user.attributes.as_ref().and_then(|attributes| attributes.get(ADDRESS)).and_then(|all| all.first());
        if let Some(other) = pinned.filter(|other| other.as_str() != email.as_str()) {
            return refuse(format!(
                "IdentityPinned: user {name} of the realm is {other} to Roster, and cannot be {email}, too"
            ));
        }
        let id = user.id.as_deref().unwrap_or_default();
        if user.service_account_client_id.is_some() {
            return refuse(format!("user {name} of the realm is a service account"));
        }
        let manages = self.realm.effective(id, &self.realm.management).await?;
        if let Some(role) = manages.first().and_then(|role| role.name.as_deref()) {
            return refuse(format!(
                "user {name} of the realm administers it (realm-management {role}), and cannot be a member"
            ));
        }
        Ok(())
    }

    async fn user(&self, id: &str) -> Result<Option<UserRepresentation>, StoreError> {
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        self.realm.wire.find("reading a user", || admin.realm_users_with_user_id_get(realm, id, None)).await
    }

    /// Writes the entry of this account, or takes it out; the rest of the user stays as it is at this moment.
    async fn write_entry(&self, id: &str, entry: Option<&Entry>, email: &Email) -> Outcome {
        let Some(mut user) = self.user(id).await? else {
            return match entry {
                Some(_) => Err(StoreError::Conflict(format!("the user of {email} is gone"))),
                None => Ok(()),
            };
        };
        let mut attributes = user.attributes.take().unwrap_or_default();
        let values =
            |attributes: &HashMap<String, Vec<String>>, key: &str| attributes.get(key).cloned().unwrap_or_default();
        let mut entries = values(&attributes, ENTRIES);
        entries.retain(|value| Entry::parse(value).is_none_or(|other| other.account != self.client_id));
        let mut accounts = values(&attributes, ACCOUNTS);
        accounts.retain(|account| *account != self.client_id);
        if let Some(entry) = entry {
            entries.push(serde_json::to_string(entry).map_err(|error| StoreError::Invalid(error.to_string()))?);
            accounts.push(self.client_id.clone());
            attributes.insert(ADDRESS.to_owned(), vec![email.to_string()]);
        } else if accounts.is_empty() {
            attributes.remove(ADDRESS);
        }
        attributes.insert(ENTRIES.to_owned(), entries);
        attributes.insert(ACCOUNTS.to_owned(), accounts);
        attributes.retain(|_, values| !values.is_empty());
        user.attributes = Some(attributes);
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let put = || admin.realm_users_with_user_id_put(realm, id, user.clone());
        self.realm.wire.call("writing a user's attributes", put).await.map(drop)
    }

    async fn join(&self, user: &str) -> Outcome {
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let organization = self.look.parts.organization.as_str();
        let post = || admin.realm_organizations_with_org_id_members_post(realm, organization, user.to_owned());
        // There already is as good.
        self.realm.wire.create("adding a member", post).await.map(drop)
    }

    async fn grant(&self, user: &str, missing: &BTreeSet<&str>) -> Outcome {
        if missing.is_empty() {
            return Ok(());
        }
        let mut roles = Vec::with_capacity(missing.len());
        for name in missing {
            let role = self.roles.get(*name);
            roles.push(role.cloned().ok_or_else(|| {
                StoreError::Conflict(format!("client role {name} is missing; the account is made whole first"))
            })?);
        }
        let (admin, realm, client) = (&self.realm.wire.admin, self.realm.wire.realm.as_str(), self.client()?);
        let post = || {
            admin.realm_users_with_user_id_role_mappings_clients_with_client_id_post(realm, user, client, roles.clone())
        };
        self.realm.wire.call("granting client roles", post).await.map(drop)
    }

    /// Takes direct client roles; whether there were any.
    async fn revoke(&self, person: &Person, which: impl Fn(&str) -> bool) -> Result<bool, StoreError> {
        let surplus: Vec<RoleRepresentation> =
            person.direct.iter().filter(|role| role.name.as_deref().is_some_and(&which)).cloned().collect();
        if surplus.is_empty() {
            return Ok(false);
        }
        let (admin, realm, client) = (&self.realm.wire.admin, self.realm.wire.realm.as_str(), self.client()?);
        let delete = || {
            admin.realm_users_with_user_id_role_mappings_clients_with_client_id_delete(
                realm,
                person.id(),
                client,
                surplus.clone(),
            )
        };
        self.realm.remove("revoking client roles", delete).await?;
        Ok(true)
    }

    /// Ends the ways by which client roles of the account reach somebody without being theirs: from groups and from
    /// composites of realm roles, the default role among them. Those belong to others, but what they hand on is ours.
    async fn cut_off_inherited(&self, person: &Person) -> Result<bool, StoreError> {
        let inherited: Vec<RoleRepresentation> = person.inherited().cloned().collect();
        if inherited.is_empty() {
            return Ok(false);
        }
        let client = self.client()?;
        for role in &inherited {
            self.realm.cut_off(client, role).await?;
        }
        let names: BTreeSet<&str> = inherited.iter().filter_map(|role| role.name.as_deref()).collect();
        let left = self.realm.effective(person.id(), client).await?;
        let direct = self.realm.direct(person.id(), client).await?;
        let is_direct = |name: &str| direct.iter().any(|role| role.name.as_deref() == Some(name));
        match left.iter().filter_map(|role| role.name.as_deref()).find(|name| names.contains(name) && !is_direct(name))
        {
            Some(name) => Err(StoreError::Invalid(format!(
                "client role {name} still reaches {} by a composite of some client's role; take it out there",
                person.user.username.as_deref().unwrap_or_default()
            ))),
            None => Ok(true),
        }
    }

    /// Puts somebody into just these groups of the account.
    async fn put_groups(&self, person: &Person, wanted: &HashSet<String>) -> Outcome {
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        for group in wanted.difference(&person.groups) {
            let put = || admin.realm_users_with_user_id_groups_with_group_id_put(realm, person.id(), group);
            self.realm.wire.call("adding to a group", put).await?;
        }
        let own = own_groups(&self.look);
        for group in person.groups.difference(wanted).filter(|id| own.contains_key(id.as_str())) {
            let delete = || admin.realm_users_with_user_id_groups_with_group_id_delete(realm, person.id(), group);
            self.realm.remove("removing from a group", delete).await?;
        }
        Ok(())
    }

    /// Ends somebody's sessions: no refresh token brings back what was taken. Access tokens that are out go on until they
    /// end ([`super::KeycloakStore::revocation_delay`]).
    async fn log_out(&self, user: &str) -> Outcome {
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        self.realm.remove("logging out", || admin.realm_users_with_user_id_logout_post(realm, user)).await
    }
}

/// The name by which a new user logs in: their address, or a digest of it where realms have no such names.
fn username(email: &Email) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || "@.-_+".contains(c);
    if email.as_str().chars().all(fine) {
        return email.to_string();
    }
    let digest = Sha256::digest(email.as_str());
    digest.iter().take(16).fold("user-".to_owned(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}

/// A name for people, taken apart as realms want it; without what they do not take. The user can write it better; what was
/// declared stands in the entry all the same.
fn names_of(display: &str) -> (Option<String>, Option<String>) {
    let fine = |text: &str| text.len() < 255 && text.chars().all(|c| c.is_alphanumeric() || " .,-'".contains(c));
    let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty() && fine(text));
    match display.trim().rsplit_once(' ') {
        Some((first, last)) => (text(first), text(last)),
        None => (text(display), None),
    }
}

#[cfg(test)]
mod tests {
    use super::{names_of, username};
    use crate::model::Email;

    #[test]
    fn a_name_has_parts() {
        let of = |text| {
            let (first, last) = names_of(text);
            (first.unwrap_or_default(), last.unwrap_or_default())
        };
        assert_eq!(of("Dana"), ("Dana".into(), String::new()));
        assert_eq!(of(" Mary Ann Li "), ("Mary Ann".into(), "Li".into()));
        assert_eq!(of("  "), (String::new(), String::new()));
        assert_eq!(of("Robert '); DROP <TABLE>"), (String::new(), String::new()));
    }

    #[test]
    fn every_address_has_a_username() {
        let of = |text| username(&Email::as_stored(text));
        assert_eq!(of("ann+x@shop.example"), "ann+x@shop.example");
        let odd = of("o'hara/x@shop.example");
        assert!(odd.starts_with("user-") && odd.len() == 37 && odd != of("o'hara/y@shop.example"), "{odd}");
    }
}
