//! Faults of the store in memory. Turned on and off by tests and by the simulator.

use std::collections::{BTreeMap, BTreeSet};

use roster_core::{contract::StoreError, model::AccountKey, plan::ObjectKey};

/// Faults of a store; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Every call fails as `Unavailable`, also one in progress.
    pub unavailable: bool,
    /// No call gets a response or continues until this is turned off.
    pub silent: bool,
    /// Every write fails as `Unavailable`; reads work.
    pub locked: bool,
    /// Every write to these accounts fails as `Unavailable`; reads work.
    pub locked_accounts: BTreeSet<AccountKey>,
    /// Writes to these objects fail with this error; the rest of their batch continues.
    pub refused: BTreeMap<(AccountKey, ObjectKey), StoreError>,
    /// Number of writes that still succeed; then the store becomes `unavailable`, also in the middle of a change.
    pub dies_after_writes: Option<u32>,
    /// Number of the next calls of `apply` whose reply is lost: their changes are made, and they fail as `Unavailable`.
    pub lost_replies: u32,
}

impl Faults {
    /// Fails if reads fail.
    pub(super) fn check_read(&self) -> Result<(), StoreError> {
        if self.unavailable { Err(StoreError::Unavailable("the store in memory is down".to_owned())) } else { Ok(()) }
    }

    /// Fails if writes to this account fail; `None` stands for writes to no account.
    pub(super) fn check_write(&self, account: Option<&AccountKey>) -> Result<(), StoreError> {
        self.check_read()?;
        if self.locked || account.is_some_and(|account| self.locked_accounts.contains(account)) {
            return Err(StoreError::Unavailable("the store in memory is locked".to_owned()));
        }
        Ok(())
    }

    /// Fails like [`Self::check_write`], or counts one write.
    pub(super) fn write(&mut self, account: Option<&AccountKey>) -> Result<(), StoreError> {
        if self.dies_after_writes == Some(0) {
            (self.dies_after_writes, self.unavailable) = (None, true);
        }
        self.check_write(account)?;
        self.dies_after_writes = self.dies_after_writes.map(|left| left.saturating_sub(1));
        Ok(())
    }

    /// Returns the error with which an object is refused.
    pub(super) fn refusal(&self, account: &AccountKey, object: &ObjectKey) -> Option<StoreError> {
        if self.refused.is_empty() {
            return None;
        }
        self.refused.get(&(account.clone(), object.clone())).cloned()
    }

    /// Returns whether the reply to the call that ends now is lost, and counts it.
    pub(super) fn loses_reply(&mut self) -> bool {
        let loses = self.lost_replies > 0;
        self.lost_replies = self.lost_replies.saturating_sub(1);
        loses
    }
}
