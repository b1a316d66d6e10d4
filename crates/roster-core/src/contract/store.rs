//! The trait that every identity store implements, and its arguments.

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
    /// A batch is applied whole or, where an object fails, without that object only.
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

/// The changes of one pass.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Our mark on the account; everything written carries it.
    pub mark: &'a Mark,
    /// Layout of the ranks in the changes.
    pub layout: &'a Layout,
    /// Id of the store that was observed: another one refuses the batch; absent where any takes it.
    pub store: Option<&'a Name>,
    /// The changes, in the order in which a store makes them.
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
    /// Returns the abilities of this backend.
    fn capabilities(&self) -> Capabilities;

    /// Returns the marks of all accounts: finds those that outlived their Account.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn accounts(&self) -> Result<Vec<Mark>, StoreError>;

    /// Returns every account in order, marked or not, and also where only the mark is left.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn keys(&self) -> Result<Vec<AccountKey>, StoreError>;

    /// Counts the accounts and members of the whole store.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn totals(&self) -> Result<Totals, StoreError>;

    /// Returns the id of this store: made with it, kept for as long as it is the same one, and never given to another. A
    /// backup that is restored keeps it.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn id(&self) -> Result<Option<Name>, StoreError>;

    /// Returns the content of an account within the scope, with the store's id. Removals counted by the guard are reported if they are not
    /// older than `since`.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn observe(&self, account: &AccountKey, scope: &Scope, since: Timestamp) -> Result<Observed, StoreError>;

    /// Returns the members of any account with one of these addresses who have access, or will have when their time
    /// begins: shows whether people who are blocked really are cut off.
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

    /// Returns records of the audit, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read, or keeps no audit.
    async fn audit(&self, _: &AuditQuery) -> Result<Vec<AuditRecord>, StoreError> {
        Err(StoreError::Invalid("this store keeps no audit".to_owned()))
    }

    /// Makes changes of one pass, in order; one outcome for each. A change that fails leaves the others in force,
    /// except that nothing is in force without the account they belong to.
    ///
    /// May be called while another call for the same account goes on, never for the same objects of it.
    async fn apply(&self, batch: &Batch<'_>, claim: Claim) -> Vec<Outcome>;

    /// Fences out writers of this cluster with an earlier epoch in these slots. A new leader calls it where the former one
    /// has not released its lease and may be about to write. A store without fencing does nothing.
    ///
    /// # Errors
    /// `Conflict` where a later epoch has claimed one of the slots; else when the store cannot be written.
    async fn claim(&self, _cluster: &str, _claim: Claim) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns a stream of accounts that somebody else changes from now on; none where the store cannot tell. The stream
    /// ends when it may have missed some.
    ///
    /// # Errors
    /// When the store cannot be listened to.
    async fn watch(&self) -> Result<Option<BoxStream<'static, AccountKey>>, StoreError> {
        Ok(None)
    }

    /// Returns the longest time for which a revoked permission stays in force outside of the store, in tokens that were
    /// issued before; zero where portals ask the store each time.
    fn revocation_delay(&self) -> Duration {
        Duration::ZERO
    }

    /// Returns advice on the `IdentityStore`, by field: defects that the operator of the store should mend although it
    /// works.
    fn advice(&self) -> Vec<(FieldPath, FindingKind)> {
        Vec::new()
    }

    /// Closes the store after calls in progress have ended. No call works afterwards. A process that ends without it loses
    /// nothing, but may leave files behind that the next one has to clean up.
    async fn close(&self) {}
}
