//! Remembers users as they were last found, while the store is open. Used by the other modules of this store:
//! attributes and addresses can change at any time, and the id still identifies the user.

use std::collections::{BTreeSet, HashMap, HashSet};

use tokio::sync::Mutex;

use crate::{model::Email, plan::Fingerprint};

/// Memory of users.
#[derive(Debug, Default)]
pub(super) struct KnownUsers {
    /// User behind each name when last found, by client id.
    names: Mutex<HashMap<String, HashMap<Email, KnownUser>>>,
    /// Users who were logged out for a change that is not finished, by client id and user id. The value is the
    /// fingerprint of the change; `None` stands for a removal.
    logged_out: Mutex<HashMap<(String, String), Option<Fingerprint>>>,
}

/// User who had a name in an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownUser {
    pub(super) id: String,
    /// Whether the user's entry carried the mark of the account: Roster had made them a member.
    pub(super) ours: bool,
}

impl KnownUsers {
    pub(super) async fn find(&self, client_id: &str, name: &Email) -> Option<KnownUser> {
        self.names.lock().await.get(client_id)?.get(name).cloned()
    }

    /// Returns the ids of the users who had one of these names in an account.
    pub(super) async fn ids(&self, client_id: &str, names: &BTreeSet<Email>) -> HashSet<String> {
        let known = self.names.lock().await;
        let Some(all) = known.get(client_id) else { return HashSet::new() };
        names.iter().filter_map(|name| all.get(name)).map(|user| user.id.clone()).collect()
    }

    /// Returns the ids of the users who had one of these names in any account.
    pub(super) async fn ids_anywhere(&self, names: &BTreeSet<Email>) -> HashSet<String> {
        let known = self.names.lock().await;
        let user = known.values().flat_map(|all| names.iter().filter_map(|name| all.get(name)));
        user.map(|user| user.id.clone()).collect()
    }

    /// Returns the names of those users whom Roster had made members, by id.
    pub(super) async fn names(&self, client_id: &str, ids: &HashSet<String>) -> HashMap<String, Email> {
        let known = self.names.lock().await;
        let all = known.get(client_id).into_iter().flatten();
        let ours = all.filter(|(_, user)| user.ours && ids.contains(&user.id));
        ours.map(|(name, user)| (user.id.clone(), name.clone())).collect()
    }

    pub(super) async fn note(&self, client_id: &str, name: &Email, user: KnownUser) {
        self.names.lock().await.entry(client_id.to_owned()).or_default().insert(name.clone(), user);
    }

    pub(super) async fn forget(&self, client_id: &str, name: &Email) {
        if let Some(names) = self.names.lock().await.get_mut(client_id) {
            names.remove(name);
        }
    }

    pub(super) async fn forget_account(&self, client_id: &str) {
        self.names.lock().await.remove(client_id);
    }

    pub(super) async fn logged_out(&self, client_id: &str, user: &str, change: Option<&Fingerprint>) {
        self.logged_out.lock().await.insert((client_id.to_owned(), user.to_owned()), change.cloned());
    }

    pub(super) async fn was_logged_out(&self, client_id: &str, user: &str, change: Option<&Fingerprint>) -> bool {
        let known = self.logged_out.lock().await;
        known.get(&(client_id.to_owned(), user.to_owned())).is_some_and(|known| known.as_ref() == change)
    }

    /// Forgets the logout of a user whose change is finished.
    pub(super) async fn done(&self, client_id: &str, user: &str) {
        self.logged_out.lock().await.remove(&(client_id.to_owned(), user.to_owned()));
    }

    /// Records the users who were found. With `everybody`, replaces all earlier entries of the account.
    pub(super) async fn note_all(&self, client_id: &str, found: HashMap<Email, KnownUser>, everybody: bool) {
        let mut known = self.names.lock().await;
        if everybody {
            known.insert(client_id.to_owned(), found);
        } else if !found.is_empty() {
            known.entry(client_id.to_owned()).or_default().extend(found);
        }
    }
}
