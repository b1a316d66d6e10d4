//! Gathers the changes for all accounts, and reports them. Called by `roster plan`, `apply`, `drift`, `import` and
//! `review`.

mod alike;
mod effect;
mod guarded;
mod markdown;
mod report;
mod report_builder;
mod reported;
mod revisions;
mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use anyhow::ensure;
use jiff::Timestamp;

pub use self::{
    report::{Action, Compares, Report},
    revisions::{Revisions, between},
};
use super::{
    output::complain,
    target::{self, Target},
};
use crate::{
    api::DeletionPolicy,
    evaluate::{self, Context, DeletionDecision, Judged},
    manifests::{AccountObjects, LoadedObjects, Objects, Source},
    model::{AccountKey, Name, Scope},
    plan::{Mark, Observed, Plan},
    resolve,
    state::{SnapshotSource as _, StoreFacts},
    store::{Store, StoreLocation},
};

/// Message for a namespace or folder without an Account.
pub const NO_ACCOUNT: &str = "there is no Account here (in a cluster, pass -A for all namespaces)";

/// Changes in one account.
pub struct Work {
    /// The account.
    pub key: AccountKey,
    /// Its store; `None` if two revisions of files are compared.
    pub place: Option<StoreLocation>,
    /// Mark for the entries that are written.
    pub mark: Mark,
    /// Reason why the former content is unknown: the account does not resolve in the earlier revision.
    pub unknown: Option<String>,
    /// Desired content; `None` if the account is to be removed.
    pub judged: Option<Judged>,
    /// Observed content.
    pub observed: Observed,
    /// Plan of the changes.
    pub plan: Plan,
    /// Plan as it would be with the held removals approved; `None` if the removal guard holds nothing back, or if what
    /// then happens is not planned.
    pub released: Option<Plan>,
    /// Whether the Account is deleted and its content kept (`deletionPolicy: Orphan`).
    pub is_orphaned: bool,
}

/// Changes in all accounts.
#[derive(Default)]
pub struct Changes {
    /// Changes by account.
    pub works: Vec<Work>,
    /// Applied from files before, and not in these files: accounts that stay as they are, with their stores.
    pub left: Vec<(AccountKey, StoreLocation)>,
    /// Why accounts of a cluster were not compared: they name no store that exists.
    pub without_store: Vec<String>,
    /// Stores of these accounts that are not there.
    pub missing: BTreeSet<StoreLocation>,
    /// Stores that a cluster's controller keeps although files are compared.
    pub clusters: BTreeSet<StoreLocation>,
}

impl Changes {
    /// Says on standard error which accounts were not compared.
    pub fn complain_of_missing_stores(&self) {
        for why in &self.without_store {
            complain(format!("not compared: {why}"));
        }
    }
}

/// Options of the command.
#[derive(Clone, Copy, Default)]
pub struct Choices<'a> {
    /// Hashes of removals that may pass.
    pub approved: &'a [String],
    /// Removes accounts that were applied from files before and are not in these files.
    pub prune: bool,
    /// Reports every difference and corrects none, regardless of the settings of store and account.
    pub only_drift: bool,
}

/// Stores of the accounts, opened read-only.
#[derive(Default)]
struct Stores(BTreeMap<StoreLocation, Option<Arc<dyn Store>>>);

impl Stores {
    async fn get(
        &mut self,
        target: &Target,
        loaded: &LoadedObjects,
        place: &StoreLocation,
    ) -> anyhow::Result<Option<Arc<dyn Store>>> {
        if let Some(store) = self.0.get(place) {
            return Ok(store.clone());
        }
        let store = target.open_if_there(loaded, place).await?;
        self.0.insert(place.clone(), store.clone());
        Ok(store)
    }
}

