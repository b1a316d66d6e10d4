//! Reports on stores, and the events about them. Called by the controller when it has refreshed a store.

use std::{collections::BTreeSet, time::Duration};

use super::{Detail, Notice, NoticeReason, Report, Synced, Waits, failure};
use crate::{
    api::{
        SyncReason, approve_store_command,
        limits::{MAX_BLOCKED_WITH_ACCESS, MAX_ORPHANED_ACCOUNTS},
    },
    contract::StoreError,
    model::{AccountKey, Email, FieldPath, FindingKind, FindingsBuilder, KindName, Name, agree, counted},
    state::{Record, StoreAnswer, StoreFacts},
};

/// Summary of a store's content.
#[derive(Clone, Debug, Default)]
pub struct StoreFound {
    /// Id of the store; `None` where it has none.
    pub id: Option<Name>,
    /// Number of accounts in the store.
    pub accounts: u64,
    /// Number of members in the store, over all accounts.
    pub members: u64,
    /// Accounts marked by this cluster whose Account is gone.
    pub orphaned: BTreeSet<AccountKey>,
    /// Blocked addresses that still have access, each with the account.
    pub blocked_with_access: Vec<(AccountKey, Email)>,
    /// Words for the abilities of the backend.
    pub capabilities: Vec<String>,
    /// Longest time that revoked access may still work outside of the store.
    pub revocation_delay: Duration,
    /// Advice for the operator of the store.
    pub advice: Vec<(FieldPath, FindingKind)>,
}

/// Returns the message on a store that is not the one used so far, and what to do.
fn replaced(record: &Record<StoreFacts>, found: &StoreFound) -> String {
    let known = record.facts.known.id.as_deref().unwrap_or_default();
    let content = match (found.accounts, found.members) {
        (0, 0) => "which is empty".to_owned(),
        (accounts, members) => {
            format!("which holds {} and {}", counted(accounts, "account"), counted(members, "member"))
        }
    };
    let other = record.facts.known.approved.as_ref().filter(|id| *id != known);
    let other = other.map_or_else(String::new, |id| format!(". The approved id {id} is neither of them"));
    match &found.id {
        Some(id) => format!(
            "store {known} was used so far, and now store {id} responds, {content}; only revocations are applied. \
             Restore the former store or, if this one is right: {}{other}",
            approve_store_command(&record.name, id)
        ),
        None => format!(
            "store {known} was used so far, and now a store without an id responds, {content}; only revocations are \
             applied. Restore the former store"
        ),
    }
}

/// Returns the event that no blocked address has access any more.
#[must_use]
pub fn blocks_in_force(record: &Record<StoreFacts>, generation: i64) -> Notice {
    let blocked = record.facts.blocked.len();
    let addresses = agree(&blocked, "address", "addresses");
    let note = format!(
        "spec.blocked of generation {generation} is in force: {blocked} {addresses} without access in any account"
    );
    Notice::new(record.reference(KindName::IdentityStore), &record.meta, NoticeReason::BlocksInForce, note)
}

/// Returns the event that a store is used from now on: for the first time, or as approved. `None` if the same store as
/// before answers, or an unapproved one.
#[must_use]
pub fn store_used(record: &Record<StoreFacts>, found: &StoreFound) -> Option<Notice> {
    let answer = record.facts.known.judge(found.id.as_ref());
    let id = found.id.as_ref().filter(|_| matches!(answer, StoreAnswer::First | StoreAnswer::Approved))?;
    let note = match &record.facts.known.id {
        None => format!("store {id} is used for the first time; {}", content(found)),
        Some(known) => format!("store {id} replaces store {known}, as approved; {}", content(found)),
    };
    Some(Notice::new(record.reference(KindName::IdentityStore), &record.meta, NoticeReason::StoreUsed, note))
}

/// Returns the event that the store used so far answers again, after another one answered in its place.
#[must_use]
pub fn store_is_back(record: &Record<StoreFacts>, found: &StoreFound) -> Notice {
    let id = found.id.as_deref().unwrap_or("without an id");
    let note = format!("store {id} is back and used as before; {}", content(found));
    Notice::new(record.reference(KindName::IdentityStore), &record.meta, NoticeReason::StoreUsed, note)
}

fn content(found: &StoreFound) -> String {
    match (found.accounts, found.members) {
        (0, 0) => "it is empty".to_owned(),
        (accounts, members) => format!("it holds {} and {}", counted(accounts, "account"), counted(members, "member")),
    }
}

/// Returns the event that a store is not the one used so far; `None` if it is.
#[must_use]
pub fn store_replaced(record: &Record<StoreFacts>, found: &StoreFound) -> Option<Notice> {
    let is_replaced = record.facts.known.judge(found.id.as_ref()) == StoreAnswer::Replaced;
    let about = record.reference(KindName::IdentityStore);
    is_replaced.then(|| Notice::new(about, &record.meta, NoticeReason::StoreReplaced, replaced(record, found)))
}

/// Returns the report on a store. `users` is the number of accounts that use it; `settled` is whether every account was
/// reconciled since the IdentityStore last changed.
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
            let is_replaced = record.facts.known.judge(found.id.as_ref()) == StoreAnswer::Replaced;
            let detail = Detail::Store {
                id: found.id.clone(),
                accounts: Some(found.accounts),
                members: Some(found.members),
                orphaned: found.orphaned.iter().take(MAX_ORPHANED_ACCOUNTS).map(ToString::to_string).collect(),
                blocked_in_force: (settled && !is_replaced && found.blocked_with_access.is_empty())
                    .then_some(generation),
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
            let mut findings = findings.finish();
            findings.extend(record.facts.findings());
            let mut report = Report::new(generation, detail).with_findings(findings);
            report.synced = Synced::Yes { applied: false };
            if is_replaced {
                report = report.unsynced(SyncReason::StoreReplaced, replaced(record, found));
            } else if record.facts.spec.paused {
                report = report.unsynced(SyncReason::Paused, "paused by spec.paused; only revocations are applied");
            }
            report
        }
        Err(error) => {
            let detail = Detail::Store {
                id: None,
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
        report.waits = Some(Box::new(Waits::in_use(format!(
            "deletion waits: {} still {} this store",
            counted(users, "account"),
            agree(&users, "uses", "use")
        ))));
    }
    report
}
