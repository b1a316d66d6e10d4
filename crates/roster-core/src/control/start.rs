//! Starts the passes that are due. [`Control::decide`] calls it after each batch of events.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    Control, Delete, DeletionState, Effect, Handle, Judging, Now, Pass, PassId, PassWork, Permit, Reconcile,
    pass::Running,
    queue::{Admission, Completion, Lane, Pending, WaitingForPass},
    relist::Relist,
    statuses::StatusLane,
    watches::Listed,
};
use crate::{
    api::Enforcement,
    authority::authors,
    model::{AccountKey, Email, KindName, Name, ObjectRef, Scope},
    plan::{GuardState, Mark},
    report::{self, RevocationsOnly},
    resolve::{admitted_children, enforcement},
    state::{AccountFacts, Counts, Held, Meta, ObjectsInScope, Record},
};

/// Wait before an object without an account is reported as such: the account may follow, and the order of apply must
/// not matter.
const ORPHAN_DELAY: Duration = Duration::from_secs(2);
/// Additional passes in one store that only revocations may use.
const RESERVED: usize = 2;
/// Maximum number of people in a parallel pass: no more than any store writes at a time, so that work which excludes
/// both passes never waits for more than that.
const PARALLEL: usize = 100;

impl Control {
    pub(super) fn start_passes(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let (listed, may_delete) = (self.lists.listed(now.mono), self.lists.allow_deletion());
        for store in self.queue.full_stores() {
            let (most, runs) = (self.setup.max_concurrent_accounts, self.passes.in_store(&store));
            let room = most.saturating_sub(runs);
            self.queue.room_in(&store, room, (most + RESERVED).saturating_sub(runs) - room);
        }
        loop {
            let (index, shards, passes) = (&self.index, &self.shards, &self.passes);
            let most = self.setup.max_concurrent_accounts;
            let taken = self.queue.take(|key, pending| {
                let object = index.accounts.get(key).and_then(|entry| entry.object.as_ref());
                let spec = object.and_then(|object| index.stores.get(object.facts.spec.store_ref.name.as_str()));
                let shard = shards.shard(key, spec.map(|record| &record.facts.spec));
                if shards.permit(shard).is_none() {
                    return Admission::Elsewhere;
                }
                let deletes = may_delete && object.is_some_and(|object| object.meta.deleting);
                if listed == Listed::Nothing && !deletes {
                    return Admission::NotYet;
                }
                // A revocation does not wait for passes that merely take long.
                let room = if pending.lane == Lane::Revocations { most + RESERVED } else { most };
                match object.map(|object| Name::new(&object.facts.spec.store_ref.name)) {
                    Some(store) if passes.in_store(&store) >= room => Admission::Full(store),
                    _ => Admission::Start,
                }
            });
            let Some((key, pending)) = taken else { return };
            match self.pass(&key, &pending, now) {
                Some(pass) => effects.push(Effect::Start(Box::new(pass))),
                None => self.queue.finished(&key, Completion::Done, now.mono),
            }
            if !self.index.accounts.contains_key(&key) {
                self.queue.forget(&key);
                self.accounts.remove(&key);
            }
        }
    }

    /// Creates the pass for pending work; `None` if the account needs none.
    fn pass(&mut self, key: &AccountKey, pending: &Pending, now: Now) -> Option<Pass> {
        let Some(record) = self.index.accounts.get(key).and_then(|entry| entry.object.clone()) else {
            self.report_orphans(key, pending, now);
            self.reconciled(key, None, now);
            return None;
        };
        let shard = self.shard_of(key);
        let permit = self.shards.permit(shard)?;
        let deletes = record.meta.deleting;
        // An account in deletion gets only explicit revocations until its managed accounts are known.
        let may_delete = self.lists.allow_deletion() && !self.shards.is_revocations_only(shard);
        let work = if deletes && !record.meta.finalizer {
            None
        } else if deletes && !may_delete {
            let revocations_only = self.revocations_only(key, shard, now);
            self.reconcile(key, pending, revocations_only, false, now).map(|work| PassWork::Reconcile(Box::new(work)))
        } else if deletes {
            self.delete(key, &record, pending, shard, now).map(|work| PassWork::Delete(Box::new(work)))
        } else {
            let revocations_only = self.revocations_only(key, shard, now);
            match self.missing_finalizers(&record) {
                // Finalizers come first, so that no content stays behind; their watch events queue the account again.
                Some(missing)
                    if !matches!(revocations_only, Some(RevocationsOnly::Unknown(_) | RevocationsOnly::Listing(_))) =>
                {
                    let why = revocations_only.unwrap_or(RevocationsOnly::Unprotected);
                    let work = self.reconcile(key, pending, Some(why), false, now);
                    work.map(|work| PassWork::SetFinalizers(missing, Box::new(work)))
                }
                _ => {
                    let work = self.reconcile(key, pending, revocations_only, false, now);
                    work.map(|work| PassWork::Reconcile(Box::new(work)))
                }
            }
        };
        let Some(work) = work else {
            self.reconciled(key, None, now);
            return None;
        };
        Some(self.begin(key, &record, permit, work, None, now))
    }

