//! What only the store of an account knows: whom nobody declared, drift, what changed when.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    Setting, changes,
    report::{AccountReview, Counts, Ended, Flag, PersonLine, StoreState, Undeclared},
};
use crate::{
    cli::target::{self, Leftover, Planned},
    manifests::Source,
    model::{AccountKey, Email},
    plan::{Cause, Mark, ObjectKey, Observed, Seen},
    resolve::{End, MemberContent},
    store::{AuditRecord, Place, Store},
};

/// Stores that are open, or why they could not be opened.
#[derive(Default)]
pub struct Stores(BTreeMap<Place, Result<Arc<dyn Store>, Unread>>);

/// Why a store was not read.
#[derive(Clone, Debug)]
pub struct Unread {
    /// In words.
    pub message: String,
    /// Whether something is wrong, and not just nothing there.
    pub failed: bool,
}

impl Stores {
    async fn get(&mut self, setting: &Setting<'_>, place: &Place) -> Result<Arc<dyn Store>, Unread> {
        if let Some(known) = self.0.get(place) {
            return known.clone();
        }
        let opened = match setting.target.open_if_there(setting.loaded, place).await {
            Ok(Some(store)) => Ok(store),
            Ok(None) => {
                let message = format!("{}: say where it is with --store or --sqlite-dir", target::absent(place));
                Err(Unread { message, failed: setting.target.store.is_some() })
            }
            Err(error) => Err(Unread { message: format!("{error:#}"), failed: true }),
        };
        self.0.insert(place.clone(), opened.clone());
        opened
    }
}

/// What only the store knows.
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
    // Files without an IdentityStore do not say where it is; that is no failure, but said.
    let stands_in = setting.loaded.objects.stores.values().all(|store| store.generation == 0);
    let is_files = matches!(setting.loaded.source, Source::Files(_));
    if is_files && stands_in && setting.target.store.is_none() {
        let message = "the files have no IdentityStore: say where the store is with --store".to_owned();
        return Err(Unread { message, failed: false });
    }
    let place = setting.target.place(setting.loaded, key).map_err(|error| failed(error.to_string()))?;
    review.store.place = place.to_string();
    let store = stores.get(setting, &place).await?;
    let planned = target::plan(setting.loaded, key, &place, Some(&store), setting.now);
    let planned = planned.await.map_err(|error| failed(format!("{error:#}")))?;
    if let Some(planned) = planned {
        compared(&planned, review, setting.now);
    }
    if !store.capabilities().audit {
        return if setting.since.is_some() { Err(failed(format!("{place} keeps no audit"))) } else { Ok(()) };
    }
    if setting.since.is_some() {
        let records = changes::records(&*store, key, setting.since).await.map_err(|error| failed(error.to_string()))?;
        review.changes = Some(changes::lines(&records));
    }
    if !review.ended.is_empty() {
        let records = changes::records(&*store, key, None).await.map_err(|error| failed(error.to_string()))?;
        let since = ended_since(&records);
        for ended in &mut review.ended {
            ended.since = since.get(ended.email.as_str()).copied();
        }
    }
    Ok(())
}

/// What differs between the objects and the store.
fn compared(planned: &Planned, review: &mut AccountReview, now: Timestamp) {
    let (plan, observed) = (&planned.plan, &planned.observed);
    let wanted = &planned.judged.desired.members;
    let undeclared: BTreeSet<&Email> = observed
        .members
        .iter()
        .filter(|(email, seen)| {
            let declared = wanted.contains_key(*email) || plan.owner_kept.as_ref() == Some(email);
            !declared && seen.mark.as_ref() != Some(&planned.mark) && seen.content.is_some()
        })
        .map(|(email, _)| email)
        .collect();
    for email in &undeclared {
        if let Some(seen) = observed.members.get(*email) {
            add_undeclared(email, seen, review, now);
        }
    }
    add_ended(observed, review);
    let drift = plan.drift.iter().filter(|drift| match &drift.object {
        ObjectKey::Member(email) => !undeclared.contains(email),
        _ => true,
    });
    review.drift = drift.flat_map(|drift| drift.entries.clone()).collect();
    let pending = plan.changes.iter().filter(|change| !matches!(change.cause, Cause::Drift | Cause::Unmanaged)).count();
    review.pending = pending + plan.guarded.as_ref().map_or(0, |guarded| guarded.members.len());
}

/// Adds the ends of access that stand in the store, and that the objects do not say: these people have no access now.
fn add_ended(observed: &Observed, review: &mut AccountReview) {
    let known: BTreeSet<&str> = review.ended.iter().map(|one| one.email.as_str()).collect();
    let end = |(email, seen): (&Email, &Seen<MemberContent>)| Some((email.to_string(), seen.content.as_ref()?.ended?));
    let ends = observed.members.iter().filter_map(end).filter(|(email, _)| !known.contains(email.as_str()));
    let ends: BTreeMap<String, End> = ends.collect();
    for person in &mut review.people {
        let Some(end) = ends.get(&person.email) else { continue };
        person.flags.push(Flag::Ended(*end));
        let had_access = person.sections_with_access.replace(0).is_some_and(|sections| sections > 0);
        review.counts.with_access -= usize::from(had_access);
        person.sections_at_top = person.sections_at_top.map(|_| 0);
    }
    for strong in &mut review.strongest {
        let Some(end) = ends.get(&strong.email) else { continue };
        strong.withheld.get_or_insert_with(|| end.as_str().to_owned());
        strong.sections_at_top = 0;
    }
    let ended = ends.into_iter().map(|(email, reason)| Ended { email, reason, in_store_only: true, since: None });
    review.ended.extend(ended);
}

/// Adds somebody whom only the store knows; nothing where only a mark is left of them.
fn add_undeclared(email: &Email, seen: &Seen<MemberContent>, review: &mut AccountReview, now: Timestamp) {
    let Some(content) = &seen.content else { return };
    let role = content.role.as_ref().map(ToString::to_string);
    let sections = content.ranks_at(now).as_slice().iter().filter(|rank| **rank > 0).count();
    review.undeclared.push(Undeclared {
        email: email.to_string(),
        role: role.clone(),
        mark: seen.mark.as_ref().map_or_else(|| "none".to_owned(), marked),
        sections,
    });
    review.people.push(PersonLine {
        email: email.to_string(),
        display_name: content.display_name.as_deref().unwrap_or_default().to_owned(),
        role: role.unwrap_or_default(),
        groups: content.groups.iter().map(ToString::to_string).collect(),
        sections_with_access: Some(sections),
        sections_at_top: None,
        flags: vec![Flag::Undeclared],
    });
}

/// An account that only its store knows: everybody in it is declared by nobody.
pub fn leftover(leftover: &Leftover, now: Timestamp) -> AccountReview {
    let with_access = leftover.members().filter(|(_, content)| !content.ranks_at(now).is_none()).count();
    let counts = Counts { people: leftover.members().count(), with_access, ..Counts::default() };
    let store = StoreState { place: leftover.place.to_string(), ..StoreState::default() };
    let (account, display_name) = (leftover.key.to_string(), leftover.key.name.to_string());
    let mut review = AccountReview { account, display_name, store, counts, ..AccountReview::default() };
    for (email, seen) in &leftover.observed.members {
        add_undeclared(email, seen, &mut review, now);
    }
    add_ended(&leftover.observed, &mut review);
    review
}

fn marked(mark: &Mark) -> String {
    if mark.is_clusters() { format!("cluster {}", mark.cluster) } else { "files".to_owned() }
}

/// Since when each person's access has been ended.
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
