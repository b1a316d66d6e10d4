//! Members: whose address it is, what they hold, and what is taken from them.
//!
//! A user is pinned once: by an address that the realm has verified, or because Roster made them. From then on the user's
//! id counts (`sub` in tokens of this issuer), whatever becomes of addresses. Of users whom somebody else made or who are
//! in several accounts only Roster's own attributes change: never a name, an address or whether they are enabled.

use std::{
    collections::{BTreeSet, HashMap, HashSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use keycloak::types::{RoleRepresentation, UserRepresentation};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::{
    apply::Work,
    look::{Person, entry_of},
    names::{self, ACCOUNTS, ADDRESS, Definition, ENTRIES, MADE_BY},
    note::{Entry, Stamp},
    realm::{Realm, made_id},
};
use crate::{
    contract::{Outcome, StoreError, hex},
    model::{Email, Name},
    plan::Fingerprint,
    resolve::MemberContent,
};

/// One user's attributes are read and written back as a whole: by one pass at a time, also where a person is in several
/// accounts, and where a store was opened afresh while passes of the former one still go on. So they are this process's,
/// and not a store's.
static LOCKS: [Mutex<()>; 64] = [const { Mutex::const_new(()) }; 64];

fn lock_of(realm: &Realm, email: &Email) -> &'static Mutex<()> {
    let mut hasher = DefaultHasher::new();
    (&realm.wire.realm, email).hash(&mut hasher);
    let place = usize::try_from(hasher.finish() % 64).unwrap_or(0);
    &LOCKS[place]
}

impl Work<'_> {
    /// Makes somebody a member with just these permissions: first what is taken, then the mark, then what is given, and at
    /// last the fingerprint, so that nothing half done is ever taken for what somebody else has changed.
    pub(super) async fn put_member(&self, email: &Email, content: &MemberContent, fingerprint: Fingerprint) -> Outcome {
        let _alone = lock_of(self.realm, email).lock().await;
        let granted = names::granted(self.batch.layout, &content.ranks);
        let stamp = Stamp::new(self.batch.mark, fingerprint);
        let entry = Entry::new(&self.client_id, stamp, email, content, &granted);
        let unfinished = entry.clone().unfinished();
        let found = self.look.people.get(email);
        let person = match found {
            Some(person) => self.kept(person),
            None => self.new_person(email, content, &unfinished).await?,
        };
        let wanted: BTreeSet<&str> = granted.iter().map(String::as_str).collect();
        let held = person.holds();
        let missing: BTreeSet<&str> = wanted.difference(&held).copied().collect();
        let is_member = found.is_some() && person.entry.is_some();
        let is_new = !is_member || !missing.is_empty();
        if is_new && !person.made {
            self.may_be_member(email, &person.user).await?;
        }
        let narrowed = self.revoke(&person, |role| !wanted.contains(role)).await?;
        if self.cut_off_rest(&person, &wanted, narrowed).await? || narrowed {
            self.log_out(person.id()).await?;
        }
        let is_ours = person.entry.as_ref().is_some_and(|old| old.stamp.is_of(&entry.stamp));
        let gains = !missing.is_empty() || !person.in_organization;
        if gains && !is_ours {
            self.write_entry(&person, Some(&unfinished), email).await?;
        }
        if !person.in_organization {
            self.join(person.id()).await?;
        }
        self.grant(person.id(), &missing).await?;
        self.put_groups(&person, &self.group_ids(&content.groups)).await?;
        if person.entry.as_ref() != Some(&entry) || !person.is_indexed(&self.client_id) {
            self.write_entry(&person, Some(&entry), email).await?;
        }
        Ok(())
    }

    /// Ends somebody's membership: they keep nothing of this account. Who has no other account and was made by this
    /// cluster's Roster goes.
    pub(super) async fn remove_member(&self, email: &Email) -> Outcome {
        let _alone = lock_of(self.realm, email).lock().await;
        let Some(person) = self.look.people.get(email) else { return Ok(()) };
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        if person.entry.is_some() {
            let user = self.realm.user(person.id()).await?;
            let attributes = user.and_then(|user| user.attributes).unwrap_or_default();
            let values = |key: &str| attributes.get(key).cloned().unwrap_or_default();
            let others = values(ENTRIES)
                .iter()
                .any(|value| Entry::parse(value).is_none_or(|entry| entry.account != self.client_id));
            let ours = !others && values(MADE_BY).iter().any(|cluster| cluster == self.batch.mark.cluster.as_str());
            // Who has become an administrator meanwhile only ceases to be a member.
            if ours && self.realm.administers(person.id()).await?.is_none() {
                let gone = || admin.realm_users_with_user_id_delete(realm, person.id());
                return self.realm.remove("removing a user", gone).await;
            }
        }
        let narrowed = self.revoke(person, |_| true).await?;
        if self.cut_off_rest(person, &BTreeSet::new(), narrowed).await? || narrowed {
            self.log_out(person.id()).await?;
        }
        self.put_groups(person, &HashSet::new()).await?;
        if person.in_organization {
            let organization = self.look.parts.organization.as_str();
            let gone = || {
                admin.realm_organizations_with_org_id_members_with_member_id_delete(realm, organization, person.id())
            };
            self.realm.remove("removing a member", gone).await?;
        }
        if person.entry.is_some() {
            self.write_entry(person, None, email).await?;
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
        if let Some(user) = self.pinned(email).await? {
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
            return Ok(Person { user, entry: Some(entry.clone()), made: true, ..Person::default() });
        }
        // Made by us after all, where the answer to a first try was lost.
        if let Some(user) = self.pinned(email).await? {
            return self.known(user).await;
        }
        let there = match self.realm.user_by_email(email).await? {
            Some(user) => Some(user),
            None => self.realm.user_by_name(email.as_str()).await?,
        };
        let user = there.ok_or_else(|| StoreError::Conflict(format!("the user of {email} is gone again")))?;
        self.known(user).await
    }

    /// The one user who is pinned to an address.
    async fn pinned(&self, email: &Email) -> Result<Option<UserRepresentation>, StoreError> {
        let mut pinned = self.realm.users_by(ADDRESS, email.as_str()).await?.into_iter();
        match (pinned.next(), pinned.next()) {
            (Some(one), Some(two)) => {
                let name = |user: UserRepresentation| user.username.unwrap_or_default();
                Err(StoreError::Invalid(format!(
                    "IdentityPinned: users {} and {} of the realm are both {email} to Roster; take the attribute {ADDRESS} \
                     from the wrong one",
                    name(one),
                    name(two)
                )))
            }
            (one, _) => Ok(one),
        }
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

    /// Whether this user is who the address means, and may be a member. Whom Roster has pinned to the address already, in
    /// whichever account, is.
    async fn may_be_member(&self, email: &Email, user: &UserRepresentation) -> Result<(), StoreError> {
        let name = user.username.as_deref().unwrap_or_default();
        let refuse = |why: String| Err(StoreError::Invalid(why));
        let values = |key: &str| user.attributes.as_ref().and_then(|all| all.get(key)).cloned().unwrap_or_default();
        let address = values(ADDRESS).into_iter().next();
        if let Some(other) = address.as_deref().filter(|other| *other != email.as_str()) {
            return refuse(format!(
                "IdentityPinned: user {name} of the realm is {other} to Roster, and cannot be {email}, too"
            ));
        }
        let entries = values(ENTRIES);
        let known = entries.iter().filter_map(|entry| Entry::parse(entry)).any(|entry| entry.address == email.as_str());
        let own = user.email.as_deref().and_then(|own| Email::parse(own).ok());
        let verified = own.as_ref() == Some(email) && user.email_verified == Some(true);
        let pinned = known && address.is_some();
        if !verified && !pinned {
            return refuse(format!(
                "IdentityUnverified: user {name} of the realm has not verified the address {email}; have them verify it, \
                 or set Email verified"
            ));
        }
        if user.service_account_client_id.is_some() {
            return refuse(format!("user {name} of the realm is a service account"));
        }
        if let Some(role) = self.realm.administers(user.id.as_deref().unwrap_or_default()).await? {
            return refuse(format!(
                "user {name} of the realm administers it (realm-management {role}), and cannot be a member"
            ));
        }
        Ok(())
    }

    /// Writes the entry of this account, or takes it out; the rest of the user stays as it is at this moment.
    async fn write_entry(&self, person: &Person, entry: Option<&Entry>, email: &Email) -> Outcome {
        // Nobody else knows yet whom we have just made.
        let found = if person.made { Some(person.user.clone()) } else { self.realm.user(person.id()).await? };
        let Some(mut user) = found else {
            return match entry {
                Some(_) => Err(StoreError::Conflict(format!("the user of {email} is gone"))),
                None => Ok(()),
            };
        };
        // Left out, they stay as they are by then.
        (user.enabled, user.email_verified, user.totp, user.required_actions) = (None, None, None, None);
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
        let put = || admin.realm_users_with_user_id_put(realm, person.id(), user.clone());
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
    /// composites of realm roles, the default role among them. Those belong to others, but what they hand on is ours. Where
    /// something was revoked it may still reach them so, and is looked for.
    async fn cut_off_rest(&self, person: &Person, wanted: &BTreeSet<&str>, revoked: bool) -> Result<bool, StoreError> {
        let mut rest: Vec<RoleRepresentation> = person.inherited().cloned().collect();
        let is_wanted = |role: &RoleRepresentation| wanted.contains(role.name.as_deref().unwrap_or_default());
        let client = self.client()?;
        if revoked {
            let left = self.realm.effective(person.id(), client).await?;
            rest.extend(left.into_iter().filter(|role| !is_wanted(role)));
        }
        if rest.is_empty() {
            return Ok(false);
        }
        self.realm.cut_off(client, &rest).await?;
        let left = self.realm.effective(person.id(), client).await?;
        match left.iter().find(|role| !is_wanted(role)).and_then(|role| role.name.as_deref()) {
            Some(name) => Err(StoreError::Invalid(format!(
                "client role {name} still reaches {} by a composite of some client's role; take it out there",
                person.user.username.as_deref().unwrap_or_default()
            ))),
            None => Ok(true),
        }
    }

    /// Groups of the account that a member should be in, by id.
    fn group_ids(&self, groups: &[Name]) -> HashSet<String> {
        let key = |name: &Name| Definition::Group(name.clone()).group_name();
        let named = groups.iter().filter_map(|name| self.look.definitions.get(&key(name)));
        named.map(|defined| defined.id.clone()).filter(|id| !id.is_empty()).collect()
    }

    /// Puts somebody into just these groups of the account.
    async fn put_groups(&self, person: &Person, wanted: &HashSet<String>) -> Outcome {
        for group in wanted.difference(&person.groups) {
            self.realm.join_group(person.id(), group).await?;
        }
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let is_own = |id: &str| self.look.definitions.values().any(|defined| defined.id == id);
        for group in person.groups.difference(wanted).filter(|id| is_own(id)) {
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
    format!("user-{}", hex(&Sha256::digest(email.as_str())[..16]))
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
