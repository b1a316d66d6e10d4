//! Searches users of the realm by address, name, attribute or id. Called by the other modules of this store.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};
use keycloak::types::UserRepresentation;

use super::{identity::is_called, names::ADDRESS, realm::Realm, wire::CONCURRENCY};
use crate::{model::Email, store::StoreError};

/// Users by id.
pub(super) type Users = HashMap<String, UserRepresentation>;

/// Returns the spellings in which Keycloak may hold an address. It keeps the domain as typed, and does not know that
/// `bücher.example` and `xn--bcher-kva.example` are equal.
pub(super) fn spellings(address: &Email) -> Vec<String> {
    let text = address.as_str();
    let typed = text.rsplit_once('@').map(|(local, domain)| format!("{local}@{}", idna::domain_to_unicode(domain).0));
    let mut all = vec![text.to_owned()];
    all.extend(typed.filter(|typed| typed != text));
    all
}

impl Realm {
    /// Returns the users who have this value in an attribute.
    pub(super) async fn users_by(&self, attribute: &str, value: &str) -> Result<Vec<UserRepresentation>, StoreError> {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let query = format!("{attribute}:\"{quoted}\"");
        let page = |first, max| {
            self.wire.lists.realm_users_get(
                self.name(),
                Some(false),
                None,
                None,
                None,
                None,
                None,
                None,
                Some(first),
                None,
                None,
                None,
                None,
                Some(max),
                Some(query.clone()),
                None,
                None,
            )
        };
        let found = self.wire.users("looking for users", page).await?;
        // Keycloak may compare less strictly.
        let has = |user: &UserRepresentation| {
            let values = user.attributes.as_ref().and_then(|attributes| attributes.get(attribute));
            values.is_some_and(|values| values.iter().any(|one| one == value))
        };
        Ok(found.into_iter().filter(has).collect())
    }

    /// Returns a user by id.
    pub(super) async fn user(&self, id: &str) -> Result<Option<UserRepresentation>, StoreError> {
        let (admin, realm) = (&self.wire.admin, self.name());
        self.wire.find("reading a user", || admin.realm_users_with_user_id_get(realm, id, None)).await
    }

    /// Returns the users who may go by an address in any account: pinned to it, or with it as address or user name.
    pub(super) async fn users_of(&self, address: &Email) -> Result<Users, StoreError> {
        let pinned = self.users_by(ADDRESS, address.as_str());
        let (pinned, others) = futures::try_join!(pinned, self.users_spelled(address))?;
        Ok(by_id(pinned.into_iter().chain(others)))
    }

    /// Returns the user with an address, or else the user with it as user name.
    pub(super) async fn user_called(&self, address: &Email) -> Result<Option<UserRepresentation>, StoreError> {
        let mut users = self.users_spelled(address).await?;
        let has = |user: &UserRepresentation| is_called(user.email.as_deref(), address.as_str());
        let is_named = |user: &UserRepresentation| is_called(user.username.as_deref(), address.as_str());
        let place = users.iter().position(has).or_else(|| users.iter().position(is_named));
        Ok(place.map(|place| users.swap_remove(place)))
    }

    /// Returns the users whose address or user name equals this one in any spelling.
    async fn users_spelled(&self, address: &Email) -> Result<Vec<UserRepresentation>, StoreError> {
        let asked = spellings(address).into_iter().flat_map(|text| [(Some(text.clone()), None), (None, Some(text))]);
        let found = stream::iter(asked).map(|(email, name)| self.users_exactly(email, name));
        let found: Vec<Vec<UserRepresentation>> = found.buffered(CONCURRENCY).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Returns the users with exactly this address or, if `email` is `None`, this user name.
    async fn users_exactly(
        &self,
        email: Option<String>,
        name: Option<String>,
    ) -> Result<Vec<UserRepresentation>, StoreError> {
        let found = self.wire.call("looking for a user", || {
            self.wire.admin.realm_users_get(
                self.name(),
                Some(false),
                None,
                None,
                email.clone(),
                None,
                None,
                Some(true),
                None,
                None,
                None,
                None,
                None,
                None,
                None,
                None,
                name.clone(),
            )
        });
        found.await
    }
}

/// Collects users by id, each of them once.
pub(super) fn by_id(users: impl IntoIterator<Item = UserRepresentation>) -> Users {
    users.into_iter().filter_map(|user| Some((user.id.clone()?, user))).collect()
}

#[cfg(test)]
mod tests {
    use super::spellings;
    use crate::model::Email;

    #[test]
    fn an_address_is_spelled_as_somebody_may_have_typed_it() {
        let of = |text| spellings(&Email::parse(text).unwrap());
        assert_eq!(of("ann@shop.example"), ["ann@shop.example"]);
        assert_eq!(of("ann@bücher.example"), ["ann@xn--bcher-kva.example", "ann@bücher.example"]);
        assert_eq!(spellings(&Email::as_stored("no address")), ["no address"]);
    }
}
