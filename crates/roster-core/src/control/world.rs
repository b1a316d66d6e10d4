//! What one pass may do to the world.

use std::future::Future;

use jiff::Timestamp;

use super::{ApiFault, Permit};
use crate::{
    contract::{Batch, Outcome, StoreError},
    model::{AccountKey, Name, ObjectRef, Scope},
    plan::Observed,
    report::AccessChange,
    state::Remade,
};

/// Result of a fresh read of an Account, its namespace and the definitions of our kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staying {
    /// All of them stay: the objects that are left can be taken at their word.
    All,
    /// The Account is being deleted, and the others stay: each Membership can be taken at its word.
    AllButAccount,
    /// Definitions were made anew after the Account, so objects of their kinds may be missing: those that are there say nothing,
    /// until somebody says that they are all.
    Remade(Remade),
    /// The Account is gone or another one, or its namespace or a definition is being deleted or gone: the objects that are
    /// left say nothing.
    NotAll,
}

impl Staying {
    /// Puts together what a fresh read found: the Account, whether its namespace and the definitions stay, and the definition
    /// that was made anew after the Account.
    #[must_use]
    pub fn of(is_there: bool, is_deleting: bool, others_stay: bool, remade: Option<Remade>) -> Self {
        match (is_there && others_stay, remade, is_deleting) {
            (false, ..) => Self::NotAll,
            (true, Some(remade), _) => Self::Remade(remade),
            (true, None, false) => Self::All,
            (true, None, true) => Self::AllButAccount,
        }
    }
}

/// The world as one pass sees it: the account's store, and the API server. In production it is a store, a client and
/// tokio; in the simulator it is polled by hand. A pass asks for one thing at a time.
pub trait World: Sync {
    /// Tells the store of a claim, before anything is read: keeps out whoever had these accounts before, should that one
    /// be about to write. Does nothing where the permit is clean.
    ///
    /// # Errors
    /// When the store cannot be told, or somebody claimed the slots in a later epoch.
    fn claim(&self, cluster: &str, permit: &Permit) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Observes an account as far as the scope goes. Removals that the guard counts are reported if they are not older
    /// than `since`.
    ///
    /// # Errors
    /// When the store cannot be opened or read.
    fn observe(
        &self,
        account: &AccountKey,
        scope: &Scope,
        since: Timestamp,
    ) -> impl Future<Output = Result<Observed, StoreError>> + Send;

    /// Makes the changes of a batch; returns one outcome for each.
    ///
    /// # Errors
    /// When the store cannot be opened or does not answer, or the permit has ended.
    fn apply(
        &self,
        batch: &Batch<'_>,
        permit: &Permit,
    ) -> impl Future<Output = Result<Vec<Outcome>, StoreError>> + Send;

    /// Returns how many changes are applied at a time: about as many as a revocation may wait for.
    fn slice(&self) -> usize;

    /// Reads afresh whether the Account of this UID, its namespace and the definitions of our kinds are there to stay.
    ///
    /// # Errors
    /// When the API server cannot say.
    fn stays(&self, account: &AccountKey, uid: &str) -> impl Future<Output = Result<Staying, ApiFault>> + Send;

    /// Reads afresh whether there is no IdentityStore of this name: a list may be an old one, and an API server that has just
    /// started may for a moment deny that it knows the kind.
    ///
    /// # Errors
    /// When the API server cannot say.
    fn lacks_store(&self, name: &Name) -> impl Future<Output = Result<bool, ApiFault>> + Send;

    /// Makes our finalizer be there, or not. An object that is gone, or another one by now, is left alone.
    ///
    /// # Errors
    /// When the API server refuses or cannot be reached.
    fn set_finalizer(
        &self,
        object: &ObjectRef,
        uid: &Name,
        wanted: bool,
    ) -> impl Future<Output = Result<(), ApiFault>> + Send;

    /// Returns whether anybody reads what is logged.
    fn logs(&self) -> bool {
        false
    }

    /// Logs a change of somebody's access that was made.
    fn log(&self, change: &AccessChange) {
        let _ = change;
    }

    /// Does pure work under a name that traces show.
    fn step<T>(&self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let _ = name;
        work()
    }
}
