//! Trait of every identity store, and its arguments. Backends implement it; the loop and the command line call it.

use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use jiff::Timestamp;

use super::{AuditQuery, AuditRecord, Claim, Outcome, StoreError};
use crate::{
    model::{AccountKey, Email, FieldPath, FindingKind, Layout, Name, Scope},
    plan::{Change, Mark, Observed, Plan},
};

/// Abilities of a backend.
#[allow(clippy::struct_excessive_bools, reason = "each says something of its own")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether a batch is applied as a whole or, if an object fails, without that object only.
    pub transactions: bool,
    /// Whether writes of a former leader are refused.
    pub fencing: bool,
    /// Whether start and expiry take effect while Roster is down.
    pub time_windows: bool,
    /// Whether every change is recorded in an audit next to the data.
    pub audit: bool,
    /// Whether changes by others are announced at once.
    pub notifications: bool,
}

impl Capabilities {
    /// Returns the words shown in the status of an `IdentityStore`.
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

/// Changes of one pass to one account.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Roster's mark on the account; everything written carries it.
    pub mark: &'a Mark,
    /// Layout of the ranks in the changes.
    pub layout: &'a Layout,
    /// Id of the observed store; a store with another id refuses the batch. Absent if any store may apply it.
    pub store: Option<&'a Name>,
    /// Changes, in the order in which a store makes them.
    pub changes: &'a [Change],
    /// Time of the pass, for the audit.
    pub now: Timestamp,
}

impl<'a> Batch<'a> {
    /// Returns the batch of all changes of a plan.
    #[must_use]
    pub fn of(plan: &'a Plan, mark: &'a Mark, now: Timestamp) -> Self {
        Self { mark, layout: &plan.layout, store: plan.store.as_ref(), changes: &plan.changes, now }
    }

    /// Returns the outcomes of a batch that fails as a whole: this error for each change.
    #[must_use]
    pub fn refused(&self, error: &StoreError) -> Vec<Outcome> {
        self.changes.iter().map(|_| Err(error.clone())).collect()
    }
}

/// Totals of a whole store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Number of accounts.
    pub accounts: u64,
    /// Number of members, over all accounts.
    pub members: u64,
}

/// An identity store.
///
/// `apply` is idempotent and safe to repeat after a crash at any point. Observing never writes.
#[async_trait]
pub trait Store: Send + Sync {
    /// Returns the abilities of this backend.
    fn capabilities(&self) -> Capabilities;

    /// Returns the marks of all accounts, including those that outlived their Account.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn accounts(&self) -> Result<Vec<Mark>, StoreError>;

    /// Returns the keys of all accounts in order, with or without a mark, also those of which only the mark is left.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn keys(&self) -> Result<Vec<AccountKey>, StoreError>;

    /// Counts the accounts and members of the whole store.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn totals(&self) -> Result<Totals, StoreError>;

    /// Returns the id of this store: created with it, constant during its life, and never used for another one. A
    /// restored backup keeps it.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn id(&self) -> Result<Option<Name>, StoreError>;

    /// Returns the content of an account within the scope, with the store's id. Reports the removals counted by the
    /// guard that are not older than `since`.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn observe(&self, account: &AccountKey, scope: &Scope, since: Timestamp) -> Result<Observed, StoreError>;

    /// Returns the members of any account with one of these addresses who have access, or will have when their window
    /// begins. Shows whether blocked people really have no access.
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
            let members = observed.members.into_iter().filter_map(|(email, existing)| Some((email, existing.content?)));
            let with = members.filter(|(_, content)| {
                content.ended.is_none() && !content.ranks.is_none() && !content.window.is_over(now)
            });
            found.extend(with.map(|(email, _)| (mark.account.clone(), email)));
        }
        Ok(found)
    }

    /// Returns records of the audit, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read, or keeps no audit.
    async fn audit(&self, _: &AuditQuery) -> Result<Vec<AuditRecord>, StoreError> {
        Err(StoreError::Invalid("this store has no audit".to_owned()))
    }

    /// Applies the changes of one pass, in order; one outcome for each. A change that fails leaves the others in
    /// force, except that no change is in force without the account.
    ///
    /// May be called in parallel for the same account, but never for the same objects of it.
    async fn apply(&self, batch: &Batch<'_>, claim: Claim) -> Vec<Outcome>;

    /// Fences out writers of this cluster with an earlier epoch in these slots. A new leader calls it if the former
    /// one has not released its lease and may be about to write. A store without fencing does nothing.
    ///
    /// # Errors
    /// `Conflict` if a later epoch has claimed one of the slots; other errors when the store cannot be written.
    async fn claim(&self, _cluster: &str, _claim: Claim) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns a stream of accounts that others change from now on; `None` if the store has no notifications. The
    /// stream ends when it may have missed some.
    ///
    /// # Errors
    /// When the store does not accept a listener.
    async fn watch(&self) -> Result<Option<BoxStream<'static, AccountKey>>, StoreError> {
        Ok(None)
    }

    /// Returns the longest time for which a revoked permission stays in force outside of the store, in tokens that
    /// were issued before; zero if portals ask the store each time.
    fn revocation_delay(&self) -> Duration {
        Duration::ZERO
    }

    /// Returns advice for the `IdentityStore`, by field: defects that the operator of the store should fix although
    /// it works.
    fn advice(&self) -> Vec<(FieldPath, FindingKind)> {
        Vec::new()
    }

    /// Closes the store after calls in progress have ended. Later calls fail. A process that ends without it loses no
    /// data, but may leave files that the next one has to clean up.
    async fn close(&self) {}
}
