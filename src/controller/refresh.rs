//! Refreshes the status of a store, and keeps finalizers on catalogs and stores while they are in use. Called by
//! `shell`.

use std::sync::Arc;

use jiff::Timestamp;
use kube::Client;

use super::stores::StoreHandle;
use crate::{
    cluster::{
        api_error::{fault, message},
        finalizer, fresh,
    },
    control::StoreRefresh,
    model::{Email, KindName},
    report::StoreFound,
    state::Record,
    store::{Store, StoreError},
};

/// Reads a store: whether it can be reached, its totals, its orphaned accounts, and blocked people who have access.
///
/// # Errors
/// When it cannot be opened or read.
pub async fn refresh_store(look: &StoreRefresh, handle: &StoreHandle) -> Result<StoreFound, StoreError> {
    let store = handle.get().await?;
    let id = handle.call("id", |store| async move { store.id().await }).await?;
    let totals = handle.call("totals", |store| async move { store.totals().await }).await?;
    let marks = handle.call("accounts", |store| async move { store.accounts().await }).await?;
    let blocked: Vec<Email> = look.record.facts.blocked.keys().cloned().collect();
    let with_access = async move |store: Arc<dyn Store>| store.with_access(&blocked, Timestamp::now()).await;
    let with_access = handle.call("with-access", with_access).await?;
    let ours = marks.into_iter().filter(|mark| mark.cluster == look.cluster);
    let orphaned = ours.filter(|mark| !look.users.contains(&(mark.account.clone(), mark.uid.clone())));
    Ok(StoreFound {
        id,
        accounts: totals.accounts,
        members: totals.members,
        orphaned: orphaned.map(|mark| mark.account).collect(),
        blocked_with_access: with_access,
        capabilities: store.capabilities().names(),
        revocation_delay: store.revocation_delay(),
        advice: store.advice(),
    })
}

/// Sets the finalizer while the object is in use, and removes it afterwards.
///
/// # Errors
/// When the API server refuses or cannot be reached.
pub async fn keep_finalizer<F>(
    client: &Client,
    kind: KindName,
    record: &Record<F>,
    used: bool,
) -> Result<(), kube::Error> {
    if record.meta.finalizer == used {
        return Ok(());
    }
    if !used && !fresh::is_unused(client, kind, &record.name).await? {
        // The watches are behind; their next event triggers another attempt.
        return Ok(());
    }
    let set = finalizer::set(client, &record.reference(kind), &record.meta.uid, used).await;
    // After a conflict, the event of the other write triggers another attempt.
    if let Err(error) = &set
        && !fault(error).is_conflict()
    {
        tracing::warn!(kind = kind.as_str(), name = %record.name, error = message(error), "finalizer not written, trying again");
    }
    set
}
