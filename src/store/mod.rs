//! Identity stores: the trait, its contract, one file or folder for each backend (design/architecture.md "The store
//! contract"). What a backend promises is proven by one suite that runs against every one of them: `tests/it/contract`.

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use jiff::Timestamp;

use crate::{
    model::{AccountKey, Email, FieldPath, FindingKind, Layout},
    plan::{Change, Mark, Observed},
    resolve::Scope,
};

mod audit;
mod claim;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "keycloak"))]
mod decide;
mod given;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "keycloak"))]
mod hex;
#[cfg(feature = "keycloak")]
pub mod keycloak;
mod place;
#[cfg(feature = "postgres")]
pub mod postgres;
mod secrets;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use audit::AuditCheck;
pub use audit::{AuditQuery, AuditRecord};
pub use claim::{Claim, Epoch, Slot, Slots, slot, slot_of};
pub use given::NoPlace;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "keycloak"))]
use hex::hex;
pub use place::{Connection, KeycloakPlace, Place, PostgresPlace};
pub use secrets::{Given, NoSecrets, SecretRef, Secrets};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use sql::{AuditFault, AuditReport};

/// What a backend can do.
#[allow(clippy::struct_excessive_bools, reason = "each says something of its own")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// A pass is applied whole or, where an object fails, without that object only.
    pub transactions: bool,
    /// A former leader's writes are refused.
    pub fencing: bool,
    /// Start and expiry hold while Roster is down.
    pub time_windows: bool,
    /// Every change is recorded beside the data.
    pub audit: bool,
    /// Changes by others are announced at once.
    pub notifications: bool,
}

impl Capabilities {
    /// The words shown in the status of an `IdentityStore`.
    #[must_use]
    pub fn names(self) -> Vec<String> {
        let all = [
            (self.audit, "Audit"),
            (self.fencing, "Fencing"),
            (self.notifications, "Notifications"),
            (self.time_windows, "TimeWindows"),
            (self.transactions, "Transactions"),
        ];
        all.into_iter().filter(|(has, _)| *has).map(|(_, name)| name.to_owned()).collect()
    }
}

/// Why a store did not do something. The kind decides what the status says and when it is tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached or used at all right now; tried again with backoff.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// Somebody else changed it, or leads now; observed and tried again.
    #[error("conflict in the store: {0}")]
    Conflict(String),
    /// It refuses this controller.
    #[error("the store denies it: {0}")]
    Denied(String),
    /// It refuses this change.
    #[error("the store refuses it: {0}")]
    Invalid(String),
    /// Its form has no room for this: no other try will help, another store or another object will.
    #[error("this store cannot hold it: {0}")]
    Unsupported(String),
}

impl StoreError {
    /// The word in metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Conflict(_) => "conflict",
            Self::Denied(_) => "denied",
            Self::Invalid(_) => "invalid",
            Self::Unsupported(_) => "unsupported",
        }
    }
}

/// What became of one change.
pub type Outcome = Result<(), StoreError>;

/// The changes of one pass.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Our mark on the account; everything written carries it.
    pub mark: &'a Mark,
    /// What ranks in the changes mean.
    pub layout: &'a Layout,
    /// The changes, in order.
    pub changes: &'a [Change],
    /// The time, for the audit.
    pub now: Timestamp,
}

impl Batch<'_> {
    /// What becomes of it where all of it fails alike.
    #[must_use]
    pub fn refused(&self, error: &StoreError) -> Vec<Outcome> {
        self.changes.iter().map(|_| Err(error.clone())).collect()
    }
}

/// Numbers of a whole store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Accounts.
    pub accounts: u64,
    /// Members, over all accounts.
    pub members: u64,
}

/// An identity store.
///
/// `apply` is idempotent and safe to repeat after a crash at any point. Observing never writes.
#[async_trait]
pub trait Store: Send + Sync {
    /// What this backend can do.
    fn capabilities(&self) -> Capabilities;

    /// The marks of all accounts there are: finds what outlived its Account.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn accounts(&self) -> Result<Vec<Mark>, StoreError>;

    /// Every account there is, whoever's it is, in order: marked or not, and also where only the mark is left.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn keys(&self) -> Result<Vec<AccountKey>, StoreError>;

    /// Numbers of the whole store.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn totals(&self) -> Result<Totals, StoreError>;

    /// What the store holds of an account, as far as the scope goes. Removals counted by the guard are reported if they
    /// are not older than `since`.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn observe(&self, account: &AccountKey, scope: &Scope, since: Timestamp) -> Result<Observed, StoreError>;

    /// Members with one of these addresses who have access, or will have when their time begins, in whichever account:
    /// whether people who are blocked really are cut off.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn with_access(&self, who: &[Email], now: Timestamp) -> Result<Vec<(AccountKey, Email)>, StoreError> {
        if who.is_empty() {
            return Ok(Vec::new());
        }
        let mut sorted = who.to_vec();
        sorted.sort();
        sorted.dedup();
        let scope = Scope::Members(sorted.into());
        let mut found = Vec::new();
        for mark in self.accounts().await? {
            let observed = self.observe(&mark.account, &scope, now).await?;
            let members = observed.members.into_iter().filter_map(|(email, seen)| Some((email, seen.content?)));
            let with = members.filter(|(_, content)| {
                content.ended.is_none() && !content.ranks.is_none() && !content.window.is_over(now)
            });
            found.extend(with.map(|(email, _)| (mark.account.clone(), email)));
        }
        Ok(found)
    }

    /// Records of the audit, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read, or keeps no audit.
    async fn audit(&self, _: &AuditQuery) -> Result<Vec<AuditRecord>, StoreError> {
        Err(StoreError::Invalid("this store keeps no audit".to_owned()))
    }

    /// Makes the changes of one pass, in order; one outcome for each. A change that fails leaves the others in force,
    /// except that nothing is in force without the account they belong to.
    async fn apply(&self, batch: &Batch<'_>, claim: Claim) -> Vec<Outcome>;

    /// From now on, nobody writes for this cluster in these slots who claimed them in an earlier term. Asked of whoever
    /// takes over from one who has not given up: that one may be about to write. A store that cannot fence does nothing.
    ///
    /// # Errors
    /// `Conflict` where somebody claimed them in a later term; else when the store cannot be written.
    async fn claim(&self, _cluster: &str, _claim: Claim) -> Result<(), StoreError> {
        Ok(())
    }

    /// Accounts that somebody else changes, from now on, where the store can say so. The stream ends when it may have
    /// missed some.
    ///
    /// # Errors
    /// When the store cannot be listened to.
    async fn watch(&self) -> Result<Option<BoxStream<'static, AccountKey>>, StoreError> {
        Ok(None)
    }

    /// How long what was taken from somebody may still be in force outside of the store, in tokens that are out; nothing
    /// where portals ask the store each time.
    fn revocation_delay(&self) -> Duration {
        Duration::ZERO
    }

    /// Advice on the `IdentityStore`, by field: what whoever keeps the store should mend, though it works.
    fn advice(&self) -> Vec<(FieldPath, FindingKind)> {
        Vec::new()
    }

    /// Ends what is open; what is under way ends first. Nothing works afterwards. Whoever ends without it loses nothing,
    /// but may leave files behind that the next one has to clean up.
    async fn close(&self) {}
}
