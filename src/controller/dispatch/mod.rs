//! The controller's one loop: takes in what the watches say, starts passes, sends statuses. All state is here, so nothing
//! is locked; whatever takes time runs beside it.

mod blocks;
mod finish;
mod gauges;
mod refusals;
mod rollout;
mod runtime;
mod share;
mod start;

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher as _, RandomState},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use kube::Client;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, Id, JoinSet},
};
use tokio_util::sync::CancellationToken;

use self::{
    blocks::Blocks,
    refusals::{Access, Refusals},
    runtime::{Runtime, Task},
    share::Relist,
};
use super::{
    Error,
    pass::PassIds,
    queue::{Queue, Urgency, Want},
    shares::Shares,
    stores::{Announced, Stores},
};
use crate::{
    cluster::{events::Events, lease::Leadership, sharing::Share, watch},
    controller::writer::StatusWriter,
    model::{AccountKey, Email, KindName, Name, ObjectRef, Seed},
    resolve::Origin,
    state::{Impact, Index, Object, WatchEvent},
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
    /// The controller's own namespace.
    pub namespace: Name,
    pub cluster: Name,
    /// Over how many shards accounts are shared out.
    pub shards: u16,
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
    setting: Setting,
    shares: Shares,
    index: Index,
    stores: Stores,
    queue: Queue,
    writer: StatusWriter,
    lists: HashMap<KindName, ListState>,
    /// Kinds that may not be read, since when and why.
    refusals: Refusals,
    runtime: HashMap<AccountKey, Runtime>,
    wakes: BTreeSet<(Timestamp, AccountKey, Email)>,
    tasks: JoinSet<Task>,
    /// Whose task each is, for one that panics.
    owners: HashMap<Id, (ObjectRef, AbortHandle)>,
    busy: HashMap<Name, usize>,
    looks: HashMap<ObjectRef, Look>,
    /// Stores that were looked at: why one could not be reached, unless it could be at some time.
    reached: HashMap<Name, Result<(), String>>,
    blocks: Blocks,
    relist: Relist,
    /// Why no lease can be had.
    no_lease: Option<String>,
    /// By catalog: the generation and the account at which its rollout stands still, as it was told.
    stops: HashMap<Name, (i64, AccountKey)>,
    gauges: Instant,
    pass_ids: PassIds,
}

/// When a cluster-scoped object is to be looked at.
#[derive(Default)]
struct Look {
    due: Option<Instant>,
    running: bool,
}

/// Returns a seed that no tenant can guess.
fn random_seed() -> Seed {
    let random = RandomState::new();
    Seed([random.hash_one(0_u8), random.hash_one(1_u8)])
}

impl Dispatcher {
    pub(super) fn new(setting: Setting, stores: Stores, shares: Shares) -> Self {
        Self {
            writer: StatusWriter::new(setting.client.clone()),
            setting,
            shares,
            index: Index::new(random_seed()),
            stores,
            queue: Queue::default(),
            lists: KindName::ALL.into_iter().map(|kind| (kind, ListState::Pending)).collect(),
            refusals: Refusals::default(),
            runtime: HashMap::new(),
            wakes: BTreeSet::new(),
            tasks: JoinSet::new(),
            owners: HashMap::new(),
            busy: HashMap::new(),
            looks: HashMap::new(),
            reached: HashMap::new(),
            blocks: Blocks::default(),
            relist: Relist::default(),
            no_lease: None,
            stops: HashMap::new(),
            gauges: Instant::now(),
            pass_ids: PassIds::default(),
        }
    }

    /// Runs until `stop`, or until a lease is lost. What is still held after `stop` is returned, if nothing of it is under
    /// way any more.
    pub(super) async fn run(
        mut self,
        mut announced: mpsc::UnboundedReceiver<Announced>,
        share: &mut Share,
        stop: CancellationToken,
    ) -> Result<Vec<Leadership>, Error> {
        let mut intake = Vec::with_capacity(INTAKE);
        self.setting.health.set_ready(self.readiness());
        let (mut seen, mut _watches) = watch::open(&self.setting.client, &self.setting.namespace);
        loop {
            self.setting.health.beat();
            self.hand_over();
            if self.is_complete() {
                share.serve();
            }
            if self.begins_relist() {
                (seen, _watches) = watch::open(&self.setting.client, &self.setting.namespace);
            }
            self.wake();
            self.start_tasks();
            let index = &self.index;
            self.writer.pump(|reference| index.meta(reference), Timestamp::now());
            self.gauges();
            let sleep = self.sleep();
            tokio::select! {
                biased;
                () = share.ended.cancelled() => return Err(Error::LeaseLost),
                () = stop.cancelled() => break,
                Some(event) = share.events.recv() => self.shared(event),
                written = self.writer.landed() => self.landed(written),
                Some(done) = self.tasks.join_next_with_id() => self.joined(done),
                count = seen.recv_many(&mut intake, INTAKE) => {
                    if count == 0 {
                        return Err(Error::WatchesEnded);
                    }
                    intake.drain(..).for_each(|seen| self.take_in(seen));
                }
                Some(announced) = announced.recv() => self.announced(announced),
                () = tokio::time::sleep(sleep) => {}
            }
        }
        share.rest().await;
        self.wind_down(&share.ended).await
    }

