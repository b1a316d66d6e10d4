//! What happens in the store when an Account is deleted: what its `deletionPolicy` says, and nothing else.

use std::sync::Arc;

use jiff::Timestamp;
use kube::Client;

use super::{shares::Grip, stores::StoreHandle};
use crate::{
    api::DeletionPolicy,
    cluster::finalizer,
    model::{AccountKey, KindName, Scope},
    plan::{self, Mark},
    state::{AccountFacts, Record},
    store::{Batch, StoreError},
};

/// An account that is being deleted.
pub struct Deletion {
    /// The Account.
    pub account: Arc<Record<AccountFacts>>,
    /// Accounts that still name it as their parent: it waits for them.
    pub children: Vec<AccountKey>,
    /// The store; absent where the IdentityStore is, for deletion needs no reference to resolve.
    pub store: Option<StoreHandle>,
    /// Our mark.
    pub mark: Mark,
    /// The right to write it.
    pub grip: Grip,
    /// The time.
    pub now: Timestamp,
}

/// How a deletion went.
#[derive(Clone, Debug)]
pub enum Deleted {
    /// Done; the object may go.
    Done(u64),
    /// Waits for managed accounts.
    Waits(Vec<AccountKey>),
    /// The store, or the API server, would not have it yet.
    Retry(StoreError),
}

/// Does what the deletion policy says, then lets the object go.
pub async fn delete(deletion: &Deletion, client: &Client) -> Deleted {
    if !deletion.children.is_empty() {
        return Deleted::Waits(deletion.children.clone());
    }
    let removed = match (&deletion.account.facts.spec.deletion_policy, &deletion.store) {
        (DeletionPolicy::Orphan, _) => 0,
        (DeletionPolicy::Delete, None) => {
            tracing::warn!(account = %deletion.mark.account, "the IdentityStore is gone, so nothing can be removed from it");
            0
        }
        (DeletionPolicy::Delete, Some(store)) => match remove_all(deletion, store).await {
            Ok(removed) => removed,
            Err(error) => return Deleted::Retry(error),
        },
    };
    let reference = deletion.account.reference(KindName::Account);
    match finalizer::set(client, &reference, &deletion.mark.uid, false).await {
        Ok(()) => Deleted::Done(removed),
        Err(error) => Deleted::Retry(StoreError::Unavailable(format!("finalizer not removed: {error}"))),
    }
}

async fn remove_all(deletion: &Deletion, store: &StoreHandle) -> Result<u64, StoreError> {
    let key = &deletion.mark.account;
    let now = deletion.now;
    store.claim(&deletion.mark.cluster, &deletion.grip).await?;
    let observed = store.call("observe", |store| async move { store.observe(key, &Scope::Account, now).await }).await?;
    let plan = plan::deletion(&observed, &deletion.mark);
    if plan.changes.is_empty() {
        return Ok(0);
    }
    let batch = Batch { mark: &deletion.mark, layout: &plan.layout, changes: &plan.changes, now };
    let outcomes = store.apply(&batch, &deletion.grip).await?;
    outcomes.into_iter().collect::<Result<Vec<()>, StoreError>>().map(|done| done.len() as u64)
}
