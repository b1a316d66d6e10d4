//! Environment of one pass in production: its store and the API server. Created by `shell`; called by the passes in
//! [`crate::control`].

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use kube::Client;

use super::{log, stores::StoreHandle};
use crate::{
    cluster::{
        api_error::fault,
        finalizer, fresh,
        leases::LeaseCheck,
        rights::{Rights, User},
    },
    control::{ApiFault, FreshRead, PassEnvironment, Permit},
    model::{AccountKey, Name, ObjectRef, Scope},
    plan::Observed,
    report::AccessChange,
    state::CatalogFacts,
    store::{Batch, Outcome, StoreError},
};

/// Environment of one pass in production.
pub(super) struct LiveEnvironment {
    pub(super) client: Client,
    /// Rights of service accounts that apply objects.
    pub(super) rights: Arc<Rights>,
    /// Store; `None` if the IdentityStore does not exist.
    pub(super) store: Option<StoreHandle>,
    /// Whether addresses are written to the log.
    pub(super) log_addresses: bool,
    /// Account of the pass.
    pub(super) account: AccountKey,
    /// Check that the shard is still held; `None` if it was lost before the pass started.
    pub(super) lease: Option<LeaseCheck>,
}

impl LiveEnvironment {
    fn store(&self) -> Result<&StoreHandle, StoreError> {
        self.store.as_ref().ok_or_else(|| StoreError::Unavailable("the IdentityStore is deleted".to_owned()))
    }
}

impl PassEnvironment for LiveEnvironment {
    async fn claim(&self, cluster: &str, permit: &Permit) -> Result<(), StoreError> {
        self.store()?.claim(cluster, permit).await
    }

    async fn observe(&self, account: &AccountKey, scope: &Scope, since: Timestamp) -> Result<Observed, StoreError> {
        self.store()?.call("observe", |store| async move { store.observe(account, scope, since).await }).await
    }

    async fn apply(&self, batch: &Batch<'_>, permit: &Permit) -> Result<Vec<Outcome>, StoreError> {
        if !self.lease.as_ref().is_some_and(LeaseCheck::is_held) {
            return Err(StoreError::Unavailable("the lease is lost; another replica may write".to_owned()));
        }
        self.store()?.apply(batch, permit).await
    }

    fn slice(&self) -> usize {
        self.store.as_ref().map_or(1, StoreHandle::slice)
    }

    async fn read_fresh(&self, account: &AccountKey, uid: &str) -> Result<FreshRead, ApiFault> {
        fresh::read_fresh(&self.client, account, uid).await.map_err(|error| fault(&error))
    }

    async fn grants(&self, user: &str, namespace: &Name, catalog: &CatalogFacts) -> Result<BTreeSet<Name>, ApiFault> {
        self.rights.grants(&User::named(user, &[]), namespace, catalog).await.map_err(|error| fault(&error))
    }

    async fn lacks_store(&self, name: &Name) -> Result<bool, ApiFault> {
        fresh::lacks_store(&self.client, name).await.map_err(|error| fault(&error))
    }

    async fn set_finalizer(&self, object: &ObjectRef, uid: &Name, wanted: bool) -> Result<(), ApiFault> {
        finalizer::set(&self.client, object, uid, wanted).await.map_err(|error| fault(&error))
    }

    fn logs(&self) -> bool {
        log::reads_changes()
    }

    fn log(&self, change: &AccessChange) {
        log::access_changed(&self.account, change, self.log_addresses);
    }

    fn step<T>(&self, name: &'static str, work: impl FnOnce() -> T) -> T {
        // The span has the name of the step.
        tracing::debug_span!("step", otel.name = name).in_scope(work)
    }
}
