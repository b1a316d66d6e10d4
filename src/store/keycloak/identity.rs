//! Decides which user an address stands for if no user was found in the account, and whether that user may become a
//! member. Called by `people`, `person`, `seal` and `users`.
//!
//! A user is pinned once: by an address that the realm has verified, or because Roster created the user. From then on
//! the user's id counts (`sub` in tokens of this issuer), whatever happens to addresses. The attribute that says so is
//! sealed ([`super::seal`]).

use std::collections::HashMap;

use keycloak::types::UserRepresentation;

use super::{
    apply::Work,
    names::{ACCOUNTS, ADDRESS, ENTRIES, MADE_BY},
    note::Entry,
    person::Person,
    realm::made_id,
    spelling::{spellings, username},
};
use crate::{
    contract::{Outcome, StoreError},
    model::Email,
    resolve::MemberContent,
};

impl Work<'_> {
    /// Finds the user of an address, or creates one.
    ///
    /// # Errors
    /// `Unsupported` if Keycloak cannot hold the address; `Conflict` if the user already has something of the account,
    /// or vanished meanwhile; errors of Keycloak.
    pub(super) async fn new_person(
        &self,
        email: &Email,
        content: &MemberContent,
        entry: &Entry,
    ) -> Result<Person, StoreError> {
        self.is_nobody(email).await?;
        if let Some(user) = self.pinned(email).await? {
            return self.known(user).await;
        }
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let (first, last) = names_of(content.display_name.as_deref().unwrap_or_default());
        let entry = self.realm.sealed_before(entry.clone());
        let text = serde_json::to_string(&entry).map_err(|error| StoreError::Invalid(error.to_string()))?;
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
            attributes: Some(attributes),
            ..UserRepresentation::default()
        };
        if email.as_str().split('@').next().is_some_and(|local| local.len() > 64) {
            return Err(StoreError::Unsupported(format!(
                "Keycloak does not accept {email}: it has more than 64 characters before the @"
            )));
        }
        // Keycloak would not notice that an existing user has this address in another spelling.
        if spellings(email).len() > 1
            && let Some(user) = self.realm.user_called(email).await?
        {
            return self.known(user).await;
        }
        let made = self.realm.wire.create("creating a user", || admin.realm_users_post(realm, user.clone())).await?;
        if let Some(made) = made {
            let user = UserRepresentation { id: Some(made_id(&made)), ..user };
            return Ok(Person { made: true, ..self.realm.person_of(user, &self.client_id) });
        }
        // The answer to a first attempt may have been lost: then the user is ours.
        if let Some(user) = self.pinned(email).await? {
            return self.known(user).await;
        }
        let user = self
            .realm
            .user_called(email)
            .await?
            .ok_or_else(|| StoreError::Conflict(format!("the user of {email} was deleted again")))?;
        self.known(user).await
    }

    /// Returns the one user whom Roster has pinned to an address. Users without a valid seal are ignored: they may have
    /// written the attribute themselves.
    ///
    /// # Errors
    /// `Invalid` if two users are pinned to the address.
    async fn pinned(&self, email: &Email) -> Result<Option<UserRepresentation>, StoreError> {
        let found = self.realm.users_by(ADDRESS, email.as_str()).await?;
        let mut pinned = found.into_iter().filter(|user| self.realm.is_pinned(user, email.as_str()));
        match (pinned.next(), pinned.next()) {
            (Some(one), Some(two)) => {
                let name = |user: UserRepresentation| user.username.unwrap_or_default();
                Err(StoreError::Invalid(format!(
                    "IdentityPinned: users {} and {} of the realm are both recorded as {email}; remove the attributes \
                     {ADDRESS} and {ENTRIES} from the wrong one",
                    name(one),
                    name(two)
                )))
            }
            (one, _) => Ok(one),
        }
    }

    /// Accepts an existing user. Refuses one who has something of this account that Roster did not grant, unless it was
    /// adopted.
    async fn known(&self, user: UserRepresentation) -> Result<Person, StoreError> {
        let person = self.realm.person(&self.snapshot.within(&self.client_id), user).await?;
        if (person.entry.is_none() || person.recalled) && person.has_anything() {
            let name = person.login();
            return Err(StoreError::Conflict(format!("user {name} became a member meanwhile, and not by Roster")));
        }
        Ok(person)
    }

    /// Checks that the address means this user, and that the user may be a member. A user whom Roster has pinned to the
    /// address, in any account, passes the first check.
    ///
    /// # Errors
    /// `Invalid` if the user is pinned to another address, has not verified this one, is a service account, or
    /// administers the realm.
    pub(super) async fn may_be_member(&self, email: &Email, user: &UserRepresentation) -> Outcome {
        let name = user.username.as_deref().unwrap_or_default();
        let refuse = |why: String| Err(StoreError::Invalid(why));
        let values = user.attributes.as_ref().and_then(|attributes| attributes.get(ENTRIES));
        let entries = values.into_iter().flatten().filter_map(|value| Entry::parse(value));
        let addresses: Vec<String> = entries.map(|entry| entry.address).collect();
        if let Some(other) = addresses.iter().find(|other| *other != email.as_str()) {
            return refuse(format!(
                "IdentityPinned: user {name} of the realm is recorded as {other} and cannot also be {email}"
            ));
        }
        if !self.realm.is_certain(user, email.as_str()) {
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
}

/// Splits a display name into first and last name, and omits parts that realms do not accept. The user can correct
/// them; the entry keeps the declared name.
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
    use super::names_of;

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
}