    /// Returns why only explicit revocations can be made in an account; `None` if all changes can.
    fn revocations_only(&self, key: &AccountKey, shard: u16, now: Now) -> Option<RevocationsOnly> {
        if self.lists.listed(now.mono) != Listed::All {
            return Some(RevocationsOnly::Unknown(self.lists.missing()));
        }
        if self.shards.is_revocations_only(shard) {
            return Some(RevocationsOnly::Listing(self.relist.as_ref().map(Relist::missing).unwrap_or_default()));
        }
        self.index.holding_back(key).map(|unreadable| RevocationsOnly::Unreadable(unreadable.to_string()))
    }

    /// Gives way to waiting revocations. Starts a parallel pass over the people concerned where possible; otherwise
    /// asks the running pass to stop after its slice.
    pub(super) fn preempt_for_revocations(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let passes = self.passes.iter().filter(|(_, running)| !running.is_parallel).map(|(id, _)| id);
        for id in passes.collect::<Vec<_>>() {
            let Some(running) = self.passes.get(id) else { continue };
            let people = match self.queue.waits_for_pass(&running.key) {
                None => continue,
                Some(WaitingForPass::EndPassEarly) => None,
                Some(WaitingForPass::Revoked(people)) => {
                    Some(people.iter().take(PARALLEL).cloned().collect::<BTreeSet<Email>>())
                }
            };
            let people = people.filter(|people| self.may_run_parallel(running, now) && running.handle.withdraw(people));
            let Some(people) = people else {
                running.handle.end_early();
                continue;
            };
            let (key, other) = (running.key.clone(), running.handle.clone());
            let Some(pending) = self.queue.begin_parallel(&key, &people) else { continue };
            match self.parallel_pass(&key, other, &pending, now) {
                Some(pass) => effects.push(Effect::Start(Box::new(pass))),
                None => self.queue.finished_parallel(&key, Completion::Partly, now.mono),
            }
        }
    }

    /// Asks one long-running pass to stop early when revocations of single members wait for a free slot in that
    /// store.
    pub(super) fn make_room_for_revocations(&self) {
        for store in self.queue.stores_kept_waiting() {
            let long =
                |running: &&Running| running.store == *store && running.reconciles && running.scope == Scope::Account;
            let passes = || self.passes.iter().map(|(_, running)| running).filter(long);
            if !passes().any(|running| running.handle.ends_early())
                && let Some(first) = passes().next()
            {
                first.handle.end_early();
            }
        }
    }

    /// Returns whether a parallel pass may run while this one does.
    fn may_run_parallel(&self, running: &Running, now: Now) -> bool {
        let account = self.index.accounts.get(&running.key).and_then(|entry| entry.object.as_ref());
        let is_same = account.is_some_and(|account| {
            account.meta.uid == running.uid
                && !account.meta.deleting
                && *account.facts.spec.store_ref.name == *running.store
        });
        let has_room = self.passes.in_store(&running.store) < self.setup.max_concurrent_accounts + RESERVED;
        running.reconciles && is_same && has_room && self.lists.listed(now.mono) != Listed::Nothing
    }

    /// Creates a parallel pass, for members withdrawn from the pass with the handle `other`.
    fn parallel_pass(&mut self, key: &AccountKey, other: Handle, pending: &Pending, now: Now) -> Option<Pass> {
        let record = self.index.accounts.get(key).and_then(|entry| entry.object.clone())?;
        let shard = self.shard_of(key);
        let permit = self.shards.permit(shard)?;
        let work = self.reconcile(key, pending, self.revocations_only(key, shard, now), true, now)?;
        Some(self.begin(key, &record, permit, PassWork::Reconcile(Box::new(work)), Some(other), now))
    }

