//! The controller's one loop: takes in what the watches say, starts passes, sends statuses. All state is here, so nothing
//! is locked; whatever takes time runs beside it.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use kube::Client;
use tokio::{
    sync::mpsc,
    task::{Id, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::{
    Error,
    cluster::{self, StoreLook},
    deletion::{self, Deleted, Deletion},
    events::Events,
    finalizer,
    index::{Impact, Index},
    pass::{End, PassOutcome},
    queue::{Pending, Queue, Urgency, Want},
    reconcile::reconcile,
    record::{KindName, ObjectRef, Record, Seen},
    reports,
    runtime::{Runtime, Task},
    status::{Lane, Report, StatusWriter, Synced, WriteResult},
    stores::Stores,
};
use crate::{
    api::SyncReason,
    model::{AccountKey, Email, Name},
    plan::Mark,
    resolve::{AccountFacts, Definitions, Origin, Scope},
    store::Epoch,
    telemetry::{Health, Metrics},
};

/// What the watches say is taken in this many at a time.
const INTAKE: usize = 256;
/// Longest sleep of the loop: heartbeat and gauges.
const TICK: Duration = Duration::from_secs(1);
/// Numbers alone are not urgent.
const COUNTS_DELAY: Duration = Duration::from_secs(3);
/// An account that is not there (yet) may be on its way: the order of apply must not matter.
const ORPHAN_DELAY: Duration = Duration::from_secs(2);
/// A store's numbers are brought up to date this often while things change.
const LOOK_DELAY: Duration = Duration::from_secs(5);
/// Time that passes and patches get to end on a graceful stop.
const GRACE: Duration = Duration::from_secs(10);

/// What does not change while the controller runs.
pub(super) struct Setting {
    pub client: Client,
    pub cluster: Name,
    pub epoch: Epoch,
    pub max_concurrent_accounts: usize,
    pub metrics: Metrics,
    pub health: Health,
    pub events: Events,
}

/// Where a kind's list stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListState {
    /// Not complete yet.
    Pending,
    /// Complete.
    Listed,
    /// The server does not know the kind.
    Absent,
}

/// The loop's state.
pub(super) struct Dispatcher {
    pub(super) setting: Setting,
    pub(super) index: Index,
    pub(super) stores: Stores,
    queue: Queue,
    writer: StatusWriter,
    lists: HashMap<KindName, ListState>,
    pub(super) runtime: HashMap<AccountKey, Runtime>,
    wakes: BTreeSet<(Timestamp, AccountKey, Email)>,
    tasks: JoinSet<Task>,
    /// Whose task each is, for one that panics.
    owners: HashMap<Id, ObjectRef>,
    busy: HashMap<Name, usize>,
    looks: HashMap<ObjectRef, Look>,
    gauges: Instant,
}

/// When a cluster-scoped object is to be looked at.
#[derive(Default)]
struct Look {
    due: Option<Instant>,
    running: bool,
}

impl Dispatcher {
    pub(super) fn new(setting: Setting, stores: Stores) -> Self {
        Self {
            writer: StatusWriter::new(setting.client.clone()),
            setting,
            index: Index::default(),
            stores,
            queue: Queue::default(),
            lists: KindName::ALL.into_iter().map(|kind| (kind, ListState::Pending)).collect(),
            runtime: HashMap::new(),
            wakes: BTreeSet::new(),
            tasks: JoinSet::new(),
            owners: HashMap::new(),
            busy: HashMap::new(),
            looks: HashMap::new(),
            gauges: Instant::now(),
        }
    }

    /// Runs until `stop`, or until the lease is lost.
    pub(super) async fn run(
        mut self,
        mut seen: mpsc::Receiver<Seen>,
        lost: CancellationToken,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        let mut intake = Vec::with_capacity(INTAKE);
        loop {
            self.setting.health.beat();
            self.wake();
            self.start_tasks();
            let index = &self.index;
            self.writer.pump(|reference| index.meta(reference), Timestamp::now());
            self.gauges();
            let sleep = self.sleep();
            tokio::select! {
                biased;
                () = lost.cancelled() => return Err(Error::LeaseLost),
                () = stop.cancelled() => break,
                written = self.writer.landed() => self.landed(written),
                Some(done) = self.tasks.join_next_with_id() => self.joined(done),
                count = seen.recv_many(&mut intake, INTAKE) => {
                    if count == 0 {
                        return Err(Error::WatchesEnded);
                    }
                    intake.drain(..).for_each(|seen| self.take_in(seen));
                }
                () = tokio::time::sleep(sleep) => {}
            }
        }
        self.wind_down(&lost).await
    }

    /// Passes that run may end, and what they have to say is said; nothing new begins.
    async fn wind_down(mut self, lost: &CancellationToken) -> Result<(), Error> {
        let deadline = Instant::now() + GRACE;
        loop {
            let index = &self.index;
            self.writer.pump(|reference| index.meta(reference), Timestamp::now());
            if (self.tasks.is_empty() && self.writer.is_idle()) || Instant::now() >= deadline {
                return Ok(());
            }
            tokio::select! {
                () = lost.cancelled() => return Err(Error::LeaseLost),
                written = self.writer.landed() => self.landed(written),
                Some(done) = self.tasks.join_next_with_id() => self.joined(done),
                () = tokio::time::sleep_until(deadline.into()) => {}
            }
        }
    }

    fn sleep(&self) -> Duration {
        let looks = self.looks.values().filter(|look| !look.running).filter_map(|look| look.due);
        let due = [self.queue.next_due(), self.writer.next_due()].into_iter().flatten().chain(looks).min();
        due.map_or(TICK, |due| due.saturating_duration_since(Instant::now()).min(TICK))
    }

    fn take_in(&mut self, seen: Seen) {
        match seen {
            Seen::Listing(kind) => self.index.begin_list(kind),
            Seen::Absent(kind) => {
                self.lists.insert(kind, ListState::Absent);
            }
            Seen::Listed(kind) => {
                let gone = self.index.end_list(kind);
                self.lists.insert(kind, ListState::Listed);
                self.touch(gone, None);
            }
            Seen::Object(object) => {
                let (kind, name, generation) = object.identity();
                let origin = Origin { kind: kind.as_str(), name, generation };
                let writer = &self.writer;
                let impacts = self.index.apply(object, |reference| writer.being_sent(reference));
                self.touch(impacts, Some(&origin));
            }
            Seen::Gone(reference) => {
                let generation = self.index.meta(&reference).map_or(0, |meta| meta.generation);
                let origin = Origin { kind: reference.kind.as_str(), name: reference.name.clone(), generation };
                let impacts = self.index.remove(&reference);
                self.touch(impacts, Some(&origin));
            }
        }
    }

    fn touch(&mut self, impacts: Vec<Impact>, trigger: Option<&Origin>) {
        for impact in impacts {
            match impact {
                Impact::Account(key) => self.queue.want(&key, Want::Account, Urgency::Change, trigger),
                Impact::Member(key, email) => self.queue.want(&key, Want::Member(email), Urgency::Change, trigger),
                Impact::AccountStatus(key) => self.recount(&key),
                Impact::Catalog(name) => self.look(KindName::PermissionCatalog, name, Duration::ZERO),
                Impact::Store(name) => self.look(KindName::IdentityStore, name, Duration::ZERO),
                Impact::Status(reference) => self.restate(&reference),
            }
        }
    }

    /// Somebody else wrote a status of ours: it is worked out, and so written, again.
    fn restate(&mut self, reference: &ObjectRef) {
        match reference.kind {
            KindName::PermissionCatalog | KindName::IdentityStore => {
                self.look(reference.kind, reference.name.clone(), Duration::ZERO);
            }
            KindName::Membership => {
                let Some(record) = self.index.member(&reference.namespace, &reference.name) else { return };
                let key = record.account_key();
                let want = record.facts.email.as_ref().map_or(Want::Account, |email| Want::Member(email.clone()));
                self.queue.want(&key, want, Urgency::Change, None);
            }
            _ => {
                if let Some(key) = self.index.account_of(reference) {
                    self.queue.want(&key, Want::Account, Urgency::Change, None);
                }
            }
        }
    }

    fn look(&mut self, kind: KindName, name: Name, delay: Duration) {
        let look = self.looks.entry(ObjectRef { kind, namespace: Name::default(), name }).or_default();
        let due = Instant::now() + delay;
        look.due = Some(look.due.map_or(due, |known| known.min(due)));
    }

    fn wake(&mut self) {
        self.queue.wake(Instant::now());
        let now = Timestamp::now();
        while let Some((at, key, email)) = self.wakes.pop_first() {
            if at > now {
                self.wakes.insert((at, key, email));
                break;
            }
            self.queue.want(&key, Want::Member(email), Urgency::Change, None);
        }
    }

    /// No pass before every watch has listed completely: what is not there yet would read as gone.
    fn is_complete(&self) -> bool {
        self.lists.values().all(|state| *state == ListState::Listed)
    }

    /// A deletion needs only the Account and its store; the other kinds may be gone already.
    fn may_delete(&self) -> bool {
        let state = |kind| self.lists.get(&kind).copied().unwrap_or(ListState::Pending);
        state(KindName::Account) == ListState::Listed && state(KindName::IdentityStore) != ListState::Pending
    }

    fn start_tasks(&mut self) {
        let (complete, may_delete) = (self.is_complete(), self.may_delete());
        self.setting.health.set_ready(self.readiness());
        if complete {
            self.start_looks();
        }
        loop {
            let (index, busy, most) = (&self.index, &self.busy, self.setting.max_concurrent_accounts);
            let taken = self.queue.take(|key| {
                let object = index.accounts.get(key).and_then(|entry| entry.object.as_ref());
                let deleting = object.is_some_and(|object| object.meta.deleting);
                let store = object.map(|object| object.facts.spec.store_ref.name.as_str()).unwrap_or_default();
                (complete || (deleting && may_delete)) && busy.get(store).copied().unwrap_or(0) < most
            });
            let Some((key, pending)) = taken else { return };
            self.start(&key, pending);
        }
    }

    fn start(&mut self, key: &AccountKey, pending: Pending) {
        let Some(record) = self.index.accounts.get(key).and_then(|entry| entry.object.clone()) else {
            self.report_orphans(key, &pending);
            self.queue.finished(key, false);
            if !self.index.accounts.contains_key(key) {
                self.queue.forget(key);
                self.runtime.remove(key);
            }
            return;
        };
        let store = Name::new(&record.facts.spec.store_ref.name);
        let client = self.setting.client.clone();
        let reference = record.reference(KindName::Account);
        let mark = Mark { cluster: self.setting.cluster.clone(), account: key.clone(), uid: record.meta.uid.clone() };
        if record.meta.deleting {
            if !record.meta.finalizer {
                self.queue.finished(key, false);
                return;
            }
            let children = self.index.accounts.get(key).map(|entry| entry.children.iter().cloned().collect());
            let facts = self.index.stores.get(&store).map(|record| record.facts.clone());
            let deletion = Deletion {
                account: record,
                children: children.unwrap_or_default(),
                store: facts.map(|facts| self.stores.handle(&store, &facts.spec)),
                mark,
                epoch: self.setting.epoch,
                now: Timestamp::now(),
            };
            self.spawn(store, reference, async move {
                let deleted = deletion::delete(&deletion, &client).await;
                Task::Deletion(deletion.mark.account.clone(), deletion.account, deleted)
            });
        } else if !record.meta.finalizer {
            // First of all, so that nothing can be left behind; its event brings the pass about.
            let key = key.clone();
            let uid = record.meta.uid.clone();
            self.spawn(store, reference.clone(), async move {
                Task::Finalizer(key, finalizer::set(&client, &reference, &uid, true).await)
            });
        } else if let Some(pass) = self.pass(key, &pending, record, mark) {
            self.spawn(store, reference, async move { Task::Pass(Box::new(reconcile(pass, &client).await)) });
        } else {
            self.queue.finished(key, false);
        }
    }

    fn spawn(&mut self, store: Name, reference: ObjectRef, task: impl Future<Output = Task> + Send + 'static) {
        *self.busy.entry(store.clone()).or_default() += 1;
        let handle = self.tasks.spawn(async move { Task::OfStore(store, Box::new(task.await)) });
        self.owners.insert(handle.id(), reference);
    }

    fn start_looks(&mut self) {
        let now = Instant::now();
        let due: Vec<ObjectRef> = self
            .looks
            .iter()
            .filter(|(_, look)| !look.running && look.due.is_some_and(|due| due <= now))
            .map(|(reference, _)| reference.clone())
            .collect();
        for reference in due {
            if let Some(look) = self.looks.get_mut(&reference) {
                look.due = None;
            }
            match reference.kind {
                KindName::PermissionCatalog => self.look_at_catalog(&reference),
                _ => self.look_at_store(&reference),
            }
        }
    }

    fn look_at_catalog(&mut self, reference: &ObjectRef) {
        let Some(record) = self.index.catalogs.get(&reference.name).cloned() else { return };
        let accounts = self.index.accounts.values().filter_map(|entry| entry.object.as_ref());
        let users = accounts.filter(|account| account.facts.spec.catalog_ref.name == *record.name).count() as u64;
        let report = cluster::catalog_report(&record, users);
        self.writer.put(reference.clone(), report, Lane::Bulk, Duration::ZERO);
        if record.meta.finalizer != (users > 0) {
            let client = self.setting.client.clone();
            self.spawn_look(reference, async move {
                cluster::keep_finalizer(&client, KindName::PermissionCatalog, &record, users > 0).await.is_ok()
            });
        }
    }

    fn look_at_store(&mut self, reference: &ObjectRef) {
        let Some(record) = self.index.stores.get(&reference.name).cloned() else { return };
        let accounts = self.index.accounts.iter().filter_map(|(key, entry)| Some((key, entry.object.as_ref()?)));
        let users = accounts
            .filter(|(_, account)| account.facts.spec.store_ref.name == *record.name)
            .map(|(key, account)| (key.clone(), account.meta.uid.clone()))
            .collect::<BTreeSet<_>>();
        let handle = self.stores.handle(&record.name, &record.facts.spec);
        let look = StoreLook { record, handle, users, cluster: self.setting.cluster.clone() };
        let client = self.setting.client.clone();
        let reference = reference.clone();
        if let Some(look) = self.looks.get_mut(&reference) {
            look.running = true;
        }
        let owner = reference.clone();
        let task = self.tasks.spawn(async move {
            let used = !look.users.is_empty();
            let kept = cluster::keep_finalizer(&client, KindName::IdentityStore, &look.record, used).await.is_ok();
            let (report, error) = cluster::look(&look).await;
            Task::Look { reference, report: Some(report), again: !kept || error.is_some() }
        });
        self.owners.insert(task.id(), owner);
    }

    fn spawn_look(&mut self, reference: &ObjectRef, work: impl Future<Output = bool> + Send + 'static) {
        if let Some(look) = self.looks.get_mut(reference) {
            look.running = true;
        }
        let owner = reference.clone();
        let reference = reference.clone();
        let task = self.tasks.spawn(async move { Task::Look { reference, report: None, again: !work.await } });
        self.owners.insert(task.id(), owner);
    }

    fn joined(&mut self, done: Result<(Id, Task), tokio::task::JoinError>) {
        match done {
            Ok((id, task)) => {
                self.owners.remove(&id);
                self.finished(task);
            }
            Err(error) => {
                // A defect of ours stays with the account it concerns; it is tried again, with backoff.
                let Some(reference) = self.owners.remove(&error.id()) else { return };
                tracing::error!(?reference, %error, "a pass broke off");
                if reference.kind == KindName::Account {
                    let key = AccountKey { namespace: reference.namespace.clone(), name: reference.name.clone() };
                    let store = self.index.accounts.get(&key).and_then(|entry| entry.object.as_ref());
                    let store = store.map(|object| Name::new(&object.facts.spec.store_ref.name));
                    store.into_iter().for_each(|store| self.release(&store));
                    self.queue.finished(&key, true);
                } else if let Some(look) = self.looks.get_mut(&reference) {
                    look.running = false;
                }
            }
        }
    }

    fn release(&mut self, store: &Name) {
        if let Some(count) = self.busy.get_mut(store) {
            *count = count.saturating_sub(1);
        }
    }

    fn finished(&mut self, task: Task) {
        match task {
            Task::OfStore(store, task) => {
                self.release(&store);
                self.finished(*task);
            }
            Task::Pass(outcome) => self.pass_finished(*outcome),
            Task::Deletion(key, account, deleted) => self.deletion_finished(&key, &account, deleted),
            Task::Finalizer(key, result) => {
                self.setting.metrics.api_write("finalizer", if result.is_ok() { "ok" } else { "failed" });
                if let Err(error) = &result {
                    tracing::warn!(account = %key, %error, "finalizer not written, trying again");
                    self.queue.want(&key, Want::Account, Urgency::Change, None);
                }
                self.queue.finished(&key, result.is_err());
            }
            Task::Look { reference, report, again } => {
                if let Some(look) = self.looks.get_mut(&reference) {
                    look.running = false;
                }
                if let Some(report) = report {
                    self.writer.put(reference.clone(), report, Lane::Bulk, Duration::ZERO);
                }
                if again {
                    self.look(reference.kind, reference.name, LOOK_DELAY);
                }
            }
        }
    }

    fn pass_finished(&mut self, outcome: PassOutcome) {
        let PassOutcome { key, scope, definitions, reports, notices, end, changes, drift, wakes, took } = outcome;
        let failed = self.note_end(&key, &scope, &end, took);
        for ((object, cause), count) in &changes {
            self.setting.metrics.changes(object, cause.as_str(), *count);
        }
        self.setting.metrics.drift(drift.0, drift.1);
        notices.into_iter().for_each(|notice| self.setting.events.tell(notice));
        self.wakes.extend(wakes.into_iter().map(|(at, email)| (at, key.clone(), email)));
        self.remember(&key, &scope, definitions, &end);
        let lane = if matches!(scope, Scope::Account) { Lane::Bulk } else { Lane::Changes };
        for (reference, report) in reports {
            self.keep_report(&key, &reference, &report);
            self.writer.put(reference, report, lane, Duration::ZERO);
        }
        self.recount(&key);
        if let Some(store) = self.store_of(&key).filter(|_| failed || !changes.is_empty()) {
            self.look(KindName::IdentityStore, store, LOOK_DELAY);
        }
        self.queue.finished(&key, failed);
    }

    fn deletion_finished(&mut self, key: &AccountKey, account: &Arc<Record<AccountFacts>>, deleted: Deleted) {
        let reference = account.reference(KindName::Account);
        let counts = self.counts(key);
        let mut report = Report::new(
            account.facts.generation,
            reports::account_detail(&counts, account.facts.spec.owner.is_some(), None),
        );
        let failed = match deleted {
            Deleted::Done(removed) => {
                tracing::info!(account = %key, removed, policy = ?account.facts.spec.deletion_policy, "account deleted");
                self.queue.finished(key, false);
                return;
            }
            Deleted::Waits(children) => {
                let names = children.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let message = format!("deletion waits for {} managed accounts: {names}", children.len());
                report.waits = Some(Box::new(("ManagedAccountsExist", message)));
                report.synced = Synced::Yes { applied: false };
                false
            }
            Deleted::Retry(error) => {
                tracing::warn!(account = %key, %error, "account not deleted yet, trying again");
                report = report.unsynced(SyncReason::StoreUnavailable, error.to_string());
                self.queue.want(key, Want::Account, Urgency::Change, None);
                true
            }
        };
        self.writer.put(reference, report, Lane::Changes, Duration::ZERO);
        self.queue.finished(key, failed);
    }

    fn note_end(&mut self, key: &AccountKey, scope: &Scope, end: &End, took: Duration) -> bool {
        let scope_word = if matches!(scope, Scope::Account) { "account" } else { "members" };
        let word = match end {
            End::Done => "ok",
            End::NeedsAccount => "partial",
            End::Retry(_) => "failed",
        };
        self.setting.metrics.pass(scope_word, word, took);
        match end {
            End::Done => {
                tracing::debug!(account = %key, scope = scope_word, ?took, "pass done");
                false
            }
            End::NeedsAccount => {
                self.queue.want(key, Want::Account, Urgency::Change, None);
                false
            }
            End::Retry(why) => {
                tracing::warn!(account = %key, scope = scope_word, why, "pass failed, trying again");
                self.queue.want(key, Want::Account, Urgency::Change, None);
                true
            }
        }
    }

    /// Brings an account up to date on its next check, and its definitions for the next pass.
    fn remember(&mut self, key: &AccountKey, scope: &Scope, definitions: Option<Arc<Definitions>>, end: &End) {
        let Some(entry) = self.index.accounts.get_mut(key) else { return };
        let Some(object) = &entry.object else { return };
        let runtime = self.runtime.entry(key.clone()).or_default();
        // What changed while the pass ran has made them unknown again, and it stays so.
        if let Some(definitions) = definitions.filter(|_| runtime.asked_definitions == entry.revision) {
            entry.definitions = Some(definitions);
        }
        if matches!(scope, Scope::Account) && *end == End::Done {
            runtime.checked = Some(Instant::now());
            let store = self.index.stores.get(object.facts.spec.store_ref.name.as_str());
            let every = super::policy::check_every(store.map(|store| &store.facts.spec), &object.facts.spec);
            self.queue.check_after(key, every);
        }
    }

    fn keep_report(&mut self, key: &AccountKey, reference: &ObjectRef, report: &Report) {
        let runtime = self.runtime.entry(key.clone()).or_default();
        match reference.kind {
            KindName::Account | KindName::Role | KindName::UserGroup => {
                runtime.reports.insert(reference.clone(), report.clone());
            }
            _ => {}
        }
    }

    /// Numbers of an account, its roles and groups follow its members, without haste.
    fn recount(&mut self, key: &AccountKey) {
        let counts = self.counts(key);
        let Some(definitions) = self.index.accounts.get(key).and_then(|entry| entry.definitions.clone()) else {
            return;
        };
        let Some(runtime) = self.runtime.get_mut(key) else { return };
        let mut stale = Vec::new();
        for (reference, report) in &mut runtime.reports {
            let changed = reports::recount(reference, &mut report.detail, &definitions, &counts);
            if changed {
                stale.push((reference.clone(), report.clone()));
            }
        }
        runtime.reports.retain(|reference, _| self.index.meta(reference).is_some());
        for (reference, report) in stale {
            self.writer.put(reference, report, Lane::Bulk, COUNTS_DELAY);
        }
    }

    fn report_orphans(&mut self, key: &AccountKey, pending: &Pending) {
        for reference in self.index.belongings(key, (!pending.whole).then_some(&pending.members)) {
            let Some(meta) = self.index.meta(&reference) else { continue };
            let report = reports::orphan(&reference, &key.name, meta.generation);
            self.writer.put(reference, report, Lane::Bulk, ORPHAN_DELAY);
        }
    }

    fn store_of(&self, key: &AccountKey) -> Option<Name> {
        let object = self.index.accounts.get(key)?.object.as_ref()?;
        Some(Name::new(&object.facts.spec.store_ref.name))
    }

    fn landed(&mut self, written: WriteResult) {
        let outcome = if written.written.is_some() { "ok" } else { "failed" };
        self.setting.metrics.api_write("status", outcome);
        if let Some((version, digest)) = written.written
            && let Some(meta) = self.index.meta_mut(&written.reference)
        {
            meta.resource_version = version.into();
            meta.status = digest;
        }
    }

    fn readiness(&self) -> Result<(), String> {
        let absent: Vec<&str> = self.kinds_in(ListState::Absent);
        let pending: Vec<&str> = self.kinds_in(ListState::Pending);
        if !absent.is_empty() {
            return Err(format!("the server does not know {}: install the CRDs (`roster crds`)", absent.join(", ")));
        }
        if !pending.is_empty() {
            return Err(format!("still listing {}", pending.join(", ")));
        }
        Ok(())
    }

    fn kinds_in(&self, state: ListState) -> Vec<&'static str> {
        let mut kinds: Vec<&str> =
            self.lists.iter().filter(|(_, known)| **known == state).map(|(kind, _)| kind.as_str()).collect();
        kinds.sort_unstable();
        kinds
    }

    fn gauges(&mut self) {
        if self.gauges.elapsed() < TICK {
            return;
        }
        self.gauges = Instant::now();
        let metrics = &self.setting.metrics;
        let depth = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let (changes, checks) = self.queue.depths();
        metrics.queue("changes", depth(changes));
        metrics.queue("checks", depth(checks));
        metrics.queue("status", depth(self.writer.depth()));
        metrics.oldest_pending_revocation(self.queue.oldest_change().map_or(Duration::ZERO, |since| since.elapsed()));
        let readiness = self.index.readiness();
        for kind in KindName::ALL.into_iter().filter(|kind| *kind != KindName::Namespace) {
            for word in ["True", "False", "Unknown"] {
                metrics.objects(kind.as_str(), word, readiness.get(&(kind, word)).copied().unwrap_or(0));
            }
        }
        let mut oldest: HashMap<Name, Duration> = HashMap::new();
        for (key, runtime) in &self.runtime {
            let Some((store, checked)) = self.store_of(key).zip(runtime.checked) else { continue };
            let age = oldest.entry(store).or_default();
            *age = (*age).max(checked.elapsed());
        }
        let stores: HashSet<&Name> = self.index.stores.keys().collect();
        for (store, age) in oldest.iter().filter(|(store, _)| stores.contains(store)) {
            metrics.oldest_check(store, *age);
        }
    }
}
