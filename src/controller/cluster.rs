//! The two cluster-scoped kinds: what is said of a catalog and of a store, and their finalizers while in use.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::Client;

use super::{
    answer::said,
    finalizer, fresh,
    record::{KindName, Record},
    reports::failure,
    status::{Detail, Report, Synced, Waits},
    stores::StoreHandle,
};
use crate::{
    api::{
        ROLLOUT_ANNOTATION, RolloutReason, SyncReason,
        limits::{MAX_BLOCKED_WITH_ACCESS, MAX_ORPHANED_ACCOUNTS},
    },
    model::{AccountKey, Email, FindingsBuilder, Name},
    resolve::{CatalogFacts, Progress, StoreFacts},
    store::{Store, StoreError},
};

/// A look at a store.
pub struct StoreLook {
    /// The IdentityStore.
    pub record: Arc<Record<StoreFacts>>,
    /// The store.
    pub handle: StoreHandle,
    /// Accounts that use it, with their UIDs.
    pub users: BTreeSet<(AccountKey, Name)>,
    /// Our cluster's id.
    pub cluster: Name,
    /// Whether every account was gone over since the IdentityStore last changed: nothing that was worked out before
    /// can be written any more.
    pub settled: bool,
}

/// What is to be said of a catalog.
#[must_use]
pub fn catalog_report(record: &Record<CatalogFacts>, users: u64, progress: Option<&Progress>) -> Report {
    let updated = progress.map_or(users, |progress| progress.updated as u64);
    let detail = Detail::Catalog { accounts: users, updated };
    let mut report = Report::new(record.facts.generation, detail).with_findings(record.facts.findings());
    if record.meta.deleting && users > 0 {
        report.waits = Some(Box::new(in_use(format!("{users} accounts still use this catalog"))));
    } else if let Some(progress) = progress {
        let stalled = progress.stopped.is_some();
        let reason = if stalled { RolloutReason::RolloutStopped } else { RolloutReason::RollingOut };
        let message = rollout_message(record.facts.generation, progress);
        report.waits = Some(Box::new(Waits { reason: reason.as_str(), message, stalled }));
    }
    report
}

/// How far a change of a catalog has come, and what to do where it has stopped.
#[must_use]
pub fn rollout_message(generation: i64, progress: &Progress) -> String {
    let Progress { accounts, updated, next, waits, stopped, .. } = progress;
    let so_far = format!("{updated} of {accounts} accounts follow generation {generation}");
    match (stopped, waits.as_ref().or(next.as_ref())) {
        (Some((account, reason)), _) => {
            let approve = match reason {
                SyncReason::RemovalGuarded => "approve the removals on that Account",
                _ => "mend what that Account says",
            };
            format!(
                "{so_far}; stopped at {account}: {reason}. To go on, {approve}, or change the catalog again, or set the \
                 annotation {ROLLOUT_ANNOTATION}=AllAtOnce on the catalog"
            )
        }
        (None, Some(account)) => format!("{so_far}; now {account}"),
        (None, None) => format!("{so_far}; the last of them are at it"),
    }
}

fn in_use(message: String) -> Waits {
    Waits { reason: "InUse", message, stalled: false }
}

/// Looks at a store: whether it can be reached, how much is in it, and what outlived its Account.
pub async fn look(look: &StoreLook) -> (Report, Option<StoreError>) {
    let generation = look.record.facts.generation;
    let found = async {
        let store = look.handle.get().await?;
        let (capabilities, revocation_delay) = (store.capabilities().names(), store.revocation_delay());
        let totals = look.handle.call("totals", |store| async move { store.totals().await }).await?;
        let marks = look.handle.call("accounts", |store| async move { store.accounts().await }).await?;
        let blocked: Vec<Email> = look.record.facts.blocked.keys().cloned().collect();
        let with_access = async move |store: Arc<dyn Store>| store.with_access(&blocked, Timestamp::now()).await;
        let with_access = look.handle.call("with-access", with_access).await?;
        Ok::<_, StoreError>((capabilities, revocation_delay, store.advice(), totals, marks, with_access))
    };
    match found.await {
        Ok((capabilities, revocation_delay, advice, totals, marks, with_access)) => {
            let ours = marks.into_iter().filter(|mark| mark.cluster == look.cluster);
            let orphaned = ours.filter(|mark| !look.users.contains(&(mark.account.clone(), mark.uid.clone())));
            let orphaned: BTreeSet<String> = orphaned.map(|mark| mark.account.to_string()).collect();
            let detail = Detail::Store {
                accounts: Some(totals.accounts),
                members: Some(totals.members),
                orphaned: orphaned.into_iter().take(MAX_ORPHANED_ACCOUNTS).collect(),
                blocked_in_force: (look.settled && with_access.is_empty()).then_some(generation),
                blocked_with_access: with_access
                    .iter()
                    .take(MAX_BLOCKED_WITH_ACCESS)
                    .map(|(account, email)| format!("{account} {email}"))
                    .collect(),
                capabilities,
                revocation_delay,
            };
            let mut findings = FindingsBuilder::new(KindName::IdentityStore, "", &look.record.facts.name);
            for (field, kind) in advice {
                findings.add(field, kind);
            }
            let mut report = Report::new(generation, detail).with_findings(findings.finish());
            report.synced = Synced::Yes { applied: false };
            if look.record.facts.spec.paused {
                report =
                    report.unsynced(SyncReason::Paused, "spec.paused: grants and definitions wait; revocations do not");
            }
            (waiting(look, report), None)
        }
        Err(error) => {
            let detail = Detail::Store {
                accounts: None,
                members: None,
                orphaned: Vec::new(),
                blocked_in_force: None,
                blocked_with_access: Vec::new(),
                capabilities: Vec::new(),
                revocation_delay: Duration::ZERO,
            };
            let (reason, why) = failure(&error);
            (waiting(look, Report::new(generation, detail).unsynced(reason, why)), Some(error))
        }
    }
}

fn waiting(look: &StoreLook, mut report: Report) -> Report {
    let users = look.users.len();
    if look.record.meta.deleting && users > 0 {
        report.waits = Some(Box::new(in_use(format!("{users} accounts are still kept in this store"))));
    }
    report
}

/// Keeps the finalizer while somebody uses the object, and not longer.
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
        // What is watched has fallen behind; what is on its way asks again.
        return Ok(());
    }
    let set = finalizer::set(client, &record.reference(kind), &record.meta.uid, used).await;
    if let Err(error) = &set {
        tracing::warn!(kind = kind.as_str(), name = %record.name, error = said(error), "finalizer not written, trying again");
    }
    set
}
