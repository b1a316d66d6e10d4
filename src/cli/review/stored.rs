//! Adds to a review what only the store has: undeclared members, drift, and changes since a date. Called by
//! `review::account`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    Setting, changes, held,
    report::{AccountReview, EndReason, Ended, StoreState, Undeclared},
};
use crate::{
    cli::{
        people::{Withheld, people},
        target::{self, OrphanedAccount, Planned},
    },
    manifests::Source,
    model::{AccountKey, Email},
    plan::{Cause, Existing, Mark, ObjectKey, Observed},
    resolve::{AccountResolution, MemberContent},
    store::{AuditRecord, Store, StoreLocation},
};

/// Stores that are open, or why they could not be opened.
#[derive(Default)]
pub struct Stores(BTreeMap<StoreLocation, Result<Arc<dyn Store>, Unread>>);

/// Reason why a store was not read.
#[derive(Clone, Debug)]
pub struct Unread {
    /// The reason as text.
    pub message: String,
    /// Whether reading failed, as opposed to a missing store.
    pub failed: bool,
}

impl Stores {
    async fn get(&mut self, setting: &Setting<'_>, place: &StoreLocation) -> Result<Arc<dyn Store>, Unread> {
        if let Some(known) = self.0.get(place) {
            return known.clone();
        }
        let opened = match setting.target.open_if_there(setting.loaded, place).await {
            Ok(Some(store)) => Ok(store),
            Ok(None) => {
                let message = format!("{}: pass --store or --sqlite-dir", target::absent(place));
                Err(Unread { message, failed: setting.target.store.is_some() })
            }
            Err(error) => Err(Unread { message: format!("{error:#}"), failed: true }),
        };
        self.0.insert(place.clone(), opened.clone());
        opened
    }
}

/// Adds the content of the store to a review.
pub async fn add(setting: &Setting<'_>, stores: &mut Stores, key: &AccountKey, review: &mut AccountReview) {
    if let Err(unread) = read(setting, stores, key, review).await {
        (review.store.unread, review.store.failed) = (Some(unread.message), unread.failed);
    }
}

async fn read(
    setting: &Setting<'_>,
    stores: &mut Stores,
    key: &AccountKey,
    review: &mut AccountReview,
) -> Result<(), Unread> {
    let failed = |message: String| Unread { message, failed: true };
    // Files without an IdentityStore do not name a location; that is a note, not an error.
    let stands_in = setting.loaded.objects.stores.values().all(|store| store.generation == 0);
    let is_files = matches!(setting.loaded.source, Source::Files(_));
    if is_files && stands_in && setting.target.store.is_none() {
        let message = "the files contain no IdentityStore: pass --store".to_owned();
        return Err(Unread { message, failed: false });
    }
    let place = setting.target.place(setting.loaded, key).map_err(|error| failed(error.to_string()))?;
    review.store.place = place.to_string();
    let store = stores.get(setting, &place).await?;
    let planned = target::plan(setting.loaded, key, &place, Some(&store), setting.now);
    let planned = planned.await.map_err(|error| failed(format!("{error:#}")))?;
    if let Some(planned) = planned {
        compared(setting, &planned, review);
    }
    if !store.capabilities().audit {
        return if setting.since.is_some() { Err(failed(format!("{place} has no audit"))) } else { Ok(()) };
    }
    if setting.since.is_some() {
        let records = changes::records(&*store, key, setting.since).await.map_err(|error| failed(error.to_string()))?;
        review.changes = Some(changes::lines(&records));
    }
    if !review.ended.is_empty() {
        let records = changes::records(&*store, key, None).await.map_err(|error| failed(error.to_string()))?;
        let since = ended_since(&records);
        for ended in review.ended.iter_mut().filter(|ended| ended.reason != EndReason::Expired) {
            ended.since = since.get(ended.email.as_str()).copied();
        }
    }
    Ok(())
}

