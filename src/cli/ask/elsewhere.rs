//! Reads accounts of a store that no object describes. Called by `can-i`, `who-can` and `explain`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::Lookup;
use crate::{
    cli::{output::complain, target::OrphanedAccount},
    manifests::LoadedObjects,
    model::{Email, Scope},
    resolve::RevocationReason,
};

/// Access of one person in an account that no object describes, as printed with `-o json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredAccess {
    /// The account, `namespace/name`.
    pub account: String,
    /// The store.
    pub store: String,
    /// Whether the person has any access now.
    pub access: bool,
    /// Reason why access is revoked there: `Blocked`, `Suspended`, `AccountSuspended` or `NotApproved`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ended: Option<RevocationReason>,
    /// Role in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Groups in the store.
    pub groups: Vec<String>,
    /// Number of sections of the account.
    pub sections: usize,
    /// Sections with access now.
    pub levels: Vec<StoredLevel>,
}

/// Section with access.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StoredLevel {
    /// The section.
    pub section: String,
    /// The level.
    pub level: String,
}

impl Lookup {
    /// Returns the accounts without an object in the given stores, with these of their members. Prints a note about a
    /// store that cannot be read, unless it was named.
    ///
    /// # Errors
    /// When the store that was named is not there, or cannot be read.
    pub async fn orphaned_accounts(
        &self,
        loaded: &LoadedObjects,
        scope: &Scope,
        now: Timestamp,
    ) -> anyhow::Result<Vec<OrphanedAccount>> {
        let Some(target) = self.target() else { return Ok(Vec::new()) };
        let (found, unread) = target.orphaned_accounts(loaded, scope, now).await?;
        for (place, why) in unread {
            complain(format!("note: accounts without an object were not searched in {place}: {why}"));
        }
        Ok(found)
    }

    /// Returns the account of this name that only a given store has, with these of its members; `None` if objects
    /// describe an account of this name, or no store is given or has it.
    ///
    /// # Errors
    /// As [`Self::orphaned_accounts`].
    pub async fn orphaned_account(
        &self,
        loaded: &LoadedObjects,
        name: &str,
        scope: &Scope,
        now: Timestamp,
    ) -> anyhow::Result<Option<OrphanedAccount>> {
        match self.target() {
            Some(target) if loaded.account(name).await.is_err() => {
                target.orphaned_account(loaded, name, scope, now).await
            }
            _ => Ok(None),
        }
    }
}

impl StoredAccess {
    /// Returns the access that a store grants at `now`; `None` if it does not have the person.
    pub fn new(orphaned_account: &OrphanedAccount, email: &Email, now: Timestamp) -> Option<Self> {
        let observed = &orphaned_account.observed;
        let content = orphaned_account.member(email)?;
        let in_force = content.is_in_force(now);
        let levels = observed.layout.named(&content.ranks).filter(|_| in_force);
        let levels =
            levels.map(|(section, level)| StoredLevel { section: section.to_owned(), level: level.to_owned() });
        let levels: Vec<StoredLevel> = levels.collect();
        Some(Self {
            account: orphaned_account.key.to_string(),
            store: orphaned_account.place.to_string(),
            access: !levels.is_empty(),
            ended: content.ended,
            role: content.role.as_ref().map(ToString::to_string),
            groups: content.groups.iter().map(ToString::to_string).collect(),
            sections: observed.layout.len(),
            levels,
        })
    }

    /// Returns the levels in words: `orders Edit, invoices View`.
    pub fn levels_in_words(&self) -> String {
        let levels = self.levels.iter().map(|one| format!("{} {}", one.section, one.level));
        levels.collect::<Vec<_>>().join(", ")
    }
}
