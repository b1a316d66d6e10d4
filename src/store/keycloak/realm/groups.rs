//! Groups of the realm and their members. Called by `snapshot`, `find`, `handed_on`, `access`, `account`, `apply` and `people`.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use keycloak::types::{GroupRepresentation, UserRepresentation};

use super::Realm;
use crate::store::{StoreError, keycloak::wire::CONCURRENCY};

impl Realm {
    /// Returns the top-level group with this name.
    pub(crate) async fn top_group(&self, name: &str) -> Result<Option<GroupRepresentation>, StoreError> {
        let admin = self.admin();
        let found = self.wire.call("looking for a group", || {
            let named = admin.groups_get().exact(true).search(name.to_owned());
            named.brief_representation(false).populate_hierarchy(false).max(10).into_future()
        });
        Ok(found.await?.into_iter().find(|group| group.name.as_deref() == Some(name)))
    }

    /// Returns whether there is a group with this id.
    pub(crate) async fn is_group(&self, id: &str) -> Result<bool, StoreError> {
        let (admin, realm) = (&self.wire.admin, self.name());
        let read = || admin.realm_groups_with_group_id_get(realm, id);
        Ok(!id.is_empty() && self.wire.find("reading a group", read).await?.is_some())
    }

    /// Returns the direct subgroups of a group; without their attributes if `brief`.
    pub(crate) async fn children(&self, group: &str, brief: bool) -> Result<Vec<GroupRepresentation>, StoreError> {
        let lists = self.lists();
        let page = |first, max| {
            lists
                .groups_with_group_id_children_get(group)
                .brief_representation(brief)
                .first(first)
                .max(max)
                .into_future()
        };
        self.wire.pages("listing groups", page).await
    }

    /// Returns the ids of a user's groups.
    pub(crate) async fn groups_of(&self, user: &str) -> Result<HashSet<String>, StoreError> {
        let lists = self.lists();
        let page = |first, max| {
            lists.users_with_user_id_groups_get(user).brief_representation(true).first(first).max(max).into_future()
        };
        Ok(self.wire.pages("listing groups", page).await?.into_iter().filter_map(|group| group.id).collect())
    }

    /// Returns, by user id, which of these groups each user is in.
    pub(crate) async fn in_groups(
        &self,
        ids: Vec<String>,
        federated: bool,
    ) -> Result<HashMap<String, HashSet<String>>, StoreError> {
        let members = stream::iter(ids)
            .map(|id| async move { self.members_of(&id, federated).await.map(|members| (id, members)) })
            .buffer_unordered(CONCURRENCY);
        let mut found: HashMap<String, HashSet<String>> = HashMap::new();
        let mut members = std::pin::pin!(members);
        while let Some((group, members)) = members.try_next().await? {
            for user in members.into_iter().filter_map(|user| user.id) {
                found.entry(user).or_default().insert(group.clone());
            }
        }
        Ok(found)
    }

    /// Returns the members of a group; none if there is no such group.
    pub(crate) async fn group_members(&self, group: &str) -> Result<Vec<UserRepresentation>, StoreError> {
        self.members_of(group, true).await
    }

    async fn members_of(&self, group: &str, federated: bool) -> Result<Vec<UserRepresentation>, StoreError> {
        let lists = self.lists();
        let page = |first, max| {
            lists
                .groups_with_group_id_members_get(group)
                .brief_representation(false)
                .first(first)
                .max(max)
                .into_future()
        };
        self.users_of_many("listing members of a group", federated, page).await
    }

    /// Adds a user to a group.
    pub(crate) async fn join_group(&self, user: &str, group: &str) -> Result<(), StoreError> {
        let (admin, realm) = (&self.wire.admin, self.name());
        let put = || admin.realm_users_with_user_id_groups_with_group_id_put(realm, user, group);
        self.wire.call("adding to a group", put).await.map(drop)
    }
}
