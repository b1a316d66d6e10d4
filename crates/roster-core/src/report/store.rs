//! Reports on stores.

use std::{collections::BTreeSet, time::Duration};

use super::{Detail, Report, Synced, Waits, failure};
use crate::{
    api::{
        SyncReason,
        limits::{MAX_BLOCKED_WITH_ACCESS, MAX_ORPHANED_ACCOUNTS},
    },
    contract::StoreError,
    model::{AccountKey, Email, FieldPath, FindingKind, FindingsBuilder, KindName},
    state::{Record, StoreFacts},
};

/// Content of a store as a whole.
#[derive(Clone, Debug, Default)]
pub struct StoreFound {
    /// Accounts kept in it.
    pub accounts: u64,
    /// Members kept in it, over all accounts.
    pub members: u64,
    /// Accounts of this cluster whose Account is gone.
    pub orphaned: BTreeSet<AccountKey>,
    /// Where somebody who is blocked still has access.
    pub blocked_with_access: Vec<(AccountKey, Email)>,
    /// Words for what the backend can do.
    pub capabilities: Vec<String>,
    /// Longest time that revoked access may stay in force outside of the store.
    pub revocation_delay: Duration,
    /// Advice for whoever keeps the store.
    pub advice: Vec<(FieldPath, FindingKind)>,
}

/// Reports on a store. `users` is the number of accounts that use it; `settled`, whether every account was reconciled
/// since the IdentityStore last changed.
#[must_use]
pub fn store(
    record: &Record<StoreFacts>,
    users: usize,
    settled: bool,
    found: Result<&StoreFound, &StoreError>,
) -> Report {
    let generation = record.facts.generation;
    let mut report = match found {
        Ok(found) => {
            let detail = Detail::Store {
                accounts: Some(found.accounts),
                members: Some(found.members),
                orphaned: found.orphaned.iter().take(MAX_ORPHANED_ACCOUNTS).map(ToString::to_string).collect(),
                blocked_in_force: (settled && found.blocked_with_access.is_empty()).then_some(generation),
                blocked_with_access: found
                    .blocked_with_access
                    .iter()
                    .take(MAX_BLOCKED_WITH_ACCESS)
                    .map(|(account, email)| format!("{account} {email}"))
                    .collect(),
                capabilities: found.capabilities.clone(),
                revocation_delay: found.revocation_delay,
            };
            let mut findings = FindingsBuilder::new(KindName::IdentityStore, "", &record.facts.name);
            for (field, kind) in &found.advice {
                findings.add(field.clone(), kind.clone());
            }
            let mut report = Report::new(generation, detail).with_findings(findings.finish());
            report.synced = Synced::Yes { applied: false };
            if record.facts.spec.paused {
                report =
                    report.unsynced(SyncReason::Paused, "spec.paused: grants and definitions wait; revocations do not");
            }
            report
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
            let (reason, why) = failure(error);
            Report::new(generation, detail).unsynced(reason, why)
        }
    };
    if record.meta.deleting && users > 0 {
        report.waits = Some(Box::new(Waits::in_use(format!("{users} accounts are still kept in this store"))));
    }
    report
}
