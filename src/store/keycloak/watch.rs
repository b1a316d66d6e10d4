//! Changes by others, from the realm's admin events.

use std::{collections::HashMap, collections::VecDeque, sync::Arc, time::Duration};

use futures::{StreamExt, stream, stream::BoxStream};
use keycloak::types::AdminEventRepresentation;

use super::{names::ENTRIES, note::Entry, realm::Realm};
use crate::{model::AccountKey, store::StoreError};

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(2);
/// Events of one look at most; where there were more, some may have been missed.
const AT_ONCE: i32 = 500;
/// Where an account keeps its name: what the path of an event begins with.
const USERS: &str = "users";

/// Accounts that somebody else changes, from now on. Ends when some may have been missed: too many events at once, or
/// one of which nobody can tell whose it was.
pub(super) async fn watch(realm: Arc<Realm>) -> Result<BoxStream<'static, AccountKey>, StoreError> {
    let seen = latest(&realm).await?;
    let watching = Watching { realm, seen, accounts: HashMap::new(), found: VecDeque::new() };
    Ok(stream::unfold(watching, |mut watching| async {
        loop {
            if let Some(account) = watching.found.pop_front() {
                return Some((account, watching));
            }
            tokio::time::sleep(EVERY).await;
            // A server that is away has nothing to say; afterwards it has.
            match watching.look().await {
                Ok(true) | Err(StoreError::Unavailable(_)) => {}
                Ok(false) | Err(_) => return None,
            }
        }
    })
    .boxed())
}

/// Up to where events have been seen: the time of the newest, and the ids of all of that time.
#[derive(Clone, Debug, Default)]
struct Seen {
    time: i64,
    ids: Vec<String>,
}

struct Watching {
    realm: Arc<Realm>,
    seen: Seen,
    /// Accounts by the id of their client, organization or group.
    accounts: HashMap<String, Option<AccountKey>>,
    found: VecDeque<AccountKey>,
}

async fn events(realm: &Realm, max: i32) -> Result<Vec<AdminEventRepresentation>, StoreError> {
    let (admin, name) = (&realm.wire.admin, realm.wire.realm.as_str());
    let newest = Some("desc".to_owned());
    realm
        .wire
        .call("reading admin events", || {
            admin.realm_admin_events_get(
                name,
                None,
                None,
                None,
                None,
                None,
                None,
                newest.clone(),
                None,
                Some(max),
                None,
                None,
                None,
            )
        })
        .await
}

async fn latest(realm: &Realm) -> Result<Seen, StoreError> {
    Ok(seen(&events(realm, 20).await?).unwrap_or_default())
}

fn seen(events: &[AdminEventRepresentation]) -> Option<Seen> {
    let time = events.iter().filter_map(|event| event.time).max()?;
    let ids = events.iter().filter(|event| event.time == Some(time)).filter_map(|event| event.id.clone());
    Some(Seen { time, ids: ids.collect() })
}

