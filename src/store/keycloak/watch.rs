//! Watches changes by others in the realm's admin events. Called by `KeycloakStore` for `Store::watch`.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream, stream::BoxStream};
use keycloak::types::AdminEventRepresentation;

use super::{names::ENTRIES, note::Entry, realm::Realm};
use crate::{model::AccountKey, store::StoreError};

/// Interval between two polls.
const EVERY: Duration = Duration::from_secs(2);
/// Events per page.
const AT_ONCE: i32 = 100;
/// Largest number of pages per poll. If there are more, some events may have been missed. Roster's own events count as
/// well.
const PAGES: i32 = 50;

/// Streams the accounts that others change, from now on. The stream ends when a change may have been missed: too many
/// events at once, or one whose account cannot be determined.
pub(super) async fn watch(realm: Arc<Realm>) -> Result<BoxStream<'static, AccountKey>, StoreError> {
    let mut seen = Seen::default();
    seen.note(&events(&realm, 0).await?);
    let watching = Watching { realm, seen, accounts: HashMap::new(), found: VecDeque::new() };
    Ok(stream::unfold(watching, |mut watching| async {
        loop {
            if let Some(account) = watching.found.pop_front() {
                return Some((account, watching));
            }
            tokio::time::sleep(EVERY).await;
            // An unavailable server loses no events: they are read when it is back.
            match watching.poll().await {
                Ok(true) | Err(StoreError::Unavailable(_)) => {}
                Ok(false) | Err(_) => return None,
            }
        }
    })
    .boxed())
}

/// Ids of the events that were read and are not much older than the newest. Events may appear late, and the clocks of a
/// cluster's nodes differ slightly.
#[derive(Clone, Debug, Default)]
struct Seen {
    newest: i64,
    ids: HashMap<String, i64>,
}

/// Longest delay, in milliseconds, with which an event may appear.
const LATE: i64 = 60_000;

impl Seen {
    fn is_new(&self, event: &AdminEventRepresentation) -> bool {
        let known = event.id.as_ref().is_some_and(|id| self.ids.contains_key(id));
        !known && event.time.unwrap_or(0) > self.newest - LATE
    }

    fn note(&mut self, events: &[AdminEventRepresentation]) {
        let newest = events.iter().filter_map(|event| event.time).max().unwrap_or(0);
        self.newest = self.newest.max(newest);
        self.ids.extend(events.iter().filter_map(|event| Some((event.id.clone()?, event.time?))));
        let since = self.newest - LATE;
        self.ids.retain(|_, time| *time > since);
    }
}

struct Watching {
    realm: Arc<Realm>,
    seen: Seen,
    /// Accounts by the id of their client, organization or group; `None` if the object belongs to no account.
    accounts: HashMap<String, Option<AccountKey>>,
    found: VecDeque<AccountKey>,
}

/// Reads one page of all events, newest first, beginning with number `first`.
async fn events(realm: &Realm, first: i32) -> Result<Vec<AdminEventRepresentation>, StoreError> {
    let lists = realm.lists();
    let newest = || lists.admin_events_get().direction("desc".to_owned()).first(first).max(AT_ONCE).into_future();
    realm.wire.call("reading admin events", newest).await
}

/// Reads all events that may be new; `None` if they are more than [`PAGES`] pages.
async fn new_events(realm: &Realm, seen: &Seen) -> Result<Option<Vec<AdminEventRepresentation>>, StoreError> {
    let mut all = Vec::new();
    for page in 0..PAGES {
        let some = events(realm, page * AT_ONCE).await?;
        let last = some.len() < usize::try_from(AT_ONCE).unwrap_or(0);
        let old = some.iter().any(|event| event.time.unwrap_or(0) <= seen.newest - LATE);
        let known = some.iter().all(|event| !seen.is_new(event));
        all.extend(some);
        if last || old || known {
            return Ok(Some(all));
        }
    }
    Ok(None)
}

impl Watching {
    /// Polls once. Returns whether nothing can have been missed.
    async fn poll(&mut self) -> Result<bool, StoreError> {
        let Some(events) = new_events(&self.realm, &self.seen).await? else { return Ok(false) };
        let ours = self.realm.wire.user().await;
        let by = |event: &AdminEventRepresentation| event.auth_details.as_ref().and_then(|by| by.user_id.clone());
        let others = events.iter().filter(|event| self.seen.is_new(event) && by(event) != ours);
        let paths: HashSet<String> = others.filter_map(|event| event.resource_path.clone()).collect();
        for path in paths {
            if !self.take(&path).await? {
                return Ok(false);
            }
        }
        // Last, so that no event is lost if Keycloak fails in between.
        self.seen.note(&events);
        Ok(true)
    }

    /// Records the account that a resource path belongs to. Returns `false` if it cannot be determined.
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
            ["users", user, ..] if ids.is_empty() || parts.get(2) == Some(&"groups") => self.user(user).await,
            // A realm role, or a role named by id, may contain roles of an account.
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

    /// Returns the account of a client, organization or group.
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
                // A subgroup: its parent has the account's name.
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

/// Relation of an id in the realm to Roster's accounts.
enum Known {
    Account(AccountKey),
    Nothing,
    /// The object does not exist any more, and was not known before.
    Gone,
}
