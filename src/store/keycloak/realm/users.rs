//! Users of the realm, searched by address, name, attribute or id. Called by the other modules of this store.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};
use keycloak::{KeycloakError, types::UserRepresentation};

use super::Realm;
use crate::{
    model::Email,
    store::{
        StoreError,
        keycloak::{
            names::ADDRESS,
            spelling::{is_called, spellings},
            wire::CONCURRENCY,
        },
    },
};

/// Users by id.
pub(crate) type Users = HashMap<String, UserRepresentation>;

impl Realm {
    /// Returns the users who have this value in an attribute.
    pub(crate) async fn users_by(&self, attribute: &str, value: &str) -> Result<Vec<UserRepresentation>, StoreError> {
        let lists = self.lists();
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let query = format!("{attribute}:\"{quoted}\"");
        let page = |first, max| {
            lists.users_get().brief_representation(false).q(query.clone()).first(first).max(max).into_future()
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
    pub(crate) async fn user(&self, id: &str) -> Result<Option<UserRepresentation>, StoreError> {
        let (admin, realm) = (&self.wire.admin, self.name());
        self.wire.find("reading a user", || admin.realm_users_with_user_id_get(realm, id, None)).await
    }

    /// Returns the users who may be found under an address in any account: pinned to it, or with it as address or user name.
    pub(crate) async fn users_of(&self, address: &Email) -> Result<Users, StoreError> {
        let pinned = self.users_by(ADDRESS, address.as_str());
        let (pinned, others) = futures::try_join!(pinned, self.users_spelled(address))?;
        Ok(by_id(pinned.into_iter().chain(others)))
    }

    /// Returns the user with an address, or else the user with it as user name.
    pub(crate) async fn user_called(&self, address: &Email) -> Result<Option<UserRepresentation>, StoreError> {
        let mut users = self.users_spelled(address).await?;
        let has = |user: &UserRepresentation| is_called(user.email.as_deref(), address.as_str());
        let is_named = |user: &UserRepresentation| is_called(user.username.as_deref(), address.as_str());
        let index = users.iter().position(has).or_else(|| users.iter().position(is_named));
        Ok(index.map(|index| users.swap_remove(index)))
    }

    /// Returns the users whose address or user name equals this one in any spelling.
    async fn users_spelled(&self, address: &Email) -> Result<Vec<UserRepresentation>, StoreError> {
        let asked = spellings(address).into_iter().flat_map(|text| [Exactly::Email(text.clone()), Exactly::Name(text)]);
        let found = stream::iter(asked).map(|asked| self.users_exactly(asked));
        let found: Vec<Vec<UserRepresentation>> = found.buffered(CONCURRENCY).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn users_exactly(&self, asked: Exactly) -> Result<Vec<UserRepresentation>, StoreError> {
        let admin = self.admin();
        let found = self.wire.call("looking for a user", || {
            let users = admin.users_get().brief_representation(false).exact(true);
            match &asked {
                Exactly::Email(email) => users.email(email.clone()).into_future(),
                Exactly::Name(name) => users.username(name.clone()).into_future(),
            }
        });
        found.await
    }

    /// Returns whether the realm has user federation. Keycloak may omit federated users from a page.
    pub(crate) async fn is_federated(&self) -> Result<bool, StoreError> {
        let admin = self.admin();
        let found = self.wire.call("looking for federations", || {
            admin.components_get().type_("org.keycloak.storage.UserStorageProvider".to_owned()).into_future()
        });
        Ok(!found.await?.is_empty())
    }

    /// Reads one of many lists of users. The last page is an empty one if the realm has user federation, otherwise one
    /// that is not full: that saves a request per list.
    pub(super) async fn users_of_many<F>(
        &self,
        doing: &str,
        federated: bool,
        page: impl FnMut(i32, i32) -> F,
    ) -> Result<Vec<UserRepresentation>, StoreError>
    where
        F: Future<Output = Result<Vec<UserRepresentation>, KeycloakError>>,
    {
        if federated {
            self.wire.users_if_there(doing, page).await
        } else {
            self.wire.pages_if_there(doing, page).await
        }
    }

    /// Ends a user's sessions, so that no refresh token restores revoked access. Access tokens that are already issued
    /// remain valid until they expire ([`crate::contract::Store::revocation_delay`]).
    pub(crate) async fn log_out(&self, user: &str) -> Result<(), StoreError> {
        let (admin, realm) = (&self.wire.admin, self.name());
        self.remove("logging out", || admin.realm_users_with_user_id_logout_post(realm, user)).await
    }
}

/// Property by which a user is searched exactly.
enum Exactly {
    Email(String),
    Name(String),
}

/// Collects users by id, each of them once.
pub(crate) fn by_id(users: impl IntoIterator<Item = UserRepresentation>) -> Users {
    users.into_iter().filter_map(|user| Some((user.id.clone()?, user))).collect()
}