    fn begin(
        &mut self,
        key: &AccountKey,
        record: &Arc<Record<AccountFacts>>,
        permit: Permit,
        work: PassWork,
        parallel: Option<Handle>,
        now: Now,
    ) -> Pass {
        let id: PassId = self.pass_ids.give();
        let store = Name::new(&record.facts.spec.store_ref.name);
        let store_facts = match &work {
            PassWork::Reconcile(work) => work.objects.snapshot.store.clone(),
            _ => self.index.stores.get(&store).map(|record| record.facts.clone()),
        };
        let scope = match &work {
            PassWork::Reconcile(work) => work.objects.scope.clone(),
            _ => Scope::Account,
        };
        let handle = Handle::default();
        let state = self.accounts.entry(key.clone()).or_default();
        state.shard = Some(permit.shard);
        let running = Running {
            key: key.clone(),
            store: store.clone(),
            shard: permit.shard,
            scope,
            handle: handle.clone(),
            is_parallel: parallel.is_some(),
            is_orphaned: false,
            uid: record.meta.uid.clone(),
            deleting: matches!(work, PassWork::Delete(_)).then(|| record.clone()),
            reconciles: matches!(work, PassWork::Reconcile(_)),
            revision: self.index.accounts.get(key).map_or(0, |entry| entry.revision),
            // Later disappearances do not count as confirmed by this pass.
            vanished: state.vanished,
            store_generation: match &work {
                PassWork::Reconcile(_) => store_facts.as_ref().map(|store| store.generation),
                _ => None,
            },
        };
        self.passes.begin(id, running);
        let mark = Mark { cluster: self.setup.cluster.clone(), account: key.clone(), uid: record.meta.uid.clone() };
        Pass { id, key: key.clone(), store, store_facts, mark, permit, now: now.wall, handle, parallel, work }
    }

    fn delete(
        &self,
        key: &AccountKey,
        account: &Arc<Record<AccountFacts>>,
        pending: &Pending,
        shard: u16,
        now: Now,
    ) -> Option<Delete> {
        let children = admitted_children(&self.index, key);
        let waits = if children.is_empty() { RevocationsOnly::DeletionHeld } else { RevocationsOnly::ManagedAccounts };
        let why = self.revocations_only(key, shard, now).unwrap_or(waits);
        let deletion = self.accounts.get(key).map(|state| &state.deletion);
        let deletion = deletion.filter(|(uid, _)| *uid == account.meta.uid).map(|(_, deletion)| deletion);
        let (holding, decided) = match deletion {
            Some(DeletionState::Held(_)) => (GuardState::HoldsMany, BTreeSet::new()),
            Some(DeletionState::Decided(people)) => (GuardState::Passes, people.clone()),
            _ if account.meta.status.held == Some(Held::Guarded) => (GuardState::HoldsSome, BTreeSet::new()),
            _ => (GuardState::Passes, BTreeSet::new()),
        };
        Some(Delete {
            account: account.clone(),
            holding,
            decided,
            meanwhile: self.reconcile(key, pending, Some(why), false, now)?,
            children,
        })
    }

    /// Copies the objects that a pass works on out of the index.
    fn reconcile(
        &self,
        key: &AccountKey,
        pending: &Pending,
        revocations_only: Option<RevocationsOnly>,
        is_parallel: bool,
        now: Now,
    ) -> Option<Reconcile> {
        let members = (!pending.whole && !pending.members.is_empty()).then_some(&pending.members);
        let enforces = self.enforces(key);
        let revision = self.index.accounts.get(key).map_or(0, |entry| entry.revision);
        let is_authorised = self.accounts.get(key).is_some_and(|state| state.authorised == Some(revision));
        // What waits for authority may not need to wait any more, whatever changes in the account.
        let members = members.filter(|_| is_parallel || !enforces || is_authorised || revocations_only.is_some());
        let mut objects = self.index.in_scope(key, members, now.wall)?;
        if let Some(members) = members.filter(|_| enforces && !is_parallel) {
            let with_authors = members.union(&self.authors(&objects)).cloned().collect();
            if with_authors != *members {
                objects = self.index.in_scope(key, Some(&with_authors), now.wall)?;
            }
        }
        let judging = self.setup.enforcing.as_ref().map(|enforcing| {
            let (floor, members) = (enforcing.floor, enforcing.member_prefix.clone());
            let parent = objects.snapshot.account.parent();
            let parent =
                parent.and_then(|parent| self.index.in_scope(&parent, Some(&self.authors(&objects)), now.wall));
            let definitions_are_authorised = is_authorised;
            Box::new(Judging { member_prefix: members, parent, enforces, floor, definitions_are_authorised })
        });
        objects.counts = self.counts(key, members.is_none());
        if self.statuses.depth() > 0 {
            let stale: Vec<ObjectRef> = objects.references().filter(|it| self.statuses.concerns(it)).collect();
            objects.stale_statuses.extend(stale);
        }
        Some(Reconcile {
            objects,
            known: self.accounts.get(key).and_then(|state| state.known(revision)),
            triggers: pending.triggers.clone(),
            withheld: self.accounts.get(key).map(|state| state.withheld_of(members)).unwrap_or_default(),
            is_change: pending.lane.is_change(),
            since: pending.since,
            vanished: self.accounts.get(key).is_none_or(|state| state.confirmed != Some(state.vanished)),
            revocations_only,
            holding: self.holding(key),
            judging,
        })
    }

