//! Environment of one pass: the account's store and the API server. `reconcile`, `deletion` and `orphaned_accounts` use it;
//! the controller's shell and the simulator implement it.

use std::{collections::BTreeSet, future::Future};

use jiff::Timestamp;

use super::{ApiFault, Permit};
use crate::{
    contract::{Batch, Outcome, StoreError},
    model::{AccountKey, Name, ObjectRef, Scope},
    plan::Observed,
    report::AccessChange,
    state::{CatalogFacts, RecreatedDefinitions},
};

/// Result of a fresh read of an Account, its namespace and the definitions of Roster's kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreshRead {
    /// All of them stay: the remaining objects can be trusted.
    All,
    /// The Account is being deleted, and the others stay: each Membership can be trusted.
    AllButAccount,
    /// Definitions were recreated after the Account, so objects of their kinds may be missing. The remaining objects
    /// cannot be trusted until someone confirms that they are complete.
    RecreatedDefinitions(RecreatedDefinitions),
    /// The Account is gone or was recreated, or its namespace or a definition is being deleted or gone: the remaining
    /// objects cannot be trusted.
    Unreliable,
}

impl FreshRead {
    /// Combines the results of a fresh read: the Account, whether its namespace and the definitions stay, and the
    /// definition that was recreated after the Account.
    #[must_use]
    pub fn of(is_there: bool, is_deleting: bool, others_stay: bool, recreated: Option<RecreatedDefinitions>) -> Self {
        match (is_there && others_stay, recreated, is_deleting) {
            (false, ..) => Self::Unreliable,
            (true, Some(recreated), _) => Self::RecreatedDefinitions(recreated),
            (true, None, false) => Self::All,
            (true, None, true) => Self::AllButAccount,
        }
    }
}

/// Environment of one pass: the account's store, and the API server. In production it is a store, a client and tokio;
/// in the simulator it is polled by hand. A pass makes one request at a time.
pub trait PassEnvironment: Sync {
    /// Registers a claim in the store before anything is read. This fences out the former holder of these accounts,
    /// should it still try to write. Does nothing if the permit is clean.
    ///
    /// # Errors
    /// When the store cannot record the claim, or another writer claimed the slots in a later epoch.
    fn claim(&self, cluster: &str, permit: &Permit) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Observes an account within the scope. Reports the removals that the guard counts, if they are not older than
    /// `since`.
    ///
    /// # Errors
    /// When the store cannot be opened or read.
    fn observe(
        &self,
        account: &AccountKey,
        scope: &Scope,
        since: Timestamp,
    ) -> impl Future<Output = Result<Observed, StoreError>> + Send;

    /// Applies the changes of a batch; returns one outcome for each.
    ///
    /// # Errors
    /// When the store cannot be opened or does not respond, or the permit has ended.
    fn apply(
        &self,
        batch: &Batch<'_>,
        permit: &Permit,
    ) -> impl Future<Output = Result<Vec<Outcome>, StoreError>> + Send;

    /// Returns the number of changes in one slice: about as many as a revocation may wait for.
    fn slice(&self) -> usize;

    /// Reads again from the API server whether the Account with this UID, its namespace and the definitions of
    /// Roster's kinds exist and are not being deleted.
    ///
    /// # Errors
    /// When the API server does not respond or refuses.
    fn read_fresh(&self, account: &AccountKey, uid: &str) -> impl Future<Output = Result<FreshRead, ApiFault>> + Send;

    /// Returns the predefined roles of a catalog that a service account may grant in a namespace.
    ///
    /// # Errors
    /// When the API server does not respond or refuses.
    fn grants(
        &self,
        user: &str,
        namespace: &Name,
        catalog: &CatalogFacts,
    ) -> impl Future<Output = Result<BTreeSet<Name>, ApiFault>> + Send;

    /// Reads again from the API server whether no IdentityStore of this name exists: a list may be stale, and an API
    /// server that has just started may briefly deny that it knows the kind.
    ///
    /// # Errors
    /// When the API server does not respond or refuses.
    fn lacks_store(&self, name: &Name) -> impl Future<Output = Result<bool, ApiFault>> + Send;

    /// Adds or removes Roster's finalizer. Leaves an object alone that is gone, or has another UID.
    ///
    /// # Errors
    /// When the API server refuses or is unavailable.
    fn set_finalizer(
        &self,
        object: &ObjectRef,
        uid: &Name,
        wanted: bool,
    ) -> impl Future<Output = Result<(), ApiFault>> + Send;

    /// Returns whether logging of access changes is enabled.
    fn logs(&self) -> bool {
        false
    }

    /// Logs a change of a member's access that was applied.
    fn log(&self, change: &AccessChange) {
        let _ = change;
    }

    /// Runs pure work as a named span of traces.
    fn step<T>(&self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let _ = name;
        work()
    }
}
