//! Writes members: grants and revokes their client roles. Called by `apply` for the change of a member.
//!
//! For users whom somebody else created, or who are in several accounts, only Roster's own attributes change: never a
//! name, an address, or whether they are enabled.

use std::{
    collections::{BTreeSet, HashMap, HashSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use keycloak::types::{MembershipType, RoleRepresentation};
use tokio::sync::Mutex;

use super::{
    apply::Work,
    known::KnownUser,
    names::{self, ACCOUNTS, ADDRESS, Definition, ENTRIES, MADE_BY},
    note::{Entry, Stamp},
    person::Person,
    realm::Realm,
};
use crate::{
    contract::{Outcome, StoreError},
    model::{Email, Name},
    plan::Fingerprint,
    resolve::MemberContent,
};

/// Locks by address. A user's attributes are read and written back as a whole, so only one pass may do that at a time.
/// The locks belong to the process, not to a store: a person may be in several accounts, and passes of a closed store
/// may still run when it is opened again.
static LOCKS: [Mutex<()>; 64] = [const { Mutex::const_new(()) }; 64];

fn lock_of(realm: &Realm, email: &Email) -> &'static Mutex<()> {
    let mut hasher = DefaultHasher::new();
    (&realm.wire.realm, email).hash(&mut hasher);
    let place = usize::try_from(hasher.finish() % 64).unwrap_or(0);
    &LOCKS[place]
}

impl Work<'_> {
    /// Makes a user a member with exactly these permissions. Revokes first, then writes the mark, then grants what is
    /// missing and removes what this replaces. The fingerprint comes last, so that an unfinished write is never taken
    /// for a change by somebody else. A member who loses nothing stays logged in.
    pub(super) async fn put_member(
        &self,
        email: &Email,
        content: &MemberContent,
        fingerprint: &Fingerprint,
    ) -> Outcome {
        let _alone = lock_of(self.realm, email).lock().await;
        let layout = self.batch.layout;
        let granted = names::granted(layout, &content.ranks);
        let stamp = Stamp::new(self.batch.mark, fingerprint);
        let entry = Entry::new(&self.client_id, stamp, email, content, &granted);
        let found = self.snapshot.found.people.get(email);
        let person = match found {
            Some(person) => self.kept(person),
            None => self.new_person(email, content, &entry.clone().unfinished()).await?,
        };
        let entry = self.realm.sealed(entry, &person.user);
        let unfinished = entry.clone().unfinished();
        let wanted: BTreeSet<&str> = granted.iter().map(String::as_str).collect();
        let held = person.holds();
        let missing: BTreeSet<&str> = wanted.difference(&held).copied().collect();
        let former = self.snapshot.note.as_ref().map(|note| note.former(layout)).unwrap_or_default();
        // A removed level counts as its successor: the member has that one by the time the level is removed.
        let is_lost = |role: &str| match names::becomes(layout, &former, role) {
            Some(becomes) => !becomes.is_at_most(&content.ranks),
            None => names::exceeds(layout, role, &content.ranks),
        };
        // Revocations come before the check of identity, which may fail.
        self.end_access(&person, Some(fingerprint), is_lost).await?;
        let is_member = found.is_some() && person.entry.is_some();
        if !person.made && (!is_member || !missing.is_empty()) {
            self.may_be_member(email, &person.user).await?;
        }
        let is_ours = person.entry.as_ref().is_some_and(|old| old.stamp.is_of(&entry.stamp));
        let gains = !missing.is_empty() || person.membership.is_none();
        if gains && !is_ours {
            self.write_entry(&person, Some(&unfinished), email).await?;
        }
        if person.membership.is_none() {
            self.join(person.id()).await?;
        }
        self.grant(person.id(), &missing).await?;
        self.take(&person, true, |role| !wanted.contains(role) && !is_lost(role)).await.1?;
        self.put_groups(&person, &self.group_ids(&content.groups)).await?;
        if person.entry.as_ref() != Some(&entry) || !person.is_indexed(&self.client_id) {
            self.write_entry(&person, Some(&entry), email).await?;
        }
        let user = KnownUser { id: person.id().to_owned(), ours: true };
        self.realm.known.note(&self.client_id, email, user).await;
        self.realm.known.done(&self.client_id, person.id()).await;
        Ok(())
    }

    /// Removes a member. First revokes everything of this account, before anything else can fail. A user without
    /// another account whom this cluster's Roster created is deleted, unless an identity provider manages them.
    pub(super) async fn remove_member(&self, email: &Email) -> Outcome {
        let _alone = lock_of(self.realm, email).lock().await;
        let Some(person) = self.snapshot.found.people.get(email) else { return self.gone(email).await };
        let ended = self.end_access(person, None, |_| true).await;
        if !matches!(ended, Ok(()) | Err(StoreError::Invalid(_))) {
            return ended;
        }
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let organization = self.snapshot.parts.organization.as_str();
        // Read again: Keycloak deletes a user whom an identity provider manages in an organization when the user is
        // removed from it.
        let membership = self.realm.membership(organization, person.id()).await?;
        let is_managed = membership == Some(MembershipType::Managed);
        if !is_managed && self.is_ours_alone(person).await? {
            // Deleting the user also removes roles that could not be revoked.
            let gone = || admin.realm_users_with_user_id_delete(realm, person.id());
            self.realm.remove("removing a user", gone).await?;
            return self.left(email, person).await;
        }
        ended?;
        self.put_groups(person, &HashSet::new()).await?;
        if is_managed {
            tracing::warn!(
                account = %self.batch.mark.account,
                user = person.id(),
                "the user has no access to the account any more, but stays in its organization: an identity provider \
                 manages the user, whom Keycloak would delete",
            );
        } else if membership.is_some() {
            let gone = || {
                admin.realm_organizations_with_org_id_members_with_member_id_delete(realm, organization, person.id())
            };
            self.realm.remove("removing a member", gone).await?;
        }
        if person.entry.is_some() {
            self.write_entry(person, None, email).await?;
        }
        self.left(email, person).await
    }

    /// Returns whether the user exists only for this account: Roster created the user, there is no other account, and
    /// the user has not become an administrator meanwhile.
    async fn is_ours_alone(&self, person: &Person) -> Result<bool, StoreError> {
        if person.entry.is_none() || !person.may_be_made() {
            return Ok(false);
        }
        let user = self.realm.user(person.id()).await?;
        let attributes = user.and_then(|user| user.attributes).unwrap_or_default();
        let values = |key: &str| attributes.get(key).cloned().unwrap_or_default();
        let others =
            values(ENTRIES).iter().any(|value| Entry::parse(value).is_none_or(|entry| entry.account != self.client_id));
        let made_here = values(MADE_BY).iter().any(|cluster| cluster == self.batch.mark.cluster.as_str());
        Ok(!others && made_here && self.realm.administers(person.id()).await?.is_none())
    }

    async fn left(&self, email: &Email, person: &Person) -> Outcome {
        self.realm.known.forget(&self.client_id, email).await;
        self.realm.known.done(&self.client_id, person.id()).await;
        Ok(())
    }

    /// Confirms a removal that found no user: the user who last had this name must have nothing of the account any
    /// more. They may have another name by now.
    ///
    /// # Errors
    /// `Conflict` if that user still has access.
    pub(super) async fn gone(&self, email: &Email) -> Outcome {
        let Some(user) = self.realm.known.find(&self.client_id, email).await else { return Ok(()) };
        self.has_nothing(email, &user.id).await?;
        self.realm.known.forget(&self.client_id, email).await;
        Ok(())
    }

    /// Refuses to create a user while an earlier user of this address, whom Roster had made a member, still has access:
    /// a later revocation would not reach the earlier user.
    pub(super) async fn is_nobody(&self, email: &Email) -> Outcome {
        match self.realm.known.find(&self.client_id, email).await {
            Some(user) if user.ours => self.has_nothing(email, &user.id).await,
            _ => Ok(()),
        }
    }

    async fn has_nothing(&self, email: &Email, id: &str) -> Outcome {
        if let Some(user) = self.realm.user(id).await?
            && self.realm.person(&self.snapshot.within(&self.client_id), user).await?.has_anything()
        {
            return Err(StoreError::Conflict(format!("the user of {email} has another name now, and has access")));
        }
        Ok(())
    }

    /// Returns the person with only those client roles that still exist: a role that is recreated has another id.
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

    /// Writes the entry of this account, or removes it. All other data of the user stay as they are at this moment.
    async fn write_entry(&self, person: &Person, entry: Option<&Entry>, email: &Email) -> Outcome {
        // A user whom we have just created cannot have changed.
        let found = if person.made { Some(person.user.clone()) } else { self.realm.user(person.id()).await? };
        let Some(mut user) = found else {
            return match entry {
                Some(_) => Err(StoreError::Conflict(format!("the user of {email} was deleted"))),
                None => Ok(()),
            };
        };
        // Fields that are left out keep their value at the time of the write.
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
        let organization = self.snapshot.parts.organization.as_str();
        let post = || admin.realm_organizations_with_org_id_members_post(realm, organization, user.to_owned());
        // An existing membership is a success, too.
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
                StoreError::Conflict(format!("client role {name} is missing; the account is repaired first"))
            })?);
        }
        let (admin, realm, client) = (&self.realm.wire.admin, self.realm.wire.realm.as_str(), self.client()?);
        let post = || {
            admin.realm_users_with_user_id_role_mappings_clients_with_client_id_post(realm, user, client, roles.clone())
        };
        self.realm.wire.call("granting client roles", post).await.map(drop)
    }

    /// Revokes direct client roles. Returns whether there were any.
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

    /// Revokes client roles for a change, and logs the user out if they lose any. Also logs out if an earlier attempt
    /// revoked roles and then failed, or if not all roles can be revoked. A change that fails repeatedly logs out once.
    async fn end_access(
        &self,
        person: &Person,
        change: Option<&Fingerprint>,
        which: impl Fn(&str) -> bool + Copy,
    ) -> Outcome {
        let (taken, outcome) = self.take(person, change.is_none(), which).await;
        let owed = || {
            let entry =
                person.entry.as_ref().filter(|entry| change.is_none() || entry.stamp.fingerprint().as_ref() != change);
            let kept = names::client_roles(self.batch.layout).filter(|role| !which(role));
            let in_part = matches!(outcome, Err(StoreError::Invalid(_)));
            in_part || entry.is_some_and(|entry| entry.granted_beyond(kept))
        };
        if taken || (owed() && !self.realm.known.was_logged_out(&self.client_id, person.id(), change).await) {
            let logged_out = self.realm.log_out(person.id()).await;
            outcome.and(logged_out)?;
            self.realm.known.logged_out(&self.client_id, person.id(), change).await;
            return Ok(());
        }
        outcome
    }

    /// Revokes the account's client roles, direct and inherited. Returns whether any was held, and the outcome. With
    /// `hidden`, also cuts off inherited copies of roles that the member is meant to keep; these are granted directly
    /// by then.
    async fn take(&self, person: &Person, hidden: bool, which: impl Fn(&str) -> bool + Copy) -> (bool, Outcome) {
        match self.revoke(person, which).await {
            Ok(revoked) => match self.take_inherited(person, hidden, which, revoked).await {
                Ok(cut_off) => (revoked || cut_off, Ok(())),
                Err(error) => (revoked, Err(error)),
            },
            Err(error) => (false, Err(error)),
        }
    }

    async fn take_inherited(
        &self,
        person: &Person,
        hidden: bool,
        which: impl Fn(&str) -> bool + Copy,
        revoked: bool,
    ) -> Result<bool, StoreError> {
        let is_meant = |role: &RoleRepresentation| role.name.as_deref().is_some_and(which);
        let mut rest: Vec<RoleRepresentation> =
            person.inherited().filter(|role| hidden || is_meant(role)).cloned().collect();
        let client = self.snapshot.client_uuid().unwrap_or_default();
        if revoked {
            // A role that was revoked may still be inherited.
            let left = self.realm.effective(person.id(), client).await?;
            rest.extend(left.into_iter().filter(is_meant));
        }
        if rest.is_empty() {
            return Ok(false);
        }
        // Groups and composite roles belong to others, but the client roles in them are ours.
        self.realm.cut_off(client, &rest).await?;
        let left = self.realm.effective(person.id(), client).await?;
        match left.iter().find(|role| is_meant(role)).and_then(|role| role.name.as_deref()) {
            Some(name) => Err(StoreError::Invalid(format!(
                "{} still has client role {name} through a composite client role; remove it there",
                person.login()
            ))),
            None => Ok(true),
        }
    }

    /// Returns the ids of the account's groups that a member should be in.
    fn group_ids(&self, groups: &[Name]) -> HashSet<String> {
        let key = |name: &Name| Definition::Group(name.clone()).group_name();
        let named = groups.iter().filter_map(|name| self.snapshot.definitions.get(&key(name)));
        named.map(|defined| defined.id.clone()).filter(|id| !id.is_empty()).collect()
    }

    /// Makes a person a member of exactly these groups of the account.
    async fn put_groups(&self, person: &Person, wanted: &HashSet<String>) -> Outcome {
        for group in wanted.difference(&person.groups) {
            self.realm.join_group(person.id(), group).await?;
        }
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let is_own = |id: &str| self.snapshot.definitions.values().any(|defined| defined.id == id);
        for group in person.groups.difference(wanted).filter(|id| is_own(id)) {
            let delete = || admin.realm_users_with_user_id_groups_with_group_id_delete(realm, person.id(), group);
            self.realm.remove("removing from a group", delete).await?;
        }
        Ok(())
    }
}