/// Adds the differences between objects and store, and people's access in the store.
fn compared(setting: &Setting<'_>, planned: &Planned, review: &mut AccountReview) {
    let (plan, observed) = (&planned.plan, &planned.observed);
    let guarded: BTreeSet<&Email> = plan.guarded.iter().flat_map(|guarded| &guarded.members).collect();
    let wanted = &planned.judged.desired.members;
    let undeclared: BTreeSet<&Email> = observed
        .members
        .iter()
        .filter(|(email, existing)| {
            let declared = wanted.contains_key(*email) || plan.owner_kept.as_ref() == Some(email);
            !declared && existing.mark.as_ref() != Some(&planned.mark) && existing.content.is_some()
        })
        .map(|(email, _)| email)
        .collect();
    for email in &undeclared {
        if let Some(existing) = observed.members.get(*email) {
            add_undeclared(email, existing, review, setting.now);
        }
    }
    add_ended(observed, review, setting.now);
    // Like `roster drift` and the status of the Account, which count undeclared members, too.
    review.drift = plan.drift.iter().flat_map(|drift| drift.entries.clone()).collect();
    // Held removals have their own list.
    let pending = plan.changes.iter().filter(|change| !matches!(change.cause, Cause::Drift | Cause::Unmanaged)).count();
    let waiting = plan.holds.iter().filter(|(object, hold)| hold.is_pause() && !is_guarded(object, &guarded)).count();
    review.pending = pending + waiting;
    review.held_removals = guarded.iter().map(ToString::to_string).collect();
    let definitions = &planned.judged.definitions;
    let layout = match &definitions.resolution {
        AccountResolution::Resolved(whole) => &whole.catalog.layout,
        AccountResolution::Unresolvable => &observed.layout,
    };
    let Some(entry) = setting.loaded.objects.accounts.get(&planned.key) else { return };
    let everybody = people(&planned.judged, entry);
    let held = held::of_store(observed, &everybody, &guarded, review, layout, setting.now);
    review.take(&held, Some(definitions), layout);
}

fn is_guarded(object: &ObjectKey, guarded: &BTreeSet<&Email>) -> bool {
    matches!(object, ObjectKey::Member(email) if guarded.contains(email))
}

/// Adds the ends of access that stand in the store, and that the objects do not say: these people have no access now. Of
/// those that the objects say, notes which the store does not have yet.
fn add_ended(observed: &Observed, review: &mut AccountReview, now: Timestamp) {
    let contents =
        || observed.members.iter().filter_map(|(email, existing)| Some((email.as_str(), existing.content.as_ref()?)));
    let with_access: BTreeSet<&str> =
        contents().filter(|(_, content)| !content.ranks_at(now).is_none()).map(|(email, _)| email).collect();
    let stored: BTreeSet<&str> = contents().map(|(email, _)| email).collect();
    for ended in &mut review.ended {
        ended.not_in_store_yet = with_access.contains(ended.email.as_str());
        ended.absent = !stored.contains(ended.email.as_str());
    }
    let known: BTreeSet<&str> = review.ended.iter().map(|one| one.email.as_str()).collect();
    let unknown = contents().filter(|(email, _)| !known.contains(email));
    let ended = unknown.filter_map(|(email, content)| {
        let (reason, since) = EndReason::of(Withheld::in_store(content, now)?)?;
        Some(Ended {
            email: email.to_owned(),
            reason,
            in_store_only: true,
            not_in_store_yet: false,
            absent: false,
            since,
        })
    });
    let ended: Vec<Ended> = ended.collect();
    review.ended.extend(ended);
}

/// Adds a person that only the store has; does nothing if only a mark is left.
fn add_undeclared(email: &Email, existing: &Existing<MemberContent>, review: &mut AccountReview, now: Timestamp) {
    let Some(content) = &existing.content else { return };
    review.undeclared.push(Undeclared {
        email: email.to_string(),
        role: content.role.as_ref().map(ToString::to_string),
        mark: existing.mark.as_ref().map_or_else(|| "none".to_owned(), marked),
        sections: content.ranks_at(now).as_slice().iter().filter(|rank| **rank > 0).count(),
    });
}

/// Returns the review of an account that only its store has; all its members are undeclared.
pub fn orphaned_account(orphaned_account: &OrphanedAccount, now: Timestamp) -> AccountReview {
    let store = StoreState { place: orphaned_account.place.to_string(), ..StoreState::default() };
    let (account, display_name) = (orphaned_account.key.to_string(), orphaned_account.display_name().to_owned());
    let mut review = AccountReview { account, display_name, store, ..AccountReview::default() };
    for (email, existing) in &orphaned_account.observed.members {
        add_undeclared(email, existing, &mut review, now);
    }
    let observed = &orphaned_account.observed;
    add_ended(observed, &mut review, now);
    let held = held::of_store(observed, &[], &BTreeSet::new(), &review, &observed.layout, now);
    review.take(&held, None, &observed.layout);
    review
}

fn marked(mark: &Mark) -> String {
    if mark.is_clusters() { format!("cluster {}", mark.cluster) } else { "files".to_owned() }
}

/// Returns the time since which each person's access is revoked.
fn ended_since(records: &[AuditRecord]) -> BTreeMap<&str, Timestamp> {
    let is_ended = |json: Option<&String>| {
        let json = json.and_then(|json| serde_json::from_str::<serde_json::Value>(json).ok());
        json.is_some_and(|object| object.get("ended").is_some())
    };
    let mut since = BTreeMap::new();
    for record in records.iter().filter(|record| record.kind == "member") {
        if !is_ended(record.after.as_ref()) {
            since.remove(record.name.as_str());
        } else if !is_ended(record.before.as_ref()) {
            since.insert(record.name.as_str(), record.at);
        }
    }
    since
}