/// Works out what would change; nothing is made or written.
///
/// # Errors
/// When an account has no store, or a store cannot be read.
pub async fn gather(
    loaded: &mut LoadedObjects,
    target: &Target,
    choices: Choices<'_>,
    now: Timestamp,
) -> anyhow::Result<Changes> {
    let is_files = matches!(loaded.source, Source::Files(_));
    // A wrong or empty folder must not remove all accounts.
    ensure!(!choices.prune || !loaded.accounts.is_empty(), "--prune: the files contain no Account; nothing is removed");
    if let (true, Some(file)) = (is_files, &target.store) {
        for name in loaded.objects.stores_named() {
            if !loaded.objects.stores.contains_key(&name) {
                assume_store(&mut loaded.objects, name, &StoreLocation::from_argument(file)?);
            }
        }
    }
    let mut stores = Stores::default();
    let mut changes = Changes::default();
    let several = loaded.accounts.len() > 1;
    for key in loaded.accounts.clone() {
        let place = match target.place(loaded, &key) {
            Ok(place) => place,
            // One account of a cluster that names no store must not keep the others from being compared.
            Err(error) if !is_files && several => {
                changes.without_store.push(error.to_string());
                continue;
            }
            Err(error) => return Err(error),
        };
        let store = stores.get(target, loaded, &place).await?;
        if store.is_none() {
            // The controller uses a store, so this is the wrong location.
            ensure!(is_files, "account {key}: there is no {place}: pass --store or --sqlite-dir");
            changes.missing.insert(place.clone());
        }
        let observed = target::observe(store.as_ref(), &key, now).await?;
        changes.works.extend(work(loaded, &key, &place, observed, choices, now));
    }
    if is_files {
        if let Some(file) = &target.store {
            stores.get(target, loaded, &StoreLocation::from_argument(file)?).await?;
        }
        for (place, store) in &stores.0 {
            let Some(store) = store else { continue };
            look_for_others(loaded, target, &mut changes, place, store, choices, now).await?;
        }
    }
    for store in stores.0.values().flatten() {
        store.close().await;
    }
    Ok(changes)
}

fn work(
    loaded: &LoadedObjects,
    key: &AccountKey,
    place: &StoreLocation,
    observed: Observed,
    choices: Choices<'_>,
    now: Timestamp,
) -> Option<Work> {
    let mark = loaded.mark_for_comparison(key, &observed);
    let context = Context { only_reporting: choices.only_drift, approved: choices.approved, ..Context::new(mark, now) };
    // A deletion reports no drift, and objects in files are never being deleted.
    let is_leaving = matches!(loaded.source, Source::Cluster(_)) && loaded.objects.is_deleting(key);
    if is_leaving && !choices.only_drift {
        return leaving(loaded, key, place, observed, &context);
    }
    let target::Planned { key, place, mark, judged, observed, plan } =
        target::plan_as(loaded, key, place, observed, &context)?;
    let (place, judged) = (Some(place), Some(judged));
    let released = plan.guarded.as_ref().and_then(|guarded| {
        let approved = std::slice::from_ref(&guarded.hash);
        let context = Context { only_reporting: choices.only_drift, approved, ..Context::new(mark.clone(), now) };
        let members = loaded.objects.members(&key, &Scope::Account)?;
        Some(evaluate::evaluate(&loaded.prepare(&key)?, &members, &observed, &context).plan)
    });
    Some(Work { key, place, mark, unknown: None, judged, observed, plan, released, is_orphaned: false })
}