    /// Passes that run may end, and what they have to say is said; nothing new begins.
    async fn wind_down(mut self, lost: &CancellationToken) -> Result<Vec<Leadership>, Error> {
        let deadline = Instant::now() + GRACE;
        loop {
            let index = &self.index;
            self.writer.pump(|reference| index.meta(reference), Timestamp::now());
            if self.tasks.is_empty() && self.writer.is_idle() {
                return Ok(self.shares.all());
            }
            if Instant::now() >= deadline {
                // What is still under way may write after this: nothing is given back, and others wait as for one that died.
                return Ok(Vec::new());
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
        if self.writer.has_more() {
            return Duration::ZERO;
        }
        let looks = self.looks.values().filter(|look| !look.running).filter_map(|look| look.due);
        let due = [self.queue.next_due(), self.writer.next_due()].into_iter().flatten().chain(looks).min();
        due.map_or(TICK, |due| due.saturating_duration_since(Instant::now()).min(TICK))
    }

    fn take_in(&mut self, seen: WatchEvent) {
        match seen {
            WatchEvent::Listing(kind) => self.index.begin_list(kind),
            WatchEvent::Absent(kind) => {
                // With its definition everything of a kind goes.
                self.index.begin_list(kind);
                self.list_ended(kind, ListState::Absent);
            }
            WatchEvent::Refused(kind, why) => self.accessed(kind, Access::Read, Some(why)),
            WatchEvent::Listed(kind) => {
                self.accessed(kind, Access::Read, None);
                self.list_ended(kind, ListState::Listed);
            }
            WatchEvent::Object(object) => {
                let (_, _, generation) = object.identity();
                let store = self.changed_store(&object);
                let origin = self.origin(&object);
                let writer = &self.writer;
                let impacts = self.index.apply(object, |reference| writer.being_sent(reference));
                if let Some(store) = store {
                    self.believe(&store);
                    self.await_passes(&store, generation, &impacts);
                }
                self.touch(impacts, Some(&origin));
            }
            WatchEvent::Gone(reference) => {
                let generation = self.index.meta(&reference).map_or(0, |meta| meta.generation);
                let origin = Origin { kind: reference.kind.as_str(), name: reference.name.clone(), generation };
                let impacts = self.index.remove(&reference);
                self.touch(impacts, Some(&origin));
            }
        }
    }

    /// What an object brings about. What the record of a catalog does is the catalog's doing.
    fn origin(&self, object: &Object) -> Origin {
        if let Object::CatalogRecord(record) = object
            && let Some(catalog) = &record.facts.catalog
        {
            let generation = self.index.catalogs.get(catalog).map_or(0, |catalog| catalog.meta.generation);
            return Origin { kind: KindName::PermissionCatalog.as_str(), name: catalog.clone(), generation };
        }
        let (kind, name, generation) = object.identity();
        Origin { kind: kind.as_str(), name, generation }
    }

    fn list_ended(&mut self, kind: KindName, state: ListState) {
        let gone = self.index.end_list(kind);
        self.touch(gone, None);
        self.relisted(kind);
        if self.lists.insert(kind, state) != Some(state) {
            self.queue.more_known();
            self.setting.health.set_ready(self.readiness());
        }
    }

    fn touch(&mut self, impacts: Vec<Impact>, trigger: Option<&Origin>) {
        for impact in impacts {
            match impact {
                Impact::Account(key) => self.queue.want(&key, Want::Account, Urgency::Change, trigger),
                Impact::Member(key, email) => self.queue.want(&key, Want::Member(email), Urgency::Change, trigger),
                Impact::AccountStatus(key) => self.recount(&key, true),
                Impact::Catalog(name) => self.look(KindName::PermissionCatalog, name, Duration::ZERO),
                Impact::Store(name) => self.look(KindName::IdentityStore, name, Duration::ZERO),
                Impact::Status(reference) => self.restate(&reference),
            }
        }
    }

    /// Somebody else changed a store. Not ahead of changes to objects: whoever can write the store must not be able to
    /// hold them back.
    fn announced(&mut self, announced: Announced) {
        match announced.account {
            Some(key) if self.store_of(&key).as_ref() == Some(&announced.store) => {
                self.queue.want(&key, Want::Account, Urgency::Check, None);
            }
            Some(_) => {}
            None => {
                let kept = |key: &&AccountKey| self.store_of(key).as_ref() == Some(&announced.store);
                let keys: Vec<AccountKey> = self.index.accounts.keys().filter(kept).cloned().collect();
                for key in &keys {
                    self.queue.want(key, Want::Account, Urgency::Check, None);
                }
            }
        }
    }

    /// Somebody else wrote a status of ours: it is worked out, and so written, again.
    fn restate(&mut self, reference: &ObjectRef) {
        self.account_said(reference);
        if self.shard_of_object(reference).is_none_or(|shard| !self.shares.has(shard)) {
            return;
        }
        self.writer.was_touched(reference);
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

    /// Whether it is known which accounts there are; none where their definition is gone.
    fn knows_accounts(&self) -> bool {
        self.lists.get(&KindName::Account).is_some_and(|state| *state != ListState::Pending)
    }

    fn store_of(&self, key: &AccountKey) -> Option<Name> {
        let object = self.index.accounts.get(key)?.object.as_ref()?;
        Some(Name::new(&object.facts.spec.store_ref.name))
    }
}