    /// Returns whether an account enforces who may change access, and this controller judges it.
    fn enforces(&self, key: &AccountKey) -> bool {
        let Some(enforcing) = &self.setup.enforcing else { return false };
        let Some(account) = self.index.accounts.get(key).and_then(|entry| entry.object.as_ref()) else { return false };
        let spec = &account.facts.spec;
        let store = self.index.stores.get(spec.store_ref.name.as_str());
        enforcement(store.map(|store| &store.facts.spec), spec).max(enforcing.floor) == Enforcement::Enforce
    }

    /// Returns the members who wrote objects in scope.
    fn authors(&self, objects: &ObjectsInScope) -> BTreeSet<Email> {
        let members = objects.members.iter().flat_map(|(_, records)| records).map(|record| &record.meta);
        let roles = objects.roles.iter().map(|record| &record.meta);
        let groups = objects.groups.iter().map(|record| &record.meta);
        let metas = members.chain(roles).chain(groups).chain([&objects.account.meta]);
        let prefix = self.setup.enforcing.as_ref().and_then(|enforcing| enforcing.member_prefix.as_deref());
        authors(metas, prefix)
    }

    /// Returns whether the removal guard holds removals of an account: the last result of this process, or else the
    /// status.
    fn holding(&self, key: &AccountKey) -> GuardState {
        let account = self.index.accounts.get(key).and_then(|entry| entry.object.as_ref());
        // The status of an account in deletion refers to the deletion.
        let says_so = |meta: &Meta| !meta.deleting && meta.status.held == Some(Held::Guarded);
        match self.accounts.get(key).and_then(|state| state.is_holding) {
            Some(true) => GuardState::HoldsMany,
            None if account.is_some_and(|account| says_so(&account.meta)) => GuardState::HoldsSome,
            Some(false) | None => GuardState::Passes,
        }
    }

    /// Returns the numbers of an account for its status.
    pub(super) fn counts(&self, key: &AccountKey, with_children: bool) -> Counts {
        let children = with_children.then(|| admitted_children(&self.index, key).len() as u64);
        Counts { children, ..self.index.counts(key) }
    }

    /// Returns the objects that must not be deleted before this account and still lack the finalizer: its catalog,
    /// its store and itself.
    fn missing_finalizers(&self, account: &Record<AccountFacts>) -> Option<Vec<(ObjectRef, Name)>> {
        let spec = &account.facts.spec;
        let catalog = self.index.catalogs.get(spec.catalog_ref.name.as_str());
        let store = self.index.stores.get(spec.store_ref.name.as_str());
        let all = [
            catalog.map(|record| (record.reference(KindName::PermissionCatalog), &record.meta)),
            store.map(|record| (record.reference(KindName::IdentityStore), &record.meta)),
            // The Account comes last, so that its watch event finds the others in place.
            Some((account.reference(KindName::Account), &account.meta)),
        ];
        let missing = all.into_iter().flatten().filter(|(_, meta)| !meta.finalizer && !meta.deleting);
        let missing: Vec<_> = missing.map(|(object, meta)| (object, meta.uid.clone())).collect();
        (!missing.is_empty()).then_some(missing)
    }

    fn report_orphans(&mut self, key: &AccountKey, pending: &Pending, now: Now) {
        for object in self.index.belongings(key, (!pending.whole).then_some(&pending.members)) {
            let Some(meta) = self.index.meta(&object) else { continue };
            let report = report::orphan(&object, &key.name, meta.generation);
            self.queue_status(object, report, StatusLane::Bulk, ORPHAN_DELAY, now);
        }
    }
}