/// Like [`work`], for an Account that is being deleted. While the deletion waits for managed accounts, the former store
/// or an approval, only explicit revocations and single removals are planned.
fn leaving(
    loaded: &LoadedObjects,
    key: &AccountKey,
    place: &StoreLocation,
    observed: Observed,
    context: &Context<'_>,
) -> Option<Work> {
    let account = loaded.objects.accounts.get(key)?.account.as_ref()?;
    let (prepared, members) = (loaded.prepare(key)?, loaded.objects.members(key, &Scope::Account)?);
    let judged = evaluate::judge(&prepared, &members, context);
    let keeps_it = |(namespace, entry): (&Name, &AccountObjects)| {
        let child = entry.account.as_ref().filter(|child| child.parent().as_ref() == Some(key));
        let labels = loaded.objects.namespaces.get(namespace);
        child.is_some_and(|child| resolve::keeps_parent(account, child, labels.map(|labels| &**labels)))
    };
    let mut accounts = loaded.objects.accounts.iter().map(|(key, entry)| (&key.namespace, entry));
    let waits_for_accounts = accounts.any(keeps_it);
    let is_orphaned = !waits_for_accounts && account.spec.deletion_policy == DeletionPolicy::Orphan;
    let meanwhile = || evaluate::plan_revocations_and_removals(&prepared, &judged, &observed, context);
    let mut released = None;
    let plan = if is_orphaned {
        Plan::default()
    } else if waits_for_accounts {
        meanwhile()
    } else {
        match evaluate::judge_deletion(&prepared, &judged, &observed, context, &BTreeSet::new()) {
            DeletionDecision::Replaced => meanwhile(),
            DeletionDecision::Held(guarded) => {
                let mut plan = meanwhile();
                plan.guarded = Some(guarded);
                released = Some(evaluate::delete(&observed, &context.mark));
                plan
            }
            DeletionDecision::Removes(plan) => plan,
        }
    };
    let (key, place, mark) = (key.clone(), Some(place.clone()), context.mark.clone());
    Some(Work { key, place, mark, unknown: None, judged: None, observed, plan, released, is_orphaned })
}

/// Accounts of a store that are not in the files.
async fn look_for_others(
    loaded: &LoadedObjects,
    target: &Target,
    changes: &mut Changes,
    place: &StoreLocation,
    store: &Arc<dyn Store>,
    choices: Choices<'_>,
    now: Timestamp,
) -> anyhow::Result<()> {
    let in_files: BTreeSet<&AccountKey> = loaded.accounts.iter().collect();
    for mark in store.accounts().await? {
        if mark.is_clusters() {
            changes.clusters.insert(place.clone());
            continue;
        }
        let key = mark.account.clone();
        if in_files.contains(&key) {
            continue;
        }
        if choices.prune {
            let observed = target::observe(Some(store), &key, now).await?;
            let context = Context { approved: choices.approved, ..Context::new(mark.clone(), now) };
            let plan = match judge_removal(loaded, target, &observed, place, &context) {
                DeletionDecision::Removes(plan) => plan,
                DeletionDecision::Held(guarded) => Plan::holding(guarded),
                DeletionDecision::Replaced => Plan::default(),
            };
            let released = plan.guarded.is_some().then(|| evaluate::delete(&observed, &mark));
            let place = Some(place.clone());
            changes.works.push(Work {
                key,
                place,
                mark,
                unknown: None,
                judged: None,
                observed,
                plan,
                released,
                is_orphaned: false,
            });
        } else {
            changes.left.push((key, place.clone()));
        }
    }
    Ok(())
}

/// Decides about the removal of an account that no file contains, by the files of its store and its catalog.
fn judge_removal(
    loaded: &LoadedObjects,
    target: &Target,
    observed: &Observed,
    place: &StoreLocation,
    context: &Context<'_>,
) -> DeletionDecision {
    let is_there = |(name, store): &(&Name, &Arc<StoreFacts>)| {
        // With `--store`, all accounts are in that store.
        let of = StoreLocation::of(name, &store.spec, &target.sqlite_dir);
        target.store.is_some() || of.is_ok_and(|of| of == *place)
    };
    // The strictest guard counts. An assumed store, which no file describes, has the defaults and comes last.
    let guard = |store: &&Arc<StoreFacts>| {
        let guard = &store.spec.account_defaults.removal_guard;
        (store.generation == 0, guard.maximum_percent, guard.minimum_count)
    };
    let store = loaded.objects.stores.iter().filter(is_there).map(|(_, store)| store).min_by_key(guard);
    let account = observed.account.as_ref().and_then(|existing| existing.content.as_ref());
    let catalog = account.and_then(|account| loaded.objects.catalogs.get(&account.catalog));
    let catalog = catalog.map(|catalog| &catalog.facts.spec);
    evaluate::judge_removal(observed, store.map(|store| &store.spec), catalog, context)
}

/// Adds a default IdentityStore if the store is given by argument.
fn assume_store(objects: &mut Objects, name: Name, place: &StoreLocation) {
    objects.stores.insert(name.clone(), Arc::new(StoreFacts::new(name, 1, place.spec())));
}