impl Watching {
    /// Looks once; whether nothing can have been missed.
    async fn look(&mut self) -> Result<bool, StoreError> {
        let newest = events(&self.realm, 20).await?;
        let is_new = |event: &AdminEventRepresentation, seen: &Seen| {
            let time = event.time.unwrap_or(0);
            time > seen.time || (time == seen.time && !event.id.as_ref().is_some_and(|id| seen.ids.contains(id)))
        };
        let before = self.seen.clone();
        let all_new = !newest.is_empty() && newest.iter().all(|event| is_new(event, &before));
        let newest = if all_new { events(&self.realm, AT_ONCE).await? } else { newest };
        let full = newest.len() >= usize::try_from(AT_ONCE).unwrap_or(0);
        let missed = full && newest.iter().all(|event| is_new(event, &before));
        if let Some(mut seen) = seen(&newest) {
            if seen.time == before.time {
                seen.ids.extend(before.ids.iter().cloned());
                seen.ids.dedup();
            }
            self.seen = seen;
        }
        if missed {
            return Ok(false);
        }
        let ours = self.realm.wire.user().await;
        let others = newest.iter().filter(|event| {
            is_new(event, &before)
                && event.auth_details.as_ref().and_then(|by| by.user_id.as_deref()) != ours.as_deref()
        });
        for event in others {
            if !self.take(event.resource_path.as_deref().unwrap_or_default()).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Notes whose account a path is of; false where nobody can tell.
    async fn take(&mut self, path: &str) -> Result<bool, StoreError> {
        let parts: Vec<&str> = path.split('/').collect();
        let ids = parts.windows(2).filter(|pair| matches!(pair, ["clients" | "organizations" | "groups", _]));
        let ids: Vec<(&str, &str)> = ids.filter_map(|pair| Some((*pair.first()?, *pair.last()?))).collect();
        for (kind, id) in &ids {
            match self.account(kind, id).await? {
                Known::Account(account) => {
                    self.note(account);
                    return Ok(true);
                }
                Known::Nothing => {}
                Known::Gone => return Ok(false),
            }
        }
        match parts.as_slice() {
            [USERS, user, ..] if ids.is_empty() || parts.get(2) == Some(&"groups") => self.user(user).await,
            // A realm role or a role by its id may hand on what is ours.
            ["roles" | "roles-by-id", ..] => Ok(false),
            _ => Ok(true),
        }
    }

    async fn user(&mut self, id: &str) -> Result<bool, StoreError> {
        let (admin, name) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let read = || admin.realm_users_with_user_id_get(name, id, None);
        let Some(user) = self.realm.wire.find("reading a user", read).await? else { return Ok(false) };
        let entries = user.attributes.unwrap_or_default().remove(ENTRIES).unwrap_or_default();
        for entry in entries.iter().filter_map(|entry| Entry::parse(entry)) {
            if let Some(account) = self.realm.prefix.account(&entry.account) {
                self.note(account);
            }
        }
        Ok(true)
    }

    fn note(&mut self, account: AccountKey) {
        if !self.found.contains(&account) {
            self.found.push_back(account);
        }
    }

    /// Whose client, organization or group has this id.
    async fn account(&mut self, kind: &str, id: &str) -> Result<Known, StoreError> {
        if let Some(known) = self.accounts.get(id) {
            return Ok(known.clone().map_or(Known::Nothing, Known::Account));
        }
        let Some(name) = self.name_of(kind, id).await? else { return Ok(Known::Gone) };
        let account = self.realm.prefix.account(&name);
        self.accounts.insert(id.to_owned(), account.clone());
        Ok(account.map_or(Known::Nothing, Known::Account))
    }

    async fn name_of(&self, kind: &str, id: &str) -> Result<Option<String>, StoreError> {
        let (wire, realm) = (&self.realm.wire, self.realm.wire.realm.as_str());
        let admin = &wire.admin;
        Ok(match kind {
            "clients" => {
                let read = || admin.realm_clients_with_client_uuid_get(realm, id);
                wire.find("reading a client", read).await?.map(|client| client.client_id.unwrap_or_default())
            }
            "organizations" => {
                let read = || admin.realm_organizations_with_org_id_get(realm, id);
                wire.find("reading an organization", read).await?.map(|found| found.name.unwrap_or_default())
            }
            _ => {
                let read = || admin.realm_groups_with_group_id_get(realm, id);
                let group = wire.find("reading a group", read).await?;
                // Below the account's own: its path begins with that one's name.
                match group.and_then(|group| group.parent_id.or(group.name.clone()).map(|up| (up, group.name))) {
                    None => None,
                    Some((up, name)) if Some(&up) == name.as_ref() => Some(up),
                    Some((parent, _)) => {
                        let read = || admin.realm_groups_with_group_id_get(realm, &parent);
                        wire.find("reading a group", read).await?.map(|group| group.name.unwrap_or_default())
                    }
                }
            }
        })
    }
}

/// What an id of the realm is to us.
enum Known {
    Account(AccountKey),
    Nothing,
    /// It is not there any more, and was not known before.
    Gone,
}
