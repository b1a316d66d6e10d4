//! Compares two revisions of files without a store: the former revision takes the place of the store's content. Called
//! by `roster plan --from --to` and `roster review --from`.

mod limits;
mod others;
mod pair;
mod refused;
mod unread;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use jiff::Timestamp;

pub(super) use self::others::others;
use self::{
    others::UnreportedObject,
    pair::{Pair, in_words, pairs},
};
use super::{
    Changes, Choices, Work,
    report::{LimitChange, OtherChange, Refused, RefusedBy},
};
use crate::{
    api::DeletionPolicy,
    evaluate::{self, DeletionDecision},
    manifests::{LoadedObjects, Objects, Source},
    model::{AccountKey, FindingKind},
    plan::{Mark, Observed, Plan},
    store::StoreLocation,
};

/// Differences of two revisions that no plan of a store shows.
#[derive(Default)]
pub struct Revisions {
    /// Changes that the API server or the controller refuses.
    pub(super) refused: Vec<Refused>,
    /// Limits that change.
    pub(super) limits: Vec<LimitChange>,
    /// Other differences, which may also be reported as changes in accounts.
    pub(super) unreported: Vec<UnreportedObject>,
    /// Documents that are not read as objects but differ.
    pub(super) unread: Vec<OtherChange>,
    /// Accounts that are paused in the later revision.
    pub(super) paused: BTreeSet<AccountKey>,
    /// Reason why the removal guard would hold the deletion of an Account that the later revision does not have.
    pub(super) deletions: BTreeMap<AccountKey, String>,
}

/// Returns the changes from one revision to the other.
pub fn between(
    from: &mut LoadedObjects,
    to: &mut LoadedObjects,
    choices: Choices<'_>,
    now: Timestamp,
) -> (Changes, Revisions) {
    let mut revisions = Revisions::default();
    if let (Source::Files(from_files), Source::Files(to_files)) = (&from.source, &to.source) {
        let pairs = pairs(from_files, to_files);
        revisions.refused = refused::refusals(&pairs);
        let (limits, compared) = limits::limits(&from.objects, &to.objects, &pairs);
        revisions.limits = limits;
        revisions.limits.extend(limits::rbac(from_files, to_files));
        revisions.limits.sort_by_key(|limit| limit.direction);
        revisions.unreported = others::unreported(pairs, &compared);
        revisions.unread = unread::differences(from_files, to_files);
        revisions.unread.extend(unread::rbac(from_files, to_files));
    }
    // A pause may end without a review of the changes that wait for it, so they are shown now.
    revisions.paused = end_pauses(&mut to.objects);
    let mut changes = Changes::default();
    let from = &*from;
    let keys: BTreeSet<AccountKey> = from.accounts.iter().chain(&to.accounts).cloned().collect();
    for key in keys {
        changes.works.extend(work(from, to, key, choices, now));
    }
    for work in &changes.works {
        revisions.refused.extend(owner_stays(to, work));
        let waits = deletion_waits(from, work, now);
        revisions.deletions.extend(waits.map(|why| (work.key.clone(), why)));
    }
    (changes, revisions)
}

/// Returns the changes in one account.
fn work(
    from: &LoadedObjects,
    to: &LoadedObjects,
    key: AccountKey,
    choices: Choices<'_>,
    now: Timestamp,
) -> Option<Work> {
    let mark = from.mark(&key);
    let before = from.judge(&key, now);
    let observed = before.as_ref().map_or_else(Observed::default, |before| Observed::of(&before.desired, &mark));
    let unknown = before.filter(|before| before.desired.definitions.is_none());
    let unknown = unknown.map(|before| before.definitions.findings.message());
    if to.objects.accounts.get(&key).is_none_or(|entry| entry.account.is_none()) {
        return Some(removed(&from.objects, key, mark, unknown, observed));
    }
    let nowhere = StoreLocation::Sqlite(PathBuf::new());
    let work = super::work(to, &key, &nowhere, observed, choices, now)?;
    Some(Work { place: None, unknown, ..work })
}

/// Plans the removal of an account that the later revision does not have, by the earlier revision's policy.
fn removed(from: &Objects, key: AccountKey, mark: Mark, unknown: Option<String>, observed: Observed) -> Work {
    let account = from.accounts.get(&key).and_then(|entry| entry.account.as_ref());
    let is_orphaned = account.is_some_and(|account| account.spec.deletion_policy == DeletionPolicy::Orphan);
    let plan = if is_orphaned { Plan::default() } else { evaluate::delete(&observed, &mark) };
    Work { key, place: None, mark, unknown, judged: None, observed, plan, released: None, is_orphaned }
}

/// Returns why the removal guard would hold the deletion of an Account that the later revision does not have.
fn deletion_waits(from: &LoadedObjects, work: &Work, now: Timestamp) -> Option<String> {
    let key = (work.judged.is_none() && !work.is_orphaned).then_some(&work.key)?;
    let (prepared, judged) = (from.prepare(key)?, from.judge(key, now)?);
    let context = from.context(key, now);
    match evaluate::judge_deletion(&prepared, &judged, &work.observed, &context, &BTreeSet::new()) {
        DeletionDecision::Held(guarded) => Some(guarded.why),
        DeletionDecision::Replaced | DeletionDecision::Removes(_) => None,
    }
}

fn owner_stays(to: &LoadedObjects, work: &Work) -> Option<Refused> {
    let owner = work.plan.owner_kept.as_ref()?;
    Some(Refused {
        object: format!("Account {}", work.key),
        field: "spec.owner.email".to_owned(),
        from: owner.to_string(),
        to: owner_of(&to.objects, &work.key).unwrap_or_else(|| "(absent)".to_owned()),
        message: FindingKind::OwnerStays(owner.clone()).to_string(),
        by: RefusedBy::Controller,
    })
}

/// Removes every pause, and returns the accounts that were paused.
fn end_pauses(objects: &mut Objects) -> BTreeSet<AccountKey> {
    let is_paused = |store: &str| objects.stores.get(store).is_some_and(|store| store.spec.paused);
    let paused = objects.accounts.iter().filter(|(_, entry)| {
        let store = entry.account.as_ref().map(|account| account.spec.store_ref.name.as_str());
        entry.annotations.paused || store.is_some_and(is_paused)
    });
    let paused: BTreeSet<AccountKey> = paused.map(|(key, _)| key.clone()).collect();
    for key in &paused {
        if let Some(entry) = objects.accounts.get_mut(key) {
            entry.annotations.paused = false;
        }
    }
    for store in objects.stores.values_mut().filter(|store| store.spec.paused) {
        Arc::make_mut(store).spec.paused = false;
    }
    paused
}

fn owner_of(objects: &Objects, key: &AccountKey) -> Option<String> {
    let account = objects.accounts.get(key)?.account.as_ref()?;
    Some(account.spec.owner.as_ref()?.email.clone())
}
