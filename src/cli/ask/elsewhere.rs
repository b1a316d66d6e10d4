//! Accounts of a store that are not among the objects.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::Lookup;
use crate::{
    cli::target::absent,
    manifests::LoadedObjects,
    model::{AccountKey, Email, Scope},
    plan::{GUARD_WINDOW, Observed},
    store::{NoSecrets, Place},
};

/// What a store gives somebody in an account that no object describes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredAccess {
    /// The account, `namespace/name`.
    pub account: String,
    /// The store.
    pub store: String,
    /// Whether there is access to anything now.
    pub access: bool,
    /// The role, as it stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The groups, as they stand there.
    pub groups: Vec<String>,
    /// How many sections the account has.
    pub sections: usize,
    /// Sections with access now.
    pub levels: Vec<StoredLevel>,
}

/// One section with access.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StoredLevel {
    /// The section.
    pub section: String,
    /// The level.
    pub level: String,
}

impl Lookup {
    /// Looks for somebody in the accounts of the store that is at hand and that no object describes.
    ///
    /// # Errors
    /// When the store is not there, or cannot be read.
    pub async fn elsewhere(
        &self,
        loaded: &LoadedObjects,
        email: &Email,
        now: Timestamp,
    ) -> anyhow::Result<Vec<StoredAccess>> {
        let Some(file) = &self.store else { return Ok(Vec::new()) };
        let place = Place::given(file)?;
        let Some(store) = place.open_if_there(&NoSecrets).await? else { anyhow::bail!(absent(&place)) };
        let scope = Scope::Members([email.clone()].into());
        let mut found = Vec::new();
        for key in store.keys().await? {
            if loaded.objects.accounts.get(&key).is_none_or(|entry| entry.account.is_none()) {
                let observed = store.observe(&key, &scope, now - GUARD_WINDOW).await?;
                found.extend(stored(&key, &place, &observed, email, now));
            }
        }
        store.close().await;
        Ok(found)
    }
}

fn stored(key: &AccountKey, place: &Place, observed: &Observed, email: &Email, now: Timestamp) -> Option<StoredAccess> {
    let content = observed.members.get(email)?.content.as_ref()?;
    let in_force = content.is_in_force(now);
    let levels = observed.layout.named(&content.ranks).filter(|_| in_force);
    let levels = levels.map(|(section, level)| StoredLevel { section: section.to_owned(), level: level.to_owned() });
    let levels: Vec<StoredLevel> = levels.collect();
    Some(StoredAccess {
        account: key.to_string(),
        store: place.to_string(),
        access: !levels.is_empty(),
        role: content.role.as_ref().map(ToString::to_string),
        groups: content.groups.iter().map(ToString::to_string).collect(),
        sections: observed.layout.len(),
        levels,
    })
}
